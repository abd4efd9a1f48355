//! The list of files and shared memory that processes have mapped, for a terminal.

use std::io::{self, Write};

use crate::lists::list::{Column, List, Subject, SubjectName};
use crate::reading::mapped_memory::SharedObject;
use crate::reading::report::Report;
use crate::text::{Align, TextStyle};

type ObjectColumn<'a> = Column<'a, SharedObject>;

const NAME: SubjectName = SubjectName { name: "name", head: "Name", meaning: "As the kernel calls it, or its number." };
/// At most this many pids are in a list.
const MOST_PIDS: usize = 3;

/// Writes the `top` largest, if there are any.
pub(super) fn write(report: &Report, top: usize, style: &TextStyle, out: &mut impl Write) -> io::Result<()> {
    let objects = &report.mapped().objects;
    if objects.is_empty() || top == 0 {
        return Ok(());
    }
    writeln!(out, "\n{}", style.heading("Shared memory and files, which count once"))?;
    let columns = vec![
        ObjectColumn::bytes("At peak", |object| object.amounts.peak_bytes),
        ObjectColumn::bytes("At end", |object| object.amounts.leaked_bytes),
        ObjectColumn::count("Mappings", |object| object.amounts.mappings),
        ObjectColumn { align: Align::Right, ..ObjectColumn::text("Kind", |object| object.kind.into()) },
        ObjectColumn {
            align: Align::Right,
            ..ObjectColumn::text("Processes", |object| processes(&object.pids).into())
        },
    ];
    let subject = Subject::Name(NAME, Box::new(|object: &SharedObject| object.name.clone().into()));
    List::without_sum(report, objects, "mapped object", subject, columns).write_text(top, style, out)
}

/// `4711`, `4711 4712`, `4711 4712 and 30 more`.
fn processes(pids: &[u32]) -> String {
    let shown: Vec<String> = pids.iter().take(MOST_PIDS).map(u32::to_string).collect();
    match pids.len() {
        all if all <= MOST_PIDS => shown.join(" "),
        all => format!("{} and {} more", shown.join(" "), all - MOST_PIDS),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_many_processes_some_are_named() {
        assert_eq!(processes(&[1]), "1");
        assert_eq!(processes(&[1, 2, 3]), "1 2 3");
        assert_eq!(processes(&[1, 2, 3, 4, 5]), "1 2 3 and 2 more");
    }
}
