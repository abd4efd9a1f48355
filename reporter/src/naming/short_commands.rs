//! Command lines in few words: of several, what distinguishes them.

use std::path::Path;

use rustc_hash::{FxHashMap, FxHashSet};

/// Replaces what other command lines have, too.
const SHARED: &str = "…";
/// What takes no more columns than this is not worth leaving out.
const WORTH_SHARED: usize = 4;

/// The same command lines without what says nothing: the folders of paths whose names are enough, and what several of
/// them begin with alike. They are to be read, not to be run: nothing is quoted.
pub(crate) fn short_commands(commands: &[&[String]]) -> Vec<String> {
    let paths = ShortPaths::of(commands);
    let words: Vec<Vec<String>> = commands.iter().map(|command| words(command, &paths)).collect();
    let mut known = Beginnings::default();
    let mut seen = FxHashSet::default();
    for words in &words {
        if seen.insert(words) {
            known.enter(words);
        }
    }
    words.iter().map(|words| known.differing(words)).collect()
}

/// The words of the arguments, with short paths: an argument may be code, of which only the end differs.
fn words(command: &[String], paths: &ShortPaths) -> Vec<String> {
    let mut words = Vec::new();
    for argument in command {
        words.extend(paths.get(argument).split_whitespace().map(str::to_owned));
    }
    words
}

/// By absolute path: as much of its end as no other one has.
struct ShortPaths<'a> {
    /// How many paths have an end.
    ends: FxHashMap<&'a str, u32>,
}

impl<'a> ShortPaths<'a> {
    fn of(commands: &[&'a [String]]) -> Self {
        let paths: FxHashSet<&str> = commands.iter().copied().flatten().map(String::as_str).filter(is_path).collect();
        let mut ends = FxHashMap::default();
        for path in paths {
            for end in ends_of(path) {
                *ends.entry(end).or_default() += 1;
            }
        }
        Self { ends }
    }

    fn get<'t>(&self, argument: &'t str) -> &'t str {
        if !is_path(&argument) {
            return argument;
        }
        ends_of(argument).find(|end| self.ends.get(end) == Some(&1)).unwrap_or(argument)
    }
}

fn is_path(argument: &&str) -> bool {
    Path::new(argument).is_absolute() && !argument.ends_with('/') && !argument.contains(char::is_whitespace)
}

/// `vector.h`, `bits/vector.h`, `c++/bits/vector.h` and so on.
fn ends_of(path: &str) -> impl Iterator<Item = &str> {
    path.rmatch_indices('/').map(|(at, _)| &path[at + 1..]).filter(|end| !end.is_empty())
}

/// What command lines begin with, as a tree: each node is one word more than the one above it.
struct Beginnings<'a> {
    nodes: Vec<Beginning<'a>>,
}

/// One beginning.
#[derive(Default)]
struct Beginning<'a> {
    next: FxHashMap<&'a str, usize>,
    /// A command line ends here.
    is_whole: bool,
    /// How many go on from here or end here.
    commands: u32,
}

impl Default for Beginnings<'_> {
    fn default() -> Self {
        Self { nodes: vec![Beginning::default()] }
    }
}

impl<'a> Beginnings<'a> {
    fn enter(&mut self, words: &'a [String]) {
        let mut at = 0;
        for word in words {
            let new = self.nodes.len();
            let node = *self.nodes[at].next.entry(word).or_insert(new);
            if node == new {
                self.nodes.push(Beginning::default());
            }
            at = node;
            self.nodes[at].commands += 1;
        }
        self.nodes[at].is_whole = true;
    }

    /// The first word, those at which the command line goes another way than others, and what no other one has.
    fn differing(&self, words: &[String]) -> String {
        let mut at = 0;
        let mut said: Vec<&str> = Vec::new();
        let mut shared: Vec<&str> = Vec::new();
        for (index, word) in words.iter().enumerate() {
            let before = &self.nodes[at];
            let Some(&next) = before.next.get(word.as_str()) else { break };
            let is_turn = before.next.len() > 1 || before.is_whole;
            // The end of what another one goes on from is what there is to say of it.
            let is_end = index + 1 == words.len();
            at = next;
            if index > 0 && self.nodes[at].commands > 1 && !is_turn && !is_end {
                shared.push(word);
                continue;
            }
            say_shared(&mut said, &mut shared);
            said.push(word);
        }
        said.join(" ")
    }
}

/// What was passed over, in short if that is shorter.
fn say_shared<'t>(said: &mut Vec<&'t str>, shared: &mut Vec<&'t str>) {
    let columns: usize = shared.iter().map(|word| word.chars().count() + 1).sum();
    if columns > WORTH_SHARED + 1 {
        said.push(SHARED);
        shared.clear();
    }
    said.append(shared);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn assert_short(commands: &[(&[&str], &str)]) {
        let owned: Vec<Vec<String>> =
            commands.iter().map(|(command, _)| command.iter().map(|&argument| argument.to_owned()).collect()).collect();
        let given: Vec<&[String]> = owned.iter().map(Vec::as_slice).collect();
        let expected: Vec<&str> = commands.iter().map(|&(_, short)| short).collect();
        assert_eq!(short_commands(&given), expected);
    }

    #[test]
    fn one_alone_loses_its_folders() {
        assert_short(&[(
            &["/usr/bin/python3", "/srv/tracks/pool.py", "--out", "/tmp/my file"],
            "python3 pool.py --out /tmp/my file",
        )]);
        assert_short(&[(&[], "")]);
    }

    #[test]
    fn paths_keep_what_distinguishes_them() {
        assert_short(&[
            (&["/usr/bin/python3", "/srv/mail/manage.py"], "python3 mail/manage.py"),
            (&["/usr/bin/python3", "/srv/shop/manage.py"], "python3 shop/manage.py"),
        ]);
    }

    #[test]
    fn workers_of_a_pool_show_what_differs() {
        let spawn = "from multiprocessing.spawn import spawn_main; spawn_main(tracker_fd=17, pipe_handle=";
        let [first, second] = [23, 25].map(|handle| format!("{spawn}{handle})"));
        let python = "/opt/python/bin/python3";
        assert_short(&[
            (&[python, "pool.py"], "python3 pool.py"),
            (&[python, "pool.py"], "python3 pool.py"),
            (
                &[python, "-B", "-c", "from multiprocessing.resource_tracker import main;main(16)"],
                "python3 -B … multiprocessing.resource_tracker import main;main(16)",
            ),
            (
                &[python, "-B", "-c", &first, "--multiprocessing-fork"],
                "python3 -B … multiprocessing.spawn … pipe_handle=23) --multiprocessing-fork",
            ),
            (
                &[python, "-B", "-c", &second, "--multiprocessing-fork"],
                "python3 -B … multiprocessing.spawn … pipe_handle=25) --multiprocessing-fork",
            ),
        ]);
    }

    #[test]
    fn the_end_of_what_another_one_begins_with_is_said() {
        assert_short(&[
            (&["worker", "--queue", "mail"], "worker … mail"),
            (&["worker", "--queue", "mail", "--verbose"], "worker … --verbose"),
            (&["gzip", "-9"], "gzip -9"),
        ]);
    }
}
