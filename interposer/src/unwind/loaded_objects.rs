//! Which loaded file holds an address, as the dynamic loader knows it at this moment.
//!
//! glibc 2.35 and later answer without a lock (`_dl_find_object`, made for unwinders). Before that, the loader can only
//! be asked under its own lock, whose holder may wait for a thread that is just allocating. So the kernel is asked
//! instead, for the mapping and the file that it begins with; what it says is remembered. The same is done for programs
//! whose segments have gaps between them, since the quick way knows only one of these.

use core::ffi::{c_int, c_void};
use core::mem::{MaybeUninit, transmute};
use core::sync::atomic::AtomicUsize;
use core::sync::atomic::Ordering::Relaxed;

use super::mappings::Mappings;
use super::unloading;
use crate::elf::Image;
use crate::lock::{AnyLock, Lock, Recording};
use crate::memory::{MappedVec, Plain};
use crate::platform::loaded_modules::{LoadedModule, address_of};

/// A loaded file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LoadedObject {
    /// Its first byte.
    pub start: usize,
    /// One past its last byte.
    pub end: usize,
    /// What was added to the addresses that the file has.
    pub bias: usize,
    /// What it is called.
    pub name: ObjectName,
    /// Its `.eh_frame_hdr`; 0 where it has none.
    pub eh_frame_header: usize,
}

/// Where an object's name is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ObjectName {
    /// A C string that the loader owns, empty for the program itself, or null.
    OfLoader(*const core::ffi::c_char),
    /// In the list of mappings.
    OfMapping,
}

/// `struct dl_find_object` (dlfcn.h), with room for what later versions may add.
#[repr(C)]
struct FoundObject {
    flags: u64,
    map_start: usize,
    map_end: usize,
    link_map: *const LinkMap,
    eh_frame: usize,
    reserved: [u64; 12],
}

/// The public beginning of `struct link_map` (link.h).
#[repr(C)]
struct LinkMap {
    bias: usize,
    name: *const core::ffi::c_char,
}

static FIND_OBJECT: AtomicUsize = AtomicUsize::new(0);

/// Looks for the loader's quick way. To be called once, before the first [`find`].
pub fn prepare(modules: &[LoadedModule]) {
    FIND_OBJECT.store(address_of(modules, c"_dl_find_object"), Relaxed);
}

/// The object that holds an address.
pub fn find(address: usize, recording: &mut Recording) -> Option<LoadedObject> {
    match FIND_OBJECT.load(Relaxed) {
        0 => find_among_mappings(address, recording),
        function => {
            let object = find_quickly(function, address)?;
            if object.holds_header() { Some(object) } else { find_among_mappings(address, recording).or(Some(object)) }
        }
    }
}

fn find_quickly(function: usize, address: usize) -> Option<LoadedObject> {
    let mut found = MaybeUninit::<FoundObject>::zeroed();
    // SAFETY: `prepare` stored the address of this function. It fills the structure, which is at least as large as it
    // expects. The link map that it names lives as long as the object: a thread that asks executes its code, or has
    // been led astray by unwinding information that is wrong, and then to an object that nobody is just unloading, but
    // for a coincidence of both.
    unsafe {
        let find: unsafe extern "C" fn(*mut c_void, *mut FoundObject) -> c_int = transmute(function);
        if find(address as *mut c_void, found.as_mut_ptr()) != 0 {
            return None;
        }
        let found = found.assume_init_ref();
        Some(LoadedObject {
            start: found.map_start,
            end: found.map_end,
            bias: (*found.link_map).bias,
            name: ObjectName::OfLoader((*found.link_map).name),
            eh_frame_header: found.eh_frame,
        })
    }
}

/// An object that was found among the mappings.
#[derive(Clone, Copy)]
#[repr(C)]
struct Remembered {
    start: usize,
    end: usize,
    bias: usize,
    eh_frame_header: usize,
    /// The generation of code in which it was there.
    generation: u64,
}

// SAFETY: integers, without padding.
unsafe impl Plain for Remembered {}

static REMEMBERED: Lock<MappedVec<Remembered>> = Lock::new(MappedVec::new(), MappedVec::new);

/// The lock of what was found.
pub fn lock() -> &'static dyn AnyLock {
    &REMEMBERED
}

#[cold]
fn find_among_mappings(address: usize, recording: &mut Recording) -> Option<LoadedObject> {
    let generation = unloading::generation();
    let known = |known: &&Remembered| known.generation == generation && (known.start..known.end).contains(&address);
    if unloading::is_settled()
        && let Ok(remembered) = REMEMBERED.lock(recording)
        && let Some(&Remembered { start, end, bias, eh_frame_header, .. }) = remembered.iter().find(known)
    {
        return Some(LoadedObject { start, end, bias, name: ObjectName::OfMapping, eh_frame_header });
    }
    let found = Mappings::read().ok()?.object_of(address)?;
    let LoadedObject { start, end, bias, eh_frame_header, .. } = found;
    if let Ok(mut remembered) = REMEMBERED.lock(recording) {
        if remembered.first().is_some_and(|first| first.generation != generation) {
            remembered.truncate(0);
        }
        // Without memory for it, it is looked up again.
        let _ = remembered.push(Remembered { start, end, bias, eh_frame_header, generation });
    }
    Some(found)
}

impl LoadedObject {
    /// Whether its unwinding information is within its range, if it has any. Of a program whose segments have gaps
    /// between them, the quick way gives the one segment that holds the address.
    fn holds_header(&self) -> bool {
        self.eh_frame_header == 0 || (self.start..self.end).contains(&self.eh_frame_header)
    }

    /// Whether an address is in the dynamic loader's first instructions, which start the process and have no unwinding
    /// information: from there, constructors of libraries are called before the program's `main`.
    pub fn starts_process_at(&self, address: usize) -> bool {
        const ENTRY_BYTES: usize = 128;
        // SAFETY: it reads the process's own auxiliary vector.
        let loader = unsafe { libc::getauxval(libc::AT_BASE) } as usize;
        if loader == 0 || loader != self.start {
            return false;
        }
        self.image().entry().is_some_and(|entry| address.wrapping_sub(entry) < ENTRY_BYTES)
    }

    /// The build id in the object's notes, from its own program headers in memory; empty where there is none.
    pub fn build_id(&self) -> &[u8] {
        self.image().build_id().unwrap_or_default()
    }

    fn image(&self) -> Image<'_> {
        // SAFETY: the headers and notes of an object are in its first readable segment, and stay there unchanged while
        // the object is loaded; callers copy what they get at once.
        unsafe { Image::new(self.start..self.end, self.bias) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::platform::loaded_modules::{MayAskLoader, all};

    #[test]
    fn both_ways_find_the_same_object() {
        // SAFETY: no test loads or unloads modules.
        prepare(&all(&unsafe { MayAskLoader::new() }).unwrap());
        // SAFETY: no signal handler of the test program allocates.
        let recording = &mut unsafe { Recording::begin() };
        let here = both_ways_find_the_same_object as *const () as usize;
        let in_library = libc::getpid as *const () as usize;
        for address in [here, in_library] {
            let quick = find(address, recording).expect("it is loaded");
            let slow = find_among_mappings(address, recording).expect("it is loaded");
            assert_eq!((quick.bias, quick.eh_frame_header), (slow.bias, slow.eh_frame_header));
            assert!((slow.start..slow.end).contains(&address) && slow.eh_frame_header != 0);
            assert_eq!(find_among_mappings(address, recording), Some(slow), "it is remembered");
        }
        assert!(find(16, recording).is_none() && find_among_mappings(16, recording).is_none());
    }
}
