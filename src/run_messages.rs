//! What `memprof run` says on stderr. The program's own output is never touched, so nothing goes to stdout.

use std::env;
use std::ffi::CStr;
use std::fmt::Display;
use std::io::{self, IsTerminal, Write};
use std::path::Path;
use std::time::{Duration, Instant};

use memprof_recorder::os_error::in_words;
use memprof_recorder::output::Failure;
use memprof_recorder::recording::Outcome;
use memprof_recorder::wait::Exit;
use memprof_reporter::not_recorded;
use memprof_reporter::report::Peaks;
use memprof_reporter::shell_quoting::join_quoted;
use memprof_reporter::size_units::{count, counted, seconds, size};

use crate::output_file::OutputKind;

/// A line that counts down while events are still being written although the program has ended.
#[derive(Debug)]
pub struct Progress {
    wanted: bool,
    began: Option<Instant>,
    shown: Option<Instant>,
}

/// Shorter waits need no explanation.
const PATIENCE: Duration = Duration::from_secs(1);
const BETWEEN_UPDATES: Duration = Duration::from_millis(100);

impl Progress {
    /// Shown on terminals only, and not with `-q`.
    pub fn new(quiet: bool) -> Self {
        Self { wanted: !quiet && io::stderr().is_terminal(), began: None, shown: None }
    }

    /// Takes note of the bytes left.
    pub fn show(&mut self, bytes_left: u64) {
        let now = Instant::now();
        let began = *self.began.get_or_insert(now);
        let due = self.shown.is_none_or(|shown| now - shown >= BETWEEN_UPDATES);
        if self.wanted && due && now - began >= PATIENCE {
            self.shown = Some(now);
            let _ = write!(io::stderr(), "\rmemprof: writing the capture, {} left\x1b[K", size(bytes_left));
        }
    }

    /// Removes the line.
    pub fn clear(&mut self) {
        if self.shown.take().is_some() {
            let _ = write!(io::stderr(), "\r\x1b[K");
        }
    }
}

/// The program has ended, and processes that it started have not.
pub fn waits_for(processes: usize, quiet: bool) {
    if !quiet {
        let text = match processes {
            1 => "1 process that it started still runs and is recorded".to_owned(),
            more => format!("{more} processes that it started still run and are recorded"),
        };
        let _ = writeln!(io::stderr(), "memprof: the program has ended; {text} (Ctrl-C ends that)");
    }
}

/// The program is going to run without being recorded. Said also if it is not to be talked to: there will be no
/// capture.
pub fn unrecorded(reason: &dyn Display) {
    let _ = writeln!(io::stderr(), "memprof: the program runs without being recorded: {reason}");
}

/// A capture goes into a pipe that nobody reads yet.
pub fn waits_for_reader(pipe: &Path, quiet: bool) {
    if !quiet {
        let _ = writeln!(io::stderr(), "memprof: waiting until somebody reads {} (Ctrl-C ends that)", pipe.display());
    }
}

/// Sums the run up. A stderr that is closed is no reason to fail: the capture is written, and the exit status counts.
pub fn end(out: &mut dyn Write, outcome: &Outcome, peaks: Option<Peaks>, file: (&Path, OutputKind), quiet: bool) {
    let mut text = String::new();
    for warning in &outcome.warnings {
        text += &format!("memprof: {warning}\n");
    }
    if let Some(failure) = &outcome.failure {
        text += &format!("memprof: {}\n", cut_off(failure, outcome.allocations));
    }
    if !quiet {
        if let Exit::Signal(signal) = outcome.exit {
            text += &format!("memprof: the program was ended by signal {signal} ({})\n", signal_name(signal));
        }
        text += &format!("memprof: {}\n", figures(outcome, peaks));
        if let Some(what) = &outcome.not_recorded {
            let cpu_us = u64::try_from(outcome.cpu.as_micros()).unwrap_or(u64::MAX);
            for sentence in not_recorded::sentences(what, cpu_us) {
                text += &format!("memprof: {sentence}\n");
            }
        }
        text += &whereabouts(file, outcome.file_bytes);
    }
    let _ = out.write_all(text.as_bytes());
}

fn whereabouts((file, kind): (&Path, OutputKind), bytes: u64) -> String {
    if kind == OutputKind::Stream {
        return format!("memprof: wrote {} to {}\n", size(bytes), file.display());
    }
    let name = file.to_string_lossy();
    let own_name = env::args_os().next().map_or_else(|| "memprof".into(), |name| name.to_string_lossy().into_owned());
    let argument = if name.starts_with('-') { format!("./{name}") } else { name.clone().into_owned() };
    let command = join_quoted(&[own_name, "flamegraph".to_owned(), argument]);
    format!("memprof: wrote {name} ({}); to see what was in memory at the peak:\n  {command}\n", size(bytes))
}

fn cut_off(failure: &Failure, allocations: u64) -> String {
    let holds = match failure.allocations {
        Some(kept) => format!("the first {} of {}", count(kept), counted(allocations, "allocation")),
        None => "what was summed up until then".to_owned(),
    };
    format!("the capture could not be written to its end: {}; it holds {holds}", in_words(&failure.error))
}

fn figures(outcome: &Outcome, peaks: Option<Peaks>) -> String {
    let (wall, cpu) = (seconds(outcome.wall.as_secs_f64()), seconds(outcome.cpu.as_secs_f64()));
    let allocations = counted(outcome.allocations, "allocation");
    // Of a capture that is cut off, the peak is that of what it holds.
    let whole = peaks.filter(|_| outcome.failure.is_none());
    let heap = whole.map(|peaks| format!("peak heap {}", size(peaks.heap_bytes)));
    let rss = peaks.and_then(|peaks| peaks.rss_bytes).map(|bytes| format!("peak RSS {}", size(bytes)));
    let memory = heap.into_iter().chain(rss).collect::<Vec<_>>().join(", ");
    let memory = if memory.is_empty() { memory } else { format!("{memory}; ") };
    format!("{wall} wall, {cpu} CPU; {memory}{allocations}")
}

fn signal_name(signal: i32) -> String {
    // SAFETY: `strsignal` returns a C string for any number. memprof has one thread by now, so nothing overwrites it.
    let name = unsafe { libc::strsignal(signal) };
    if name.is_null() {
        return "unknown".to_owned();
    }
    // SAFETY: see above.
    unsafe { CStr::from_ptr(name) }.to_string_lossy().into_owned()
}
