//! Threads have the names that Python gave them, on every version, wherever Python keeps them.

use std::collections::BTreeMap;

use crate::support::pythons;
use crate::support::recording::Recording;
use crate::support::table::{Row, table};

const PROGRAM: &str = "\
import threading
from concurrent.futures import ThreadPoolExecutor
class Own(threading.Thread):
    __slots__ = ('kept',)
    def run(self):
        self.kept = bytearray(1_230_000)
def work(size):
    return bytearray(size)
plain = threading.Thread(target=work, args=(1_200_000,), name='plain')
accented = threading.Thread(target=work, args=(1_210_000,), name='wörker \u{1F980}')
looked_at = threading.Thread(target=work, args=(1_220_000,), name='looked at')
looked_at.__dict__['another'] = 1
own = Own(name='own class')
for number in range(60):
    setattr(own, 'attribute%d' % number, number)
renamed = threading.Thread(target=work, args=(1_240_000,), name='before')
renamed.name = 'after'
for thread in (plain, accented, looked_at, own, renamed):
    thread.start()
    thread.join()
with ThreadPoolExecutor(1, thread_name_prefix='pool') as pool:
    pool.submit(work, 1_250_000).result()
work(1_260_000)
";

#[test]
fn names_of_threads() {
    for python in pythons::all() {
        let recorded = Recording::of_code(python, PROGRAM).with_objects_of(python).run().succeeds();
        let rows = table(&recorded.capture(), "--total");
        // A bytearray is a little larger than its contents.
        let number = |row: &Row| (row.bytes >= 1_200_000).then(|| (row.bytes - 1_200_000) / 10_000);
        let names: BTreeMap<u64, &str> = rows
            .iter()
            .filter(|row| ["work", "run"].contains(&row.function.as_str()))
            .filter_map(|row| Some((number(row)?, row.thread.rsplit_once(" (").map_or("", |(name, _)| name))))
            .filter(|(number, _)| *number < 7)
            .collect();
        assert!(names.get(&6).is_some_and(|name| name.starts_with("python")), "{python}: {rows:?}");
        let expected = ["plain", "wörker 🦀", "looked at", "own class", "after", "pool_0"];
        for (number, expected) in (0..).zip(expected) {
            assert_eq!(names.get(&number), Some(&expected), "{python}: {names:?}");
        }
    }
}
