//! The packed table of symbols that some distributions leave in stripped files (section `.gnu_debugdata`).

use std::io::{Cursor, Read};

use xz4rust::XzReader;

use super::elf_image::ElfImage;

/// It is a small part of a file of debugging information. More than this is nonsense.
const MAX_BYTES: u64 = 64 << 20;

/// The ELF file that is packed into this one.
pub fn unpacked(image: &ElfImage<'_>) -> Option<Vec<u8>> {
    let packed = image.section(".gnu_debugdata");
    if packed.is_empty() {
        return None;
    }
    let mut unpacked = Vec::new();
    XzReader::new(Cursor::new(packed.into_owned())).take(MAX_BYTES).read_to_end(&mut unpacked).ok()?;
    Some(unpacked)
}
