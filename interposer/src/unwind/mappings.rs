//! The mappings of this process, as `/proc/self/maps` lists them (proc(5)): which stack an address is in, and which file.

use memprof_channel::kept_errno::KeptErrno;

use super::loaded_objects::{LoadedObject, ObjectName};
use crate::elf::Extent;
use crate::memory::{MappedVec, OutOfMemory};
use crate::platform::memory::OwnMemory;
use crate::platform::quiet_file::QuietFile;

/// One of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mapping<'a> {
    /// Its first byte.
    pub start: usize,
    /// One past its last byte.
    pub end: usize,
    /// Whether it can be read.
    pub is_readable: bool,
    /// Which part of the file it is.
    offset: usize,
    /// Device and inode, in words.
    file: &'a [u8],
    /// The file's path, or a name in brackets; empty where there is none.
    pub path: &'a [u8],
}

/// The text of the list; empty where it is not to be had.
pub struct Mappings(MappedVec<u8>);

impl Mappings {
    /// Reads it.
    pub fn read() -> Result<Self, OutOfMemory> {
        const PIECE: usize = 16 << 10;
        let _errno = KeptErrno::new();
        let mut text = MappedVec::new();
        let mut piece = MappedVec::<u8>::zeroed(PIECE)?;
        if let Some(file) = QuietFile::open(c"/proc/self/maps") {
            while let Some(length @ 1..) = file.read(&mut piece) {
                text.extend_from_slice(&piece[..length])?;
            }
        }
        Ok(Self(text))
    }

    fn all(&self) -> impl Iterator<Item = Mapping<'_>> {
        self.0.split(|&byte| byte == b'\n').filter_map(parse_line)
    }

    /// The mapping that holds an address.
    pub fn of(&self, address: usize) -> Option<Mapping<'_>> {
        self.all().find(|mapping| (mapping.start..mapping.end).contains(&address))
    }

    /// The loaded file that holds an address: the mappings of a file begin with its head.
    pub fn object_of(&self, address: usize) -> Option<LoadedObject> {
        let mut head: Option<Mapping> = None;
        for mapping in self.all() {
            if mapping.offset == 0 || head.is_none_or(|head| head.file != mapping.file) {
                head = Some(mapping);
            }
            if (mapping.start..mapping.end).contains(&address) {
                let head = head.filter(|head| head.is_readable && head.offset == 0)?;
                return read_head(head.start).filter(|object| (object.start..object.end).contains(&address));
            }
        }
        None
    }
}

fn parse_line(line: &[u8]) -> Option<Mapping<'_>> {
    let mut words = line.splitn(6, |&byte| byte == b' ');
    let (range, permissions, offset, device, inode) =
        (words.next()?, words.next()?, words.next()?, words.next()?, words.next()?);
    let dash = range.iter().position(|&byte| byte == b'-')?;
    let from = device.as_ptr().addr() - line.as_ptr().addr();
    Some(Mapping {
        start: hexadecimal(&range[..dash])?,
        end: hexadecimal(&range[dash + 1..])?,
        is_readable: permissions.first() == Some(&b'r'),
        offset: hexadecimal(offset)?,
        file: line.get(from..from + device.len() + 1 + inode.len())?,
        path: words.next().unwrap_or_default().trim_ascii_start(),
    })
}

fn hexadecimal(digits: &[u8]) -> Option<usize> {
    digits.iter().try_fold(0_usize, |number, &digit| {
        let digit = char::from(digit).to_digit(16)?;
        Some(number.checked_mul(16)? | digit as usize)
    })
}

/// The object whose ELF header is at an address. Read through the kernel, since it may be gone by now.
fn read_head(start: usize) -> Option<LoadedObject> {
    let memory = OwnMemory::open();
    let Extent { range, bias, eh_frame_header } = Extent::read(start, |address, bytes| memory.read(address, bytes))?;
    Some(LoadedObject {
        start: range.start,
        end: range.end,
        bias,
        name: ObjectName::OfMapping,
        eh_frame_header: eh_frame_header.unwrap_or(0),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_understood() {
        let text = b"00400000-00401000 r--p 00002000 08:01 77                         /a folder/b\n\
                     7f00-8000 ---p 00000000 00:00 0 \nnonsense\n";
        let mut mappings = Mappings(MappedVec::new());
        mappings.0.extend_from_slice(text).unwrap();
        let all: Vec<_> = mappings.all().collect();
        assert_eq!(all.len(), 2);
        let first = Mapping {
            start: 0x40_0000,
            end: 0x40_1000,
            is_readable: true,
            offset: 0x2000,
            file: b"08:01 77",
            path: b"/a folder/b",
        };
        assert_eq!(all[0], first);
        assert_eq!((all[1].start, all[1].is_readable, all[1].path), (0x7f00, false, &b""[..]));
        assert_eq!(mappings.of(0x40_0fff), Some(first));
        assert_eq!(mappings.of(0x40_1000), None);
    }

    #[test]
    fn this_process_is_understood() {
        let mappings = Mappings::read().unwrap();
        let local = 0_u8;
        let stack = mappings.of(&raw const local as usize).unwrap();
        assert!(stack.is_readable);
        assert!(mappings.object_of(&raw const local as usize).is_none());
        let code = mappings.of(this_process_is_understood as *const () as usize).unwrap();
        assert_eq!(code.path, std::env::current_exe().unwrap().as_os_str().as_encoded_bytes());
    }
}
