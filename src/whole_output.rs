//! Files that memprof writes whole or not at all, whatever ends it meanwhile.

use std::io;
use std::path::Path;
use std::sync::Once;
use std::thread;

use memprof_capture::file::whole_file::{Readers, WholeFile, remove_unfinished};
use memprof_recorder::inherited;
use signal_hook::consts::{
    SIGALRM, SIGHUP, SIGINT, SIGIO, SIGPROF, SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2, SIGVTALRM, SIGXCPU,
};
use signal_hook::iterator::Signals;
use signal_hook::low_level::emulate_default_handler;

/// What would end memprof at once. A pipe without a reader and a file beyond its limit are errors of the write.
const ENDING: [libc::c_int; 11] =
    [SIGALRM, SIGHUP, SIGINT, SIGIO, SIGPROF, SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2, SIGVTALRM, SIGXCPU];

/// Begins a file that a signal takes away again if it ends memprof before the file is whole.
///
/// # Errors
/// See [`WholeFile::begin`].
pub fn begin(path: &Path, readers: Readers) -> io::Result<WholeFile> {
    static WATCHED: Once = Once::new();
    let mut watched = Ok(());
    WATCHED.call_once(|| watched = watch_signals());
    watched?;
    WholeFile::begin(path, readers)
}

fn watch_signals() -> io::Result<()> {
    let mut signals = Signals::new(ENDING.into_iter().filter(|&signal| !inherited::is_ignored(signal)))?;
    thread::Builder::new().spawn(move || {
        if let Some(signal) = signals.forever().next() {
            remove_unfinished();
            let _ = emulate_default_handler(signal);
        }
    })?;
    Ok(())
}
