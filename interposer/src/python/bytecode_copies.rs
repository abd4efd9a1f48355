//! Copies of the bytecode. In a free-threaded interpreter each thread runs, and specializes, copies of its own
//! (Objects/codeobject.c, "Thread-local bytecode"). A frame says which copy it runs, by number; a code object has a
//! pointer to an array of where its copies are, which another thread replaces when it needs more room. So the array is
//! read through the kernel, once for each copy that a thread encounters.
//!
//! A copy stays where it is until its code object is deallocated, or until `sys._clear_internal_caches` finds that no
//! thread state has its number. So what is remembered is cleared when code objects are deallocated, and when the thread
//! gets another state.

use super::sources::value;
use crate::memory::{MappedVec, OutOfMemory, Plain};
use crate::platform::memory::OwnMemory;

/// Where in a code object its copies are.
#[derive(Clone, Copy)]
pub struct Copies {
    /// Its own bytecode, which is the first of them.
    pub bytecode: usize,
    /// A pointer to all of them.
    pub list: usize,
}

impl Copies {
    /// Where a copy starts, if that can be found out.
    pub fn start(&self, memory: &OwnMemory, code: usize, copy: u32) -> Option<usize> {
        if copy == 0 {
            return Some(code.wrapping_add(self.bytecode));
        }
        // Each array is larger than the one before: it is replaced a few times in all.
        const MOST_REPLACEMENTS: usize = 64;
        let mut list: usize = value(memory, code.wrapping_add(self.list))?;
        for _ in 0..MOST_REPLACEMENTS {
            // `struct { Py_ssize_t size; char *entries[]; }`
            let count = value::<usize>(memory, list);
            let start = value::<usize>(memory, list.wrapping_add((copy as usize + 1) * size_of::<usize>()));
            // If it was replaced meanwhile, its memory may be another's already.
            let now = value(memory, code.wrapping_add(self.list))?;
            if now == list {
                return start.filter(|&start| count.is_some_and(|count| (copy as usize) < count) && start != 0);
            }
            list = now;
        }
        None
    }
}

/// A copy that has been seen. A taken place has a code object.
#[derive(Clone, Copy)]
#[repr(C)]
struct Place {
    code: usize,
    start: usize,
    copy: u32,
    /// How many bytes the bytecode has.
    bytes: u32,
}

// SAFETY: integers, without padding.
unsafe impl Plain for Place {}

/// The copies that a thread has seen: an open hash table.
pub struct SeenCopies {
    places: MappedVec<Place>,
    used: usize,
}

const FIRST_PLACES: usize = 128;

impl SeenCopies {
    /// None.
    pub const fn new() -> Self {
        Self { places: MappedVec::new(), used: 0 }
    }

    /// Drops all.
    pub fn clear(&mut self) {
        if self.used > 0 {
            self.places.iter_mut().for_each(|place| place.code = 0);
            self.used = 0;
        }
    }

    /// Bytes from the start of a copy of `code` to an instruction in it, if that can be found out. `size` is where a
    /// code object says how many units its bytecode has.
    #[inline]
    pub fn offset(
        &mut self,
        copies: Copies,
        size: usize,
        code: usize,
        copy: u32,
        instruction: usize,
    ) -> Result<Option<u32>, OutOfMemory> {
        if let Some(place) = self.find(code, copy).and_then(|at| self.places.get(at))
            && place.code != 0
            && let Some(offset) = place.offset(instruction)
        {
            return Ok(Some(offset));
        }
        self.find_copy(copies, size, code, copy, instruction)
    }

    /// The place of a copy, or the one that it would have; nothing if there are none.
    #[inline]
    fn find(&self, code: usize, copy: u32) -> Option<usize> {
        let mask = self.places.len().checked_sub(1)?;
        let spread = (code as u64 >> 4 ^ u64::from(copy) << 48).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let mut at = (spread >> 32) as usize & mask;
        loop {
            let place = &self.places[at];
            if place.code == 0 || (place.code, place.copy) == (code, copy) {
                return Some(at);
            }
            at = (at + 1) & mask;
        }
    }

    #[cold]
    fn find_copy(
        &mut self,
        copies: Copies,
        size: usize,
        code: usize,
        copy: u32,
        instruction: usize,
    ) -> Result<Option<u32>, OutOfMemory> {
        let memory = OwnMemory::open();
        let units = value::<usize>(&memory, code.wrapping_add(size));
        let bytes = units.and_then(|units| units.checked_mul(2)).and_then(|bytes| u32::try_from(bytes).ok());
        let Some((start, bytes)) = copies.start(&memory, code, copy).zip(bytes) else { return Ok(None) };
        let seen = Place { code, start, copy, bytes };
        let offset = seen.offset(instruction);
        if offset.is_some() {
            self.remember(seen)?;
        }
        Ok(offset)
    }

    fn remember(&mut self, seen: Place) -> Result<(), OutOfMemory> {
        if (self.used + 1) * 2 > self.places.len() {
            let larger = MappedVec::zeroed((self.places.len() * 2).max(FIRST_PLACES))?;
            let old = core::mem::replace(&mut self.places, larger);
            self.used = 0;
            old.iter().filter(|place| place.code != 0).for_each(|&place| self.put(place));
        }
        self.put(seen);
        Ok(())
    }

    fn put(&mut self, seen: Place) {
        if let Some(at) = self.find(seen.code, seen.copy) {
            self.used += usize::from(self.places[at].code == 0);
            self.places[at] = seen;
        }
    }
}

impl Place {
    #[inline]
    fn offset(&self, instruction: usize) -> Option<u32> {
        let offset = instruction.wrapping_sub(self.start);
        (offset < self.bytes as usize).then_some(offset as u32)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const COPIES: Copies = Copies { bytecode: 48, list: 40 };
    const SIZE: usize = 16;

    /// A code object of ten units, whose copies start at these addresses.
    fn code(list: &[usize]) -> Vec<usize> {
        let mut code = vec![0; 16];
        (code[SIZE / 8], code[COPIES.list / 8]) = (10, list.as_ptr() as usize);
        code
    }

    #[test]
    fn offsets_are_counted_in_the_copy_that_runs() {
        let mut seen = SeenCopies::new();
        let list = [4, 1, 0x5000, 0, 0x7000];
        let codes: Vec<_> = (0..1000).map(|_| code(&list)).collect();
        for code in codes.iter().chain(&codes) {
            let code = code.as_ptr() as usize;
            let mut offset = |copy, instruction| seen.offset(COPIES, SIZE, code, copy, instruction).unwrap();
            assert_eq!(offset(0, code + 48 + 6), Some(6));
            assert_eq!((offset(1, 0x5000), offset(1, 0x5012)), (Some(0), Some(18)));
            assert_eq!(offset(3, 0x7002), Some(2));
            // Neither in the copy, nor a copy.
            assert_eq!((offset(1, 0x5014), offset(1, 0x4fff), offset(2, 0x5000)), (None, None, None));
            assert_eq!((offset(4, 0x7000), offset(u32::MAX, 0x7000)), (None, None));
        }
    }

    #[test]
    fn a_copy_that_is_elsewhere_is_found_again() {
        let mut seen = SeenCopies::new();
        let mut list = [2, 1, 0x5000];
        let code = code(&list);
        let code = code.as_ptr() as usize;
        assert_eq!(seen.offset(COPIES, SIZE, code, 1, 0x5004), Ok(Some(4)));
        list[2] = 0x9000;
        assert_eq!(seen.offset(COPIES, SIZE, code, 1, std::hint::black_box(&list)[2] + 8), Ok(Some(8)));
        seen.clear();
        assert_eq!(seen.offset(COPIES, SIZE, code, 1, 0x5004), Ok(None));
    }

    #[test]
    fn a_code_object_that_is_not_there_has_no_copies() {
        let mut seen = SeenCopies::new();
        for code in [8, 1 << 46, usize::MAX - 15] {
            assert_eq!(seen.offset(COPIES, SIZE, code, 1, 0x5000), Ok(None));
        }
    }
}
