//! Structures of ELF that have to be copied before they can be looked at: out of a file, or out of memory that may be
//! gone.

use object::NativeEndian;
use object::elf::FileHeader64;
use object::pod::{Pod, bytes_of_slice, bytes_of_slice_mut, from_bytes};

/// The structure with whose bytes `read` fills a buffer; nothing where it says that it cannot. `T` is no larger than
/// the header of a file.
pub fn copied<T: Pod>(read: impl FnOnce(&mut [u8]) -> bool) -> Option<T> {
    const { assert!(size_of::<T>() <= size_of::<FileHeader64<NativeEndian>>()) };
    // Words, so that it is aligned.
    let mut words = [0_u64; size_of::<FileHeader64<NativeEndian>>() / 8];
    let is_read = read(bytes_of_slice_mut(&mut words).get_mut(..size_of::<T>())?);
    from_bytes(bytes_of_slice(&words)).ok().filter(|_| is_read).map(|(structure, _)| *structure)
}
