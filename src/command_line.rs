//! Divides `memprof run`'s arguments between memprof and the program.
//!
//! As with `python3`, memprof's options end where the program begins: everything after `-c CODE`, `-m MODULE`, a script
//! or `--` is the program's, however much it looks like an option. clap cannot say that by itself, so a `--` is put
//! where the program's arguments begin; clap then never reads them.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};

/// The arguments of `command`, with the program's set off by `--`. `programs` are the options whose value is a program.
pub fn set_off_program(
    command: &clap::Command,
    programs: &[char],
    arguments: impl IntoIterator<Item = OsString>,
) -> Vec<OsString> {
    let mut ours = Vec::new();
    let mut rest = arguments.into_iter();
    while let Some(argument) = rest.next() {
        match last_option(command, programs, &argument) {
            Token::Delimiter => {
                ours.push(argument);
                break;
            }
            Token::Option { takes_next: false } => ours.push(argument),
            Token::Option { takes_next: true } => {
                ours.push(argument);
                ours.extend(rest.next());
            }
            Token::Program { option, before, attached } => {
                if let Some(before) = before {
                    ours.push(before);
                }
                ours.push(format!("-{option}").into());
                if let Some(value) = attached.or_else(|| rest.next()) {
                    ours.extend([value, "--".into()]);
                }
                break;
            }
            Token::Script => {
                ours.extend([argument, "--".into()]);
                break;
            }
        }
    }
    ours.extend(rest);
    ours
}

enum Token {
    /// `--`.
    Delimiter,
    /// One or several of memprof's own options; the next argument is the last one's value.
    Option { takes_next: bool },
    /// An option that names the program: those before it in a bundle (`-qc CODE`), and its value if attached.
    Program { option: char, before: Option<OsString>, attached: Option<OsString> },
    /// The first argument that is no option.
    Script,
}

fn last_option(command: &clap::Command, programs: &[char], argument: &OsStr) -> Token {
    let bytes = argument.as_bytes();
    if bytes == b"--" {
        return Token::Delimiter;
    }
    if let Some(long) = bytes.strip_prefix(b"--") {
        // `--name=value` names no option here, and so takes nothing.
        let known = command.get_arguments().find(|it| it.get_long().is_some_and(|name| name.as_bytes() == long));
        return Token::Option { takes_next: known.is_some_and(takes_value) };
    }
    let Some(bundle) = bytes.strip_prefix(b"-").filter(|bundle| !bundle.is_empty()) else { return Token::Script };
    for (index, &byte) in bundle.iter().enumerate() {
        let letter = char::from(byte);
        let known = command.get_arguments().find(|it| it.get_short() == Some(letter));
        if known.is_some_and(takes_value) {
            let value = &bundle[index + 1..];
            if !programs.contains(&letter) {
                return Token::Option { takes_next: value.is_empty() };
            }
            let before = (index > 0).then(|| OsString::from_vec(bytes[..=index].to_vec()));
            let attached = (!value.is_empty()).then(|| OsStr::from_bytes(value).to_owned());
            return Token::Program { option: letter, before, attached };
        }
    }
    Token::Option { takes_next: false }
}

fn takes_value(argument: &clap::Arg) -> bool {
    argument.get_action().takes_values()
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::{Arg, ArgAction, Command};

    fn divided(arguments: &str) -> String {
        let command = Command::new("run")
            .arg(Arg::new("output").short('o').long("output"))
            .arg(Arg::new("force").short('f').long("force").action(ArgAction::SetTrue))
            .arg(Arg::new("code").short('c'))
            .arg(Arg::new("module").short('m'));
        let divided = set_off_program(&command, &['c', 'm'], arguments.split(' ').map(OsString::from));
        divided.join(OsStr::new(" ")).into_string().unwrap()
    }

    #[test]
    fn the_program_s_arguments_are_set_off() {
        for (given, want) in [
            ("s.py -o x", "s.py -- -o x"),
            ("-o x s.py -f -- y", "-o x s.py -- -f -- y"),
            ("--output x s.py", "--output x s.py --"),
            ("--output=x s.py", "--output=x s.py --"),
            ("-fox -f s.py a", "-fox -f s.py -- a"),
            ("-fo x s.py a", "-fo x s.py -- a"),
            ("-c pass -x", "-c pass -- -x"),
            ("-fc pass -x", "-f -c pass -- -x"),
            ("-mhttp.server -o", "-m http.server -- -o"),
            ("-f -- sort -o x", "-f -- sort -o x"),
            ("- -o", "- -- -o"),
            ("--unknown s.py", "--unknown s.py --"),
            ("-c", "-c"),
        ] {
            assert_eq!(divided(given), want, "{given}");
        }
    }
}
