//! What is added when all events have been written.

use std::path::Path;
use std::sync::atomic::Ordering::Acquire;

use memprof_capture::file::Fact;
use memprof_capture::file::facts::NotRecorded;

use super::Drain;
use crate::packages::packages_of;
use crate::symbols;
use crate::symbols::hidden_allocators;

impl Drain {
    /// Adds how the capturing of native stacks went.
    pub fn write_native_stacks(&mut self) {
        let pool = self.chunks.pool();
        let header = pool.header();
        self.writer.fact(Fact::NativeStacks {
            cut_short: header.cut_short.load(Acquire),
            unmerged: header.unmerged.load(Acquire),
            checked: header.checked.load(Acquire),
            differing: header.differing.load(Acquire),
        });
    }

    /// Adds which of the modules that mapped memory have an allocator that was not recorded, because no symbols say
    /// where it is.
    pub fn write_hidden_allocators(&mut self) {
        let interning = &self.transcoders.interning;
        let facts = hidden_allocators::facts(interning.modules(), interning.modules_that_map());
        if !facts.is_empty() {
            self.writer.output.facts(&facts);
        }
    }

    /// Adds the names of native frames, and where they come from. Returns what the user should know, a sentence each.
    pub fn write_symbols(&mut self, began: i64, options: &symbols::Options) -> Vec<String> {
        let interning = &self.transcoders.interning;
        let mut frames = interning.native_frames().peekable();
        if frames.peek().is_none() {
            return Vec::new();
        }
        // They are asked for the names of code that was made at run time.
        let processes: Vec<_> = self.processes.pids().into_iter().map(|pid| symbols::Process { pid, began }).collect();
        let kept_files = self.kept_files.take().unwrap_or_default();
        let found = symbols::Resolution::of(interning.modules(), frames, &processes, options, &kept_files);
        let facts = found.facts();
        if !facts.is_empty() {
            self.writer.output.facts(&facts);
        }
        self.writer.output.symbols(&found.symbols);
        found.warnings
    }

    /// Adds which packages the files of code objects and modules belong to. `executable` is what was started.
    pub fn write_packages(&mut self, executable: &Path) {
        let interning = &self.transcoders.interning;
        let modules = interning.modules().iter().flatten().map(|module| module.path.as_str());
        let files = packages_of(interning.python_files().iter().chain(modules), executable);
        if !files.is_empty() {
            self.writer.output.packages(files);
        }
    }

    /// Adds what the program started and was not recorded.
    pub fn write_not_recorded(&mut self, what: &NotRecorded) {
        self.writer.fact(Fact::NotRecorded(what.clone()));
    }
}
