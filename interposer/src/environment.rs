//! The two entries of the environment that lead a program to this library and to the pool.
//!
//! A program that is recorded does not see them, and the programs that it starts never get in touch with memprof: the
//! entries are taken out before the program's own code runs, and kept for what it executes in its own place. Where
//! processes are followed, the entries stay, since libc starts programs by itself, too (`system`, `popen`).
//!
//! What a program gets that is about to be executed is decided here, when [`hooks::programs`](crate::hooks::programs)
//! asks.

use core::cell::UnsafeCell;
use core::ffi::{CStr, c_char};
use core::mem::MaybeUninit;
use core::ptr;
use core::sync::atomic::AtomicBool;
use core::sync::atomic::Ordering::{Acquire, Release};

use crate::memory::{MappedVec, OutOfMemory};

/// Names the pool: a path to open.
pub const CHANNEL: &CStr = c"MEMPROF_CHANNEL";
/// Names the libraries to preload: a list, divided by colons and blanks.
const PRELOAD: &CStr = c"LD_PRELOAD";

/// Which programs are to get the entries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Heirs {
    /// None.
    Nobody,
    /// Those that this process executes in its own place.
    Itself(u32),
    /// All.
    All,
}

/// What leads a program to us.
pub struct Entries {
    heirs: Heirs,
    /// `LD_PRELOAD=`, this library's path, and a NUL.
    preload: MappedVec<u8>,
    /// `MEMPROF_CHANNEL=`, the pool's path, and a NUL.
    channel: MappedVec<u8>,
    /// The path of the loader that has loaded this library.
    loader: MappedVec<u8>,
}

// SAFETY: it is not changed once it is made.
unsafe impl Sync for Entries {}

impl Entries {
    /// Those of this library, which this loader has loaded, and this pool.
    pub fn new(library: &CStr, channel: &CStr, loader: &[u8], heirs: Heirs) -> Result<Self, OutOfMemory> {
        let mut path = MappedVec::new();
        path.extend_from_slice(loader)?;
        Ok(Self { heirs, preload: entry(PRELOAD, library)?, channel: entry(CHANNEL, channel)?, loader: path })
    }

    /// Which programs are to get them.
    pub fn heirs(&self) -> Heirs {
        self.heirs
    }

    /// The path of this library.
    pub fn library(&self) -> &CStr {
        value_of(&self.preload, PRELOAD)
    }

    /// The path of the pool.
    pub fn channel(&self) -> &CStr {
        value_of(&self.channel, CHANNEL)
    }

    /// The path of the loader that has loaded this library, as this program's file names it.
    pub fn loader(&self) -> &[u8] {
        &self.loader
    }

    /// Takes the entries out of a list of C strings, which a null pointer ends. What other libraries are preloaded
    /// stays. The entries after them move up, and null pointers fill the rest: a program may look for what follows its
    /// environment by the first of them.
    ///
    /// # Safety
    /// The list and its strings may be written to, and nobody else writes to them meanwhile.
    pub unsafe fn take_out(&self, list: *mut *mut c_char) {
        // SAFETY: the caller's contract. What is left of an entry is no longer than it was.
        unsafe {
            let (mut from, mut to) = (list, list);
            while !(*from).is_null() {
                let text = *from;
                let rest = match value(text, PRELOAD) {
                    Some(libraries) => self.without_library(text, libraries),
                    None if value(text, CHANNEL).is_some() => Rest::Nothing,
                    None => Rest::AsItIs,
                };
                if rest != Rest::Nothing {
                    *to = text;
                    to = to.add(1);
                }
                from = from.add(1);
            }
            while to < from {
                *to = ptr::null_mut();
                to = to.add(1);
            }
        }
    }

    /// Takes this library out of the list that begins at `libraries` in an entry.
    ///
    /// # Safety
    /// The entry may be written to, and nobody else uses it.
    unsafe fn without_library(&self, entry: *mut c_char, libraries: *const c_char) -> Rest {
        let own = self.library().to_bytes();
        // SAFETY: the caller's contract. What is written is before what is yet to be read, or where it was.
        unsafe {
            let mut to = entry.byte_add(libraries.addr() - entry.addr()).cast::<u8>();
            let start = to;
            let mut at = libraries.cast::<u8>();
            let (mut had_own, mut divider) = (false, 0);
            while *at != 0 {
                let mut end = at;
                while !is_divider(*end) && *end != 0 {
                    end = end.add(1);
                }
                let length = end.offset_from_unsigned(at);
                if core::slice::from_raw_parts(at, length) == own {
                    had_own = true;
                } else if length > 0 {
                    if to > start {
                        *to = divider;
                        to = to.add(1);
                    }
                    ptr::copy(at, to, length);
                    to = to.add(length);
                }
                if *end == 0 {
                    break;
                }
                divider = *end;
                at = end.add(1);
            }
            if !had_own {
                return Rest::AsItIs;
            }
            *to = 0;
            if to == start { Rest::Nothing } else { Rest::AsItIs }
        }
    }

    /// The list with the entries in it, and with other libraries that it preloads after this one.
    ///
    /// # Safety
    /// The list and its strings are not changed meanwhile, and the room is not used for anything else as long as the
    /// new list is.
    pub unsafe fn put_into(
        &self,
        list: *const *const c_char,
        room: &mut Room,
    ) -> Result<*const *const c_char, OutOfMemory> {
        // SAFETY: the caller's contract.
        unsafe {
            let entries = strings(list);
            let is_ours = |entry| value(entry, PRELOAD).is_some() || value(entry, CHANNEL).is_some();
            let mut preload = self.preload.as_ptr().cast();
            if let Some(others) = entries.iter().find_map(|&entry| value(entry, PRELOAD)) {
                let text = &mut room.text;
                text.truncate(0);
                text.extend_from_slice(&self.preload[..self.preload.len() - 1])?;
                for library in CStr::from_ptr(others).to_bytes().split(|&byte| is_divider(byte)) {
                    if !library.is_empty() && library != self.library().to_bytes() {
                        text.push(b':')?;
                        text.extend_from_slice(library)?;
                    }
                }
                text.push(0)?;
                preload = text.as_ptr().cast();
            }
            let ours = [preload, self.channel.as_ptr().cast()];
            let others = entries.iter().copied().filter(|&entry| !is_ours(entry));
            room.list.make(entries.len() + ours.len() + 1, ours.into_iter().chain(others))
        }
    }

    /// The list without them.
    ///
    /// # Safety
    /// As for [`Self::put_into`].
    pub unsafe fn leave_out(
        &self,
        list: *const *const c_char,
        room: &mut Room,
    ) -> Result<*const *const c_char, OutOfMemory> {
        // SAFETY: the caller's contract; the entry that is changed is a copy.
        unsafe {
            let entries = strings(list);
            let mut preload = None;
            if let Some(&entry) = entries.iter().find(|&&entry| value(entry, PRELOAD).is_some()) {
                room.text.truncate(0);
                room.text.extend_from_slice(CStr::from_ptr(entry).to_bytes_with_nul())?;
                let copy = room.text.as_mut_ptr().cast::<c_char>();
                if let Some(libraries) = value(copy, PRELOAD)
                    && self.without_library(copy, libraries) == Rest::AsItIs
                {
                    preload = Some(copy.cast_const());
                }
            }
            let others = entries.iter().filter_map(|&entry| match value(entry, PRELOAD) {
                Some(_) => preload.take(),
                None => Some(entry).filter(|&entry| value(entry, CHANNEL).is_none()),
            });
            room.list.make(entries.len() + 1, others)
        }
    }

    /// Whether a list has both entries.
    ///
    /// # Safety
    /// The list and its strings are not changed meanwhile.
    pub unsafe fn are_in(&self, list: *const *const c_char) -> bool {
        // SAFETY: the caller's contract.
        unsafe {
            let entries = strings(list);
            let has_library = entries.iter().find_map(|&entry| value(entry, PRELOAD)).is_some_and(|libraries| {
                let mut libraries = CStr::from_ptr(libraries).to_bytes().split(|&byte| is_divider(byte));
                libraries.any(|library| library == self.library().to_bytes())
            });
            has_library && entries.iter().any(|&entry| value(entry, CHANNEL).is_some())
        }
    }
}

/// What is left of an entry.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Rest {
    AsItIs,
    Nothing,
}

/// How many entries a list may have that needs no memory of its own. (A child that shares its parent's memory, and
/// executes a program, cannot release any.)
const FEW: usize = 256;

/// Where a list of C strings is made.
pub struct List {
    few: [*const c_char; FEW],
    many: MappedVec<usize>,
}

impl List {
    /// None is made yet.
    pub const fn new() -> Self {
        Self { few: [ptr::null(); FEW], many: MappedVec::new() }
    }

    /// A list of less than `most` strings, and the null pointer that ends it.
    pub fn make(
        &mut self,
        most: usize,
        entries: impl Iterator<Item = *const c_char>,
    ) -> Result<*const *const c_char, OutOfMemory> {
        if most <= FEW {
            for (place, entry) in self.few.iter_mut().zip(entries.chain([ptr::null()])) {
                *place = entry;
            }
            return Ok(self.few.as_ptr());
        }
        self.many = MappedVec::with_room(most)?;
        for entry in entries.chain([ptr::null()]) {
            self.many.push(entry.expose_provenance())?;
        }
        Ok(self.many.as_ptr().cast())
    }
}

/// Where a new environment is made.
pub struct Room {
    list: List,
    text: MappedVec<u8>,
}

impl Room {
    /// None is made yet.
    pub const fn new() -> Self {
        Self { list: List::new(), text: MappedVec::new() }
    }
}

fn is_divider(byte: u8) -> bool {
    byte == b':' || byte == b' '
}

fn entry(name: &CStr, value: &CStr) -> Result<MappedVec<u8>, OutOfMemory> {
    let mut entry = MappedVec::new();
    entry.extend_from_slice(name.to_bytes())?;
    entry.push(b'=')?;
    entry.extend_from_slice(value.to_bytes_with_nul())?;
    Ok(entry)
}

fn value_of<'a>(entry: &'a [u8], name: &CStr) -> &'a CStr {
    let value = entry.get(name.count_bytes() + 1..).unwrap_or_default();
    CStr::from_bytes_with_nul(value).unwrap_or_default()
}

/// Where the value of a variable is, if this entry is its.
///
/// # Safety
/// The entry is a C string.
unsafe fn value(entry: *const c_char, name: &CStr) -> Option<*const c_char> {
    // SAFETY: as far as the bytes are the name's, none is the string's last.
    unsafe {
        for (index, &byte) in name.to_bytes().iter().enumerate() {
            if *entry.add(index).cast::<u8>() != byte {
                return None;
            }
        }
        let divider = entry.add(name.count_bytes());
        (*divider.cast::<u8>() == b'=').then(|| divider.add(1))
    }
}

/// The strings of a list.
///
/// # Safety
/// A null pointer ends the list, if it is one, and it is not changed as long as what is returned is used.
unsafe fn strings<'a>(list: *const *const c_char) -> &'a [*const c_char] {
    if list.is_null() {
        return &[];
    }
    let mut length = 0;
    // SAFETY: the caller's contract.
    unsafe {
        while !(*list.add(length)).is_null() {
            length += 1;
        }
        core::slice::from_raw_parts(list, length)
    }
}

struct Kept(UnsafeCell<MaybeUninit<Entries>>);

// SAFETY: written once, before the process has a second thread, and read after that was said.
unsafe impl Sync for Kept {}

static KEPT: Kept = Kept(UnsafeCell::new(MaybeUninit::uninit()));
static ARE_KEPT: AtomicBool = AtomicBool::new(false);

/// Keeps them for programs that will be executed, and to be taken out.
///
/// # Safety
/// Called once, and the process has one thread.
pub unsafe fn keep(entries: Entries) {
    // SAFETY: nobody reads before the next line says that they are there.
    unsafe { (*KEPT.0.get()).write(entries) };
    ARE_KEPT.store(true, Release);
}

/// Those that are kept.
pub fn kept() -> Option<&'static Entries> {
    // SAFETY: they were written before that was said.
    ARE_KEPT.load(Acquire).then(|| unsafe { (*KEPT.0.get()).assume_init_ref() })
}

/// This process's environment, as libc has it. Null too early in its life.
pub fn own() -> *mut *mut c_char {
    unsafe extern "C" {
        static environ: *mut *mut c_char;
    }
    // SAFETY: libc's own variable, which it sets before it runs any initialiser.
    unsafe { environ }
}

#[cfg(test)]
mod tests {
    use std::ffi::CString;

    use proptest::prelude::*;

    use super::*;

    fn entries() -> Entries {
        Entries::new(c"/x/own.so", c"/proc/1/fd/9", b"/lib/ld.so", Heirs::All).unwrap()
    }

    struct List {
        strings: Vec<CString>,
        list: Vec<*mut c_char>,
    }

    impl List {
        fn new(strings: &[&str]) -> Self {
            let strings: Vec<CString> = strings.iter().map(|&string| CString::new(string).unwrap()).collect();
            let list = strings.iter().map(|string| string.as_ptr().cast_mut()).chain([ptr::null_mut()]).collect();
            Self { strings, list }
        }

        fn as_ptr(&self) -> *const *const c_char {
            self.list.as_ptr().cast()
        }
    }

    fn read(list: *const *const c_char) -> Vec<String> {
        // SAFETY: the tests make lists that end, of strings that stay.
        let text = |entry: &*const c_char| unsafe { CStr::from_ptr(*entry) }.to_str().unwrap().to_owned();
        // SAFETY: as above.
        unsafe { strings(list) }.iter().map(text).collect()
    }

    fn taken_out(strings: &[&str]) -> Vec<String> {
        let mut list = List::new(strings);
        // SAFETY: the list is the test's own.
        unsafe { entries().take_out(list.list.as_mut_ptr()) };
        assert_eq!(list.list.len(), list.strings.len() + 1);
        let left = read(list.as_ptr());
        assert!(list.list[left.len()..].iter().all(|entry| entry.is_null()));
        left
    }

    #[test]
    fn what_others_have_put_there_stays() {
        assert_eq!(
            taken_out(&["A=1", "LD_PRELOAD=/x/own.so", "odd", "MEMPROF_CHANNEL=x", "B=2"]),
            ["A=1", "odd", "B=2"]
        );
        assert_eq!(taken_out(&["LD_PRELOAD=/x/own.so:/a.so /b.so"]), ["LD_PRELOAD=/a.so /b.so"]);
        assert_eq!(taken_out(&["LD_PRELOAD=/a.so:/x/own.so:/b.so"]), ["LD_PRELOAD=/a.so:/b.so"]);
        assert_eq!(taken_out(&["LD_PRELOAD=/a.so: /x/own.so", "LD_PRELOADS=1"]), ["LD_PRELOAD=/a.so", "LD_PRELOADS=1"]);
        assert_eq!(
            taken_out(&["LD_PRELOAD=", "LD_PRELOAD=/other/own.so"]),
            ["LD_PRELOAD=", "LD_PRELOAD=/other/own.so"]
        );
        assert_eq!(taken_out(&[]), [""; 0]);
    }

    fn put_into(strings: &[&str]) -> Vec<String> {
        let list = List::new(strings);
        // SAFETY: the list is the test's own.
        unsafe {
            let entries = entries();
            let mut room = Room::new();
            let new = entries.put_into(list.as_ptr(), &mut room).unwrap();
            assert!(entries.are_in(new));
            read(new)
        }
    }

    #[test]
    fn a_program_in_this_one_s_place_gets_them() {
        assert_eq!(put_into(&["A=1"]), ["LD_PRELOAD=/x/own.so", "MEMPROF_CHANNEL=/proc/1/fd/9", "A=1"]);
        let had = ["LD_PRELOAD=/a.so:/x/own.so /b.so", "MEMPROF_CHANNEL=old", "Z"];
        assert_eq!(put_into(&had), ["LD_PRELOAD=/x/own.so:/a.so:/b.so", "MEMPROF_CHANNEL=/proc/1/fd/9", "Z"]);
        // SAFETY: there is no list.
        unsafe {
            let mut room = Room::new();
            let entries = entries();
            assert_eq!(read(entries.put_into(ptr::null(), &mut room).unwrap()).len(), 2);
        }
    }

    proptest! {
        /// Long lists, too.
        #[test]
        fn put_in_and_left_out_again_nothing_has_changed(mut strings in proptest::collection::vec("[A-C]=[a-c]{0,3}", 0..600), at in any::<prop::sample::Index>(), others in "(/a[.]so(:/b[.]so)?)?") {
            if !others.is_empty() {
                strings.insert(at.index(strings.len() + 1), format!("LD_PRELOAD={others}"));
            }
            let list = List::new(&strings.iter().map(String::as_str).collect::<Vec<_>>());
            let (mut one, mut other) = (Room::new(), Room::new());
            let entries = entries();
            // SAFETY: the lists are the test's own.
            let (with, mut without) = unsafe {
                prop_assert!(!entries.are_in(list.as_ptr()));
                let with = entries.put_into(list.as_ptr(), &mut one).unwrap();
                (read(with), read(entries.leave_out(with, &mut other).unwrap()))
            };
            let added = if others.is_empty() { 2 } else { 1 };
            prop_assert_eq!(with.len(), strings.len() + added);
            without.sort();
            strings.sort();
            prop_assert_eq!(without, strings);
        }
    }
}
