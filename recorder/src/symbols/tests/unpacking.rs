//! Sections that unpack to more, or take more memory for it, than debugging information ever does.

use std::fs;
use std::process::Command;

use super::library::{Library, run, text};
use crate::symbols::elf_image::ElfImage;
use crate::symbols::mini_debug_info;

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

/// The content of `.gnu_debugdata` after it was packed for a memory of the `n`th size that the format knows.
fn unpacked_by_looking_back(size: u8) -> Option<Vec<u8>> {
    let library = Library::with_debugging_information();
    let given = library.folder.path().join("given");
    fs::write(&given, b"symbols").unwrap();
    // Newer ones pack with several threads, and write another header.
    run("xz", &["-T1", text(&given)]);
    let path = library.folder.path().join("given.xz");
    let mut packed = fs::read(&path).unwrap();
    // The stream's header, then the block's: its length, no flags, one filter (LZMA2) with one byte, and a checksum.
    assert_eq!(packed[12..16], [2, 0, 0x21, 1]);
    packed[16] = size;
    let checksum = crc32fast::hash(&packed[12..20]);
    packed[20..24].copy_from_slice(&checksum.to_le_bytes());
    fs::write(&path, packed).unwrap();
    run("objcopy", &[&format!("--add-section=.gnu_debugdata={}", text(&path)), text(&library.path)]);
    let file = fs::read(&library.path).unwrap();
    mini_debug_info::unpacked(&ElfImage::parse(&file).unwrap())
}

#[test]
fn no_gigabytes_are_set_aside() {
    if Command::new("xz").arg("--version").output().is_err() {
        return;
    }
    let (eight, sixty_four, three_thousand) = (22, 28, 39);
    assert_eq!(unpacked_by_looking_back(eight).as_deref(), Some(&b"symbols"[..]));
    assert_eq!(unpacked_by_looking_back(sixty_four).as_deref(), Some(&b"symbols"[..]));
    assert_eq!(unpacked_by_looking_back(three_thousand), None);
}
