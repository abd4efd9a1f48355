//! The packed table of symbols that some distributions leave in stripped files (section `.gnu_debugdata`).

use std::io::{Cursor, Read};
use std::num::NonZeroUsize;

use xz4rust::{DICT_SIZE_MIN, DICT_SIZE_PROFILE_9, XzDecoder, XzReader};

use super::elf_image::ElfImage;

/// It is a small part of a file of debugging information. More than this is nonsense.
const MAX_BYTES: u64 = 64 << 20;
/// Bytes that are unpacked at a time.
const STEP: NonZeroUsize = NonZeroUsize::new(8192).unwrap();

/// The ELF file that is packed into this one.
pub fn unpacked(image: &ElfImage<'_>) -> Option<Vec<u8>> {
    let packed = image.section(".gnu_debugdata");
    if packed.is_empty() {
        return None;
    }
    let mut unpacked = Vec::new();
    // No packer asks for more room than this to look back in, but a damaged file may ask for gigabytes.
    let decoder = XzDecoder::in_heap_with_alloc_dict_size(DICT_SIZE_MIN, DICT_SIZE_PROFILE_9);
    let reader = XzReader::new_with_buffer_size_and_decoder(Cursor::new(packed.into_owned()), STEP, decoder);
    reader.take(MAX_BYTES).read_to_end(&mut unpacked).ok()?;
    Some(unpacked)
}
