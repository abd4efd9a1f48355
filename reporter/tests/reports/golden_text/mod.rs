//! Texts that somebody has checked, in golden/. After a change that is wanted, run the test with
//! `MEMPROF_UPDATE_GOLDEN=1` and check the difference.

use std::fs;
use std::path::PathBuf;

fn golden(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(name)
}

/// Requires that a text is as it was when somebody checked it.
#[track_caller]
pub fn assert_golden(name: &str, text: &str) {
    if std::env::var_os("MEMPROF_UPDATE_GOLDEN").is_some() {
        fs::write(golden(name), text).expect("the golden text can be written");
    }
    let expected = fs::read_to_string(golden(name)).expect("the golden text can be read");
    assert_eq!(text, expected, "{name} differs; the new text is\n{text}");
}
