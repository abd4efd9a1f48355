//! What the kernel would execute: just enough of a file's beginning to find out whether it can be recorded.

use core::ffi::CStr;
use core::mem::MaybeUninit;

use object::LittleEndian;
use object::elf::{
    DT_NULL, DT_SONAME, DT_STRTAB, Dyn64, ELFCLASS64, ELFDATA2LSB, EM_AARCH64, EM_X86_64, FileHeader64, Ident, Machine,
    PT_DYNAMIC, PT_INTERP, ProgramHeader64,
};

use crate::elf_record::copied;

/// What a file is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Executable {
    /// A program that starts through this dynamic loader, for this machine.
    Dynamic {
        /// The loader.
        loader: ShortPath,
    },
    /// A dynamic loader itself, which is given the name of a program to load.
    Loader {
        /// What it calls itself.
        name: ShortPath,
    },
    /// A program without a dynamic loader: nothing can be preloaded.
    Static,
    /// A program for another architecture or word size.
    Foreign,
    /// A script that starts with `#!` and this interpreter.
    Script {
        /// The program that runs the script.
        interpreter: ShortPath,
    },
    /// Text without `#!`: shells run it themselves.
    Text,
    /// Nothing that can be executed.
    Unknown,
}

/// How much of a file's beginning [`classify`] wants to see.
pub const HEAD_BYTES: usize = 512;

/// A path that is written in a file, and is not long.
#[derive(Clone, Copy)]
pub struct ShortPath {
    /// Zero after the path, and there is at least one zero.
    bytes: [u8; HEAD_BYTES],
}

impl ShortPath {
    /// Nothing if it is empty, too long, or has a NUL in it.
    fn new(path: &[u8]) -> Option<Self> {
        let mut bytes = [0; HEAD_BYTES];
        let is_path = !path.is_empty() && path.len() < HEAD_BYTES && !path.contains(&0);
        is_path.then(|| {
            bytes[..path.len()].copy_from_slice(path);
            Self { bytes }
        })
    }

    /// For system calls.
    #[must_use]
    pub fn as_c_str(&self) -> &CStr {
        CStr::from_bytes_until_nul(&self.bytes).unwrap_or_default()
    }

    /// Its bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        self.as_c_str().to_bytes()
    }
}

impl PartialEq for ShortPath {
    fn eq(&self, other: &Self) -> bool {
        self.as_bytes() == other.as_bytes()
    }
}

impl Eq for ShortPath {}

impl core::fmt::Debug for ShortPath {
    fn fmt(&self, out: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        self.as_c_str().fmt(out)
    }
}

/// The file that begins with `head`; `read` fills a buffer from an offset, or says that it cannot.
#[must_use]
pub fn classify(head: &[u8], read: impl Fn(u64, &mut [u8]) -> bool) -> Executable {
    if head.starts_with(b"\x7fELF") {
        return elf(head, read).unwrap_or(Executable::Unknown);
    }
    if let Some(line) = head.strip_prefix(b"#!") {
        let line = line.split(|&byte| byte == b'\n').next().unwrap_or_default().trim_ascii();
        let interpreter = line.split(|byte| b" \t".contains(byte)).next().unwrap_or_default();
        return match ShortPath::new(interpreter) {
            Some(interpreter) => Executable::Script { interpreter },
            None => Executable::Unknown,
        };
    }
    if cfg!(target_os = "macos") && is_mach_o(head) {
        return ShortPath::new(b"/usr/lib/dyld").map_or(Executable::Unknown, |loader| Executable::Dynamic { loader });
    }
    if head.is_empty() || head.contains(&0) { Executable::Unknown } else { Executable::Text }
}

fn is_mach_o(head: &[u8]) -> bool {
    const MAGICS: [[u8; 4]; 2] = [0xfeed_facf_u32.to_le_bytes(), 0xcafe_babe_u32.to_be_bytes()];
    MAGICS.iter().any(|magic| head.starts_with(magic))
}

/// More than any dynamic section has.
const MOST_DYNAMIC_BYTES: u64 = 4096;
/// Longer names are none of a loader.
const LONGEST_NAME: usize = 32;
const THIS_MACHINE: Machine = if cfg!(target_arch = "aarch64") { EM_AARCH64 } else { EM_X86_64 };

type FileHeader = FileHeader64<LittleEndian>;
type ProgramHeader = ProgramHeader64<LittleEndian>;
type DynamicEntry = Dyn64<LittleEndian>;

/// `None`: not an executable that the kernel would take.
fn elf(head: &[u8], read: impl Fn(u64, &mut [u8]) -> bool) -> Option<Executable> {
    let header: FileHeader = copied(|bytes| head.get(..bytes.len()).map(|head| bytes.copy_from_slice(head)).is_some())?;
    let Ident { class, data, .. } = header.e_ident;
    if class != ELFCLASS64 || data != ELFDATA2LSB || header.e_machine.get(LittleEndian) != THIS_MACHINE {
        return Some(Executable::Foreign);
    }
    let entries = header.e_phnum.get(LittleEndian);
    if usize::from(header.e_phentsize.get(LittleEndian)) != size_of::<ProgramHeader>() || entries == 0 {
        return None;
    }
    let mut dynamic = None;
    for index in 0..u64::from(entries) {
        let at = header.e_phoff.get(LittleEndian).checked_add(index * size_of::<ProgramHeader>() as u64)?;
        let entry: ProgramHeader = copied(|bytes| read(at, bytes))?;
        let (offset, bytes) = (entry.p_offset.get(LittleEndian), entry.p_filesz.get(LittleEndian));
        match entry.p_type.get(LittleEndian) {
            PT_DYNAMIC => dynamic = Some((offset, bytes)),
            PT_INTERP => {
                let mut loader = [0; HEAD_BYTES];
                let loader = loader.get_mut(..usize::try_from(bytes).ok()?)?;
                if !read(offset, loader) {
                    return None;
                }
                let loader = ShortPath::new(CStr::from_bytes_until_nul(loader).ok()?.to_bytes())?;
                return Some(Executable::Dynamic { loader });
            }
            _ => {}
        }
    }
    let name = dynamic.and_then(|(offset, bytes)| own_name(offset, bytes, &read));
    match name.filter(|name| [&b"ld-"[..], b"ld.", b"ld64."].iter().any(|begin| name.as_bytes().starts_with(begin))) {
        Some(name) => Some(Executable::Loader { name }),
        None => Some(Executable::Static),
    }
}

/// What a library calls itself, from its dynamic section. Its names lie in the first segment, where a library's
/// addresses are offsets in the file.
fn own_name(offset: u64, bytes: u64, read: &impl Fn(u64, &mut [u8]) -> bool) -> Option<ShortPath> {
    const ENTRY_BYTES: u64 = size_of::<DynamicEntry>() as u64;
    let (mut names, mut name) = (None, None);
    for index in 0..bytes.min(MOST_DYNAMIC_BYTES) / ENTRY_BYTES {
        let at = offset.checked_add(index * ENTRY_BYTES)?;
        let entry: DynamicEntry = copied(|bytes| read(at, bytes))?;
        let value = entry.d_val.get(LittleEndian);
        match entry.d_tag.get(LittleEndian) {
            DT_NULL => break,
            DT_STRTAB => names = Some(value),
            DT_SONAME => name = Some(value),
            _ => {}
        }
    }
    let mut text = [0; LONGEST_NAME];
    if !read(names?.checked_add(name?)?, &mut text) {
        return None;
    }
    ShortPath::new(CStr::from_bytes_until_nul(&text).ok()?.to_bytes())
}

/// Whether the kernel gives the program in this file rights that its user has not, and the loader therefore ignores
/// what is to be preloaded (ld.so(8), secure-execution mode). Can change errno.
#[must_use]
pub fn gains_privileges(path: &CStr) -> bool {
    let mut status = MaybeUninit::<libc::stat>::zeroed();
    // SAFETY: the path is a C string; the structure is valid all zero, and is filled.
    let Some(status) = (unsafe { (libc::stat(path.as_ptr(), status.as_mut_ptr()) == 0).then(|| status.assume_init()) })
    else {
        return false;
    };
    // SAFETY: these ask for this process's ids and cannot fail.
    let (user, group) = unsafe { (libc::getuid(), libc::getgid()) };
    let has = |bits: libc::mode_t| status.st_mode & bits == bits;
    (has(libc::S_ISUID) && status.st_uid != user)
        // Without the group's right to execute, the bit means something else.
        || (has(libc::S_ISGID | libc::S_IXGRP) && status.st_gid != group)
        || (user != 0 && has_capabilities(path))
}

#[cfg(target_os = "linux")]
fn has_capabilities(path: &CStr) -> bool {
    // SAFETY: both strings are NUL-terminated; a size of zero only asks for the attribute's length.
    unsafe { libc::getxattr(path.as_ptr(), c"security.capability".as_ptr(), core::ptr::null_mut(), 0) > 0 }
}

#[cfg(not(target_os = "linux"))]
fn has_capabilities(_path: &CStr) -> bool {
    false
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn short_path(path: &str) -> ShortPath {
        ShortPath::new(path.as_bytes()).unwrap()
    }

    fn classify_bytes(bytes: &[u8]) -> Executable {
        classify(&bytes[..bytes.len().min(HEAD_BYTES)], |offset, out| {
            let from = usize::try_from(offset).unwrap_or(usize::MAX);
            match from.checked_add(out.len()).and_then(|to| bytes.get(from..to)) {
                Some(part) => {
                    out.copy_from_slice(part);
                    true
                }
                None => false,
            }
        })
    }

    const THIS: u16 = THIS_MACHINE.0;
    const INTERPRETER: u32 = PT_INTERP.0;

    /// An ELF file with one program header of this type, followed by a loader's name.
    fn elf_file(class: u8, machine: u16, segment: u32) -> Vec<u8> {
        let mut file = vec![0; 64 + 56];
        file[..4].copy_from_slice(b"\x7fELF");
        file[4] = class;
        file[5] = 1;
        file[18..20].copy_from_slice(&machine.to_le_bytes());
        file[32..40].copy_from_slice(&64u64.to_le_bytes());
        file[54..56].copy_from_slice(&56u16.to_le_bytes());
        file[56..58].copy_from_slice(&1u16.to_le_bytes());
        file[64..68].copy_from_slice(&segment.to_le_bytes());
        file[72..80].copy_from_slice(&120u64.to_le_bytes());
        file[96..104].copy_from_slice(&10u64.to_le_bytes());
        file.extend_from_slice(b"/lib/ld.so");
        file[119 + 10] = 0;
        file
    }

    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    #[test]
    fn loaders() {
        let own = std::fs::read("/proc/self/exe").unwrap();
        let Executable::Dynamic { loader } = classify_bytes(&own) else { panic!("a test is dynamic") };
        let path = std::str::from_utf8(loader.as_bytes()).unwrap();
        let file = std::fs::read(path).unwrap();
        let name = short_path(path.rsplit('/').next().unwrap());
        assert_eq!(classify_bytes(&file), Executable::Loader { name });
    }

    #[test]
    fn elf_files() {
        let dynamic = elf_file(2, THIS, INTERPRETER);
        assert_eq!(classify_bytes(&dynamic), Executable::Dynamic { loader: short_path("/lib/ld.s") });
        assert_eq!(classify_bytes(&elf_file(2, THIS, 1)), Executable::Static);
        assert_eq!(classify_bytes(&elf_file(1, THIS, INTERPRETER)), Executable::Foreign);
        assert_eq!(classify_bytes(&elf_file(2, 8, INTERPRETER)), Executable::Foreign);
        for length in 6..dynamic.len() {
            let got = classify_bytes(&dynamic[..length]);
            assert!(matches!(got, Executable::Unknown | Executable::Foreign), "{length} bytes: {got:?}");
        }
    }

    #[test]
    fn scripts_and_others() {
        let script = |interpreter: &str| Executable::Script { interpreter: short_path(interpreter) };
        assert_eq!(classify_bytes(b"#!/usr/bin/env bash\nls\0"), script("/usr/bin/env"));
        assert_eq!(classify_bytes(b"#! /bin/sh"), script("/bin/sh"));
        assert_eq!(classify_bytes(b"#!\n"), Executable::Unknown);
        assert_eq!(
            classify_bytes(&[b'#', b'!'].into_iter().chain([b'x'; 600]).collect::<Vec<u8>>()),
            script(&"x".repeat(510))
        );
        assert_eq!(classify_bytes(b"echo hello\n"), Executable::Text);
        assert_eq!(classify_bytes(b""), Executable::Unknown);
        assert_eq!(classify_bytes(b"PK\x03\x04\0\0"), Executable::Unknown);
    }

    proptest! {
        #[test]
        fn no_file_is_too_odd(
            bytes in proptest::collection::vec(any::<u8>(), 0..200),
            places in proptest::collection::vec((0usize..130, any::<u8>()), 0..6),
        ) {
            classify_bytes(&bytes);
            let mut damaged = elf_file(2, THIS, INTERPRETER);
            for (place, byte) in places {
                damaged[place % 130] = byte;
            }
            classify_bytes(&damaged);
        }
    }
}
