//! What a list has rows for: the same option in all lists that go by whatever is asked for.

use memprof_reporter::by::By;

/// The option of a list that has something else where nobody asks: its help says what.
pub fn with_default(by: clap::Arg, default: &str) -> clap::Arg {
    let help = by.get_help().map(ToString::to_string).unwrap_or_default();
    by.help(format!("{help} [default: {default}]"))
}

/// What to list memory by.
#[derive(Clone, Copy, Debug, clap::Args)]
pub struct ByArgs {
    /// What rows are for: stack, function, line, file, module, package, allocator, process, thread; several with commas
    #[arg(long, value_name = "WHAT")]
    by: Option<By>,
}

impl ByArgs {
    /// What is asked for; nothing where that is what the list has anyway.
    pub const fn by(self) -> Option<By> {
        self.by
    }
}
