//! Programs that were frozen into one file: each starts what it has unpacked as its child, and only waits for it.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;

/// Whether a program is such a launcher. No, if its file cannot be read.
pub fn is_launcher(program: &Path) -> bool {
    File::open(program)
        .and_then(|file| PyInstaller::find(&file))
        .is_ok_and(|found| found.is_some_and(|it| it.unpacks()))
}

/// A PyInstaller archive, which lies in a section of the executable (CArchiveWriter in PyInstaller/archive/writers.py,
/// struct ARCHIVE_COOKIE and TOC_ENTRY in bootloader/src/pyi_archive.h).
struct PyInstaller {
    /// Its table of contents.
    contents: Vec<u8>,
}

impl PyInstaller {
    const MAGIC: [u8; 8] = *b"MEI\x0c\x0b\x0a\x0b\x0e";
    /// Magic number, length of the archive, where the table of contents is in it, its length, all big-endian; then what
    /// is not needed here.
    const COOKIE_BYTES: usize = 88;
    /// After the archive there are only the names of sections and their headers.
    const SEARCHED: u64 = 64 << 10;
    /// More is no table of contents.
    const MOST_CONTENTS: u64 = 64 << 20;

    fn find(file: &File) -> io::Result<Option<Self>> {
        let length = file.metadata()?.len();
        let from = length.saturating_sub(Self::SEARCHED);
        let mut tail = vec![0; (length - from) as usize];
        file.read_exact_at(&mut tail, from)?;
        let Some(at) = tail.windows(Self::COOKIE_BYTES).rposition(|window| window.starts_with(&Self::MAGIC)) else {
            return Ok(None);
        };
        let number = |index: usize| {
            let bytes = tail.get(at + index..at + index + 4).and_then(|bytes| bytes.try_into().ok());
            bytes.map_or(0, |bytes| u64::from(u32::from_be_bytes(bytes)))
        };
        let (archive, contents_at, contents_bytes) = (number(8), number(12), number(16));
        let end = from + at as u64 + Self::COOKIE_BYTES as u64;
        let begin = end.checked_sub(archive).and_then(|begin| begin.checked_add(contents_at));
        let (Some(begin), true) = (begin, contents_bytes <= Self::MOST_CONTENTS) else { return Ok(None) };
        let mut contents = vec![0; contents_bytes as usize];
        file.read_exact_at(&mut contents, begin)?;
        Ok(Some(Self { contents }))
    }

    /// Whether it has libraries to unpack (entries of type `b`). Otherwise they lie beside it, and it becomes Python
    /// itself.
    fn unpacks(&self) -> bool {
        /// After the entry's length: offset, two lengths, whether it is compressed.
        const TYPE_AT: usize = 17;
        let mut rest = &self.contents[..];
        while let Some(bytes) = rest.first_chunk::<4>() {
            let length = u32::from_be_bytes(*bytes) as usize;
            if length <= TYPE_AT || length > rest.len() {
                return false;
            }
            if rest[TYPE_AT] == b'b' {
                return true;
            }
            rest = &rest[length..];
        }
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    /// An executable with an archive whose entries have these types.
    fn executable(types: &[u8]) -> tempfile::NamedTempFile {
        let mut contents = Vec::new();
        for &kind in types {
            contents.extend(24_u32.to_be_bytes());
            contents.extend([0; 13]);
            contents.push(kind);
            contents.extend(*b"name\0\0");
        }
        let mut bytes = b"\x7fELF and code".to_vec();
        let data = b"data of the entries";
        bytes.extend(data);
        bytes.extend(&contents);
        let archive = data.len() + contents.len() + PyInstaller::COOKIE_BYTES;
        bytes.extend(PyInstaller::MAGIC);
        for number in [archive, data.len(), contents.len(), 311] {
            bytes.extend((number as u32).to_be_bytes());
        }
        bytes.extend([0; 64]);
        bytes.extend(b"headers of sections");
        let mut file = tempfile::NamedTempFile::new().expect("a file can be made");
        file.write_all(&bytes).expect("it can be written");
        file
    }

    #[test]
    fn what_unpacks_libraries_is_a_launcher() {
        assert!(is_launcher(executable(b"mMsbbz").path()));
        assert!(!is_launcher(executable(b"mMsz").path()), "its libraries lie beside it");
        assert!(!is_launcher(executable(b"").path()));
    }

    #[test]
    fn other_files_are_none() {
        assert!(!is_launcher(Path::new("/proc/self/exe")));
        assert!(!is_launcher(Path::new("/nonexistent")));
        let whole = std::fs::read(executable(b"b").path()).expect("it can be read");
        for length in 0..whole.len() - 20 {
            let mut file = tempfile::NamedTempFile::new().expect("a file can be made");
            file.write_all(&whole[..length]).expect("it can be written");
            assert!(!is_launcher(file.path()), "{length} bytes of it");
        }
    }
}
