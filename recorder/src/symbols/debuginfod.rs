//! Debugging information from the servers of distributions, through elfutils' own command: it knows the servers' ways,
//! keeps what it fetched, and respects the user's proxies.

use std::env;
use std::path::PathBuf;
use std::process::{Command, Stdio};

const COMMAND: &str = "debuginfod-find";
const SERVERS: &str = "DEBUGINFOD_URLS";

/// Why nothing can be fetched, as a sentence.
pub fn obstacle() -> Option<String> {
    if env::var_os(SERVERS).is_none_or(|urls| urls.is_empty()) {
        return Some(format!("nothing is fetched with --debuginfod: set {SERVERS} to the servers to ask"));
    }
    let on_path =
        env::var_os("PATH").is_some_and(|path| env::split_paths(&path).any(|folder| folder.join(COMMAND).is_file()));
    (!on_path).then(|| {
        format!(
            "nothing is fetched with --debuginfod: {COMMAND} is not on PATH; install the package debuginfod of elfutils"
        )
    })
}

/// The file of debugging information with this build id, fetched if need be.
pub fn find(build_id: &[u8]) -> Option<PathBuf> {
    if build_id.is_empty() || obstacle().is_some() {
        return None;
    }
    let hex: String = build_id.iter().map(|byte| format!("{byte:02x}")).collect();
    let output = Command::new(COMMAND)
        .args(["debuginfo", &hex])
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .output()
        .ok()
        .filter(|output| output.status.success())?;
    let path = String::from_utf8(output.stdout).ok()?;
    let path = PathBuf::from(path.trim_end());
    path.is_absolute().then_some(path)
}
