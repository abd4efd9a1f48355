//! What a test program says about its stacks, in comments. `@name` names a line, wherever it is:
//!
//! ```text
//! static void inner(void) {
//!     keep = malloc(100001); /* @here */
//! }
//! //stack 100001: main@calls / ... / outer@middle * 3 / inner@here
//! ```
//!
//! says that there is one allocation of this size, and all frames of its stack that the hybrid view shows, root first:
//! functions of the program at lines with these names, a `* 3` after one that is there that often; `...` for one or
//! more frames of anybody else, and `~` for any number of them, also none; `|` for the start of a thread by the frames
//! before it; `***` at the beginning for a stack of which only the end is known. `//stack 3x100001: ...` is said of
//! three allocations, `//stack(word) ...` only where the test names that word, `//stack(!word) ...` only where it does
//! not. All sources of a program, in whatever language, share the names of lines.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::fs;
use std::path::Path;

use super::flame_data::{Frame, Kind, Stack, View, flame_tree};
use super::memprof::programs;
use super::table::{Amount, table_of};

/// What the start of a thread is called.
pub const NEW_THREAD: &str = "<new thread>";

/// What is in the sources of a program.
pub struct Annotations {
    /// The program's own files.
    files: BTreeSet<String>,
    /// File and line by name.
    marks: BTreeMap<String, (String, u64)>,
    stacks: Vec<Expected>,
}

/// An expected stack.
struct Expected {
    amount: Amount,
    pattern: Vec<Token>,
}

enum Token {
    /// This frame, so often.
    Own(Frame, usize),
    /// At least so many frames of others.
    Others(usize),
    /// Any frames, before all others.
    Whatever,
}

impl Annotations {
    /// Of these sources, where these words hold.
    #[track_caller]
    pub fn of(sources: &[&str], words: &[&str]) -> Self {
        let mut annotations = Self { files: BTreeSet::new(), marks: BTreeMap::new(), stacks: Vec::new() };
        let texts: Vec<(String, String)> = sources.iter().map(|source| read(source)).collect();
        for (file, text) in &texts {
            annotations.files.insert(file.clone());
            for (number, line) in (1..).zip(text.lines()) {
                if let Some(name) = mark(line) {
                    let before = annotations.marks.insert(name.to_owned(), (file.clone(), number));
                    assert!(before.is_none(), "{file}:{number}: two lines are called {name}");
                }
            }
        }
        for (file, text) in &texts {
            for line in text.lines() {
                let comment = line.trim().trim_start_matches(['/', '#']);
                if comment.len() < line.trim().len()
                    && let Some(comment) = comment.strip_prefix("stack")
                    && let Some(expected) = annotations.expected(comment, words)
                {
                    annotations.stacks.push(expected);
                } else {
                    assert!(!line.contains("stack 1"), "{file}: not understood: {line}");
                }
            }
        }
        annotations
    }

    fn expected(&self, comment: &str, words: &[&str]) -> Option<Expected> {
        let comment = match comment.strip_prefix('(').and_then(|rest| rest.split_once(')')) {
            Some((condition, rest)) => {
                let (word, wanted) = condition.strip_prefix('!').map_or((condition, true), |word| (word, false));
                if words.contains(&word) != wanted {
                    return None;
                }
                rest
            }
            None => comment,
        };
        let (amount, pattern) = comment.trim().split_once(": ").unwrap_or_else(|| panic!("no stack: {comment}"));
        let (count, size) = amount.split_once('x').unwrap_or(("1", amount));
        let number = |text: &str| text.replace('_', "").parse::<u64>().unwrap_or_else(|_| panic!("{text}?"));
        let (allocations, size) = (number(count), number(size));
        let pattern = pattern.split(" / ").map(|token| self.token(token.trim())).collect();
        Some(Expected { amount: Amount { allocations, bytes: allocations * size }, pattern })
    }

    fn token(&self, token: &str) -> Token {
        match token {
            "..." => return Token::Others(1),
            "~" => return Token::Others(0),
            "***" => return Token::Whatever,
            "|" => return Token::Own(special(NEW_THREAD), 1),
            _ => (),
        }
        let (token, times) = token.rsplit_once(" * ").unwrap_or((token, "1"));
        let times = times.parse().unwrap_or_else(|_| panic!("{token} how often?"));
        let (function, name) = token.rsplit_once('@').unwrap_or_else(|| panic!("at which line is {token}?"));
        Token::Own(self.frame(function, name), times)
    }

    /// The frame of a function at the line of this name.
    #[track_caller]
    pub fn frame(&self, function: &str, name: &str) -> Frame {
        let (file, line) = self.marks.get(name).unwrap_or_else(|| panic!("no line is called {name}"));
        let make = if file.ends_with(".py") { Frame::python } else { Frame::native };
        make(file, *line, function)
    }

    /// Requires that the capture has all expected stacks, and that its tables have their innermost frames.
    #[track_caller]
    pub fn assert_hold(&self, capture: &Path) {
        assert!(!self.stacks.is_empty(), "the program says nothing about its stacks");
        let tree = flame_tree(capture);
        let mut wrong = String::new();
        let mut of_leaf: BTreeMap<&Frame, Amount> = BTreeMap::new();
        for expected in &self.stacks {
            let stacks = tree.stacks_with(expected.amount);
            let fitting = stacks.iter().filter(|stack| self.fits(&expected.pattern, &stack.view(View::Hybrid))).count();
            let alike = self.stacks.iter().filter(|other| other.amount == expected.amount).count();
            if (fitting, stacks.len()) != (1, alike) {
                self.write_difference(expected, alike, &stacks, &mut wrong);
            }
            if let Some(Token::Own(leaf, _)) = expected.pattern.last()
                && leaf.kind == Kind::Native
            {
                *of_leaf.entry(leaf).or_default() += expected.amount;
            }
        }
        let rows = table_of(capture, &["--total", "--view", "native"]);
        for (leaf, amount) in of_leaf {
            let mut found = Amount::default();
            let at_leaf = |file: &str, line: u64, function: &str| *leaf == Frame::native(file, line, function);
            let own = rows.iter().filter(|row| at_leaf(&row.file, row.line, &row.function));
            own.for_each(|row| found += row.amount());
            if found != amount {
                let _ = writeln!(wrong, "\nthe table of native functions has {found:?} for {amount:?} at {leaf:?}");
            }
        }
        assert!(wrong.is_empty(), "{wrong}");
    }

    fn write_difference(&self, expected: &Expected, alike: usize, stacks: &[Stack], wrong: &mut String) {
        let _ = writeln!(wrong, "\n{:?} should have the stack", expected.amount);
        for token in &expected.pattern {
            let _ = match token {
                Token::Own(frame, 1) => writeln!(wrong, "    {}", describe(frame)),
                Token::Own(frame, times) => writeln!(wrong, "    {} * {times}", describe(frame)),
                Token::Others(_) | Token::Whatever => writeln!(wrong, "    ..."),
            };
        }
        let _ = writeln!(wrong, "and be there {alike} times in all, but is {} times:", stacks.len());
        for stack in stacks {
            let _ = writeln!(wrong, "  (with a minus what the hybrid view hides)");
            write_stack(stack, wrong);
        }
    }

    /// Whether frames are as expected. No two ways have to be tried: others' frames and the program's own never mix.
    fn fits(&self, pattern: &[Token], mut frames: &[Frame]) -> bool {
        if let Some((Token::Whatever, rest)) = pattern.split_first() {
            return (0..frames.len()).any(|start| self.fits(rest, &frames[start..]));
        }
        for token in pattern {
            match token {
                Token::Own(frame, times) => {
                    if frames.len() < *times || frames[..*times].iter().any(|found| found != frame) {
                        return false;
                    }
                    frames = &frames[*times..];
                }
                Token::Others(least) => {
                    let others = frames.iter().take_while(|frame| self.is_other_s(frame)).count();
                    if others < *least {
                        return false;
                    }
                    frames = &frames[others..];
                }
                Token::Whatever => panic!("*** is for the beginning only"),
            }
        }
        frames.is_empty()
    }

    fn is_other_s(&self, frame: &Frame) -> bool {
        frame.kind != Kind::Special && !self.files.contains(&frame.file)
    }
}

fn write_stack(stack: &Stack, text: &mut String) {
    for (index, (frame, is_shown)) in stack.marked(View::Hybrid).enumerate() {
        // Deep recursion is not worth reading.
        if index < 40 || index + 40 > stack.frames.len() {
            let _ = writeln!(text, "  {} {}", if is_shown { ' ' } else { '-' }, describe(frame));
        }
    }
}

fn describe(frame: &Frame) -> String {
    let file = frame.file.rsplit('/').next().unwrap_or_default();
    format!("{:?} {} ({file}:{})", frame.kind, frame.function, frame.line)
}

/// A frame that is only a name.
pub fn special(name: &str) -> Frame {
    Frame { kind: Kind::Special, file: String::new(), line: 0, function: name.to_owned() }
}

/// The name that a line has.
fn mark(line: &str) -> Option<&str> {
    let starts = ["/* @", "// @", "# @"];
    let (at, start) = starts.iter().find_map(|start| Some((line.rfind(start)?, start)))?;
    let name = line[at + start.len()..].split([' ', '*']).next()?;
    (!name.is_empty()).then_some(name)
}

fn read(source: &str) -> (String, String) {
    let path = programs().join(source);
    let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{source}: {error}"));
    (path.to_str().expect("it is UTF-8").to_owned(), text)
}

/// The file and the line of this name in a test program.
#[track_caller]
pub fn marked(source: &str, name: &str) -> (String, u64) {
    let (file, text) = read(source);
    let found = (1..).zip(text.lines()).find(|(_, line)| mark(line) == Some(name));
    (file, found.unwrap_or_else(|| panic!("no line of {source} is called {name}")).0)
}
