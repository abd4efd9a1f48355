//! Starts the program to record, as its user would have started it.
//!
//! Not `std::process::Command`: that sorts the environment, drops entries it finds odd, and resets SIGPIPE. The program
//! gets memprof's environment entry by entry, with two changes, and everything else as memprof inherited it.

use std::ffi::{CStr, CString, OsStr};
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;
use std::ptr;

use crate::inherited;
use crate::program::Program;

/// What the program's environment gets on top of memprof's own.
#[derive(Clone, Debug)]
pub struct Environment {
    /// The library to preload.
    pub interposer: PathBuf,
    /// Where the interposer finds the pool.
    pub channel: PathBuf,
}

/// The running program. Not reaped when dropped: see [`wait`](crate::wait::wait).
#[derive(Debug)]
pub struct Child {
    pid: libc::pid_t,
}

impl Child {
    /// Its process id.
    #[must_use]
    pub fn pid(&self) -> libc::pid_t {
        self.pid
    }
}

const PRELOAD: &[u8] = b"LD_PRELOAD";
pub(crate) const CHANNEL: &[u8] = b"MEMPROF_CHANNEL";

/// Becomes the program, which is not recorded: with memprof's own environment. Returns only if that fails, and why.
pub fn become_program(program: &Program) -> io::Error {
    let variables = own_environment();
    let execute = || -> io::Result<()> {
        let path = c_string(program.executable.as_os_str())?;
        let arguments: Vec<CString> =
            program.argv.iter().map(|argument| c_string(argument)).collect::<io::Result<_>>()?;
        let (argv, envp) = (pointers(&arguments), pointers(&variables));
        inherited::restore_in_child();
        // SAFETY: the path and both lists are NUL-terminated and alive.
        unsafe { libc::execve(path.as_ptr(), argv.as_ptr(), envp.as_ptr()) };
        Err(io::Error::last_os_error())
    };
    execute().err().unwrap_or_else(|| io::Error::from(io::ErrorKind::Other))
}

/// Starts the program. `in_child` runs in the child just before the program replaces it, and may only do what is safe
/// there: no allocation, no locks.
///
/// Returns once the program itself is running, or could not be run.
pub fn start(
    program: &Program,
    environment: &Environment,
    mut in_child: impl FnMut() -> io::Result<()>,
) -> io::Result<Child> {
    let path = c_string(program.executable.as_os_str())?;
    let arguments: Vec<CString> = program.argv.iter().map(|argument| c_string(argument)).collect::<io::Result<_>>()?;
    let variables = with_ours(own_environment(), environment)?;
    let (argv, envp) = (pointers(&arguments), pointers(&variables));
    let (failed, fails) = pipe()?;

    // A signal that arrives in the child before the program runs must not run memprof's handlers.
    let mask = block_all_signals();
    // SAFETY: up to `execve` or `_exit` the child only makes system calls on memory prepared above, and `in_child`,
    // whose contract is the same.
    let pid = unsafe { libc::fork() };
    if pid == 0 {
        inherited::restore_in_child();
        let error = match in_child() {
            // SAFETY: the path and both lists are NUL-terminated and alive.
            Ok(()) => unsafe {
                libc::execve(path.as_ptr(), argv.as_ptr(), envp.as_ptr());
                io::Error::last_os_error()
            },
            Err(error) => error,
        };
        let code = error.raw_os_error().unwrap_or(libc::EIO).to_ne_bytes();
        // SAFETY: writes four bytes from the stack to the pipe and ends the child.
        unsafe {
            libc::write(fails.as_raw_fd(), code.as_ptr().cast(), code.len());
            libc::_exit(127)
        }
    }
    let forked = if pid < 0 { Err(io::Error::last_os_error()) } else { Ok(Child { pid }) };
    // SAFETY: `mask` is the set that this thread had before.
    unsafe { libc::pthread_sigmask(libc::SIG_SETMASK, &raw const mask, ptr::null_mut()) };
    let child = forked?;
    drop(fails);
    match read_failure(&failed)? {
        None => Ok(child),
        Some(error) => {
            // SAFETY: the child is ours and about to end; its status does not matter.
            while unsafe { libc::waitpid(child.pid, ptr::null_mut(), 0) } == -1
                && io::Error::last_os_error().kind() == io::ErrorKind::Interrupted
            {}
            Err(error)
        }
    }
}

/// Waits until the program runs (the pipe closes by itself) or the child says why it does not.
fn read_failure(pipe: &OwnedFd) -> io::Result<Option<io::Error>> {
    let mut code = [0u8; 4];
    loop {
        // SAFETY: reads at most four bytes into an array of four.
        let read = unsafe { libc::read(pipe.as_raw_fd(), code.as_mut_ptr().cast(), code.len()) };
        match read {
            0 => return Ok(None),
            4 => return Ok(Some(io::Error::from_raw_os_error(i32::from_ne_bytes(code)))),
            -1 if io::Error::last_os_error().kind() == io::ErrorKind::Interrupted => {}
            -1 => return Err(io::Error::last_os_error()),
            _ => return Ok(Some(io::Error::from(io::ErrorKind::UnexpectedEof))),
        }
    }
}

/// A pipe whose ends close when a program is executed. The write end is never one of the standard descriptors, which
/// the child may close.
fn pipe() -> io::Result<(OwnedFd, OwnedFd)> {
    let mut ends = [-1; 2];
    // SAFETY: the array has room for the two descriptors.
    if unsafe { libc::pipe(ends.as_mut_ptr()) } != 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: both descriptors were just created and belong to nobody else.
    let ends = unsafe { (OwnedFd::from_raw_fd(ends[0]), OwnedFd::from_raw_fd(ends[1])) };
    for end in [&ends.0, &ends.1] {
        // SAFETY: sets a flag on a descriptor that is open.
        if unsafe { libc::fcntl(end.as_raw_fd(), libc::F_SETFD, libc::FD_CLOEXEC) } != 0 {
            return Err(io::Error::last_os_error());
        }
    }
    Ok(ends)
}

fn block_all_signals() -> libc::sigset_t {
    let mut all = MaybeUninit::<libc::sigset_t>::zeroed();
    let mut before = MaybeUninit::<libc::sigset_t>::zeroed();
    // SAFETY: `sigfillset` makes the new set valid; the old one is filled in by the call (all-zero bytes, the empty
    // set, if that should fail).
    unsafe {
        libc::sigfillset(all.as_mut_ptr());
        libc::pthread_sigmask(libc::SIG_BLOCK, all.as_ptr(), before.as_mut_ptr());
        before.assume_init()
    }
}

/// memprof's environment exactly as it is: in order, with doubles and entries without a `=`.
fn own_environment() -> Vec<CString> {
    unsafe extern "C" {
        static environ: *const *const libc::c_char;
    }
    let mut entries = Vec::new();
    // SAFETY: `environ` is a list of C strings that ends with a null pointer. memprof never changes its environment,
    // so neither the list nor the strings change meanwhile.
    unsafe {
        let mut entry = environ;
        while !entry.is_null() && !(*entry).is_null() {
            entries.push(CStr::from_ptr(*entry).to_owned());
            entry = entry.add(1);
        }
    }
    entries
}

/// The program's environment: the interposer first among the libraries to preload, and the channel.
fn with_ours(mut entries: Vec<CString>, environment: &Environment) -> io::Result<Vec<CString>> {
    let interposer = environment.interposer.as_os_str().as_bytes();
    let mut preload = interposer.to_vec();
    if let Some(old) = entries.iter().find_map(|entry| value(entry, PRELOAD)) {
        for library in old.split(|byte| b": ".contains(byte)).filter(|&it| !it.is_empty() && it != interposer) {
            preload.push(b':');
            preload.extend_from_slice(library);
        }
    }
    for (name, value_of_ours) in [(PRELOAD, preload.as_slice()), (CHANNEL, environment.channel.as_os_str().as_bytes())]
    {
        let ours = CString::new([name, b"=", value_of_ours].concat())?;
        match entries.iter().position(|entry| value(entry, name).is_some()) {
            Some(place) => entries[place] = ours,
            None => entries.push(ours),
        }
    }
    Ok(entries)
}

/// The value of a variable, if this entry is its.
fn value<'a>(entry: &'a CStr, name: &[u8]) -> Option<&'a [u8]> {
    entry.to_bytes().strip_prefix(name)?.strip_prefix(b"=")
}

fn c_string(text: &OsStr) -> io::Result<CString> {
    Ok(CString::new(text.as_bytes())?)
}

/// A list as `execve` wants it. Valid while `strings` lives.
fn pointers(strings: &[CString]) -> Vec<*const libc::c_char> {
    strings.iter().map(|string| string.as_ptr()).chain([ptr::null()]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entries(list: &[&str]) -> Vec<CString> {
        list.iter().map(|entry| CString::new(*entry).unwrap()).collect()
    }

    fn ours() -> Environment {
        Environment { interposer: PathBuf::from("/x/i.so"), channel: "/proc/1/fd/9".into() }
    }

    #[test]
    fn the_environment_keeps_its_order_and_its_oddities() {
        let got = with_ours(entries(&["B=1", "odd", "A=2", "B=3"]), &ours()).unwrap();
        let want = entries(&["B=1", "odd", "A=2", "B=3", "LD_PRELOAD=/x/i.so", "MEMPROF_CHANNEL=/proc/1/fd/9"]);
        assert_eq!(got, want);
    }

    #[test]
    fn libraries_that_were_preloaded_stay_so() {
        let got =
            with_ours(entries(&["LD_PRELOAD=/a.so /b.so:/x/i.so", "MEMPROF_CHANNEL=old", "Z=1"]), &ours()).unwrap();
        assert_eq!(got, entries(&["LD_PRELOAD=/x/i.so:/a.so:/b.so", "MEMPROF_CHANNEL=/proc/1/fd/9", "Z=1"]));
    }

    fn shell(script: &str) -> Program {
        Program {
            executable: PathBuf::from("/bin/sh"),
            argv: ["sh", "-c", script].iter().map(Into::into).collect(),
            is_python: false,
        }
    }

    #[test]
    fn what_keeps_the_program_from_running_is_reported() {
        let missing = Program { executable: PathBuf::from("/nonexistent/program"), ..shell("") };
        let none = Environment { interposer: PathBuf::new(), channel: PathBuf::new() };
        let error = start(&missing, &none, || Ok(())).unwrap_err();
        assert_eq!(error.raw_os_error(), Some(libc::ENOENT));
        let error = start(&shell(""), &none, || Err(io::Error::from_raw_os_error(libc::ENOSPC))).unwrap_err();
        assert_eq!(error.raw_os_error(), Some(libc::ENOSPC));
    }
}
