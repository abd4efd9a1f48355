//! The memory that the kernel counts for the program, read from outside.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

/// An open `/proc/PID/status`.
pub struct ResidentSet {
    status: File,
    /// The kernel's high watermark when it was last read.
    high_watermark: u64,
}

impl ResidentSet {
    /// Of the process `pid`.
    pub fn of(pid: i32) -> io::Result<Self> {
        Ok(Self { status: File::open(format!("/proc/{pid}/status"))?, high_watermark: 0 })
    }

    /// In bytes; nothing once the process has ended. Where it has been larger than ever since it was last read, as
    /// large as that: the kernel keeps a high watermark.
    pub fn bytes(&mut self) -> Option<u64> {
        let mut text = [0; 4096];
        let length = self.status.read_at(&mut text, 0).ok()?;
        let (now, high_watermark) = (bytes_of(&text[..length], b"VmRSS:")?, bytes_of(&text[..length], b"VmHWM:")?);
        // A process that executes another program begins from scratch.
        let before = std::mem::replace(&mut self.high_watermark, high_watermark);
        Some(if high_watermark > before { high_watermark } else { now })
    }
}

/// A line of `/proc/PID/status` (proc(5)) that counts KiB. A process without memory, a zombie, has none.
fn bytes_of(status: &[u8], name: &[u8]) -> Option<u64> {
    let mut lines = status.split(|&byte| byte == b'\n');
    let count = lines.find_map(|line| line.strip_prefix(name))?.trim_ascii().strip_suffix(b" kB")?;
    std::str::from_utf8(count).ok()?.parse::<u64>().ok().map(|kibibytes| kibibytes * 1024)
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
    fn a_line_is_found_by_its_name() {
        let status = b"Name:\tVmRSS: 7 kB\nVmHWM:\t    1234 kB\nVmRSS:\t     900 kB\nThreads:\t1\n";
        assert_eq!((bytes_of(status, b"VmRSS:"), bytes_of(status, b"VmHWM:")), (Some(900 * 1024), Some(1234 * 1024)));
        assert_eq!(bytes_of(b"Name:\tx\nState:\tZ (zombie)\n", b"VmRSS:"), None);
        assert_eq!(bytes_of(b"", b"VmRSS:"), None);
    }

    #[test]
    fn this_process_has_one() {
        let mut own = ResidentSet::of(std::process::id().cast_signed()).unwrap();
        let before = own.bytes().unwrap();
        assert!(before > 100 * 1024);
        drop(std::hint::black_box(vec![1_u8; 100 << 20]));
        let highest = own.bytes().unwrap();
        assert!(highest >= 100 << 20, "{highest}");
        assert!(own.bytes().unwrap() < highest);
    }
}
