//! Growable arrays and boxes of our own: straight from the kernel, so that a hook never calls the allocator that it
//! hooks.

use core::mem::size_of;
use core::ops::{Deref, DerefMut};
use core::ptr::NonNull;
use core::slice;

use crate::platform::memory::{grow, map, unmap};

/// The kernel gives no more memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OutOfMemory;

/// A value in pages of its own, for what is too large for a stack that may be about to end.
pub struct MappedBox<T>(NonNull<T>);

// SAFETY: it owns the value, as a Box does.
unsafe impl<T: Send> Send for MappedBox<T> {}

impl<T> MappedBox<T> {
    const BYTES: usize = size_of::<T>().next_multiple_of(PAGE);

    /// Puts a value there.
    #[inline]
    pub fn new(value: T) -> Result<Self, OutOfMemory> {
        const { assert!(align_of::<T>() <= PAGE) };
        let place = map(Self::BYTES).ok_or(OutOfMemory)?.cast();
        // SAFETY: the fresh mapping is large enough and aligned to a page.
        unsafe { place.write(value) };
        Ok(Self(place))
    }
}

impl<T> Deref for MappedBox<T> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        // SAFETY: it was written when the box was made, and is this box's own.
        unsafe { self.0.as_ref() }
    }
}

impl<T> DerefMut for MappedBox<T> {
    #[inline]
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: as above, and the box is borrowed mutably.
        unsafe { self.0.as_mut() }
    }
}

impl<T> Drop for MappedBox<T> {
    fn drop(&mut self) {
        // SAFETY: it is one mapping of this size, with a value that nobody refers to any more.
        unsafe {
            self.0.drop_in_place();
            unmap(self.0.cast(), Self::BYTES);
        }
    }
}

/// Types of which any bytes, zero among them, are a value.
///
/// # Safety
/// Implement it only for those.
pub unsafe trait Plain: Copy {}

// SAFETY: integers.
unsafe impl Plain for u8 {}
// SAFETY: integers.
unsafe impl Plain for u16 {}
// SAFETY: integers.
unsafe impl Plain for u32 {}
// SAFETY: integers.
unsafe impl Plain for u64 {}
// SAFETY: integers.
unsafe impl Plain for usize {}

const PAGE: usize = 4096;

/// A growable array in pages of its own.
pub struct MappedVec<T: Plain> {
    start: NonNull<T>,
    length: usize,
    capacity: usize,
}

// SAFETY: it owns its memory, as a Vec does.
unsafe impl<T: Plain + Send> Send for MappedVec<T> {}

impl<T: Plain> MappedVec<T> {
    /// An array without memory.
    pub const fn new() -> Self {
        Self { start: NonNull::dangling(), length: 0, capacity: 0 }
    }

    /// Appends an element.
    #[inline]
    pub fn push(&mut self, value: T) -> Result<(), OutOfMemory> {
        if self.length == self.capacity {
            self.grow(self.length + 1)?;
        }
        // SAFETY: there is room after the last element.
        unsafe { self.start.add(self.length).write(value) };
        self.length += 1;
        Ok(())
    }

    /// Makes room for `more` further elements.
    #[inline]
    pub fn reserve(&mut self, more: usize) -> Result<(), OutOfMemory> {
        if self.capacity - self.length < more { self.grow(self.length + more) } else { Ok(()) }
    }

    /// The room after the last element: what was there before, or zeros.
    #[inline]
    pub fn spare(&mut self) -> &mut [T] {
        // SAFETY: there is room for this many elements. Pages are zero to begin with, and hold elements only: any bytes
        // are a value. A dangling start is aligned, and has no room.
        unsafe { slice::from_raw_parts_mut(self.start.add(self.length).as_ptr(), self.capacity - self.length) }
    }

    /// Makes elements of what was written to the beginning of [`Self::spare`].
    #[inline]
    pub fn lengthen(&mut self, by: usize) {
        self.length += by.min(self.capacity - self.length);
    }

    /// Appends elements.
    pub fn extend_from_slice(&mut self, values: &[T]) -> Result<(), OutOfMemory> {
        self.reserve(values.len())?;
        // SAFETY: there is room for them, and they are not within this array, which is borrowed mutably.
        unsafe { self.start.add(self.length).copy_from_nonoverlapping(NonNull::from(values).cast(), values.len()) };
        self.length += values.len();
        Ok(())
    }

    /// Drops the elements from `length` on.
    #[inline]
    pub fn truncate(&mut self, length: usize) {
        self.length = self.length.min(length);
    }

    /// Makes room for `capacity` elements at least.
    #[cold]
    fn grow(&mut self, capacity: usize) -> Result<(), OutOfMemory> {
        let wanted = capacity.max(self.capacity * 2).checked_mul(size_of::<T>()).ok_or(OutOfMemory)?;
        let bytes = wanted.next_multiple_of(PAGE);
        let start = if self.capacity == 0 {
            map(bytes)
        } else {
            // SAFETY: these are this array's own pages, and it is borrowed mutably: nobody refers into them.
            unsafe { grow(self.start.cast(), self.mapped_bytes(), bytes) }
        };
        self.start = start.ok_or(OutOfMemory)?.cast();
        self.capacity = bytes / size_of::<T>();
        Ok(())
    }

    fn mapped_bytes(&self) -> usize {
        (self.capacity * size_of::<T>()).next_multiple_of(PAGE)
    }

    /// An empty array that has room for `capacity` elements.
    pub fn with_room(capacity: usize) -> Result<Self, OutOfMemory> {
        let mut array = Self::new();
        if capacity > 0 {
            array.grow(capacity)?;
        }
        Ok(array)
    }

    /// An array of `length` elements whose bytes are all zero.
    pub fn zeroed(length: usize) -> Result<Self, OutOfMemory> {
        let mut array = Self::new();
        if length > 0 {
            array.grow(length)?;
            // Fresh pages are zero, and zero is a value.
            array.length = length;
        }
        Ok(array)
    }
}

impl<T: Plain> Drop for MappedVec<T> {
    fn drop(&mut self) {
        if self.capacity > 0 {
            // SAFETY: these are this array's own pages, which nobody refers to any more.
            unsafe { unmap(self.start.cast(), self.mapped_bytes()) };
        }
    }
}

impl<T: Plain> Deref for MappedVec<T> {
    type Target = [T];

    #[inline]
    fn deref(&self) -> &[T] {
        // SAFETY: the first `length` elements are initialised; a dangling start is aligned and has length 0.
        unsafe { slice::from_raw_parts(self.start.as_ptr(), self.length) }
    }
}

impl<T: Plain> DerefMut for MappedVec<T> {
    #[inline]
    fn deref_mut(&mut self) -> &mut [T] {
        // SAFETY: as above, and the array is borrowed mutably.
        unsafe { slice::from_raw_parts_mut(self.start.as_ptr(), self.length) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_grows_over_many_pages_and_keeps_its_elements() {
        let mut array = MappedVec::new();
        for value in 0..100_000_u64 {
            array.push(value).unwrap();
        }
        array.extend_from_slice(&[7; 5000]).unwrap();
        assert_eq!(array.len(), 105_000);
        assert!(array[..100_000].iter().copied().eq(0..100_000));
        array.truncate(3);
        assert_eq!(&array[..], [0, 1, 2]);
    }

    #[test]
    fn zeroed_arrays_are_zero() {
        let array = MappedVec::<u32>::zeroed(5000).unwrap();
        assert!(array.len() == 5000 && array.iter().all(|&value| value == 0));
    }
}
