//! What is known of each version of CPython: a file per version, which has all of it.

use memprof_channel::layout::{KNOWN_FREE_THREADED, KNOWN_PYTHONS};

use super::debug_offsets::Table;
use super::layout::Layout;

mod v3_10;
mod v3_11;
mod v3_12;
mod v3_13;
mod v3_14;
mod v3_15;
mod v3_9;

/// What is known of a version.
pub struct Version {
    /// It is 3.`minor`.
    minor: u32,
    /// Where its fields are.
    pub source: Source,
    /// Whether the thread state that it calls current is the calling thread's, and not that of whoever has the lock.
    pub current_is_own: bool,
    /// Whether its allocator's name may be asked for before Python begins to start.
    pub allocator_named_early: bool,
}

/// How it is known where a version's fields are.
pub enum Source {
    /// All its builds have this layout.
    Fixed(Layout),
    /// The interpreter states it itself.
    DebugOffsets(Table),
}

static VERSIONS: [&Version; 7] = [
    &v3_9::VERSION,
    &v3_10::VERSION,
    &v3_11::VERSION,
    &v3_12::VERSION,
    &v3_13::VERSION,
    &v3_14::VERSION,
    &v3_15::VERSION,
];

const _: () = {
    assert!(v3_9::VERSION.minor == *KNOWN_PYTHONS.start() && v3_15::VERSION.minor == *KNOWN_PYTHONS.end());
    assert!(VERSIONS.len() as u32 == *KNOWN_PYTHONS.end() - *KNOWN_PYTHONS.start() + 1);
    assert!(*KNOWN_FREE_THREADED.end() == *KNOWN_PYTHONS.end());
};

/// The version that `Py_GetVersion()` names, if it is known.
pub fn find(text: &[u8]) -> Option<&'static Version> {
    let minor = minor_version(text)?;
    VERSIONS.into_iter().find(|version| version.minor == minor)
}

/// Takes the minor version out of what `Py_GetVersion()` returns: `3.11.7 (main, ...`. Nothing for another major
/// version. The interpreter's own table says whether it is a free-threaded build.
fn minor_version(text: &[u8]) -> Option<u32> {
    let digits = text.strip_prefix(b"3.")?;
    let length = digits.iter().take_while(|byte| byte.is_ascii_digit()).count();
    if length == 0 || length > 3 {
        return None;
    }
    Some(digits[..length].iter().fold(0, |number, digit| number * 10 + u32::from(digit - b'0')))
}

/// A layout for tests that read objects and frames.
#[cfg(test)]
pub const SAMPLE: Layout = v3_12::LAYOUT;

/// All tables.
#[cfg(test)]
pub fn tables() -> impl Iterator<Item = &'static Table> {
    VERSIONS
        .iter()
        .filter_map(|version| if let Source::DebugOffsets(table) = &version.source { Some(table) } else { None })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_read() {
        assert_eq!(minor_version(b"3.11.7 (main, Jan  1 2024, 00:00:00) [GCC 12.2.0]"), Some(11));
        assert_eq!(minor_version(b"3.9.18"), Some(9));
        assert_eq!(minor_version(b"3.15.1 free-threading build (main, ..."), Some(15));
        assert_eq!(minor_version(b"2.7.18 (default)"), None);
        assert_eq!(minor_version(b"3."), None);
    }

    #[test]
    fn free_threaded_builds_of_some_are_known() {
        let known = |table: &&Table| table.free_threading.is_some();
        assert!(tables().filter(known).map(|table| table.minor).eq(KNOWN_FREE_THREADED));
    }

    #[test]
    fn all_versions_between_the_first_and_the_last_are_known() {
        for minor in 0..100 {
            let found = find(format!("3.{minor}.0 (main)").as_bytes());
            assert_eq!(found.map(|version| version.minor), KNOWN_PYTHONS.contains(&minor).then_some(minor));
        }
    }
}
