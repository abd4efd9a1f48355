//! The names that Python gives to threads.
//!
//! The kernel does not always know them: they are an attribute `_name` of `threading.Thread` objects. The
//! outermost function of such a thread is `Thread._bootstrap(self)`, so its frame leads to the object, and the object's
//! attributes are looked up as Python stores them. Another thread that holds the GIL may change them meanwhile. So all
//! that is read here is read through the kernel, which answers for memory that is gone instead of ending the program,
//! and everything that is read is checked for plausibility.
//!
//! Layouts: Objects/dict-common.h, and its successors Include/internal/pycore_dict.h and pycore_object.h.

use super::layout::{Attributes, Layout};
use super::sources;
use super::text::push_utf8;
use crate::memory::{MappedVec, OutOfMemory, Plain};
use crate::platform::memory::OwnMemory;

/// Names are cut off after this many characters.
const LONGEST_NAME: usize = 200;
/// No thread object has more attributes than this.
const MOST_ATTRIBUTES: usize = 4096;
/// `Py_TPFLAGS_INLINE_VALUES` and `Py_TPFLAGS_MANAGED_DICT`.
const INLINE_VALUES: u64 = 1 << 2;
const MANAGED_DICT: u64 = 1 << 4;

/// Where the value of an attribute is found, and how its key is.
struct Lookup {
    keys: usize,
    /// The values of a table that shares its keys with others; 0 where values are beside their keys.
    values: usize,
}

/// Appends the name of the thread whose outermost frame is `frame`, a frame of `Thread._bootstrap`, to `out`. False if
/// it cannot be found.
pub fn push_name(layout: &Layout, frame: usize, out: &mut MappedVec<u8>) -> Result<bool, OutOfMemory> {
    let memory = OwnMemory::open();
    let reader = Reader { memory, layout };
    match reader.thread_object(frame).and_then(|thread| reader.attribute(thread, b"_name")) {
        Some(name) => reader.push_text(name, out),
        None => Ok(false),
    }
}

struct Reader<'a> {
    memory: OwnMemory,
    layout: &'a Layout,
}

impl Reader<'_> {
    fn read<T: Plain>(&self, address: usize) -> Option<T> {
        sources::value(&self.memory, address)
    }

    fn pointer(&self, address: usize) -> Option<usize> {
        self.read::<usize>(address).filter(|&pointer| pointer != 0)
    }

    /// The first argument of a frame's function.
    fn thread_object(&self, frame: usize) -> Option<usize> {
        self.pointer(frame + self.layout.frame_locals).map(|reference| self.layout.referenced(reference))
    }

    fn attribute(&self, thread: usize, name: &[u8]) -> Option<usize> {
        let object = self.layout.object;
        let class = self.pointer(thread + object.class())?;
        let flags: u64 = self.read(class + object.type_flags())?;
        let cached_keys = |offset: usize| self.pointer(class + offset);
        let managed = || {
            if flags & MANAGED_DICT == 0 { None } else { self.pointer(thread.checked_sub(object.dict_before)?) }
        };
        let lookup = match self.layout.attributes {
            Attributes::Dict => {
                let offset: usize = self.read(class + object.type_dict_offset())?;
                self.dict(self.pointer(thread.checked_add(offset)?)?)?
            }
            Attributes::ValuesBefore { cached_keys: offset } => match self.pointer(thread.checked_sub(32)?) {
                Some(values) if flags & MANAGED_DICT != 0 => Lookup { keys: cached_keys(offset)?, values },
                _ => self.dict(managed()?)?,
            },
            Attributes::TaggedBefore { cached_keys: offset } => match managed()? {
                // The lowest bit distinguishes values from a dictionary; they are one byte further on.
                tagged if tagged & 1 != 0 => Lookup { keys: cached_keys(offset)?, values: tagged + 1 },
                dict => self.dict(dict)?,
            },
            Attributes::Inline { cached_keys: offset } => {
                // After the object's header: capacity, size, embedded, valid, a byte each, then from 8 the values.
                let values = thread + object.header;
                let valid = flags & INLINE_VALUES != 0 && self.read::<u8>(values + 3)? != 0;
                if valid { Lookup { keys: cached_keys(offset)?, values: values + 8 } } else { self.dict(managed()?)? }
            }
        };
        self.value(&lookup, name)
    }

    fn dict(&self, dict: usize) -> Option<Lookup> {
        let keys = self.pointer(dict + self.layout.object.dict_keys())?;
        let values: usize = self.read(dict + self.layout.object.dict_values())?;
        let header = if matches!(self.layout.attributes, Attributes::Inline { .. }) { 8 } else { 0 };
        Some(Lookup { keys, values: if values == 0 { 0 } else { values + header } })
    }

    fn value(&self, lookup: &Lookup, name: &[u8]) -> Option<usize> {
        let keys = lookup.keys;
        // The keys object: a header, a table of indices, the entries in order of insertion.
        let (count, entries, has_hash) = match self.layout.attributes {
            Attributes::Dict => {
                let size: usize = self.read(keys + 8)?;
                let index = [0xff, 0xffff, 0xffff_ffff].iter().position(|&most| size <= most)?;
                (self.read::<usize>(keys + 32)?, keys + 40 + size.checked_mul(1 << index)?, true)
            }
            _ => {
                let index_bytes = 1_usize.checked_shl(u32::from(self.read::<u8>(keys + 9)?))?;
                // Kind 0 keeps hashes beside its keys; the kinds for keys that are all strings do not.
                (
                    self.read::<usize>(keys + 24)?,
                    keys.checked_add(32)?.checked_add(index_bytes)?,
                    self.read::<u8>(keys + 10)? == 0,
                )
            }
        };
        if count > MOST_ATTRIBUTES {
            return None;
        }
        let (entry_bytes, key_offset) = if has_hash { (24, 8) } else { (16, 0) };
        for index in 0..count {
            let entry = entries.checked_add(index * entry_bytes)?;
            if self.is_ascii(self.read(entry + key_offset)?, name) {
                let at = if lookup.values == 0 { entry + key_offset + 8 } else { lookup.values + index * 8 };
                return self.pointer(at);
            }
        }
        None
    }

    /// Whether the string at `text` is this one.
    fn is_ascii(&self, text: usize, expected: &[u8]) -> bool {
        let mut found = [0; 16];
        text != 0
            && self.read::<usize>(text + self.layout.object.text_length()) == Some(expected.len())
            && self.memory.read(text + self.layout.ascii_header, &mut found[..expected.len()])
            && &found[..expected.len()] == expected
    }

    fn push_text(&self, text: usize, out: &mut MappedVec<u8>) -> Result<bool, OutOfMemory> {
        // SAFETY: through the kernel any address may be read.
        unsafe { push_utf8(&self.memory, self.layout, text, LONGEST_NAME, out) }
    }
}
