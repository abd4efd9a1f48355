//! `memprof export`, and `memprof transform` for those who know memray.

use std::fmt;
use std::io::{self, IsTerminal};
use std::path::{Path, PathBuf};

use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser};
use memprof_reporter::expected_size::SizedWrite;
use memprof_reporter::export::{FORMATS, Format, write};
use memprof_reporter::report::Report;

use super::output_file::OutputFile;
use super::shown_args::ShownArgs;
use super::{Failure, Notes, say_written, stdout_text};

/// Write a capture in another tool's format
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    shown: ShownArgs,
    /// The format
    #[arg(long, value_parser = format_names(), value_name = "FORMAT", ignore_case = true)]
    format: &'static Format,
    /// Where to write it; - is standard output [default: standard output or, if that is a terminal,
    /// memprof-<FORMAT>-<CAPTURE> beside the capture]
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    #[command(flatten)]
    force: ForceArgs,
}

/// Whether to write what could be a mistake.
#[derive(Clone, Copy, Debug, clap::Args)]
pub struct ForceArgs {
    /// Write the file also if there is one of that name, which is overwritten, or if it is larger than both 1 GiB and
    /// the capture
    #[arg(short, long)]
    force: bool,
}

/// Write a capture in another tool's format: `export`, with memray's arguments
#[derive(Debug, clap::Args)]
pub struct TransformArgs {
    /// The format
    #[arg(value_parser = format_names(), value_name = "FORMAT", ignore_case = true)]
    format: &'static Format,
    #[command(flatten)]
    shown: ShownArgs,
    /// Where to write it; - is standard output [default: memprof-<FORMAT>-<CAPTURE> beside the capture]
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    #[command(flatten)]
    force: ForceArgs,
}

/// Reads the name of a format.
fn format_names() -> impl TypedValueParser<Value = &'static Format> {
    let names = FORMATS.map(|format| PossibleValue::new(format.name).help(format.help));
    PossibleValuesParser::new(names)
        .try_map(|name| Format::named(&name.to_ascii_lowercase()).ok_or("there is no such format"))
}

/// Why a capture cannot be exported like that: displayed, a sentence that says what to do.
#[derive(Debug)]
pub enum Refusal {
    /// The format has room for one process.
    SeveralProcesses(PathBuf, &'static Format, Vec<String>),
    /// The format has all metrics.
    NoChoiceOfMetric(&'static Format),
    /// The format has every event from the start on.
    NoRange(&'static Format),
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::SeveralProcesses(path, format, pids) => {
                let (path, format, pids) = (path.display(), format.name, pids.join(", "));
                write!(
                    f,
                    "{path} has several processes ({pids}), a {format} file one: write a file for each with -o FILE, \
                     or choose one with --process PID"
                )
            }
            Self::NoChoiceOfMetric(format) => {
                write!(f, "a {} file has all metrics: leave --peak, --leaks, --total and --temporary out", format.name)
            }
            Self::NoRange(format) => {
                write!(f, "a {} file has every event from the start on: leave --from and --to out", format.name)
            }
        }
    }
}

impl std::error::Error for Refusal {}

/// What both commands do.
struct Export<'a> {
    shown: &'a ShownArgs,
    format: &'static Format,
    force: bool,
}

impl Export<'_> {
    /// Refuses what can be seen to make no sense before the capture is read.
    fn check(&self) -> Result<(), Failure> {
        let refusal = if self.shown.metric.is_given() && !self.format.has_metric() {
            Refusal::NoChoiceOfMetric(self.format)
        } else if self.format.has_events() && self.shown.query.query().has_range() {
            Refusal::NoRange(self.format)
        } else {
            return Ok(());
        };
        Err(Failure::Export(refusal))
    }

    /// Whether a report needs several files.
    fn is_divided(&self, report: &Report) -> bool {
        self.format.has_one_process() && report.processes().are_several()
    }

    fn several_processes(&self, report: &Report) -> Failure {
        let pids = report.processes().list().iter().map(|process| process.label()).collect();
        Failure::Export(Refusal::SeveralProcesses(self.shown.capture.clone(), self.format, pids))
    }

    fn to_stdout(&self) -> Result<(), Failure> {
        if let Some(format) = self.format.of_tree() {
            let report = self.shown.open_export()?;
            return stdout_text::write_sized(&self.shown.capture, self.force, |out| report.write(format, out));
        }
        let mut report = self.shown.open(Notes::Apart)?;
        if self.is_divided(&report) {
            return Err(self.several_processes(&report));
        }
        stdout_text::write_sized(&self.shown.capture, self.force, |out| self.write(&mut report, out))
    }

    fn to_file(&self, file: Option<PathBuf>) -> Result<(), Failure> {
        let (kind, extension) = (self.format.name, self.format.extension);
        let output = OutputFile::choose(file, self.force, &self.shown.capture, kind, extension)?;
        if let Some(format) = self.format.of_tree() {
            let report = self.shown.open_export()?;
            let path = output.write(|out| report.write(format, out))?;
            say_written(&path);
            return Ok(());
        }
        let mut report = self.shown.open(Notes::Apart)?;
        if !self.is_divided(&report) {
            return self.finish(&mut report, output);
        }
        if output.is_special() {
            return Err(self.several_processes(&report));
        }
        let outputs = report.processes().distinct_names().into_iter().map(|name| output.of_part(&name));
        let outputs: Vec<OutputFile> = outputs.collect::<Result<_, Failure>>()?;
        for (process, output) in report.processes().ids().zip(outputs) {
            let mut alone = report.of_process(process).map_err(Failure::Capture)?;
            self.finish(&mut alone, output)?;
        }
        Ok(())
    }

    fn finish(&self, report: &mut Report, output: OutputFile) -> Result<(), Failure> {
        let path = output.write(|out| self.write(report, out))?;
        say_written(&path);
        Ok(())
    }

    fn write(&self, report: &mut Report, out: &mut impl SizedWrite) -> io::Result<()> {
        write(report, self.format, self.shown.view(), self.shown.metric(), out)
    }
}

fn is_stdout(output: Option<&Path>) -> bool {
    output.is_some_and(|path| path.as_os_str() == "-")
}

/// Writes the capture to a file or to standard output.
///
/// # Errors
/// When the capture cannot be read, not be said in this format, or not be written.
pub fn run(args: Args) -> Result<(), Failure> {
    let Args { shown, format, output, force } = args;
    let export = Export { shown: &shown, format, force: force.force };
    export.check()?;
    match output {
        output if is_stdout(output.as_deref()) => export.to_stdout(),
        None if !io::stdout().is_terminal() => export.to_stdout(),
        output => export.to_file(output),
    }
}

/// Writes the capture to a file, as memray does, or to standard output if asked to.
///
/// # Errors
/// See [`run`].
pub fn transform(args: TransformArgs) -> Result<(), Failure> {
    let TransformArgs { format, shown, output, force } = args;
    let export = Export { shown: &shown, format, force: force.force };
    export.check()?;
    if is_stdout(output.as_deref()) { export.to_stdout() } else { export.to_file(output) }
}
