//! How lists name processes: what distinguishes one from the others comes first. Many run the same command line.

use memprof_capture::file::Tables;
use memprof_replay::processes::{Origin, Process, ProcessId, Processes};
use rustc_hash::FxHashMap;

use crate::naming::short_commands::short_commands;

/// How many bytes of a thread's name the kernel keeps.
const KERNEL_NAME_BYTES: usize = 15;
/// The name that Python gives to the first thread of each process.
const PYTHON_MAIN_THREAD: &str = "MainThread";

/// The names of all processes that a list is about.
pub(crate) struct ProcessLabels {
    labels: Vec<ProcessLabel>,
}

/// What a process is called apart from its pid.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct ProcessLabel {
    /// The name that it gave itself, if it did.
    name: Option<String>,
    /// What it ran, in short; nothing where that is what its parent in the list runs.
    command: Option<String>,
    /// `fork of 4711`; nothing where the capture does not say.
    beginning: Option<String>,
}

impl ProcessLabels {
    /// Of the processes of a report.
    pub(crate) fn of(tables: &Tables, processes: &Processes) -> Self {
        let mut labels = Self::of_list(processes.list());
        let names: FxHashMap<u32, &str> =
            tables.threads.iter().flatten().map(|thread| (thread.tid, thread.name.as_str())).collect();
        for (label, process) in labels.labels.iter_mut().zip(processes.list()) {
            let name = names.get(&process.pid).filter(|name| is_own_name(name, &process.command_line));
            label.name = name.map(|&name| name.to_owned());
        }
        labels
    }

    /// Likewise, where nothing is known of their threads.
    pub(crate) fn of_list(list: &[Process]) -> Self {
        let commands: Vec<&[String]> = list.iter().map(|process| process.command_line.as_slice()).collect();
        let command_of: FxHashMap<u32, &[String]> =
            list.iter().map(|process| (process.pid, process.command_line.as_slice())).collect();
        let label = |(process, command): (&Process, String)| {
            let beginning = match (process.origin, process.parent) {
                (Origin::Fork, Some(parent)) => Some(format!("fork of {parent}")),
                (Origin::Exec, Some(parent)) => Some(format!("exec by {parent}")),
                (Origin::Start, _) => Some("start".to_owned()),
                _ => None,
            };
            let parent = process.parent.filter(|_| process.origin == Origin::Fork);
            let of_parent = parent.and_then(|parent| command_of.get(&parent)).copied();
            let is_parent_s = of_parent == Some(process.command_line.as_slice());
            ProcessLabel { name: None, command: Some(command).filter(|_| !is_parent_s), beginning }
        };
        Self { labels: list.iter().zip(short_commands(&commands)).map(label).collect() }
    }

    /// How it began, and what it ran: `fork of 4711`, `exec by 4711: gzip -9 tracks.json`, `mail worker, fork of 4711`.
    pub(crate) fn with_beginning(&self, process: ProcessId) -> String {
        let ProcessLabel { name, command, beginning } = &self.labels[process.index()];
        let origin = [name, beginning].into_iter().flatten().map(String::as_str).collect::<Vec<_>>().join(", ");
        match command {
            Some(command) if origin.is_empty() => command.clone(),
            Some(command) => format!("{origin}: {command}"),
            None => origin,
        }
    }

    /// What it ran, or else how it began: `gzip -9 tracks.json`, `fork of 4711`.
    pub(crate) fn get(&self, process: ProcessId) -> String {
        let ProcessLabel { name, command, beginning } = &self.labels[process.index()];
        let rest = command.as_ref().or(beginning.as_ref());
        [name.as_ref(), rest].into_iter().flatten().map(String::as_str).collect::<Vec<_>>().join(", ")
    }
}

/// Whether a process gave its first thread a name: otherwise it is that of the program that it runs.
fn is_own_name(name: &str, command_line: &[String]) -> bool {
    let is_of_program = |argument: &String| {
        let file = argument.rsplit('/').next().unwrap_or(argument);
        file.get(..file.len().min(KERNEL_NAME_BYTES)).is_some_and(|start| start == name)
    };
    // An interpreter's file may be called otherwise than the link to it.
    !name.is_empty()
        && name != PYTHON_MAIN_THREAD
        && !name.starts_with("python")
        && !command_line.iter().any(is_of_program)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn process(pid: u32, parent: Option<u32>, origin: Origin, command: &str) -> Process {
        let command_line = command.split_whitespace().map(str::to_owned).collect();
        Process { pid, parent, origin, command_line, images: Vec::new(), ended: None }
    }

    #[test]
    fn forks_do_not_repeat_what_their_parent_runs() {
        let list = [
            process(10, None, Origin::Start, "/usr/bin/python3 /srv/pool.py"),
            process(11, Some(10), Origin::Fork, "/usr/bin/python3 /srv/pool.py"),
            process(12, Some(10), Origin::Fork, "/usr/bin/python3 -m http.server"),
            process(13, Some(10), Origin::Exec, "/bin/gzip -9"),
            process(14, Some(99), Origin::Fork, "/usr/bin/python3 /srv/pool.py"),
            process(0, None, Origin::Unknown, "/bin/ls"),
        ];
        let labels = ProcessLabels::of_list(&list);
        let each =
            |text: fn(&ProcessLabels, ProcessId) -> String| (0..6).map(|id| text(&labels, ProcessId(id))).collect();
        let long: Vec<String> = each(ProcessLabels::with_beginning);
        assert_eq!(
            long,
            [
                "start: python3 pool.py",
                "fork of 10",
                "fork of 10: python3 -m http.server",
                "exec by 10: gzip -9",
                "fork of 99: python3 pool.py",
                "ls"
            ]
        );
        let short: Vec<String> = each(ProcessLabels::get);
        assert_eq!(
            short,
            ["python3 pool.py", "fork of 10", "python3 -m http.server", "gzip -9", "python3 pool.py", "ls"]
        );
    }

    #[test]
    fn names_that_processes_gave_themselves() {
        let command = |text: &str| text.split(' ').map(str::to_owned).collect::<Vec<String>>();
        assert!(is_own_name("mail: worker", &command("/usr/bin/python3 /usr/bin/mail")));
        assert!(is_own_name("worker-2", &command("./pool")));
        for (name, line) in [
            ("", "./pool"),
            ("pool", "./pool"),
            ("a_long_name_of_", "/opt/a_long_name_of_a_program --fast"),
            ("MainThread", "python3 pool.py"),
            ("python3.11", "/usr/bin/python3 pool.py"),
            ("pool.py", "/usr/bin/env ./pool.py"),
        ] {
            assert!(!is_own_name(name, &command(line)), "{name}");
        }
    }
}
