//! The modules that were described to the recorder, and frames in terms of them.

use core::ffi::CStr;
use core::sync::atomic::Ordering::{Acquire, Relaxed, Release};
use core::sync::atomic::{AtomicU32, AtomicUsize};

use memprof_channel::kept_errno::KeptErrno;
use memprof_channel::module::ModulePrefix;
use memprof_channel::record::{ChannelFrame, ChannelNativeFrame, LARGEST_MODULE_ADDRESS, MOST_MODULES};

use super::frame::CodeAddress;
use super::loaded_objects::{self, LoadedObject, ObjectName};
use super::mappings::Mappings;
use super::unloading;
use crate::channel::Channel;
use crate::lock::{AnyLock, Lock, Recording};
use crate::memory::{MappedVec, Plain};
use crate::platform::loaded_modules::{executed_as, is_loaded_by_name};
use crate::stop::Stop;

#[derive(Clone, Copy)]
#[repr(C)]
struct Entry {
    start: usize,
    end: usize,
    bias: usize,
    /// Up to which generation of code it was last seen to be the same module.
    generation: u64,
    /// Of its path and build id.
    fingerprint: u64,
    number: u32,
    is_own: u32,
}

// SAFETY: integers, without padding.
unsafe impl Plain for Entry {}

struct ModuleTable {
    entries: MappedVec<Entry>,
    last: usize,
}

impl ModuleTable {
    const fn new() -> Self {
        Self { entries: MappedVec::new(), last: 0 }
    }

    /// The module of an address, in a generation of code.
    fn of(&mut self, address: usize, generation: u64) -> Option<Entry> {
        let fits = |entry: &Entry| entry.is_at(address, generation);
        if let Some(entry) = self.entries.get(self.last)
            && fits(entry)
        {
            return Some(*entry);
        }
        self.last = self.entries.iter().position(fits)?;
        Some(self.entries[self.last])
    }

    /// The same module, found again in a generation of code: it was described.
    fn renew(&mut self, found: &Entry) -> Option<Entry> {
        let entry = self.entries.iter_mut().find(|known| known.is_same(found))?;
        entry.generation = found.generation;
        Some(*entry)
    }
}

static MODULES: Lock<ModuleTable> = Lock::new(ModuleTable::new(), ModuleTable::new);
/// How many have got a number. A number is never used twice, whatever becomes of the table.
static NUMBERS: AtomicU32 = AtomicU32::new(0);

/// The lock of the table.
pub fn lock() -> &'static dyn AnyLock {
    &MODULES
}

/// A forked child describes all modules again: its own, under numbers from 0 on.
pub fn clear_all(recording: &mut Recording) {
    if let Ok(mut table) = MODULES.lock(recording) {
        *table = ModuleTable::new();
    }
    NUMBERS.store(0, Release);
}

/// Where a module is that many ask for.
struct ModuleRange([AtomicUsize; 2]);

impl ModuleRange {
    const fn unknown() -> Self {
        Self([AtomicUsize::new(0), AtomicUsize::new(0)])
    }

    fn set(&self, (start, end): (usize, usize)) {
        self.0[1].store(end, Relaxed);
        self.0[0].store(start, Release);
    }

    fn is_known(&self) -> bool {
        self.0[0].load(Acquire) != 0
    }

    fn contains(&self, address: usize) -> bool {
        let start = self.0[0].load(Acquire);
        start != 0 && (start..self.0[1].load(Relaxed)).contains(&address)
    }
}

static INTERPRETER: ModuleRange = ModuleRange::unknown();
/// The extension module of the package `greenlet`, once a frame of it was described.
static GREENLET: ModuleRange = ModuleRange::unknown();

/// Notes where the Python interpreter is: its first byte, and one past its last one.
pub fn set_interpreter(range: (usize, usize)) {
    INTERPRETER.set(range);
}

/// Whether there is a Python interpreter.
pub fn has_interpreter() -> bool {
    INTERPRETER.is_known()
}

/// Whether an address is in the module of the Python interpreter.
pub fn is_in_interpreter(address: usize) -> bool {
    INTERPRETER.contains(address)
}

/// Whether an address is in a module that moves parts of the stack away and back.
pub fn is_in_greenlet(address: usize) -> bool {
    GREENLET.contains(address)
}

/// `greenlet/_greenlet.cpython-312-x86_64-linux-gnu.so`; before greenlet 1.0 `greenlet.cpython-...`.
fn is_greenlet(path: &[u8]) -> bool {
    let name = path.rsplit(|&byte| byte == b'/').next().unwrap_or(path);
    name.starts_with(b"_greenlet.") || name.starts_with(b"greenlet.cpython-")
}

impl Entry {
    fn is_at(&self, address: usize, generation: u64) -> bool {
        self.generation == generation && (self.start..self.end).contains(&address)
    }

    fn is_same(&self, other: &Self) -> bool {
        (self.start, self.end, self.bias, self.fingerprint) == (other.start, other.end, other.bias, other.fingerprint)
    }
}

/// Describes frames of one stack.
pub struct Describer {
    generation: u64,
    /// The module of the last frame, which is often that of the next.
    last: Option<Entry>,
}

impl Describer {
    /// For the code of this moment.
    pub fn new() -> Self {
        Self { generation: unloading::generation(), last: None }
    }

    /// The frame as the recorder knows it, after describing its module if need be. Nothing for a frame of this library.
    pub fn frame(
        &mut self,
        address: CodeAddress,
        evaluates: bool,
        channel: &mut Channel,
        recording: &mut Recording,
    ) -> Result<Option<u64>, Stop> {
        let lookup = address.lookup();
        if self.last.is_none_or(|last| !last.is_at(lookup, self.generation)) {
            self.last = match self.known(lookup, recording) {
                Some(entry) => Some(entry),
                None => self.describe(lookup, channel, recording)?,
            };
        }
        let interrupted = address.is_interrupted();
        let outside = ChannelNativeFrame { module: None, address: address.get() as u64, interrupted, evaluates };
        let frame = match self.last {
            Some(entry) if entry.is_own != 0 => return Ok(None),
            Some(entry) => {
                let relative = address.get().wrapping_sub(entry.bias) as u64;
                if relative <= LARGEST_MODULE_ADDRESS {
                    ChannelNativeFrame { module: Some(entry.number), address: relative, interrupted, evaluates }
                } else {
                    outside
                }
            }
            None => outside,
        };
        Ok(Some(ChannelFrame::Native(frame).to_word()))
    }

    fn known(&self, address: usize, recording: &mut Recording) -> Option<Entry> {
        MODULES.lock(recording).ok()?.of(address, self.generation)
    }

    /// Looks up the module of an address with the loader, and describes it to the recorder unless it was before. Two
    /// threads may describe one at the same time, each under a number of its own; one of the numbers is then kept.
    #[cold]
    fn describe(
        &self,
        address: usize,
        channel: &mut Channel,
        recording: &mut Recording,
    ) -> Result<Option<Entry>, Stop> {
        let Some(object) = loaded_objects::find(address, recording) else { return Ok(None) };
        let mut path = MappedVec::new();
        push_path(&object, &mut path)?;
        if is_greenlet(&path) {
            GREENLET.set((object.start, object.end));
        }
        let build_id = object.build_id();
        let build_id = &build_id[..build_id.len().min(usize::from(u8::MAX))];
        let own = (Self::new as *const () as usize).wrapping_sub(object.start) < object.end - object.start;
        let mut entry = Entry {
            start: object.start,
            end: object.end,
            bias: object.bias,
            generation: self.generation,
            fingerprint: fingerprint(&[&path, build_id]),
            number: 0,
            is_own: u32::from(own),
        };
        let Ok(known) = MODULES.lock(recording).map(|mut table| table.renew(&entry)) else { return Ok(None) };
        if known.is_some() {
            return Ok(known);
        }
        entry.number = NUMBERS.fetch_add(1, Relaxed);
        if entry.number >= MOST_MODULES {
            NUMBERS.store(MOST_MODULES, Relaxed);
            return Ok(None);
        }
        if !own {
            let prefix = ModulePrefix::new(
                object.bias as u64,
                object.start as u64,
                object.end as u64,
                is_in_interpreter(object.start),
                build_id.len() as u8,
            );
            channel.writer(recording).module(entry.number, &[prefix.as_bytes(), build_id, &path])?;
        }
        // Described: from now on others may use the number.
        let Ok(mut table) = MODULES.lock(recording) else { return Ok(Some(entry)) };
        match table.renew(&entry) {
            Some(known) => Ok(Some(known)),
            None => {
                table.entries.push(entry)?;
                Ok(Some(entry))
            }
        }
    }
}

/// Any good hash will do: FNV-1a.
fn fingerprint(parts: &[&[u8]]) -> u64 {
    parts
        .iter()
        .flat_map(|part| part.iter().chain(&[0]))
        .fold(0xcbf2_9ce4_8422_2325, |hash, &byte| (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3))
}

const LONGEST_PATH: usize = 4096;

/// Appends the absolute path of an object.
fn push_path(object: &LoadedObject, path: &mut MappedVec<u8>) -> Result<(), Stop> {
    let name = match object.name {
        ObjectName::OfMapping => return push_mapped_path(object.start, path),
        ObjectName::OfLoader(name) if name.is_null() => c"",
        // SAFETY: the loader's names are C strings, which live as long as the object: see `find_quickly`.
        ObjectName::OfLoader(name) => unsafe { CStr::from_ptr(name) },
    };
    let name = name.to_bytes();
    if name.is_empty() {
        return push_own_path(object.start, path);
    }
    if name.starts_with(b"linux-vdso.so") || name.starts_with(b"linux-gate.so") {
        return Ok(path.extend_from_slice(b"[vdso]")?);
    }
    if !name.starts_with(b"/") {
        push_current_folder(path)?;
    }
    Ok(path.extend_from_slice(name)?)
}

/// Appends the path of the program itself, which begins at `start`.
pub fn push_own_path(start: usize, path: &mut MappedVec<u8>) -> Result<(), Stop> {
    if is_loaded_by_name() {
        return push_mapped_path(start, path);
    }
    let before = path.len();
    push_link(c"/proc/self/exe", path)?;
    if path.len() > before {
        return Ok(());
    }
    // There is no /proc.
    let Some(name) = executed_as().map(CStr::to_bytes) else { return Ok(()) };
    if !name.starts_with(b"/") {
        push_current_folder(path)?;
    }
    Ok(path.extend_from_slice(name)?)
}

/// Appends the current folder, with a slash after it: that in which the loader and the kernel have found a relative
/// path, as long as nobody has changed it.
fn push_current_folder(path: &mut MappedVec<u8>) -> Result<(), Stop> {
    let _errno = KeptErrno::new();
    let mut room = MappedVec::<u8>::zeroed(LONGEST_PATH)?;
    // SAFETY: at most as many bytes are written as there are.
    let length = unsafe { libc::syscall(libc::SYS_getcwd, room.as_mut_ptr(), room.len()) };
    let folder = &room[..usize::try_from(length).unwrap_or(0).min(room.len())];
    path.extend_from_slice(folder.strip_suffix(b"\0").unwrap_or(folder))?;
    Ok(path.push(b'/')?)
}

/// Appends the path of the file that is mapped at an address.
fn push_mapped_path(address: usize, path: &mut MappedVec<u8>) -> Result<(), Stop> {
    let mappings = Mappings::read()?;
    let name = mappings.of(address).map_or(&b""[..], |mapping| mapping.path);
    Ok(path.extend_from_slice(name.strip_suffix(b" (deleted)").unwrap_or(name))?)
}

/// Appends what a symbolic link says.
fn push_link(link: &CStr, path: &mut MappedVec<u8>) -> Result<(), Stop> {
    let _errno = KeptErrno::new();
    let mut room = MappedVec::<u8>::zeroed(LONGEST_PATH)?;
    // SAFETY: the link is a C string; at most as many bytes are written as there are.
    let length = unsafe { libc::readlink(link.as_ptr(), room.as_mut_ptr().cast(), room.len()) };
    Ok(path.extend_from_slice(&room[..usize::try_from(length).unwrap_or(0)])?)
}
