//! The list of files and shared memory that processes have mapped, for a terminal.

use std::io::{self, Write};

use crate::mapped_memory::SharedObject;
use crate::report::Report;
use crate::size_units::{count, counted, size};
use crate::text::{Align, Cell, Columns, Location, TextStyle};

/// So many pids stand in a list.
const MOST_PIDS: usize = 3;

/// Writes the `top` largest, if there are any.
pub(super) fn write(report: &Report, top: usize, style: &TextStyle, out: &mut impl Write) -> io::Result<()> {
    let objects = &report.mapped.objects;
    if objects.is_empty() || top == 0 {
        return Ok(());
    }
    writeln!(out, "\n{}", style.heading("Shared memory and files, which count once"))?;
    let heads = ["At peak", "At end", "Mappings", "Kind", "Processes"].map(|head| (head, Align::Right));
    let mut columns = Columns::new(&heads, "Name");
    for object in objects.iter().take(top) {
        let SharedObject { name, kind, amounts, pids } = object;
        let cells = vec![
            size(amounts.peak_bytes),
            size(amounts.leaked_bytes),
            count(amounts.mappings),
            (*kind).to_owned(),
            processes(pids),
        ];
        columns.push(cells, Cell::Place(Location::new(name, "", 0)));
    }
    columns.print(out, style)?;
    if objects.len() > top {
        writeln!(out, "  and {}", counted((objects.len() - top) as u64, "more"))?;
    }
    Ok(())
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
