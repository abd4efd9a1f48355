//! `memprof check`.

use std::env;
use std::fs::OpenOptions;
use std::io::Write;
use std::path::{Path, PathBuf};

use clap::error::ErrorKind;
use memprof_reporter::check::{
    Budget, DEFAULT_SITES, Figure, Outcome, Rules, write_annotations, write_bencher, write_github_action_benchmark,
    write_json, write_markdown, write_text,
};
use memprof_reporter::diff::GrowthLimit;
use memprof_reporter::quantities::{Bytes, Count};
use memprof_reporter::report::Report;
use memprof_reporter::suppressions::Suppressions;

use super::query_args::QueryArgs;
use super::text_args::TextArgs;
use super::{Failure, Notes, Verdict, ViewArgs, open, stdout_text};

/// Hold a capture against limits: status 3 if one is exceeded
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The file that `memprof run` wrote
    capture: PathBuf,
    #[command(flatten)]
    limits: LimitArgs,
    /// Read further limits from this file (examples/memprof.toml is one)
    #[arg(long, value_name = "FILE")]
    budget: Option<PathBuf>,
    /// Compare with this capture
    #[arg(long, value_name = "CAPTURE", requires = "growth")]
    baseline: Option<PathBuf>,
    /// The most that peak, leaked, total and allocations may grow since the baseline (5%), or one figure (peak=10MiB);
    /// give it again for more
    #[arg(id = "growth", long = "fail-above", value_name = "[FIGURE=]LIMIT", requires = "baseline")]
    #[arg(value_parser = growth)]
    growth: Vec<(Option<Figure>, GrowthLimit)>,
    /// Leaks that do not count, in LeakSanitizer's syntax: leak:PATTERN on lines
    #[arg(long, value_name = "FILE")]
    suppressions: Option<PathBuf>,
    /// How to print what was found
    #[arg(long, value_enum, value_name = "FORMAT", default_value_t = Format::Text)]
    format: Format,
    /// The name of the benchmark in the formats gab and bencher [default: the command line]
    #[arg(long = "name", value_name = "NAME")]
    benchmark: Option<String>,
    /// How many places to name for each limit that is exceeded
    #[arg(short = 'n', long, value_name = "N", default_value_t = DEFAULT_SITES)]
    sites: usize,
    #[command(flatten)]
    view: ViewArgs,
    #[command(flatten)]
    query: QueryArgs,
    #[command(flatten)]
    text: TextArgs,
}

/// The most that each figure may be. Sizes have units of 1024: 300MiB, 300MB and 300M are the same
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Limits")]
struct LimitArgs {
    /// Bytes live at the peak
    #[arg(long, value_name = "SIZE")]
    max_peak: Option<Bytes>,
    /// Bytes live at the end
    #[arg(long, value_name = "SIZE")]
    max_leaked: Option<Bytes>,
    /// Bytes allocated in all
    #[arg(long, value_name = "SIZE")]
    max_total: Option<Bytes>,
    /// Bytes freed at once
    #[arg(long, value_name = "SIZE")]
    max_temporary: Option<Bytes>,
    /// Allocations in all
    #[arg(long, value_name = "COUNT")]
    max_allocations: Option<Count>,
    /// The largest resident set
    #[arg(long, value_name = "SIZE")]
    max_rss: Option<Bytes>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Format {
    /// For a terminal
    Text,
    /// The text, annotations for GitHub Actions, and Markdown appended to the job's summary
    Github,
    /// For comments and summaries
    Markdown,
    /// One JSON object (docs/check.schema.json)
    Json,
    /// The figures for github-action-benchmark (customSmallerIsBetter)
    Gab,
    /// The figures for Bencher
    Bencher,
}

impl Format {
    /// Whether it has figures rather than what is wrong with them.
    const fn is_of_figures(self) -> bool {
        matches!(self, Self::Gab | Self::Bencher)
    }
}

/// What a growth limit without a name is on: what does not depend on the machine. What is temporary is part of the
/// total.
const GUARDED: [Figure; 4] = [Figure::Peak, Figure::Leaked, Figure::Total, Figure::Allocations];

fn growth(text: &str) -> Result<(Option<Figure>, GrowthLimit), String> {
    let Some((name, limit)) = text.split_once('=') else {
        return Ok((None, text.parse().map_err(|invalid| format!("{invalid}"))?));
    };
    let Some(figure) = Figure::ALL.into_iter().find(|figure| figure.name() == name) else {
        let names: Vec<&str> = Figure::ALL.iter().map(|figure| figure.name()).collect();
        return Err(format!("the figures are {}", names.join(", ")));
    };
    let limit = limit.parse().map_err(|invalid| format!("{invalid}"))?;
    match (figure, limit) {
        (Figure::Allocations, GrowthLimit::Bytes(_)) => Err("allocations grow by a share: 5%".to_owned()),
        _ => Ok((Some(figure), limit)),
    }
}

impl Args {
    fn rules(&self) -> Result<Rules, Failure> {
        let budget = self.budget.as_deref().map(Budget::read).transpose().map_err(Failure::Budget)?;
        let mut budget = budget.unwrap_or_default();
        let LimitArgs { max_peak, max_leaked, max_total, max_temporary, max_allocations, max_rss } = &self.limits;
        for (figure, size) in [
            (Figure::Peak, max_peak),
            (Figure::Leaked, max_leaked),
            (Figure::Total, max_total),
            (Figure::Temporary, max_temporary),
            (Figure::Rss, max_rss),
        ] {
            budget.limits.set(figure, size.map(|Bytes(bytes)| bytes));
        }
        budget.limits.set(Figure::Allocations, max_allocations.map(|Count(count)| count));
        if budget.is_empty() && self.growth.is_empty() && !self.format.is_of_figures() {
            let message = "no limit is given: add --max-peak 300MiB or another one, --budget FILE, or --baseline \
                           CAPTURE --fail-above 5%\n";
            return Err(Failure::Usage(clap::Error::raw(ErrorKind::MissingRequiredArgument, message)));
        }
        let suppressions = self.suppressions.as_deref().map(Suppressions::read).transpose();
        Ok(Rules {
            budget,
            growth: self.growth_limits(),
            suppressions: suppressions.map_err(Failure::Suppressions)?.unwrap_or_default(),
            view: self.view.view(),
            sites: self.sites,
        })
    }

    /// One for each figure: what is said of the figure itself comes before what is said of all.
    fn growth_limits(&self) -> Vec<(Figure, GrowthLimit)> {
        let of = |wanted: Option<Figure>| self.growth.iter().rev().find(|(figure, _)| *figure == wanted);
        let limit = |figure: Figure| {
            let general = of(None).filter(|(_, limit)| {
                GUARDED.contains(&figure) && !(figure == Figure::Allocations && matches!(limit, GrowthLimit::Bytes(_)))
            });
            of(Some(figure)).or(general).map(|(_, limit)| (figure, *limit))
        };
        Figure::ALL.into_iter().filter_map(limit).collect()
    }
}

/// Prints what was found, and says whether all is within the limits.
///
/// # Errors
/// When a capture, the budget or the suppressions cannot be read, there is no limit, or standard output cannot be
/// written.
pub fn run(args: Args) -> Result<Verdict, Failure> {
    let rules = args.rules()?;
    let notes = Notes::of(matches!(args.format, Format::Text | Format::Github | Format::Markdown));
    let mut report = open(&args.capture, &args.query, rules.view, notes)?;
    // No format has the notes on the other capture.
    let mut baseline = match &args.baseline {
        Some(baseline) => Some(open(baseline, &args.query, rules.view, Notes::Apart)?),
        None => None,
    };
    let outcome = Outcome::of(&mut report, baseline.as_mut(), &rules);
    let style = args.text.style();
    let name = args.benchmark.as_deref().unwrap_or(&report.metadata().command_line);
    stdout_text::write(|out| match args.format {
        Format::Text => write_text(&report, &outcome, &style, out),
        Format::Markdown => write_markdown(&report, &outcome, out),
        Format::Json => write_json(&report, &outcome, out),
        Format::Gab => write_github_action_benchmark(&report, name, out),
        Format::Bencher => write_bencher(&report, name, out),
        Format::Github => {
            write_text(&report, &outcome, &style, out)?;
            write_annotations(&outcome, &workspace(), out)
        }
    })?;
    if args.format == Format::Github
        && let Some(summary) = env::var_os("GITHUB_STEP_SUMMARY").filter(|path| !path.is_empty())
    {
        append(Path::new(&summary), &report, &outcome)?;
    }
    Ok(if outcome.has_passed() { Verdict::Fine } else { Verdict::Breach })
}

/// The folder that paths in annotations begin from.
fn workspace() -> PathBuf {
    match env::var_os("GITHUB_WORKSPACE").filter(|path| !path.is_empty()) {
        Some(workspace) => workspace.into(),
        None => env::current_dir().unwrap_or_default(),
    }
}

/// Appends the Markdown to the job's summary, which other steps may have written to.
fn append(summary: &Path, report: &Report, outcome: &Outcome) -> Result<(), Failure> {
    let file = OpenOptions::new().append(true).create(true).open(summary);
    let written = file.and_then(|mut file| {
        let mut text = Vec::new();
        write_markdown(report, outcome, &mut text)?;
        file.write_all(&text)
    });
    written.map_err(|error| Failure::Summary(summary.to_owned(), error))
}
