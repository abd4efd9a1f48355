//! The memory that the kernel counts for the program, looked at from outside.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

/// An open `/proc/PID/statm`.
pub struct ResidentSet {
    statm: File,
    page_bytes: u64,
}

impl ResidentSet {
    /// Of the process `pid`.
    pub fn of(pid: i32) -> io::Result<Self> {
        Ok(Self { statm: File::open(format!("/proc/{pid}/statm"))?, page_bytes: page_bytes() })
    }

    /// In bytes; nothing once the process has ended.
    pub fn bytes(&self) -> Option<u64> {
        let mut text = [0; 128];
        let length = self.statm.read_at(&mut text, 0).ok()?;
        Some(resident_pages(&text[..length])? * self.page_bytes)
    }
}

/// The second number of `statm` (proc(5)). A process without memory, a zombie, has none.
fn resident_pages(statm: &[u8]) -> Option<u64> {
    let field = statm.split(|byte| byte.is_ascii_whitespace()).nth(1)?;
    std::str::from_utf8(field).ok()?.parse().ok().filter(|&pages| pages > 0)
}

/// Bytes of a page.
pub fn page_bytes() -> u64 {
    // SAFETY: asks for a constant.
    u64::try_from(unsafe { libc::sysconf(libc::_SC_PAGESIZE) }).unwrap_or(4096)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_second_number_counts() {
        assert_eq!(resident_pages(b"2547 913 712 633 0 160 0\n"), Some(913));
        assert_eq!(resident_pages(b"0 0 0 0 0 0 0\n"), None);
        assert_eq!(resident_pages(b""), None);
    }

    #[test]
    fn this_process_has_one() {
        let own = ResidentSet::of(std::process::id().cast_signed()).unwrap();
        assert!(own.bytes().unwrap() > 100 * 1024);
    }
}
