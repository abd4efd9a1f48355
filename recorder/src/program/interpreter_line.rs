//! What the first line of a script says about the language that it is written in.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

/// What Linux reads of a `#!` line (`BINPRM_BUF_SIZE`).
const LONGEST_LINE: u64 = 256;

/// Whether the script says by a `#!` line that something else than Python runs it. What cannot be read says nothing.
pub(super) fn names_another_language(script: &Path) -> bool {
    first_bytes(script).is_ok_and(|head| interpreter_name(&head).is_some_and(|name| !is_python(name)))
}

fn first_bytes(script: &Path) -> io::Result<Vec<u8>> {
    let mut head = Vec::new();
    // A pipe keeps what is in it for the program.
    if script.is_file() {
        File::open(script)?.take(LONGEST_LINE).read_to_end(&mut head)?;
    }
    Ok(head)
}

/// The name of the program in a `#!` line, without its folder; the one that `env` is to look for where that is named.
fn interpreter_name(head: &[u8]) -> Option<&[u8]> {
    let line = head.strip_prefix(b"#!")?.split(|&byte| byte == b'\n').next()?;
    let mut words = line.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty()).map(without_folder);
    let first = words.next()?;
    if first != b"env" {
        return Some(first);
    }
    // Options of `env`, and variables that it sets.
    words.find(|word| !word.starts_with(b"-") && !word.contains(&b'='))
}

fn without_folder(path: &[u8]) -> &[u8] {
    path.rsplit(|&byte| byte == b'/').next().unwrap_or(path)
}

/// `python3.14`, `ipython`, `pypy3`; `uv run` and `pipx run` bring a Python.
fn is_python(name: &[u8]) -> bool {
    name.windows(6).any(|part| part == b"python")
        || [&b"pypy"[..], b"uv", b"pipx"].iter().any(|&it| name.starts_with(it))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names() {
        let name = |line: &[u8]| interpreter_name(line).map(|name| String::from_utf8_lossy(name).into_owned());
        for (line, expected) in [
            (&b"#!/bin/sh\n"[..], Some("sh")),
            (b"#! /usr/bin/perl -w\nuse strict;", Some("perl")),
            (b"#!/usr/bin/env python3", Some("python3")),
            (b"#!/usr/bin/env -S LANG=C python3.14 -u\n", Some("python3.14")),
            (b"#!bash\r\n", Some("bash")),
            (b"#!/usr/bin/env\nsh", None),
            (b"#!\n/bin/sh", None),
            (b"print('#!/bin/sh')\n", None),
            (b"", None),
        ] {
            assert_eq!(name(line).as_deref(), expected, "{}", line.escape_ascii());
        }
    }

    #[test]
    fn languages() {
        for name in ["python", "python3.14t", "ipython3", "pypy3.11", "uv"] {
            assert!(is_python(name.as_bytes()), "{name}");
        }
        for name in ["sh", "perl", "node", "ruby", "awk", "pyt"] {
            assert!(!is_python(name.as_bytes()), "{name}");
        }
    }
}
