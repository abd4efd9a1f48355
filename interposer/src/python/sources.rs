//! Two ways to read what an interpreter keeps in memory: where it lies, and through the kernel.

use core::mem::{MaybeUninit, size_of};

use crate::memory::{MappedVec, OutOfMemory, Plain};
use crate::platform::memory::OwnMemory;

/// A way to read memory.
pub trait Source {
    /// A value, if it can be had.
    ///
    /// # Safety
    /// It may be read in this way.
    unsafe fn read<T: Plain>(&self, address: usize) -> Option<T>;

    /// Appends bytes to `out`. False if they cannot be had.
    ///
    /// # Safety
    /// They may be read in this way.
    unsafe fn append(&self, address: usize, bytes: usize, out: &mut MappedVec<u8>) -> Result<bool, OutOfMemory>;
}

/// Where it lies: it must be there, and nobody may change it.
pub struct InPlace;

impl Source for InPlace {
    #[inline(always)]
    unsafe fn read<T: Plain>(&self, address: usize) -> Option<T> {
        // SAFETY: the caller vouches for it; CPython aligns its fields naturally.
        Some(unsafe { (address as *const T).read() })
    }

    unsafe fn append(&self, address: usize, bytes: usize, out: &mut MappedVec<u8>) -> Result<bool, OutOfMemory> {
        // SAFETY: the caller vouches for them.
        out.extend_from_slice(unsafe { core::slice::from_raw_parts(address as *const u8, bytes) })?;
        Ok(true)
    }
}

/// Through the kernel any address may be read, whatever is there. What was read may be anything, too, unless something
/// else says that it was there.
impl Source for OwnMemory {
    unsafe fn read<T: Plain>(&self, address: usize) -> Option<T> {
        let mut value = MaybeUninit::<T>::zeroed();
        // SAFETY: the value has this many bytes, all of them initialised, and any bytes are a value.
        unsafe {
            let bytes = core::slice::from_raw_parts_mut(value.as_mut_ptr().cast::<u8>(), size_of::<T>());
            Self::read(self, address, bytes).then(|| value.assume_init())
        }
    }

    unsafe fn append(&self, address: usize, bytes: usize, out: &mut MappedVec<u8>) -> Result<bool, OutOfMemory> {
        // Nothing that is read here is larger; a length that is none may be.
        const MOST: usize = 16 << 20;
        if bytes > MOST {
            return Ok(false);
        }
        let mut piece = [0; 256];
        for start in (0..bytes).step_by(piece.len()) {
            let piece = &mut piece[..(bytes - start).min(256)];
            if !Self::read(self, address.wrapping_add(start), piece) {
                return Ok(false);
            }
            out.extend_from_slice(piece)?;
        }
        Ok(true)
    }
}

/// A value, read through the kernel.
pub fn value<T: Plain>(memory: &OwnMemory, address: usize) -> Option<T> {
    // SAFETY: through the kernel any address may be read.
    unsafe { Source::read(memory, address) }
}
