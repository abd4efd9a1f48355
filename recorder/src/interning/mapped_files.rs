//! What a program maps by a descriptor: files, and memory that appears as files.

use std::fs::{self, File};
use std::io;
use std::os::fd::FromRawFd;
use std::os::unix::fs::MetadataExt;

use memprof_capture::file::{MappedPart, SharedPart};
use memprof_channel::allocator::Allocator;
use memprof_channel::ids::PartId;
use memprof_channel::record::{Mapped, MappedFile};
use rustc_hash::FxHashMap;

use crate::process_maps::line_at;

/// File systems whose files are nowhere but in memory.
const IN_MEMORY: [&str; 4] = ["tmpfs", "devtmpfs", "ramfs", "hugetlbfs"];

/// At most this many parts get names: to find one, the whole memory map of its process is read.
const MOST_NAMES: usize = 1000;

/// A part whose mapping was gone when its name was asked for is asked for at later mappings, at most this many times:
/// a program may map and unmap it in a loop.
const MOST_ASKED: u8 = 4;

/// What is known of file systems, and of what was mapped.
#[derive(Default)]
pub struct MappedFiles {
    /// By device, whether its files are in memory only.
    devices: FxHashMap<u64, bool>,
    ids: FxHashMap<(u64, u64, u64), PartId>,
    parts: Vec<MappedPart>,
    /// By part: how often its name was asked for.
    asked: Vec<u8>,
    written: usize,
}

impl MappedFiles {
    /// With what allocator a process is said to have mapped something at an address, and what others may see of it,
    /// too.
    pub fn shown(&mut self, mapped: Mapped, pid: u32, address: u64) -> Option<(Allocator, Option<SharedPart>)> {
        match mapped {
            Mapped::Memory => None,
            Mapped::File(file) if file.is_shared => {
                let is_memory = self.is_in_memory(file.device, pid);
                let allocator = if is_memory { Allocator::MmapShared } else { Allocator::MmapFile };
                Some((allocator, Some(self.part(file, || name_of(pid, address, file.inode).unwrap_or_default()))))
            }
            // What is written to a private mapping is nobody else's; until then, it shows the file.
            Mapped::Something | Mapped::File(_) => Some((Allocator::MmapFile, None)),
        }
    }

    /// The part that begins `bytes` bytes after the beginning of another one.
    pub fn at_offset(&mut self, part: SharedPart, bytes: u64) -> SharedPart {
        let Some(MappedPart { device, inode, offset, name }) = self.parts.get(part.id().index()).cloned() else {
            return part;
        };
        self.part(MappedFile { device, inode, offset: offset.saturating_add(bytes), is_shared: true }, || name)
    }

    /// The number of a part. While its row is not written, whoever maps it may still say its name: a process that was
    /// seen first may have ended before it could be asked.
    fn part(&mut self, file: MappedFile, name: impl FnOnce() -> String) -> SharedPart {
        let MappedFile { device, inode, offset, .. } = file;
        let Self { ids, parts, asked, .. } = self;
        let id = *ids.entry((device, inode, offset)).or_insert_with(|| {
            parts.push(MappedPart { device, inode, offset, name: String::new() });
            asked.push(0);
            PartId::from_index(parts.len() - 1)
        });
        let index = id.index();
        let may_ask = (self.written..MOST_NAMES).contains(&index) && asked[index] < MOST_ASKED;
        if may_ask && parts[index].name.is_empty() {
            asked[index] += 1;
            parts[index].name = name();
        }
        id.into()
    }

    /// The rows that have come since the last call.
    pub fn take_rows(&mut self) -> Vec<MappedPart> {
        let rows = self.parts[self.written..].to_vec();
        self.written = self.parts.len();
        rows
    }

    fn is_in_memory(&mut self, device: u64, pid: u32) -> bool {
        if let Some(&known) = self.devices.get(&device) {
            return known;
        }
        // The file systems that memfds are in are mounted nowhere.
        let of_memfds = [0, libc::MFD_HUGETLB].into_iter().filter_map(|flags| device_of_memfds(flags).ok());
        self.devices.extend(of_memfds.map(|device| (device, true)));
        // The process may have mounted what others do not see.
        for mounts in [format!("/proc/{pid}/mountinfo"), "/proc/self/mountinfo".to_owned()] {
            if self.devices.contains_key(&device) {
                break;
            }
            let mounts = fs::read_to_string(mounts).unwrap_or_default();
            self.devices.extend(mounts.lines().filter_map(file_system));
        }
        // Some file systems have devices that are not those of their mounts (btrfs's subvolumes): none that is in
        // memory.
        *self.devices.entry(device).or_insert(false)
    }
}

/// A line of `/proc/PID/mountinfo` (proc(5)): its device, and whether it is a file system in memory.
fn file_system(line: &str) -> Option<(u64, bool)> {
    let (mount, kind) = line.split_once(" - ")?;
    let (major, minor) = mount.split(' ').nth(2)?.split_once(':')?;
    let device = libc::makedev(major.parse().ok()?, minor.parse().ok()?);
    Some((device, IN_MEMORY.contains(&kind.split(' ').next()?)))
}

/// The device of the files that `memfd_create` makes.
fn device_of_memfds(flags: libc::c_uint) -> io::Result<u64> {
    // SAFETY: the name is a text that ends with NUL.
    let fd = unsafe { libc::memfd_create(c"".as_ptr(), libc::MFD_CLOEXEC | flags) };
    if fd < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the descriptor has just been made, and is nobody else's.
    Ok(unsafe { File::from_raw_fd(fd) }.metadata()?.dev())
}

/// What the kernel calls the file that a process has mapped at an address, if that is still there.
fn name_of(pid: u32, address: u64, inode: u64) -> Option<String> {
    name_in(&line_at(pid, address)?, inode)
}

/// The path of a mapping of the file with this number (proc(5)).
fn name_in(line: &str, inode: u64) -> Option<String> {
    let (number, path) = line.splitn(5, ' ').nth(4)?.split_once(' ')?;
    let path = path.trim_start();
    let path = path.strip_suffix(" (deleted)").unwrap_or(path);
    (number.parse() == Ok(inode) && !path.is_empty())
        .then(|| path.strip_prefix("/memfd:").map_or_else(|| path.to_owned(), |name| format!("memfd:{name}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_the_kernel() {
        let line = "7f52c8000000-7f52c8100000 rw-s 00001000 00:19 4711                       /dev/shm/a name (deleted)";
        assert_eq!(name_in(line, 4711).as_deref(), Some("/dev/shm/a name"));
        assert_eq!(name_in(line, 4712), None);
        let line = "7f52c8000000-7f52c8100000 rw-s 00000000 00:01 7                          /memfd:frames (deleted)";
        assert_eq!(name_in(line, 7).as_deref(), Some("memfd:frames"));
        assert_eq!(name_in("7f52c8000000-7f52c8100000 rw-p 00000000 00:00 0 ", 0), None);
    }

    #[test]
    fn what_is_in_memory_is_known_by_its_file_system() {
        let shared = "24 22 0:23 / /dev/shm rw,nosuid,nodev shared:4 - tmpfs tmpfs rw,inode64";
        assert_eq!(file_system(shared), Some((libc::makedev(0, 23), true)));
        let disk = "29 1 254:1 / / rw,relatime shared:1 - ext4 /dev/vda1 rw,discard";
        assert_eq!(file_system(disk), Some((libc::makedev(254, 1), false)));
        let mut files = MappedFiles::default();
        assert!(files.is_in_memory(device_of_memfds(0).unwrap(), std::process::id()));
        assert!(!files.is_in_memory(u64::MAX, std::process::id()));
    }

    #[test]
    fn a_part_is_named_by_any_that_maps_it() {
        let file = |inode| MappedFile { device: 1, inode, offset: 0, is_shared: true };
        let mut files = MappedFiles::default();
        let part = files.part(file(7), String::new);
        assert_eq!(files.part(file(7), || "frames".to_owned()), part);
        assert_eq!(files.part(file(7), || unreachable!("its name is known")), part);
        files.part(file(8), String::new);
        assert_eq!(files.take_rows().iter().map(|row| &*row.name).collect::<Vec<_>>(), ["frames", ""]);
        files.part(file(8), || unreachable!("its row is written"));
        assert!(files.take_rows().is_empty());
        let mut asked = 0;
        for _ in 0..100 {
            files.part(file(9), || {
                asked += 1;
                String::new()
            });
        }
        assert_eq!(asked, MOST_ASKED);
    }

    #[test]
    fn one_part_of_a_file_is_one_row() {
        let file = MappedFile { device: u64::MAX, inode: 7, offset: 4096, is_shared: true };
        let mut files = MappedFiles::default();
        let (allocator, part) = files.shown(Mapped::File(file), 0, 0).unwrap();
        assert_eq!(allocator, Allocator::MmapFile);
        let part = part.unwrap();
        assert_eq!(files.shown(Mapped::File(file), 0, 0), Some((allocator, Some(part))));
        assert_eq!(files.take_rows().len(), 1);
        let further = files.at_offset(part, 8192);
        assert_eq!(files.at_offset(part, 0), part);
        assert_eq!(files.take_rows().iter().map(|row| row.offset).collect::<Vec<_>>(), [3 * 4096]);
        assert_ne!(further, part);
        let private = Mapped::File(MappedFile { is_shared: false, ..file });
        assert_eq!(files.shown(private, 0, 0), Some((Allocator::MmapFile, None)));
        assert_eq!(files.shown(Mapped::Memory, 0, 0), None);
    }
}
