//! Interpreters within the interpreter: they come and go as without memprof, and what they allocate is recorded.

use crate::support::pythons;
use crate::support::recording::Recording;
use crate::support::survivor::assert_complete;
use crate::support::table::{Amount, sum, table};

#[test]
fn one_after_the_other_and_in_threads() {
    for python in pythons::all() {
        let recorded = Recording::of_script(python, "subinterpreters.py").run().succeeds();
        assert_eq!(recorded.finished().stdout(), "done\n", "{python}: {}", recorded.finished().stderr());
        let rows = table(&recorded.capture(), "--total");
        // Which interpreter a thread runs is to be seen from 3.12 on.
        let function = if python.minor < 12 { "run" } else { "<module>" };
        let of = |allocator: &str| sum(&rows, |row| row.allocator == allocator && row.function == function);
        assert_eq!(of("valloc"), Amount { allocations: 6 * 25, bytes: 6 * 25 * 30_000 }, "{python}");
        assert_eq!(of("pvalloc"), Amount { allocations: 6, bytes: 6 * 5000 }, "{python}");
        assert_complete(&recorded);
    }
}
