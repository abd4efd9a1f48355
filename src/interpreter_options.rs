//! The interpreter's own options, which `memprof run` takes and passes on: a command line changes by one word only.

use std::ffi::OsString;

use clap::{Arg, ArgAction, ArgMatches, Command, Id};

/// An option of `python`, as its `--help` describes it.
struct InterpreterOption {
    /// As it is given: a dash and a letter.
    name: &'static str,
    /// What it is followed by, if it is.
    value: Option<&'static str>,
    help: &'static str,
}

const fn flag(name: &'static str, help: &'static str) -> InterpreterOption {
    InterpreterOption { name, value: None, help }
}

const fn with_value(name: &'static str, value: &'static str, help: &'static str) -> InterpreterOption {
    InterpreterOption { name, value: Some(value), help }
}

/// All of them, but for those that print something and end (`-h`, `-V`) and `-q`, which changes nothing for a program.
const OPTIONS: &[InterpreterOption] = &[
    flag("-b", "Warn about bytes that are compared with text (-bb: an error)"),
    flag("-B", "Write no .pyc files"),
    flag("-d", "Debug the parser"),
    flag("-E", "Ignore PYTHON* environment variables"),
    flag("-i", "Inspect interactively after the script"),
    flag("-I", "Isolate from the environment and the user's packages"),
    flag("-O", "Remove assertions (-OO: docstrings, too)"),
    flag("-P", "Leave the script's folder out of sys.path"),
    flag("-R", "Use hash randomization"),
    flag("-s", "Leave the user's packages out of sys.path"),
    flag("-S", "Leave `import site` out"),
    flag("-u", "Leave stdout and stderr unbuffered"),
    flag("-v", "Trace imports"),
    flag("-x", "Skip the first line of the script"),
    with_value("-W", "ARG", "Control warnings"),
    with_value("-X", "OPT", "Set an option of this implementation"),
];

/// Those that were given, in an order that means the same to the interpreter.
#[derive(Debug, Default)]
pub struct InterpreterOptions(pub Vec<OsString>);

impl InterpreterOption {
    fn argument(&self) -> Arg {
        let argument = Arg::new(self.name)
            .short(self.name.chars().nth(1))
            .help(self.help)
            .help_heading("Options passed on to Python");
        match self.value {
            None => argument.action(ArgAction::Count),
            Some(name) => argument
                .action(ArgAction::Append)
                .value_name(name)
                .value_parser(clap::value_parser!(OsString))
                .allow_hyphen_values(true),
        }
    }

    fn given(&self, matches: &ArgMatches) -> Vec<OsString> {
        let option = OsString::from(self.name);
        match self.value {
            None => vec![option; usize::from(matches.get_count(self.name))],
            Some(_) => {
                let values = matches.get_many::<OsString>(self.name).into_iter().flatten();
                values.flat_map(|value| [option.clone(), value.clone()]).collect()
            }
        }
    }
}

impl clap::Args for InterpreterOptions {
    fn group_id() -> Option<Id> {
        None
    }

    fn augment_args(command: Command) -> Command {
        command.args(OPTIONS.iter().map(InterpreterOption::argument))
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

impl clap::FromArgMatches for InterpreterOptions {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        Ok(Self(OPTIONS.iter().flat_map(|option| option.given(matches)).collect()))
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::{Args, FromArgMatches};

    fn given(arguments: &str) -> String {
        let command = InterpreterOptions::augment_args(Command::new("run").no_binary_name(true));
        let matches = command.try_get_matches_from(arguments.split_whitespace()).unwrap();
        InterpreterOptions::from_arg_matches(&matches).unwrap().0.join(" ".as_ref()).into_string().unwrap()
    }

    #[test]
    fn all_that_is_given_is_passed_on() {
        assert_eq!(given(""), "");
        assert_eq!(given("-uB -OO"), "-B -O -O -u");
        assert_eq!(
            given("-W error -Wignore::UserWarning -Xdev -X utf8=1"),
            "-W error -W ignore::UserWarning -X dev -X utf8=1"
        );
        assert_eq!(given("-W -x"), "-W -x");
    }
}
