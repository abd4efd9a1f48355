//! `memprof tree`.

use memprof_reporter::query::PathPattern;
use memprof_reporter::tree::{Folding, Limits, Patterns, TreeOptions, write_json, write_text};
#[cfg(feature = "tui")]
use memprof_tui::{TreeScreen, terminal};

use super::shown_args::ShownArgs;
use super::text_args::TextArgs;
use super::{Failure, Notes, SortStacks, stdout_text};

/// Show who called what, and how much was allocated below each call
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    shown: ShownArgs,
    /// Put callers below what they called, down to what allocated
    #[arg(long)]
    inverted: bool,
    /// What to rank calls by
    #[arg(short, long, value_name = "COLUMN", value_enum, default_value_t = SortStacks::Bytes)]
    sort: SortStacks,
    /// Print text, also on a terminal
    #[arg(long = "text")]
    is_text: bool,
    /// Print one JSON object (docs/tree.schema.json)
    #[arg(long, conflicts_with = "is_text")]
    json: bool,
    #[command(flatten)]
    limits: LimitArgs,
    #[command(flatten)]
    folding: FoldingArgs,
    #[command(flatten)]
    text: TextArgs,
}

/// What printed trees leave out.
#[derive(Clone, Copy, Debug, clap::Args)]
#[command(next_help_heading = "Limits of text and JSON (JSON has none unless given)")]
struct LimitArgs {
    /// Put calls with a smaller share of everything into one row [text: 1]
    #[arg(long, value_name = "PERCENT", value_parser = percent)]
    threshold_percent: Option<f64>,
    /// Show at most this many calls, the largest ones [text: 200]
    #[arg(short = 'n', long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    limit: Option<u64>,
    /// Show calls down to this depth
    #[arg(long, value_name = "N")]
    depth: Option<u32>,
    /// Show only the ways to the N places that allocated most
    #[arg(short, long, value_name = "N")]
    biggest_allocs: Option<usize>,
}

/// Which frames of libraries are folded.
#[derive(Clone, Debug, clap::Args)]
#[command(next_help_heading = "Folding")]
struct FoldingArgs {
    /// Show the frames in such files and modules, also if they are a library's; '*' shows all
    #[arg(long, value_name = "PATTERN")]
    show: Vec<PathPattern>,
    /// Fold the frames in such files and modules as if they were a library's
    #[arg(long, value_name = "PATTERN")]
    hide: Vec<PathPattern>,
}

impl LimitArgs {
    fn limits(self, default: Limits) -> Limits {
        // Who asks for the largest places wants to see these, however small they are.
        let default = if self.biggest_allocs.is_some() { Limits::NONE } else { default };
        Limits {
            threshold_percent: self.threshold_percent.unwrap_or(default.threshold_percent),
            calls: self.limit.map_or(default.calls, |limit| usize::try_from(limit).unwrap_or(usize::MAX)),
            depth: self.depth.unwrap_or(default.depth),
        }
    }
}

impl Args {
    /// Whether the tree is for a terminal that it takes over.
    #[cfg(feature = "tui")]
    fn is_for_screen(&self) -> bool {
        !self.json && !self.is_text && terminal::is_there()
    }

    /// Without the terminal application, it is printed.
    #[cfg(not(feature = "tui"))]
    const fn is_for_screen(&self) -> bool {
        false
    }

    fn options(&self) -> TreeOptions {
        let patterns = Patterns { show: self.folding.show.clone(), hide: self.folding.hide.clone() };
        TreeOptions {
            view: self.shown.view(),
            metric: self.shown.metric(),
            ranking: self.sort.ranking(),
            inverted: self.inverted,
            // Programs that read JSON want what there is.
            folding: if self.json && patterns.hide.is_empty() {
                Folding::Nothing
            } else {
                Folding::Libraries(patterns)
            },
            biggest: self.limits.biggest_allocs,
        }
    }
}

/// Shows the tree.
///
/// # Errors
/// When the capture cannot be read, or standard output not be written.
pub fn run(args: Args) -> Result<(), Failure> {
    let options = args.options();
    // On the screen, which is restored in the end, there is no room for notes.
    let mut report = args.shown.open(Notes::of(!args.json && !args.is_for_screen()))?;
    if args.json {
        let limits = args.limits.limits(Limits::NONE);
        return stdout_text::write(|out| write_json(&mut report, &options, limits, out));
    }
    let (limits, style) = (args.limits.limits(Limits::default()), args.text.style());
    #[cfg(feature = "tui")]
    if args.is_for_screen() {
        let mut screen = TreeScreen::new(&mut report, options, &style);
        return terminal::run(&mut screen).map_err(Failure::Terminal);
    }
    stdout_text::write(|out| write_text(&mut report, &options, limits, &style, out))
}

fn percent(text: &str) -> Result<f64, String> {
    let percent: f64 = text.trim_end_matches('%').parse().map_err(|_| "a number of percent is needed".to_owned())?;
    if (0.0..=100.0).contains(&percent) { Ok(percent) } else { Err("percent are from 0 to 100".to_owned()) }
}
