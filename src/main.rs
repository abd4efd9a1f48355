//! The `memprof` command: parses arguments, calls the recorder or the reporter, says what went wrong.

mod aggregate;
mod command_line;
mod derived_capture;
mod interposer_file;
mod interpreter_options;
mod merge;
mod output_file;
mod peaks_apart;
mod report;
mod run;
mod run_messages;
mod symbolize;
mod symbols_table;
mod trim;
mod whole_output;

use std::env;
use std::error::Error;
use std::ffi::OsString;
use std::fmt;
use std::io::{self, Write};
use std::process::ExitCode;

use clap::{CommandFactory, Parser, Subcommand};
use memprof_recorder::{last_resort, own_limits};
use memprof_reporter::check::BudgetError;
use memprof_reporter::suppressions::SuppressionsError;

/// Not Rust's own choice, so that want of memory does not end memprof in the middle of a recording.
#[global_allocator]
static ALLOCATOR: last_resort::Allocator = last_resort::Allocator;

/// memprof records every allocation of a program with the stack that made it, and shows what was in memory
#[derive(Debug, Parser)]
#[command(name = "memprof", version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Run(run::Args),
    Report(report::report::Args),
    Flamegraph(report::flamegraph::Args),
    Tree(report::tree::Args),
    Stats(report::stats::Args),
    Summary(report::summary::Args),
    Table(report::table::Args),
    Lines(report::lines::Args),
    Leaks(report::leaks::Args),
    Temporary(report::temporary::Args),
    Histogram(report::histogram::Args),
    Timeline(report::timeline::Args),
    Diff(report::diff::Args),
    Check(report::check::Args),
    Export(report::export::Args),
    Transform(report::export::TransformArgs),
    Aggregate(aggregate::Args),
    Trim(trim::Args),
    Merge(merge::Args),
    Symbolize(symbolize::Args),
}

/// The exit status for a call that makes no sense.
const USAGE: u8 = 2;
/// The exit status for a limit that is exceeded.
const BREACH: u8 = 3;
/// The exit status for everything else that goes wrong.
const FAILURE: u8 = 1;

fn main() -> ExitCode {
    own_limits::survive_file_size_signal();
    let cli = match Cli::try_parse_from(arguments(env::args_os())) {
        Ok(cli) => cli,
        Err(error) => return ExitCode::from(usage(&error)),
    };
    let status = match cli.command {
        Command::Run(args) => run::run(args).unwrap_or_else(|failure| match failure {
            run::Failure::Usage(error) => usage(&error),
            other => complain(&other),
        }),
        Command::Report(args) => reported(report::report::run(args)),
        Command::Flamegraph(args) => reported(report::flamegraph::run(args)),
        Command::Tree(args) => reported(report::tree::run(args)),
        Command::Stats(args) => reported(report::stats::run(args)),
        Command::Summary(args) => reported(report::summary::run(args)),
        Command::Table(args) => reported(report::table::run(args)),
        Command::Lines(args) => reported(report::lines::run(args)),
        Command::Leaks(args) => reported(report::leaks::run(args)),
        Command::Temporary(args) => reported(report::temporary::run(args)),
        Command::Histogram(args) => reported(report::histogram::run(args)),
        Command::Timeline(args) => reported(report::timeline::run(args)),
        Command::Diff(args) => guarded(report::diff::run(args)),
        Command::Check(args) => guarded(report::check::run(args)),
        Command::Export(args) => reported(report::export::run(args)),
        Command::Transform(args) => reported(report::export::transform(args)),
        Command::Aggregate(args) => derived(aggregate::run(args)),
        Command::Trim(args) => derived(trim::run(args)),
        Command::Merge(args) => derived(merge::run(args)),
        Command::Symbolize(args) => symbolize::run(args).map_or_else(|failure| complain(&failure), |()| 0),
    };
    ExitCode::from(status)
}

fn reported(result: Result<(), report::Failure>) -> u8 {
    result.map_or_else(|failure| complain(&failure), |()| 0)
}

/// The status of a report that guards limits.
fn guarded(result: Result<report::Verdict, report::Failure>) -> u8 {
    match result {
        Ok(report::Verdict::Fine) => 0,
        Ok(report::Verdict::Breach) => BREACH,
        Err(report::Failure::Usage(error)) => usage(&error),
        Err(
            failure @ (report::Failure::Budget(BudgetError::Invalid { .. })
            | report::Failure::Suppressions(SuppressionsError::Invalid(..))),
        ) => {
            complain(&failure);
            USAGE
        }
        Err(failure) => complain(&failure),
    }
}

fn derived(result: Result<(), derived_capture::Failure>) -> u8 {
    result.map_or_else(|failure| complain(&failure), |()| 0)
}

/// memprof's arguments in a form that clap cannot misread.
fn arguments(given: impl IntoIterator<Item = OsString>) -> Vec<OsString> {
    let mut given = given.into_iter();
    let mut arguments: Vec<OsString> = given.by_ref().take(2).collect();
    if arguments.get(1).is_some_and(|name| name == "run") {
        let cli = Cli::command();
        let run = cli.find_subcommand("run").expect("`run` is a subcommand");
        arguments.extend(command_line::set_off_program(run, run::PROGRAM_OPTIONS, given));
    } else {
        arguments.extend(given);
    }
    arguments
}

/// Prints clap's help, version or complaint. A closed stdout or stderr is nothing to complain about.
fn usage(error: &clap::Error) -> u8 {
    if !error.use_stderr() {
        let _ = error.print();
        return 0;
    }
    let text = error.render().to_string();
    // Without a subcommand it is the help, which needs no name in front.
    let _ = match text.strip_prefix("error: ") {
        Some(complaint) => write!(io::stderr(), "memprof: {complaint}"),
        None => write!(io::stderr(), "{text}"),
    };
    USAGE
}

/// Says in one line what went wrong.
fn complain(failure: &dyn Error) -> u8 {
    say(failure);
    FAILURE
}

/// Says something on standard error. That nobody listens is no failure.
fn say(what: impl fmt::Display) {
    let _ = writeln!(io::stderr(), "memprof: {what}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_arguments_are_well_defined() {
        Cli::command().debug_assert();
    }
}
