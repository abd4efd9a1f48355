//! Threads have the names that Python gave them, on every version, wherever Python keeps them.

use std::collections::BTreeMap;

use crate::support::pythons;
use crate::support::recording::Recording;
use crate::support::table::table;

const PROGRAM: &str = "\
import threading
from concurrent.futures import ThreadPoolExecutor
class Own(threading.Thread):
    __slots__ = ('kept',)
    def run(self):
        self.kept = bytearray(1_200_003)
def work(size):
    return bytearray(size)
plain = threading.Thread(target=work, args=(1_200_000,), name='plain')
accented = threading.Thread(target=work, args=(1_200_001,), name='wörker \u{1F980}')
looked_at = threading.Thread(target=work, args=(1_200_002,), name='looked at')
looked_at.__dict__['another'] = 1
own = Own(name='own class')
for number in range(60):
    setattr(own, 'attribute%d' % number, number)
renamed = threading.Thread(target=work, args=(1_200_004,), name='before')
renamed.name = 'after'
for thread in (plain, accented, looked_at, own, renamed):
    thread.start()
    thread.join()
with ThreadPoolExecutor(1, thread_name_prefix='pool') as pool:
    pool.submit(work, 1_200_005).result()
work(1_200_006)
";

#[test]
fn names_of_threads() {
    for python in pythons::all() {
        let recorded = Recording::of_code(python, PROGRAM).run().succeeds();
        let rows = table(&recorded.capture(), "--total");
        // A bytearray is a byte larger than its contents; from 3.15 on it is a bytes object, which has a header.
        let more = if python.minor < 15 { 1 } else { 33 };
        let names: BTreeMap<u64, &str> = rows
            .iter()
            .filter(|row| (1_200_000 + more..1_200_009 + more).contains(&row.bytes))
            .map(|row| (row.bytes - 1_200_000 - more, row.thread.rsplit_once(" (").map_or("", |(name, _)| name)))
            .collect();
        let kernel_name = rows.iter().find(|row| row.bytes == 1_200_006 + more).map(|row| row.thread.clone());
        assert!(kernel_name.is_some_and(|name| name.starts_with("python")), "{python}: {rows:?}");
        let expected = ["plain", "wörker 🦀", "looked at", "own class", "after", "pool_0"];
        for (number, expected) in (0..).zip(expected) {
            assert_eq!(names.get(&number), Some(&expected), "{python}: {names:?}");
        }
    }
}
