//! The code objects that have been described to the recorder.
//!
//! A code object can be deallocated, and another one can be created at its address. So the table is notified of every
//! deallocation: the interpreter's code type gets a `tp_dealloc` of ours, which removes the address and then calls the
//! interpreter's own. (`PyCode_AddWatcher` exists in later versions only, for one interpreter, and must be called by a
//! thread with the GIL.)

use core::sync::atomic::AtomicU32;
use core::sync::atomic::Ordering::{AcqRel, Acquire, Relaxed};

use crate::address_table::{AddressTable, NotInserted};
use crate::lock::{AnyLock, Recording};

/// A code object's number, which the recorder knows it by.
pub type CodeNumber = u32;

/// From the address of a code object to its number.
pub struct CodeTable {
    table: AddressTable,
    numbers: AtomicU32,
    deallocations: AtomicU32,
}

const FIRST_PLACES: usize = 4096;

impl CodeTable {
    /// A table without memory.
    pub const fn new() -> Self {
        Self { table: AddressTable::new(FIRST_PLACES), numbers: AtomicU32::new(0), deallocations: AtomicU32::new(0) }
    }

    /// How many described code objects have been deallocated: a changed number means that addresses may have a new
    /// meaning.
    #[inline]
    pub fn deallocations(&self) -> u32 {
        self.deallocations.load(Acquire)
    }

    /// The number of the code object at `address`, if it has been described.
    #[inline]
    pub fn get(&self, address: usize) -> Option<CodeNumber> {
        self.table.get(address)
    }

    /// A number that no code object has.
    pub fn next_number(&self) -> CodeNumber {
        self.numbers.fetch_add(1, Relaxed)
    }

    /// The code object at `address` has been described under this number, or, by another thread, under another one. If
    /// it is still alive, its number is known from now on. Returns whether that is so.
    pub fn insert(
        &self,
        address: usize,
        number: CodeNumber,
        recording: &mut Recording,
        is_alive: impl FnOnce() -> bool,
    ) -> Result<bool, NotInserted> {
        self.table.insert(address, number, recording, is_alive).map(|known| known.is_some())
    }

    /// Removes the code object at `address`, which is about to be deallocated.
    pub fn remove(&self, address: usize) {
        if self.table.remove(address).is_some() {
            self.deallocations.fetch_add(1, AcqRel);
        }
    }

    /// The lock under which code objects are inserted.
    pub const fn lock(&self) -> &dyn AnyLock {
        self.table.lock()
    }

    /// A forked child describes all code objects again.
    ///
    /// # Safety
    /// As [`AddressTable::renew`].
    pub unsafe fn renew(&self) {
        // SAFETY: the caller's contract.
        unsafe { self.table.renew() };
        self.numbers.store(0, Relaxed);
        self.deallocations.fetch_add(1, AcqRel);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_stay_until_the_deallocation_and_never_come_back() {
        // SAFETY: no signal handler of the test program allocates.
        let recording = &mut unsafe { Recording::begin() };
        let table = CodeTable::new();
        let (first, second) = (table.next_number(), table.next_number());
        assert_eq!(table.insert(0x1000, first, recording, || true), Ok(true));
        assert_eq!(table.insert(0x1000, second, recording, || true), Ok(true));
        assert_eq!((table.get(0x1000), table.deallocations()), (Some(first), 0));
        table.remove(0x2000);
        assert_eq!(table.deallocations(), 0, "nobody knew it");
        table.remove(0x1000);
        assert_eq!((table.get(0x1000), table.deallocations()), (None, 1));
        let third = table.next_number();
        assert!(third != first && third != second);
        assert_eq!(table.insert(0x1000, third, recording, || false), Ok(false));
        assert_eq!(table.get(0x1000), None, "it has been deallocated meanwhile");
        assert_eq!(table.insert(0x1000, third, recording, || true), Ok(true));
        assert_eq!(table.get(0x1000), Some(third));
    }
}
