//! Programs that memprof must not change, whatever they do: they are run without it and with it.

use std::env;
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::process::Command;

use super::limited::{LIMIT, finished_within};
use super::recording::{Recorded, Recording, set_up, total};

/// A program to be run both ways.
#[derive(Clone)]
pub struct Unharmed {
    command: Vec<OsString>,
    variables: Vec<(String, OsString)>,
    options: Vec<OsString>,
    memprof: Option<PathBuf>,
    numbers_differ: bool,
    may_skip: bool,
    most_unknown_frees: u64,
}

impl Unharmed {
    /// This command.
    pub fn command(command: &[&OsStr]) -> Self {
        Self {
            command: command.iter().map(OsString::from).collect(),
            variables: Vec::new(),
            options: Vec::new(),
            memprof: None,
            numbers_differ: false,
            may_skip: false,
            most_unknown_frees: 0,
        }
    }

    /// With an environment variable, in both runs.
    pub fn variable(mut self, name: &str, value: impl Into<OsString>) -> Self {
        self.variables.push((name.to_owned(), value.into()));
        self
    }

    /// With one more option for memprof.
    pub fn option(mut self, option: &str) -> Self {
        self.options.push(option.into());
        self
    }

    /// Recorded by another memprof.
    pub fn memprof(self, path: &Path) -> Self {
        Self { memprof: Some(path.to_owned()), ..self }
    }

    /// The numbers that it prints are different in every run.
    pub fn whose_numbers_differ(self) -> Self {
        Self { numbers_differ: true, ..self }
    }

    /// Its handlers interrupt the recording itself, or leave it.
    pub fn that_may_skip_events(self) -> Self {
        Self { may_skip: true, ..self }
    }

    /// So many frees may be unknown: see `Python::most_unseen_in_another_life`. Else none.
    pub fn with_unknown_frees_up_to(self, most: u64) -> Self {
        Self { most_unknown_frees: most, ..self }
    }

    /// Runs it both ways. Requires the same status and output, and a whole capture.
    #[track_caller]
    pub fn check(self) -> Recorded {
        let mut recording = Recording::of_command(&self.command.iter().map(OsString::as_os_str).collect::<Vec<_>>());
        recording = recording.option("-q");
        for option in &self.options {
            recording = recording.option(option);
        }
        for (name, value) in &self.variables {
            recording = recording.variable(name, value);
        }
        if let Some(memprof) = &self.memprof {
            recording = recording.memprof(memprof);
        }
        let mut bare = Command::new(&self.command[0]);
        bare.args(&self.command[1..]);
        set_up(&mut bare, recording.folder());
        bare.envs(self.variables.iter().map(|(name, value)| (name, value)));
        let bare = finished_within(LIMIT, &mut bare);
        let finished = finished_within(LIMIT, &mut recording.command());

        let (printed, complained) = (finished.stdout(), finished.stderr());
        let call = format!("{:?} {:?} {:?}", self.variables, self.command, self.options);
        assert_eq!(finished.status(), bare.status(), "{call}\nstdout: {printed}\nstderr: {complained}");
        let [printed, expected] = [printed, bare.stdout()].map(|text| self.comparable(text));
        assert_eq!(printed, expected, "{call}: {complained}");
        let recorded = recording.recorded(finished);
        let stats = recorded.stats();
        assert_eq!(stats["metadata"]["complete"], true, "{call}: {}", stats["notes"]);
        let (damaged, unknown) = (total(&stats, "damaged_chunks"), total(&stats, "unknown_frees"));
        assert!(damaged == 0 && unknown <= self.most_unknown_frees, "{call}: {damaged} damaged, {unknown} unknown");
        assert!(self.may_skip || total(&stats, "skipped_events") == 0, "{call}: {}", total(&stats, "skipped_events"));
        recorded
    }

    fn comparable(&self, text: String) -> String {
        if !self.numbers_differ {
            return text;
        }
        text.split(|character: char| character.is_ascii_digit()).filter(|part| !part.is_empty()).collect()
    }
}

/// How often what happens by chance is tried: so often, and `MEMPROF_REPEAT` times as often when that is set.
pub fn repeated(times: usize) -> usize {
    times * env::var("MEMPROF_REPEAT").ok().and_then(|times| times.parse().ok()).unwrap_or(1)
}
