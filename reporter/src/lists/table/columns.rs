//! What a table shows of its rows.

use std::borrow::Cow;

use memprof_replay::processes::ProcessId;

use super::{Subjects, Table};
use crate::lists::list::{Column, List, Room, Subject, SubjectName, sum_in_words};
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

type RowColumn<'a> = Column<'a, Row>;

/// The number of threads is worth a column where the subject keeps so much room.
const SUBJECT_NEEDS: usize = 40;

impl Table<'_> {
    /// Its rows with their columns.
    pub(super) fn list(&self) -> List<'_, Row> {
        let (by, whole) = (self.by, self.report.total(self.metric));
        let are_several = self.report.processes().are_several();
        let subject = self.subject();
        let is_subject = |name| matches!(&subject, Subject::Name(called, _) if *called == name);
        let mut columns = vec![
            RowColumn::bytes("Bytes", |row| row.amount.bytes).named("bytes").meaning("Requested bytes of the metric."),
            RowColumn::share(move |row| (row.amount.bytes, whole.bytes)),
            RowColumn::count("Allocs", |row| row.amount.allocations)
                .named("allocations")
                .meaning("Allocations of the metric."),
        ];
        if by.allocator && !is_subject(ALLOCATOR) {
            columns.push(RowColumn::called(ALLOCATOR, |row| allocator(row).into()));
        }
        if by.process || by.thread {
            let pid = |row: &Row| row.key.process.map_or(0, |process| self.report.processes().get(process).pid);
            let room = if are_several || by.process { Room::Always } else { Room::Never };
            let column = RowColumn::id("Process", pid).named("process").meaning("By process or thread: the pid.");
            columns.push(column.with_room(room));
        } else {
            let room = if self.rows.iter().any(|row| row.processes > 1) { Room::Always } else { Room::Never };
            let column = RowColumn::count("Processes", |row| row.processes).named("processes").at_least(1);
            let meaning = "In how many processes that was, where rows are not by process.";
            columns.push(column.meaning(meaning).with_room(room));
        }
        if !by.thread {
            // What is the same in every row helps nobody.
            let differ = self.rows.iter().any(|row| row.threads != self.rows[0].threads);
            let room = if differ { Room::IfThereIs(1) } else { Room::Never };
            let column = RowColumn::count("Threads", |row| row.threads).named("threads").at_least(1);
            let meaning = "In how many threads of all processes, where rows are not by thread.";
            columns.push(column.meaning(meaning).with_room(room));
        } else if !is_subject(THREAD) {
            let thread = |row: &Row| self.thread(row).into();
            columns.push(RowColumn::called(THREAD, thread).with_room(Room::OwnLine));
        }
        let sum = Box::new(|rows: &[Row]| sum_in_words(rows.iter().map(|row| row.amount)));
        List { report: self.report, rows: &self.rows, unit: "row", subject, columns, sum, subject_needs: SUBJECT_NEEDS }
    }

    fn subject(&self) -> Subject<'_, Row> {
        match &self.subjects {
            Subjects::Places(grouped) => grouped.subject(self.report.places(), |row: &Row| row.key.place),
            Subjects::Stacks(paths) => Subject::Stack(paths, Box::new(|row: &Row| row.key.path)),
            // What comes last in the names of `By` is what the rows are about.
            Subjects::Anywhere if self.by.thread => Subject::Name(THREAD, Box::new(|row| self.thread(row).into())),
            Subjects::Anywhere if self.by.process => {
                let labels = self.report.process_labels();
                let label = move |process: ProcessId| labels.with_beginning(process);
                Subject::Name(COMMAND, Box::new(move |row| row.key.process.map(&label).unwrap_or_default().into()))
            }
            Subjects::Anywhere => Subject::Name(ALLOCATOR, Box::new(|row| Cow::Borrowed(allocator(row)))),
        }
    }

    fn thread(&self, row: &Row) -> String {
        row.key.thread.map(|thread| self.report.thread_labels().get(thread)).unwrap_or_default()
    }
}

fn allocator(row: &Row) -> &'static str {
    allocator_name(row.key.allocator.flatten())
}
