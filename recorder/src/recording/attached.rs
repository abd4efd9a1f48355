//! The processes that may record although they have not been seen to: a child of the program has the pool in its memory
//! from the beginning, and takes a chunk of it when it first allocates, which may be long after its parent has ended.

use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use crate::start::CHANNEL;

/// How such processes are known.
pub struct Attached {
    /// The pool's file.
    inode: u64,
    /// The environment variable that leads to it.
    variable: Vec<u8>,
}

/// Those that were found.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Found {
    /// They have the pool in their memory.
    pub attached: Vec<u32>,
    /// Whether there are others that know where it is: that have just executed a program and will attach, or never
    /// will.
    pub may_attach: bool,
}

impl Attached {
    /// To the pool in the file of this number, which programs find there.
    pub fn to(inode: u64, channel: &Path) -> Self {
        Self { inode, variable: [CHANNEL, b"=", channel.as_os_str().as_bytes()].concat() }
    }

    /// Searches all processes but this one. Those that cannot be examined are left out.
    pub fn find(&self) -> Found {
        let mut found = Found::default();
        let own = std::process::id();
        let names = fs::read_dir("/proc").into_iter().flatten().flatten().map(|entry| entry.file_name());
        // In the order of their numbers, more or less, so that children come after their parents.
        for pid in names.filter_map(|name| name.to_str()?.parse::<u32>().ok()).filter(|&pid| pid != own) {
            let of = |file: &str| fs::read(format!("/proc/{pid}/{file}")).unwrap_or_default();
            if of("maps").split(|&byte| byte == b'\n').any(|line| self.is_pool(line)) {
                found.attached.push(pid);
            } else if of("environ").split(|&byte| byte == 0).any(|variable| variable == self.variable) {
                found.may_attach = true;
            }
        }
        found
    }

    /// Whether a line of `/proc/PID/maps` is about the pool.
    fn is_pool(&self, line: &[u8]) -> bool {
        let mut fields = line.split(|&byte| byte == b' ').filter(|field| !field.is_empty());
        let inode = fields.nth(4).and_then(|inode| std::str::from_utf8(inode).ok()?.parse().ok());
        // Files of other file systems may have the same number.
        inode == Some(self.inode) && fields.next().is_some_and(|path| path.starts_with(b"/memfd:memprof"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::shared_pool::{SharedPool, Wanted};
    use memprof_channel::followed::Followed;
    use memprof_channel::object_tracing::ObjectTracing;
    use std::process::Command;

    #[test]
    fn forked_processes_have_the_pool_and_executed_ones_its_name() {
        let wanted = Wanted {
            python_only: false,
            native_stacks: false,
            python_allocators: ObjectTracing::Never,
            followed: Followed::All,
        };
        let shared = SharedPool::create(wanted).unwrap();
        let attached = Attached::to(shared.inode().unwrap(), &shared.path());
        // SAFETY: the child makes system calls only.
        let forked = unsafe { libc::fork() };
        if forked == 0 {
            // SAFETY: it waits to be killed.
            unsafe {
                libc::pause();
                libc::_exit(0);
            }
        }
        let found = attached.find();
        // SAFETY: the child's number is its own until it is waited for.
        unsafe {
            libc::kill(forked, libc::SIGKILL);
            libc::waitpid(forked, std::ptr::null_mut(), 0);
        }
        // Other tests may start processes of their own at any time, which are copies of this one for a moment.
        assert!(found.attached.contains(&forked.cast_unsigned()), "{found:?}");

        let mut executed = Command::new("sleep").arg("100").env("MEMPROF_CHANNEL", shared.path()).spawn().unwrap();
        // Whoever starts a program goes on before the kernel has put its environment where it is read.
        while fs::read(format!("/proc/{}/environ", executed.id())).unwrap().is_empty() {
            std::thread::yield_now();
        }
        let found = attached.find();
        executed.kill().unwrap();
        executed.wait().unwrap();
        assert!(found.may_attach && !found.attached.contains(&executed.id()), "{found:?}");
        assert!(!attached.find().may_attach);
    }
}
