//! Which loaded file holds an address, as the dynamic loader knows it at this moment.
//!
//! glibc 2.35 and later answer without a lock (`_dl_find_object`, made for unwinders). Before that, all objects are gone
//! through under the loader's lock, which a thread may take again that holds it already.

use core::ffi::{CStr, c_int, c_void};
use core::mem::{MaybeUninit, transmute};
use core::sync::atomic::AtomicUsize;
use core::sync::atomic::Ordering::Relaxed;

use crate::platform::real;

/// A loaded file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LoadedObject {
    /// Its first byte.
    pub start: usize,
    /// Behind its last byte.
    pub end: usize,
    /// What was added to the addresses that the file has.
    pub bias: usize,
    /// Its name: a C string that the loader owns, empty for the program itself.
    pub name: *const core::ffi::c_char,
    /// Its `.eh_frame_hdr`; 0 where it has none.
    pub eh_frame_header: usize,
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
pub fn prepare() {
    let found = real::look_up(libc::RTLD_DEFAULT, c"_dl_find_object");
    FIND_OBJECT.store(found as usize, Relaxed);
}

/// The object that holds an address.
pub fn find(address: usize) -> Option<LoadedObject> {
    match FIND_OBJECT.load(Relaxed) {
        0 => find_among_all(address),
        function => find_quickly(function, address),
    }
}

fn find_quickly(function: usize, address: usize) -> Option<LoadedObject> {
    let mut found = MaybeUninit::<FoundObject>::zeroed();
    // SAFETY: `prepare` stored the address of this function. It fills the structure, which is at least as large as it
    // expects, and the link map that it names lives as long as the object, whose code the calling thread is executing.
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
            name: (*found.link_map).name,
            eh_frame_header: found.eh_frame,
        })
    }
}

struct Search {
    address: usize,
    found: Option<LoadedObject>,
}

fn find_among_all(address: usize) -> Option<LoadedObject> {
    let mut search = Search { address, found: None };
    // SAFETY: the callback gets the search back, and nothing else uses it meanwhile.
    unsafe { libc::dl_iterate_phdr(Some(look_at), (&raw mut search).cast()) };
    search.found
}

unsafe extern "C" fn look_at(info: *mut libc::dl_phdr_info, _size: usize, search: *mut c_void) -> c_int {
    // SAFETY: the loader passes a description that is valid during the call, and our search.
    let (info, search) = unsafe { (&*info, &mut *search.cast::<Search>()) };
    // SAFETY: the description names its program headers and their number.
    let headers = unsafe { core::slice::from_raw_parts(info.dlpi_phdr, usize::from(info.dlpi_phnum)) };
    let bias = info.dlpi_addr as usize;
    let (mut start, mut end, mut eh_frame_header) = (usize::MAX, 0, 0);
    for header in headers {
        let at = bias.wrapping_add(header.p_vaddr as usize);
        match header.p_type {
            libc::PT_LOAD => {
                start = start.min(at);
                end = end.max(at + header.p_memsz as usize);
            }
            libc::PT_GNU_EH_FRAME => eh_frame_header = at,
            _ => {}
        }
    }
    if !(start..end).contains(&search.address) {
        return 0;
    }
    search.found = Some(LoadedObject { start, end, bias, name: info.dlpi_name, eh_frame_header });
    1
}

/// How often objects have been unloaded so far.
pub fn unloads() -> u64 {
    unsafe extern "C" fn first(info: *mut libc::dl_phdr_info, size: usize, unloads: *mut c_void) -> c_int {
        if size >= core::mem::offset_of!(libc::dl_phdr_info, dlpi_subs) + 8 {
            // SAFETY: the loader passes a description of at least this size, and our counter.
            unsafe { *unloads.cast::<u64>() = (*info).dlpi_subs };
        }
        1
    }
    let mut unloads = 0_u64;
    // SAFETY: the callback only writes the counter.
    unsafe { libc::dl_iterate_phdr(Some(first), (&raw mut unloads).cast()) };
    unloads
}

impl LoadedObject {
    /// The object's name.
    pub fn name(&self) -> &'static CStr {
        if self.name.is_null() {
            return c"";
        }
        // SAFETY: the loader's names are C strings, which live as long as the object; callers copy them at once.
        unsafe { CStr::from_ptr(self.name) }
    }

    /// Whether an address is in the dynamic loader's first instructions, which start the process and have no unwinding
    /// information: from there, constructors of libraries are called before the program's `main`.
    pub fn starts_process_at(&self, address: usize) -> bool {
        const ENTRY_BYTES: usize = 128;
        const ENTRY_FIELD: usize = 24;
        // SAFETY: it reads the process's own auxiliary vector.
        let loader = unsafe { libc::getauxval(libc::AT_BASE) } as usize;
        if loader == 0 || loader != self.start {
            return false;
        }
        let entry = self.bytes(self.start + ENTRY_FIELD, 8).and_then(|field| long(field, 0));
        entry.is_some_and(|entry| address.wrapping_sub(self.bias.wrapping_add(entry)) < ENTRY_BYTES)
    }

    /// The build id in the object's notes, from its own program headers in memory; empty where there is none.
    pub fn build_id(&self) -> &'static [u8] {
        self.find_build_id().unwrap_or(&[])
    }

    fn find_build_id(&self) -> Option<&'static [u8]> {
        const ELF_MAGIC: [u8; 4] = *b"\x7fELF";
        const HEADER_BYTES: usize = 64;
        const PROGRAM_HEADER_BYTES: usize = 56;
        const PT_NOTE: u32 = 4;
        let head = self.bytes(self.start, HEADER_BYTES)?;
        if head[..4] != ELF_MAGIC || half(head, 54)? as usize != PROGRAM_HEADER_BYTES {
            return None;
        }
        let (table, count) = (long(head, 32)?, half(head, 56)?);
        for index in 0..usize::from(count) {
            let header = self.bytes(self.start + table + index * PROGRAM_HEADER_BYTES, PROGRAM_HEADER_BYTES)?;
            if word(header, 0)? != PT_NOTE {
                continue;
            }
            let notes = self.bytes(self.bias.wrapping_add(long(header, 16)?), long(header, 40)?)?;
            if let Some(id) = build_id_among(notes) {
                return Some(id);
            }
        }
        None
    }

    /// Bytes of the object, if they lie within it.
    fn bytes(&self, start: usize, length: usize) -> Option<&'static [u8]> {
        let end = start.checked_add(length)?;
        if start < self.start || end > self.end {
            return None;
        }
        // SAFETY: the headers and notes of an object are in its first readable segment, and stay there unchanged while
        // the object is loaded; callers copy what they get at once.
        Some(unsafe { core::slice::from_raw_parts(start as *const u8, length) })
    }
}

/// The build id in the notes of an ELF file (elf(5)).
fn build_id_among(mut notes: &[u8]) -> Option<&[u8]> {
    const NT_GNU_BUILD_ID: u32 = 3;
    loop {
        let (name_bytes, bytes, kind) = (word(notes, 0)? as usize, word(notes, 4)? as usize, word(notes, 8)?);
        let (name, rest) = notes.get(12..)?.split_at_checked(name_bytes.next_multiple_of(4))?;
        let (content, rest) = rest.split_at_checked(bytes.next_multiple_of(4))?;
        if kind == NT_GNU_BUILD_ID && name == b"GNU\0" {
            return content.get(..bytes);
        }
        notes = rest;
    }
}

fn half(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_le_bytes(bytes.get(at..at + 2)?.try_into().ok()?))
}

fn word(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
}

fn long(bytes: &[u8], at: usize) -> Option<usize> {
    usize::try_from(u64::from_le_bytes(bytes.get(at..at + 8)?.try_into().ok()?)).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_ways_find_the_same_object() {
        prepare();
        let here = both_ways_find_the_same_object as *const () as usize;
        let quick = find(here).expect("the test program is loaded");
        let slow = find_among_all(here).expect("the test program is loaded");
        assert_eq!((quick.bias, quick.eh_frame_header), (slow.bias, slow.eh_frame_header));
        assert!((quick.start..quick.end).contains(&here) && quick.eh_frame_header != 0);
        assert!(find(16).is_none() && find_among_all(16).is_none());
    }

    #[test]
    fn build_ids_are_read_from_notes() {
        let mut notes = Vec::new();
        for (name, kind, content) in [(b"GNU\0", 1_u32, &b"abcd"[..]), (b"GNU\0", 3, b"\x01\x02\x03\x04\x05")] {
            notes.extend(4_u32.to_le_bytes());
            notes.extend((content.len() as u32).to_le_bytes());
            notes.extend(kind.to_le_bytes());
            notes.extend(name);
            notes.extend(content);
            notes.resize(notes.len().next_multiple_of(4), 0);
        }
        assert_eq!(build_id_among(&notes), Some(&b"\x01\x02\x03\x04\x05"[..]));
        assert_eq!(build_id_among(&notes[..20]), None);
        assert_eq!(build_id_among(&[0xff; 40]), None);
    }
}
