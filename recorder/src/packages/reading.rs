//! Reads files that anybody may have put there: never more than a bounded number of bytes, and only regular files.

use std::fs::OpenOptions;
use std::io::Read;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

/// Bytes of all files together. A large environment has some 20 MiB of them.
const MOST_BYTES: u64 = 128 << 20;

/// How much may still be read.
#[derive(Debug)]
pub(super) struct Reading {
    left: u64,
}

impl Default for Reading {
    fn default() -> Self {
        Self { left: MOST_BYTES }
    }
}

impl Reading {
    /// The content of a file, up to `most` bytes; nothing where there is none.
    pub(super) fn read(&mut self, path: &Path, most: u64) -> Option<Vec<u8>> {
        // A pipe without a writer would keep memprof waiting.
        let flags = libc::O_NONBLOCK | libc::O_NOCTTY;
        let file = OpenOptions::new().read(true).custom_flags(flags).open(path).ok()?;
        let metadata = file.metadata().ok().filter(|metadata| metadata.is_file())?;
        let most = most.min(self.left);
        let mut content = Vec::with_capacity(usize::try_from(metadata.len().min(most)).ok()?);
        file.take(most).read_to_end(&mut content).ok()?;
        self.left -= content.len() as u64;
        Some(content)
    }
}
