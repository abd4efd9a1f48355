//! What is written: events as they are settled, and from time to time what else has turned out.

use std::collections::BTreeMap;
use std::sync::atomic::Ordering::Acquire;
use std::time::{Duration, Instant};

use memprof_capture::file::Fact;
use memprof_capture::file::facts::RssSample;
use memprof_channel::layout::{PoolHeader, PythonState, is_free_threaded, load_text};

use super::thread_table::ThreadTable;
use crate::interning::NewRows;
use crate::output::Output;

/// The output, and what is to be written to it.
pub struct Writer {
    /// Where the recording goes.
    pub output: Box<dyn Output>,
    /// The threads that have been seen.
    pub threads: ThreadTable,
    /// What was last written of the interpreter.
    interpreter: Option<Fact>,
    /// By image; 0 represents the process that was started.
    samples: BTreeMap<u32, Vec<RssSample>>,
    written_at: Instant,
}

/// Events are not kept back longer than this, so that little is lost if the recorder itself is killed.
const LONGEST_WAIT: Duration = Duration::from_secs(1);

impl Writer {
    /// To this output.
    pub fn to(output: Box<dyn Output>) -> Self {
        Self {
            output,
            threads: ThreadTable::default(),
            interpreter: None,
            samples: BTreeMap::new(),
            written_at: Instant::now(),
        }
    }

    /// Writes down something that turned out.
    pub fn fact(&mut self, fact: Fact) {
        self.output.facts(&[fact]);
    }

    /// Writes down what the interposer has found out about the interpreter, whenever that changes.
    pub fn note_interpreter(&mut self, header: &PoolHeader) {
        if let Some(fact) = interpreter(header)
            && self.interpreter.as_ref() != Some(&fact)
        {
            self.output.facts(std::slice::from_ref(&fact));
            self.interpreter = Some(fact);
        }
    }

    /// What is known about the interpreter.
    pub const fn interpreter(&self) -> Option<&Fact> {
        self.interpreter.as_ref()
    }

    /// Notes the size of the resident set of the process that runs an image; 0 represents the one that was started.
    pub fn sample(&mut self, image: u32, sample: RssSample) {
        self.samples.entry(image).or_default().push(sample);
    }

    /// Whether something has waited long enough to be written.
    pub fn is_due(&self) -> bool {
        self.written_at.elapsed() >= LONGEST_WAIT
    }

    /// Writes these rows, to which no event may refer yet, and what has been noted. All settled events are written by
    /// now.
    pub fn write(&mut self, rows: NewRows) {
        self.written_at = Instant::now();
        self.output.rows(rows);
        if let Some(threads) = self.threads.take_changed() {
            self.output.threads(threads);
        }
        for (image, samples) in std::mem::take(&mut self.samples) {
            self.output.rss(image, &samples);
        }
        self.output.checkpoint();
    }
}

/// What the interposer has found out about the interpreter of the process that it is in, if there is one.
fn interpreter(header: &PoolHeader) -> Option<Fact> {
    let stacks = match PythonState::from_number(header.python_state.load(Acquire)) {
        PythonState::Absent => return None,
        PythonState::Known => true,
        PythonState::Unknown => false,
    };
    let (mut said, mut allocator) = ([0; 128], [0; 32]);
    let version = version(load_text(&header.python_version, &mut said));
    let allocator = load_text(&header.python_allocator, &mut allocator);
    Some(Fact::Python { version, allocator: String::from_utf8_lossy(allocator).into_owned(), stacks })
}

/// What [`Fact::Python`] has of what `Py_GetVersion()` returns.
fn version(said: &[u8]) -> String {
    let number = said.split(|byte| byte.is_ascii_whitespace()).next().unwrap_or_default();
    let suffix = if is_free_threaded(said) { "t" } else { "" };
    format!("{}{suffix}", String::from_utf8_lossy(number))
}
