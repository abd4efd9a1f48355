//! The threads that have been seen, by number.

use memprof_capture::file::Thread;

/// What is known of each thread.
#[derive(Default)]
pub struct ThreadTable {
    threads: Vec<Thread>,
    changed: bool,
}

impl ThreadTable {
    /// Notes a thread, its id in the kernel and its name there, up to the first NUL.
    pub fn note(&mut self, number: u32, tid: u32, name: &[u8]) {
        let row = number as usize;
        // Threads are numbered when they register, and hand their first chunk over in any order.
        if row >= self.threads.len() {
            self.threads.resize(row + 1, Thread { tid: 0, name: String::new() });
        }
        let known = &mut self.threads[row];
        if known.tid != tid {
            let name = name.split(|&byte| byte == 0).next().unwrap_or_default();
            *known = Thread { tid, name: String::from_utf8_lossy(name).into_owned() };
            self.changed = true;
        }
    }

    /// Gives a thread that has been noted a better name.
    pub fn rename(&mut self, number: u32, name: &str) {
        let known = &mut self.threads[number as usize];
        if known.name != name {
            name.clone_into(&mut known.name);
            self.changed = true;
        }
    }

    /// Takes the name that the kernel now has for a thread of a process.
    pub fn read_name(&mut self, number: u32, pid: u32) {
        let comm = format!("/proc/{pid}/task/{}/comm", self.threads[number as usize].tid);
        if let Ok(name) = std::fs::read(comm) {
            self.rename(number, &String::from_utf8_lossy(name.trim_ascii_end()));
        }
    }

    /// All of them, if anything has changed since the last time.
    pub fn take_changed(&mut self) -> Option<&[Thread]> {
        std::mem::take(&mut self.changed).then_some(self.threads.as_slice())
    }
}
