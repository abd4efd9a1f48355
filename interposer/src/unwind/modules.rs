//! The modules that were described to the recorder, and frames in terms of them.

use core::ffi::CStr;
use core::sync::atomic::AtomicUsize;
use core::sync::atomic::Ordering::{Relaxed, Release};

use memprof_capture::channel::ChunkWriter;
use memprof_capture::channel::module::ModulePrefix;
use memprof_capture::channel::record::{ChannelFrame, ChannelNativeFrame, LARGEST_MODULE_ADDRESS, MOST_MODULES};
use memprof_capture::kept_errno::KeptErrno;

use super::frame::CodeAddress;
use super::loaded_objects::{self, LoadedObject};
use super::unloading;
use crate::memory::{MappedVec, Plain};
use crate::spin_lock::{Held, SpinLock};
use crate::thread::Stop;

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
    numbers: u32,
    last: usize,
}

static MODULES: SpinLock<ModuleTable> = SpinLock::new(ModuleTable { entries: MappedVec::new(), numbers: 0, last: 0 });

/// What the calling thread was doing here will never go on.
pub fn give_up() {
    MODULES.give_back();
}

/// An address within the Python interpreter; 0 where there is none.
static INTERPRETER: AtomicUsize = AtomicUsize::new(0);

/// Notes that the Python interpreter is in the module that holds this address.
pub fn set_interpreter(address: usize) {
    INTERPRETER.store(address, Release);
}

/// Whether an address is in the module of the Python interpreter.
pub fn is_in_interpreter(address: usize) -> bool {
    let interpreter = INTERPRETER.load(Relaxed);
    interpreter != 0 && loaded_objects::find(address).is_some_and(|it| (it.start..it.end).contains(&interpreter))
}

/// Keeps all others from describing frames, around a fork.
pub fn hold() {
    MODULES.hold();
}

/// See [`hold`].
pub fn release() {
    MODULES.release();
}

/// A forked child describes all modules again.
pub fn forget_all() {
    let mut table = MODULES.lock();
    table.entries.truncate(0);
    table.numbers = 0;
}

/// The right to describe frames, until it is dropped. No other thread can see a module's number before the module has
/// been described.
pub struct Describer {
    held: Held<'static, ModuleTable>,
    generation: u64,
}

impl Describer {
    /// Waits for it.
    pub fn begin() -> Self {
        // Before the lock: with an old C library this takes the loader's own, whose holder may wait for ours.
        let generation = unloading::generation();
        Self { held: MODULES.lock(), generation }
    }

    /// The frame as the recorder knows it, after describing its module if need be. Nothing for a frame of this library.
    pub fn frame(
        &mut self,
        address: CodeAddress,
        evaluates: bool,
        writer: &mut ChunkWriter,
    ) -> Result<Option<u64>, Stop> {
        let lookup = address.lookup();
        let entry = match self.known(lookup) {
            Some(entry) => Some(entry),
            None => self.learn(lookup, writer)?,
        };
        let interrupted = address.is_interrupted();
        let outside = ChannelNativeFrame { module: None, address: address.get() as u64, interrupted, evaluates };
        let frame = match entry {
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

    fn known(&mut self, address: usize) -> Option<Entry> {
        let generation = self.generation;
        let fits = |entry: &Entry| entry.generation == generation && (entry.start..entry.end).contains(&address);
        let table = &mut *self.held;
        if let Some(entry) = table.entries.get(table.last)
            && fits(entry)
        {
            return Some(*entry);
        }
        table.last = table.entries.iter().position(fits)?;
        Some(table.entries[table.last])
    }

    /// Looks up the module of an address with the loader, and describes it to the recorder unless it was before.
    #[cold]
    fn learn(&mut self, address: usize, writer: &mut ChunkWriter) -> Result<Option<Entry>, Stop> {
        let Some(object) = loaded_objects::find(address) else { return Ok(None) };
        let mut path = MappedVec::new();
        push_path(&object, &mut path)?;
        let build_id = object.build_id();
        let build_id = &build_id[..build_id.len().min(usize::from(u8::MAX))];
        let own = (Self::begin as *const () as usize).wrapping_sub(object.start) < object.end - object.start;
        let mut entry = Entry {
            start: object.start,
            end: object.end,
            bias: object.bias,
            generation: self.generation,
            fingerprint: fingerprint(&[&path, build_id]),
            number: 0,
            is_own: u32::from(own),
        };
        let table = &mut *self.held;
        let same = |known: &Entry| {
            (known.start, known.end, known.bias, known.fingerprint)
                == (entry.start, entry.end, entry.bias, entry.fingerprint)
        };
        if let Some(at) = table.entries.iter().position(same) {
            table.entries[at].generation = self.generation;
            return Ok(Some(table.entries[at]));
        }
        if table.numbers >= MOST_MODULES {
            return Ok(None);
        }
        entry.number = table.numbers;
        if !own {
            let interpreter = INTERPRETER.load(Relaxed);
            let prefix = ModulePrefix::new(
                object.bias as u64,
                object.start as u64,
                object.end as u64,
                (object.start..object.end).contains(&interpreter),
                build_id.len() as u8,
            );
            writer.module(entry.number, &[prefix.as_bytes(), build_id, &path])?;
        }
        table.numbers += 1;
        table.entries.push(entry)?;
        Ok(Some(entry))
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
    let name = object.name().to_bytes();
    if name.is_empty() {
        return push_link(c"/proc/self/exe", path);
    }
    if name.starts_with(b"linux-vdso.so") || name.starts_with(b"linux-gate.so") {
        return Ok(path.extend_from_slice(b"[vdso]")?);
    }
    if !name.starts_with(b"/") {
        // As the loader took it: from the folder that was the current one.
        push_link(c"/proc/self/cwd", path)?;
        path.push(b'/')?;
    }
    Ok(path.extend_from_slice(name)?)
}

/// Appends what a symbolic link says.
fn push_link(link: &CStr, path: &mut MappedVec<u8>) -> Result<(), Stop> {
    let _errno = KeptErrno::new();
    let mut room = MappedVec::<u8>::zeroed(LONGEST_PATH)?;
    // SAFETY: the link is a C string; at most as many bytes are written as there are.
    let length = unsafe { libc::readlink(link.as_ptr(), room.as_mut_ptr().cast(), room.len()) };
    Ok(path.extend_from_slice(&room[..usize::try_from(length).unwrap_or(0)])?)
}
