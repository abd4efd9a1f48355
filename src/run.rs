//! `memprof run`: records a program.

use std::ffi::OsString;
use std::fmt;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use clap::CommandFactory;
use clap::error::ErrorKind;
use memprof_recorder::output::Destination;
use memprof_recorder::own_limits;
use memprof_recorder::own_limits::is_want_of_resources;
use memprof_recorder::program::{AskedFor, Program, Subject, Unusable};
use memprof_recorder::recording::{Options, RecordError, record, run_unrecorded};
use memprof_recorder::wait::Exit;

use crate::Cli;
use crate::interposer_file::{InterposerFile, NoPlace};
use crate::interpreter_options::InterpreterOptions;
use crate::output_file::{NoOutput, OutputFile, OutputKind};
use crate::peaks_apart;
use crate::run_messages;
use crate::symbolize::SourceArgs;
use memprof_channel::object_tracing::ObjectTracing;

/// Options whose value is the program, as [`set_off_program`](crate::command_line::set_off_program) needs them.
pub const PROGRAM_OPTIONS: &[char] = &['c', 'm'];

/// Run a program and record its memory
///
/// The program runs as without memprof, with the Python that you would get: its output, arguments, signals and exit
/// status are its own. Everything after the script, the code or the module is the program's.
#[derive(Debug, clap::Args)]
#[command(override_usage = "memprof run [OPTIONS] <SCRIPT | -c CODE | -m MODULE | -- COMMAND> [ARGS]...")]
pub struct Args {
    /// Write the capture to this file, pipe or device [default: memprof-<program>.<pid>.bin, with memprof's own pid]
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,

    /// Overwrite the file if it exists
    #[arg(short, long)]
    force: bool,

    /// Print errors only
    #[arg(short, long)]
    quiet: bool,

    /// Record Python stacks only, without the native functions below and between them
    #[arg(long)]
    no_native: bool,

    /// Keep at most this many native frames of a stack: the outermost and the innermost ones
    #[arg(long, value_name = "FRAMES", default_value_t = 1024, conflicts_with = "no_native")]
    #[arg(value_parser = clap::value_parser!(u32).range(2..))]
    native_depth: u32,

    /// Record every object of Python as well: the blocks of PyMem_RawMalloc, PyMem_Malloc and PyObject_Malloc
    /// (the default for Python without a global lock, where nothing else would show them)
    #[arg(long, overrides_with = "no_trace_python_allocators")]
    trace_python_allocators: bool,

    /// Do not record every object of Python, not even where Python has no global lock
    #[arg(long, overrides_with = "trace_python_allocators")]
    no_trace_python_allocators: bool,

    /// Record the processes that the program starts as well, into the same capture; ends with the last of them
    #[arg(long)]
    follow_fork: bool,

    /// Keep the sums of the run instead of its events: a small file, however long the run is
    #[arg(long)]
    aggregate: bool,

    /// Leave the native frames without names; `memprof symbolize` can add them later
    #[arg(long, conflicts_with_all = ["no_native", "debug_paths", "debuginfod"])]
    no_symbols: bool,

    #[command(flatten)]
    symbols: SourceArgs,

    /// The interpreter [default: the active virtual environment's, else python3 on PATH]
    #[arg(long, value_name = "PATH")]
    python: Option<OsString>,

    #[command(flatten)]
    interpreter_options: InterpreterOptions,

    /// Run this Python code
    #[arg(short, value_name = "CODE", allow_hyphen_values = true)]
    code: Option<OsString>,

    /// Run this Python module as a script
    #[arg(short, value_name = "MODULE", allow_hyphen_values = true, conflicts_with = "code")]
    module: Option<OsString>,

    /// Run this Python script (or an executable file)
    #[arg(value_name = "SCRIPT", conflicts_with_all = ["code", "module"])]
    script: Option<PathBuf>,

    /// After a script, code or module: its arguments. After -- alone: any command, with its arguments
    #[arg(last = true, value_name = "ARGS")]
    arguments: Vec<OsString>,
}

/// Why nothing was recorded.
#[derive(Debug)]
pub enum Failure {
    /// memprof was called wrongly.
    Usage(clap::Error),
    /// The program cannot be recorded.
    Program(Unusable),
    /// The interposer cannot be loaded.
    Interposer(NoPlace),
    /// The capture cannot be written.
    Output(NoOutput),
    /// The capture would overwrite the script.
    OutputIsScript(PathBuf),
    /// A folder that was named is none.
    NoFolder(PathBuf),
    /// The recording could not begin.
    Record(RecordError),
}

impl fmt::Display for Failure {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Usage(error) => error.fmt(out),
            Self::Program(reason) => reason.fmt(out),
            Self::Interposer(reason) => reason.fmt(out),
            Self::Output(reason) => reason.fmt(out),
            Self::OutputIsScript(path) => {
                let path = path.display();
                write!(out, "{path} is the script itself: give another name for the capture with -o")
            }
            Self::NoFolder(path) => {
                write!(out, "{} is not a folder: check the name after --debug-path", path.display())
            }
            Self::Record(reason) => reason.fmt(out),
        }
    }
}

impl std::error::Error for Failure {}

/// Runs the program; returns the exit status that memprof takes over from it.
pub fn run(args: Args) -> Result<u8, Failure> {
    let Args {
        output,
        force,
        quiet,
        no_native,
        native_depth,
        trace_python_allocators,
        no_trace_python_allocators,
        follow_fork,
        aggregate,
        no_symbols,
        symbols,
        python,
        interpreter_options: InterpreterOptions(interpreter_options),
        code,
        module,
        script,
        arguments,
    } = args;
    if let Some(folder) = symbols.missing_folder() {
        return Err(Failure::NoFolder(folder.to_owned()));
    }
    let (subject, arguments) = subject(code, module, script, arguments)?;
    if python.is_some() && matches!(subject, Subject::Command(_)) {
        return Err(usage(ErrorKind::ArgumentConflict, "--python is for Python code, not for a command after --"));
    }
    if !interpreter_options.is_empty() && !subject.is_for_python() {
        let message =
            "options of Python are for Python code, not for another program: put them after --, after its name";
        return Err(usage(ErrorKind::ArgumentConflict, message));
    }
    let interpreter = AskedFor { interpreter: python, options: interpreter_options };
    let program = subject.resolve(&arguments, &interpreter).map_err(Failure::Program)?;
    own_limits::lift();
    let interposer = match own_limits::without_file_size_limit(InterposerFile::place) {
        Err(NoPlace::Nowhere(error)) if is_want_of_resources(&error) => {
            return Err(unrecorded(&program, &Failure::Interposer(NoPlace::Nowhere(error))));
        }
        placed => placed.map_err(Failure::Interposer)?,
    };
    let path =
        output.unwrap_or_else(|| PathBuf::from(format!("memprof-{}.{}.bin", subject.short_name(), std::process::id())));
    if let Subject::Script(script) = &subject
        && is_same_file(script, &path)
    {
        return Err(Failure::OutputIsScript(path));
    }
    // Everything that can be known to fail has failed by now, so a file that is overwritten is not lost for nothing.
    let waits = || run_messages::waits_for_reader(&path, quiet);
    let OutputFile { file, kind } = match OutputFile::create(&path, force, waits) {
        Err(NoOutput::Unwritable(path, error)) if is_want_of_resources(&error) => {
            return Err(unrecorded(&program, &Failure::Output(NoOutput::Unwritable(path, error))));
        }
        created => created.map_err(Failure::Output)?,
    };
    if kind == OutputKind::Stream && aggregate {
        return Err(Failure::Output(NoOutput::NotForSums(path)));
    }

    let mut progress = run_messages::Progress::new(quiet);
    let recorded = record(Options {
        program: program.clone(),
        interposer: interposer.path().to_owned(),
        output: if kind == OutputKind::Stream { Destination::Stream(file) } else { Destination::File(file) },
        sums_at: aggregate.then(|| path.clone()),
        native_depth: (!no_native).then_some(native_depth),
        python_allocators: match (trace_python_allocators, no_trace_python_allocators) {
            (true, _) => ObjectTracing::Always,
            (_, true) => ObjectTracing::Never,
            _ => ObjectTracing::FreeThreaded,
        },
        follow_fork,
        waiting: Box::new(move |processes| run_messages::waits_for(processes, quiet)),
        symbols: (!no_symbols).then(|| symbols.at_the_end()),
        memprof_version: env!("CARGO_PKG_VERSION").to_owned(),
        progress: Box::new(|bytes_left| progress.show(bytes_left)),
    });
    let outcome = match recorded {
        Ok(outcome) => outcome,
        Err(error) => {
            if kind == OutputKind::New {
                // It holds nothing. If it cannot be removed, that is not the error to talk about.
                let _ = fs::remove_file(&path);
            }
            let runs_all_the_same = error.leaves_the_program();
            let failure = match error {
                RecordError::Output(error) => Failure::Output(NoOutput::Unwritable(path, error)),
                other => Failure::Record(other),
            };
            return Err(if runs_all_the_same { unrecorded(&program, &failure) } else { failure });
        }
    };
    progress.clear();
    // What was in memory at the peak is only known once the threads' events are in one order: a replay, as for a
    // report.
    let readable = kind != OutputKind::Stream;
    let peaks = if quiet || !readable { None } else { peaks_apart::find(&path) };
    run_messages::end(&mut io::stderr(), &outcome, peaks, (&path, kind), quiet);
    Ok(exit_status(outcome.exit))
}

/// Becomes the program, without recording it: the system does not give what that takes, and the program would have run
/// without memprof. Returns only if that fails.
fn unrecorded(program: &Program, reason: &Failure) -> Failure {
    run_messages::unrecorded(reason);
    Failure::Record(run_unrecorded(program))
}

/// What is to be run, and its arguments.
fn subject(
    code: Option<OsString>,
    module: Option<OsString>,
    script: Option<PathBuf>,
    mut arguments: Vec<OsString>,
) -> Result<(Subject, Vec<OsString>), Failure> {
    let subject = match (code, module, script) {
        (Some(code), ..) => Subject::Code(code),
        (_, Some(module), _) => Subject::Module(module),
        (.., Some(script)) => Subject::Script(script),
        _ if arguments.is_empty() => {
            let message = "name what to run: a script, -c CODE, -m MODULE, or -- and a command";
            return Err(usage(ErrorKind::MissingRequiredArgument, message));
        }
        _ => Subject::Command(arguments.remove(0)),
    };
    Ok((subject, arguments))
}

fn usage(kind: ErrorKind, message: &str) -> Failure {
    let mut command = Cli::command();
    command.build();
    let run = command.find_subcommand_mut("run").expect("`run` is a subcommand");
    Failure::Usage(run.error(kind, message))
}

fn is_same_file(one: &Path, other: &Path) -> bool {
    matches!((one.canonicalize(), other.canonicalize()), (Ok(one), Ok(other)) if one == other)
}

fn exit_status(exit: Exit) -> u8 {
    u8::try_from(exit.as_shells_have_it() & 0xff).expect("at most 255")
}
