//! Sections that unpack to more than debugging information ever does.

use std::fs;

use super::library::{Library, run, text};
use crate::symbols::elf_image::ElfImage;

/// The section `.debug_str` of a library, packed, after it has been replaced.
fn unpacked(content: &[u8]) -> Vec<u8> {
    let library = Library::with_debugging_information();
    let (given, packed) = (library.folder.path().join("given"), library.folder.path().join("packed.so"));
    fs::write(&given, content).unwrap();
    run("objcopy", &["--update-section", &format!(".debug_str={}", text(&given)), text(&library.path)]);
    run("objcopy", &["--compress-debug-sections=zlib", text(&library.path), text(&packed)]);
    let file = fs::read(packed).unwrap();
    let image = ElfImage::parse(&file).unwrap();
    assert!(file.len() < content.len() / 2, "it is packed");
    image.section(".debug_str").into_owned()
}

#[test]
fn they_are_not_unpacked() {
    let names: Vec<u8> = (0..100_000).flat_map(|number| format!("name_{number}\0").into_bytes()).collect();
    assert_eq!(unpacked(&names), names);
    assert!(unpacked(&vec![0; 32 << 20]).is_empty());
}
