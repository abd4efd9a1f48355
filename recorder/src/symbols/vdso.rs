//! The code that the kernel gives to every process. It has no file, but this process has it, too.

use std::fs;

/// The names under which it is known.
pub fn is_vdso(path: &str) -> bool {
    matches!(path, "[vdso]" | "linux-vdso.so.1" | "linux-gate.so.1")
}

/// This process's own.
pub fn image() -> Option<&'static [u8]> {
    // SAFETY: asks for a number.
    let start = usize::try_from(unsafe { libc::getauxval(libc::AT_SYSINFO_EHDR) }).ok().filter(|&start| start != 0)?;
    let maps = fs::read_to_string("/proc/self/maps").ok()?;
    let line = maps.lines().find(|line| line.ends_with("[vdso]"))?;
    let (from, to) = line.split_whitespace().next()?.split_once('-')?;
    let (from, to) = (usize::from_str_radix(from, 16).ok()?, usize::from_str_radix(to, 16).ok()?);
    if from != start || to <= from {
        return None;
    }
    // SAFETY: the kernel mapped this range readable when the process began, and nothing unmaps it.
    Some(unsafe { std::slice::from_raw_parts(start as *const u8, to - from) })
}

#[cfg(test)]
mod tests {
    use crate::symbols::elf_image::ElfImage;

    #[test]
    fn it_is_an_elf_file_with_a_build_id() {
        // Some machines have none.
        let Some(image) = super::image() else { return };
        let image = ElfImage::parse(image).expect("it is an ELF file");
        assert!(!image.build_id().is_empty());
    }
}
