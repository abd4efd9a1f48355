//! Says what a test leaves out. All that is left out goes through here.

use std::env;
use std::io::{self, Write};

/// Something is not tested, because a program, a package or a file is missing that can be installed. In CI it must be
/// there (`.ci/run` installs it): the test fails.
#[track_caller]
pub fn skipped(reason: &str) {
    assert!(!in_ci(), "in CI nothing may be missing: {reason}");
    say(&format!("skipped: {reason}"));
}

/// Something is not tested, because the machine itself does not let us do it, whatever is installed: such as to mount a
/// disk. Allowed in CI, which counts these lines.
pub fn machine_forbids(what: &str) {
    say(&format!("skipped: the machine forbids {what}"));
}

/// Something is not tested with one Python of several, because of how that was built, or a version is not tested that
/// the machine does not have. Allowed in CI, which counts these lines; at least one Python must be there for each test.
pub fn python_lacks(what: &str) {
    say(&format!("skipped: Python: {what}"));
}

/// Whether this is CI, where whatever can be tested is.
pub fn in_ci() -> bool {
    env::var("CI").is_ok_and(|value| value == "true")
}

/// Past the test harness, which swallows what tests print.
pub fn say(line: &str) {
    let _ = io::stderr().write_all(format!("{line}\n").as_bytes());
}
