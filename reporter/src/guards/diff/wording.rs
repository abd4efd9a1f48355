//! What text and Markdown say in words.

use super::{By, Diff, Matches};
use crate::formatting::size_units::{counted, signed_count, signed_percent, signed_size, size};

impl Diff<'_> {
    /// The outcome in a sentence.
    pub(super) fn headline(&self) -> String {
        let (total, difference) = (self.total, self.total.difference());
        let share = total.percent().map(|percent| format!(" ({})", signed_percent(Some(percent))));
        format!(
            "{} {}{}: {} before, {} after: {}{}, {} allocations",
            self.comparison.by.heading(),
            self.comparison.metric.heading(),
            self.comparison.view.kind.heading(),
            size(total.before.bytes),
            size(total.after.bytes),
            signed_size(difference.bytes),
            share.unwrap_or_default(),
            signed_count(difference.allocations)
        )
    }

    /// How much more there is in all, for a message: `1.0 MiB (+8.1%) more live at the peak than before`.
    #[must_use]
    pub fn growth(&self) -> String {
        let more = size(self.total.after.bytes.saturating_sub(self.total.before.bytes));
        let share = self.total.percent().map(|percent| format!(" ({})", signed_percent(Some(percent))));
        format!("{more}{} more {} than before", share.unwrap_or_default(), self.comparison.metric.heading())
    }

    /// What the reader must know: the notes on both captures, and in what they were recorded differently.
    pub(super) fn notes(&self) -> Vec<String> {
        let [before, after] = self.reports;
        let mut notes = Vec::new();
        for (name, report) in [("before", before), ("after", after)] {
            notes.extend(report.notes().iter().map(|note| format!("{name}: {note}")));
            if !report.metadata().selection.is_empty() {
                notes.push(format!("{name}: only {}", report.metadata().selection));
            }
        }
        let (before, after) = (before.metadata(), after.metadata());
        let only = |before: bool| if before { "only before" } else { "only after" };
        if before.python_allocators_traced != after.python_allocators_traced {
            let side = only(before.python_allocators_traced);
            notes
                .push(format!("Python's own allocators were traced {side}: the captures do not count the same things"));
        }
        if before.native_stacks != after.native_stacks {
            let side = only(before.native_stacks);
            notes.push(format!("native stacks were recorded {side}: compare with --view python"));
        }
        if before.python_version != after.python_version {
            let version = |version: &str| if version.is_empty() { "none".to_owned() } else { version.to_owned() };
            let (before, after) = (version(&before.python_version), version(&after.python_version));
            notes.push(format!("Python was {before} before and is {after} after"));
        }
        notes
    }
}

impl Matches {
    /// How many of them there are: `Taken for the same: 88 moved files, 1 renamed file`.
    pub(super) fn counts(&self) -> String {
        let files = self.folders.iter().map(|folder| folder.files).sum();
        let mut parts = Vec::new();
        for (number, what) in
            [(files, "moved file"), (self.files.len(), "renamed file"), (self.functions.len(), "moved function")]
        {
            if number > 0 {
                parts.push(counted(number as u64, what));
            }
        }
        format!("Taken for the same: {}", parts.join(", "))
    }

    /// A sentence for each of them, for at most `most` of a kind.
    pub(super) fn in_words(&self, most: usize) -> Vec<String> {
        let path = |path: &str| if path.is_empty() { "the working folder".to_owned() } else { path.to_owned() };
        let mut words = Vec::new();
        let mut list = |all: Vec<String>, what: &str| {
            let more = all.len().saturating_sub(most);
            words.extend(all.into_iter().take(most));
            if more > 0 {
                words.push(format!("and {}", counted(more as u64, what)));
            }
        };
        let folders = self.folders.iter().map(|folder| {
            let files = counted(folder.files as u64, "file");
            format!("what was below {} is below {} now ({files})", path(&folder.before), path(&folder.after))
        });
        list(folders.collect(), "more folder");
        let files = self.files.iter().map(|file| format!("{} is taken for {}, renamed", file.after, file.before));
        list(files.collect(), "more renamed file");
        let functions = self.functions.iter().map(|moved| {
            format!("{} is taken for the one that was in {}, moved to {}", moved.function, moved.before, moved.after)
        });
        list(functions.collect(), "more moved function");
        words
    }
}

impl By {
    /// What the headline begins with.
    const fn heading(self) -> &'static str {
        match self {
            Self::Stack => "Stacks,",
            Self::Function => "Functions,",
            Self::Line => "Places,",
            Self::Module => "Modules,",
            Self::Package => "Packages,",
        }
    }
}
