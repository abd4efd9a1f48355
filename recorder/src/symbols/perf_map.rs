//! The names of code that was made at run time: `/tmp/perf-PID.map`, as interpreters write it for profilers. A line is
//! an address and a size, in hexadecimal digits, and a name.

use std::fs::{File, OpenOptions};
use std::io::{self, BufRead, BufReader, Read};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use super::demangling::shortened;
use crate::user_folder::user;

/// A larger file is read up to here.
const MAX_BYTES: u64 = 256 << 20;
/// A longer line is cut.
const MAX_LINE_BYTES: u64 = 16 << 10;

/// The process whose code is to be named.
#[derive(Clone, Copy, Debug)]
pub struct Process {
    /// Its number, as it is to itself: it names the file by it, also where it lives in a namespace of its own.
    pub pid: u32,
    /// When the recording began, in seconds since 1970: a map that was last written before is another process's.
    pub began: i64,
}

/// The map of a process, below the root of its file system, if there is one.
pub fn open(process: Process, root: Option<&Path>) -> Option<(PathBuf, File)> {
    let path = root.unwrap_or(Path::new("/")).join(format!("tmp/perf-{}.map", process.pid));
    // Everybody may write to /tmp: no links are followed, and no pipes waited for.
    let file = OpenOptions::new().read(true).custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK).open(&path).ok()?;
    let metadata = file.metadata().ok()?;
    let is_ours = [user(), 0].contains(&metadata.uid()) || user() == 0 || root.is_some();
    (metadata.is_file() && is_ours && metadata.mtime() >= process.began).then_some((path, file))
}

/// Names the code at these addresses, which are in ascending order. Of several lines for an address the last one is
/// right: the memory was used again.
pub fn names(map: impl Read, addresses: &[u64]) -> io::Result<Vec<Option<String>>> {
    let mut names = vec![None; addresses.len()];
    let mut map = BufReader::new(map.take(MAX_BYTES));
    let mut line = Vec::new();
    loop {
        line.clear();
        if map.by_ref().take(MAX_LINE_BYTES).read_until(b'\n', &mut line)? == 0 {
            return Ok(names);
        }
        if !line.ends_with(b"\n") && line.len() as u64 == MAX_LINE_BYTES {
            skip_line(&mut map)?;
        }
        let Some((start, bytes, name)) = parse(&line) else { continue };
        let first = addresses.partition_point(|&address| address < start);
        let held = addresses[first..].iter().take_while(|&&address| address - start < bytes);
        let end = first + held.count();
        if first < end {
            let name = shortened(String::from_utf8_lossy(name).into_owned());
            names[first..end].fill(Some(name));
        }
    }
}

fn skip_line(map: &mut impl BufRead) -> io::Result<()> {
    map.skip_until(b'\n').map(drop)
}

fn parse(line: &[u8]) -> Option<(u64, u64, &[u8])> {
    let (start, rest) = number(line)?;
    let (bytes, name) = number(rest)?;
    let name = name.trim_ascii();
    (!name.is_empty()).then_some((start, bytes, name))
}

/// A number in hexadecimal digits, and what comes after the blank that follows it.
fn number(text: &[u8]) -> Option<(u64, &[u8])> {
    let text = text.trim_ascii_start();
    let end = text.iter().position(u8::is_ascii_whitespace)?;
    let digits = std::str::from_utf8(&text[..end]).ok()?;
    let digits = digits.strip_prefix("0x").unwrap_or(digits);
    // `from_str_radix` takes a sign.
    let is_number = digits.bytes().all(|digit| digit.is_ascii_hexdigit());
    Some((u64::from_str_radix(digits, 16).ok().filter(|_| is_number)?, &text[end..]))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn named(map: &[u8], addresses: &[u64]) -> Vec<Option<String>> {
        names(map, addresses).unwrap()
    }

    #[test]
    fn later_lines_win_and_garbage_is_passed_over() {
        let map = b"1000 10 first\n\
            garbage\n\n0 0\n-10 5 signed\nffffffffffffffffff 1 too large\n\
            0x1020 8 py::f:/tmp/a b.py\n\
            ffffffffffffffff ffffffffffffffff the end\n\
            1008 8 \xffsecond\n2000 0 empty\n3000 1 cut";
        let addresses = [0, 0xfff, 0x1000, 0x1007, 0x1008, 0x100f, 0x1010, 0x1020, 0x1027, 0x2000, 0x3000, u64::MAX];
        let names = named(map, &addresses);
        let names: Vec<_> = names.iter().map(|name| name.as_deref().unwrap_or("")).collect();
        let (first, second, python) = ("first", "\u{fffd}second", "py::f:/tmp/a b.py");
        assert_eq!(names, ["", "", first, first, second, second, "", python, python, "", "cut", "the end"]);
    }

    #[test]
    fn an_endless_line_is_one_line() {
        let mut map = b"1000 10 ".to_vec();
        map.extend(std::iter::repeat_n(b'x', 100_000));
        map.extend(b" 2000 10 not a line\n3000 10 next\n");
        let names = named(&map, &[0x1000, 0x2000, 0x3000]);
        assert!(names[0].as_ref().is_some_and(|name| name.starts_with("xxx") && name.len() < 10_000));
        assert_eq!(names[1..], [None, Some("next".to_owned())]);
    }

    #[test]
    fn maps_of_earlier_processes_do_not_count() {
        let root = tempfile::tempdir().unwrap();
        std::fs::create_dir(root.path().join("tmp")).unwrap();
        std::fs::write(root.path().join("tmp/perf-77.map"), "1000 10 f\n").unwrap();
        assert!(open(Process { pid: 77, began: 0 }, Some(root.path())).is_some());
        assert!(open(Process { pid: 77, began: i64::MAX }, Some(root.path())).is_none());
        assert!(open(Process { pid: 78, began: 0 }, Some(root.path())).is_none());
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_without_a_panic(map: Vec<u8>, mut addresses: Vec<u64>) {
            addresses.sort_unstable();
            prop_assert_eq!(named(&map, &addresses).len(), addresses.len());
        }

        #[test]
        fn the_last_line_that_holds_an_address_names_it(
            lines in prop::collection::vec((0_u64..200, 0_u64..50), 0..40),
            mut addresses in prop::collection::vec(0_u64..260, 0..40),
        ) {
            addresses.sort_unstable();
            let map: String =
                lines.iter().enumerate().map(|(row, (start, bytes))| format!("{start:x} {bytes:x} n{row}\n")).collect();
            let wanted: Vec<_> = addresses.iter().map(|&address| {
                let row = lines.iter().rposition(|&(start, bytes)| (start..start + bytes).contains(&address))?;
                Some(format!("n{row}"))
            }).collect();
            prop_assert_eq!(named(map.as_bytes(), &addresses), wanted);
        }
    }
}
