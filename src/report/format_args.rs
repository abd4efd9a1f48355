//! How a list is printed: the same options in all reports that are lists.

use memprof_reporter::list::ListFormat;

use super::Notes;

/// How to print a list.
#[derive(Clone, Copy, Debug, clap::Args)]
pub struct FormatArgs {
    /// How to print it
    #[arg(long, value_enum, value_name = "FORMAT", default_value_t = FormatName::Text)]
    format: FormatName,
    /// Print one JSON object with all rows; the same as --format json
    #[arg(long, conflicts_with = "format")]
    json: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum FormatName {
    /// For a terminal
    Text,
    /// A table for a comment on a pull request
    Markdown,
    /// Comma-separated values with all rows, for spreadsheets and data frames
    Csv,
    /// One object with all rows, which a schema in docs/ describes
    Json,
}

impl FormatArgs {
    /// What is asked for.
    pub const fn format(self) -> ListFormat {
        match self.format {
            _ if self.json => ListFormat::Json,
            FormatName::Text => ListFormat::Text,
            FormatName::Markdown => ListFormat::Markdown,
            FormatName::Csv => ListFormat::Csv,
            FormatName::Json => ListFormat::Json,
        }
    }

    /// Where its reader finds what must be known of a capture.
    pub const fn notes(self) -> Notes {
        Notes::of(matches!(self.format(), ListFormat::Text))
    }
}
