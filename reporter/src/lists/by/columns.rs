//! What lists show of rows for what is asked for, besides how much memory each has.

use std::borrow::Cow;

use memprof_replay::processes::ProcessId;

use super::RowsBy;
use super::rows_by::Subjects;
use crate::lists::list::{Column, Room, Subject, SubjectName};
use crate::naming::allocator_name::allocator_name;
use crate::sums::rows::Row;

const ALLOCATOR: SubjectName =
    SubjectName { name: "allocator", head: "Allocator", meaning: "By allocator: the function that allocated." };
const COMMAND: SubjectName =
    SubjectName { name: "command", head: "Command", meaning: "By process alone: how it began and what it ran." };
const THREAD: SubjectName = SubjectName {
    name: "thread",
    head: "Thread",
    meaning: "By thread: its last name in the kernel and its id: name (id).",
};

impl RowsBy<'_> {
    /// What the rows are about, where each has more than what distinguishes it.
    pub(crate) fn subject<R: AsRef<Row>>(&self) -> Subject<'_, R> {
        match &self.subjects {
            Subjects::Places(grouped) => grouped.subject(self.report.places(), |row: &R| row.as_ref().key.place),
            Subjects::Stacks(paths) => Subject::Stack(paths, Box::new(|row: &R| row.as_ref().key.path)),
            // What comes last in the names of `By` is what the rows are about.
            Subjects::Anywhere if self.by.thread => {
                Subject::Name(THREAD, Box::new(|row| self.thread(row.as_ref()).into()))
            }
            Subjects::Anywhere if self.by.process => {
                let labels = self.report.process_labels();
                let label = move |process: ProcessId| labels.with_beginning(process);
                let command = move |row: &R| row.as_ref().key.process.map(&label).unwrap_or_default().into();
                Subject::Name(COMMAND, Box::new(command))
            }
            Subjects::Anywhere => Subject::Name(ALLOCATOR, Box::new(|row| Cow::Borrowed(allocator(row.as_ref())))),
        }
    }

    /// Who allocated what these rows have, as far as it is not what they are about: with which function, in which
    /// process and thread or, where these are put together, in how many.
    pub(crate) fn columns<R: AsRef<Row>>(&self, rows: &[R]) -> Vec<Column<'_, R>> {
        let by = self.by;
        let subject = self.subject::<R>();
        let is_subject = |name| matches!(&subject, Subject::Name(called, _) if *called == name);
        let mut columns = Vec::new();
        if by.allocator && !is_subject(ALLOCATOR) {
            columns.push(Column::called(ALLOCATOR, |row: &R| allocator(row.as_ref()).into()));
        }
        if by.process || by.thread {
            let processes = self.report.processes();
            let pid = |row: &R| row.as_ref().key.process.map_or(0, |process| processes.get(process).pid);
            let room = if processes.are_several() || by.process { Room::Always } else { Room::Never };
            let column = Column::id("Process", pid).named("process").meaning("By process or thread: the pid.");
            columns.push(column.with_room(room));
        } else {
            let room = if rows.iter().any(|row| row.as_ref().processes > 1) { Room::Always } else { Room::Never };
            let column = Column::count("Processes", |row: &R| row.as_ref().processes).named("processes").at_least(1);
            let meaning = "In how many processes that was, where rows are not by process.";
            columns.push(column.meaning(meaning).with_room(room));
        }
        if !by.thread {
            // What is the same in every row helps nobody.
            let differ = rows.iter().any(|row| row.as_ref().threads != rows[0].as_ref().threads);
            let room = if differ { Room::IfThereIs(1) } else { Room::Never };
            let column = Column::count("Threads", |row: &R| row.as_ref().threads).named("threads").at_least(1);
            let meaning = "In how many threads of all processes, where rows are not by thread.";
            columns.push(column.meaning(meaning).with_room(room));
        } else if !is_subject(THREAD) {
            let thread = |row: &R| self.thread(row.as_ref()).into();
            columns.push(Column::called(THREAD, thread).with_room(Room::OwnLine));
        }
        columns
    }

    fn thread(&self, row: &Row) -> String {
        row.key.thread.map(|thread| self.report.thread_labels().get(thread)).unwrap_or_default()
    }
}

fn allocator(row: &Row) -> &'static str {
    allocator_name(row.key.allocator.flatten())
}
