//! What becomes of the recording when this process executes a program, in its own place or as a child of its own.

use core::ffi::{CStr, c_char, c_int};
use core::sync::atomic::AtomicU32;
use core::sync::atomic::Ordering::Relaxed;

use memprof_channel::executable::{Executable, HEAD_BYTES, classify, gains_privileges};
use memprof_channel::kept_errno::KeptErrno;
use memprof_channel::not_followed::NotFollowed;

use crate::environment::{self, Entries, Heirs, Room};
use crate::platform::quiet_file::QuietFile;
use crate::session;

/// How a program is named that is to be executed.
#[derive(Clone, Copy)]
pub enum Named {
    /// By its path.
    Path(*const c_char),
    /// By a path, or by a name that is looked for in the folders of PATH.
    Searched(*const c_char),
    /// By a descriptor.
    Descriptor(c_int),
    /// In a way that is not examined.
    Otherwise,
}

/// In which process a program will run.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// In the calling one.
    Here,
    /// In a child that is made for it.
    Child,
}

/// A program that is about to be executed.
pub struct Execution {
    /// The environment that it is to get.
    pub environment: *const *const c_char,
    counted: Counted,
}

/// What was counted.
#[derive(Clone, Copy)]
enum Counted {
    Nothing,
    Child,
    NotFollowed(NotFollowed),
}

impl Counted {
    fn now(self) -> Self {
        self.with_counter(|counter| counter.fetch_add(1, Relaxed));
        self
    }

    fn after_all_not(self) {
        self.with_counter(|counter| counter.fetch_sub(1, Relaxed));
    }

    fn with_counter(self, change: impl FnOnce(&AtomicU32) -> u32) {
        let Some(session) = session::known() else { return };
        let pool = session.pool();
        match self {
            Self::Nothing => {}
            Self::Child => {
                change(&pool.header().unrecorded_children);
            }
            Self::NotFollowed(reason) => {
                change(&pool.header().not_followed[reason as usize]);
            }
        }
    }
}

impl Execution {
    /// Decides what it gets. The caller intends to give it `environment`.
    ///
    /// # Safety
    /// The name and the environment are as C's functions take them. The room is not used for anything else before the
    /// program has been executed.
    pub unsafe fn prepare(named: Named, place: Place, environment: *const *const c_char, room: &mut Room) -> Self {
        let _errno = KeptErrno::new();
        let as_it_is = Self { environment, counted: Counted::Nothing };
        if is_unrecorded_child(place) {
            return Self { counted: Counted::Child.now(), ..as_it_is };
        }
        let Some(entries) = environment::kept().filter(|entries| gets_them(entries, place)) else { return as_it_is };
        // SAFETY: the caller's contract.
        unsafe {
            match obstacle(named, entries) {
                None if entries.are_in(environment) => as_it_is,
                None => Self { environment: entries.put_into(environment, room).unwrap_or(environment), ..as_it_is },
                Some(reason) => {
                    let counted = Counted::NotFollowed(reason).now();
                    if !reason.is_complained_of() {
                        return Self { counted, ..as_it_is };
                    }
                    Self { environment: entries.leave_out(environment, room).unwrap_or(environment), counted }
                }
            }
        }
    }

    /// It was not executed.
    pub fn has_failed(self) {
        self.counted.after_all_not();
    }
}

/// A child was started, in a way of its own, which is not recorded.
pub fn count_child() {
    if is_unrecorded_child(Place::Child) {
        Counted::Child.now();
    }
}

/// Whether what is executed runs in a child of a process that is recorded, and is not to be recorded itself. A forked
/// child was counted when it was forked. One that shares its parent's memory (`vfork`), and so all that is known there,
/// was not.
fn is_unrecorded_child(place: Place) -> bool {
    session::active().is_some_and(|session| !session.follows && (place == Place::Child || !session.identity.is_own()))
}

fn gets_them(entries: &Entries, place: Place) -> bool {
    match entries.heirs() {
        Heirs::Nobody => false,
        Heirs::All => true,
        // SAFETY: getpid cannot fail.
        Heirs::Itself(pid) => place == Place::Here && pid == unsafe { libc::getpid() }.cast_unsigned(),
    }
}

/// How often `#!` leads to another script (Linux: BINPRM_MAX_RECURSION).
const MAX_INTERPRETERS: usize = 4;

/// What keeps this library from working in a program; nothing also if the program cannot be examined.
///
/// A path of any length takes much of the stack. Only a call that gets here is to pay for that: so this is not inlined.
///
/// # Safety
/// The name is as C's functions take it.
#[inline(never)]
unsafe fn obstacle(named: Named, entries: &Entries) -> Option<NotFollowed> {
    let mut path = [0; PATH_BYTES];
    // SAFETY: the caller's contract.
    let path = unsafe {
        match named {
            Named::Path(path) => CStr::from_ptr(path),
            Named::Searched(file) => find(CStr::from_ptr(file), &mut path)?,
            Named::Descriptor(fd) => path_of_descriptor(fd, &mut path)?,
            Named::Otherwise => return None,
        }
    };
    let reason = obstacle_in(path, MAX_INTERPRETERS, entries)?;
    reason.err().or_else(|| {
        let is_there =
            QuietFile::open(entries.library()).is_some() && QuietFile::open_to_write(entries.channel()).is_some();
        (!is_there).then_some(NotFollowed::OutOfReach)
    })
}

/// What there is in the file itself. Nothing if it is not known what it is.
fn obstacle_in(path: &CStr, interpreters: usize, entries: &Entries) -> Option<Result<(), NotFollowed>> {
    match inspect(path)? {
        Executable::Dynamic { .. } | Executable::Loader { .. } if gains_privileges(path) => {
            Some(Err(NotFollowed::Privileged))
        }
        Executable::Dynamic { loader: name } | Executable::Loader { name }
            if file_name(name.as_bytes()) != file_name(entries.loader()) =>
        {
            Some(Err(NotFollowed::OtherLibrary))
        }
        Executable::Dynamic { .. } | Executable::Loader { .. } => Some(Ok(())),
        Executable::Static => Some(Err(NotFollowed::Static)),
        Executable::Foreign => Some(Err(NotFollowed::OtherProcessor)),
        Executable::Script { interpreter } if interpreters > 0 => {
            obstacle_in(interpreter.as_c_str(), interpreters - 1, entries)
        }
        Executable::Script { .. } | Executable::Text | Executable::Unknown => None,
    }
}

/// What kind of file this is.
fn inspect(path: &CStr) -> Option<Executable> {
    let file = QuietFile::open(path)?;
    let mut head = [0; HEAD_BYTES];
    let length = file.read_at(&mut head, 0)?;
    Some(classify(head.get(..length)?, |offset, bytes| file.read_at(bytes, offset) == Some(bytes.len())))
}

fn file_name(path: &[u8]) -> &[u8] {
    path.rsplit(|&byte| byte == b'/').next().unwrap_or_default()
}

/// PATH_MAX
const PATH_BYTES: usize = 4096;
/// Where glibc searches if there is no PATH (_CS_PATH).
const DEFAULT_PATH: &CStr = c"/bin:/usr/bin";

/// The file that a name leads to, as for `execvp`.
fn find<'a>(file: &'a CStr, path: &'a mut [u8; PATH_BYTES]) -> Option<&'a CStr> {
    if file.to_bytes().contains(&b'/') {
        return Some(file);
    }
    // SAFETY: what getenv returns is a C string. Whoever changes the environment while it executes a program is wrong
    // anyway.
    let folders = unsafe {
        let folders = libc::getenv(c"PATH".as_ptr());
        if folders.is_null() { DEFAULT_PATH } else { CStr::from_ptr(folders) }
    };
    for folder in folders.to_bytes().split(|&byte| byte == b':') {
        let parts: [&[u8]; 4] = [if folder.is_empty() { b"." } else { folder }, b"/", file.to_bytes(), b"\0"];
        // SAFETY: the path is a C string.
        if join(&parts, path).is_some_and(|path| unsafe { libc::access(path.as_ptr(), libc::X_OK) } == 0) {
            return CStr::from_bytes_until_nul(path).ok();
        }
    }
    None
}

/// The parts, of which the last one is a NUL, one after the other.
fn join<'a>(parts: &[&[u8]], path: &'a mut [u8; PATH_BYTES]) -> Option<&'a CStr> {
    let mut length = 0;
    for part in parts {
        path.get_mut(length..)?.get_mut(..part.len())?.copy_from_slice(part);
        length += part.len();
    }
    CStr::from_bytes_until_nul(path).ok()
}

fn path_of_descriptor(fd: c_int, path: &mut [u8; PATH_BYTES]) -> Option<&CStr> {
    let fd = u32::try_from(fd).ok()?;
    let mut digits = [0; 10];
    let mut first = digits.len();
    let mut rest = fd;
    loop {
        first -= 1;
        digits[first] = b'0' + (rest % 10) as u8;
        rest /= 10;
        if rest == 0 {
            break;
        }
    }
    join(&[b"/proc/self/fd/", &digits[first..], b"\0"], path)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entries(loader: &[u8]) -> Entries {
        Entries::new(c"/proc/self/exe", c"/dev/null", loader, Heirs::All).unwrap()
    }

    fn found(named: Named) -> Option<NotFollowed> {
        let Some(Executable::Dynamic { loader }) = inspect(c"/proc/self/exe") else { panic!("a program") };
        // SAFETY: the names are C strings.
        unsafe { obstacle(named, &entries(loader.as_bytes())) }
    }

    #[test]
    fn programs_are_found_however_they_are_named() {
        assert_eq!(found(Named::Path(c"/proc/self/exe".as_ptr())), None);
        assert_eq!(found(Named::Searched(c"sh".as_ptr())), None);
        assert_eq!(found(Named::Path(c"/nonexistent".as_ptr())), None);
        let mut path = [0; PATH_BYTES];
        assert_eq!(path_of_descriptor(0, &mut path), Some(c"/proc/self/fd/0"));
        assert_eq!(path_of_descriptor(1_234_567_890, &mut path), Some(c"/proc/self/fd/1234567890"));
        assert_eq!(path_of_descriptor(-1, &mut path), None);
        assert_eq!(find(c"a/b", &mut path), Some(c"a/b"));
        assert!(find(c"sh", &mut path).is_some_and(|path| path.to_bytes().ends_with(b"/sh")));
        assert_eq!(find(c"no-such-program", &mut path), None);
    }

    #[test]
    fn what_cannot_be_gone_on_in_is_known() {
        // SAFETY: the name is a C string.
        let other = unsafe { obstacle(Named::Path(c"/proc/self/exe".as_ptr()), &entries(b"/lib/ld-other.so.1")) };
        assert_eq!(other, Some(NotFollowed::OtherLibrary));
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("program");
        let mut program = std::fs::read("/proc/self/exe").unwrap();
        program[4] = 1;
        std::fs::write(&file, program).unwrap();
        let file = std::ffi::CString::new(file.to_str().unwrap()).unwrap();
        assert_eq!(found(Named::Path(file.as_ptr())), Some(NotFollowed::OtherProcessor));
    }
}
