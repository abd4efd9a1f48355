//! Programs that are executed: by `exec` and its family, which replace the process's own, and by what starts children.
//!
//! Nothing is recorded here; it is decided whether the library goes on in the program
//! ([`execution`](crate::execution)).

use core::arch::naked_asm;
use core::ffi::{c_char, c_int, c_void};
use core::ptr;
use core::sync::atomic::Ordering::Relaxed;

use super::list::hooks;
use crate::environment::{self, List, Room};
use crate::execution::{self, Execution, Named, Place};
use crate::memory::OutOfMemory;
use crate::platform::symbols;

type Strings = *const *const c_char;

/// Executes a program with the environment that it is to have. `run` returns 0 or -1. If the program takes this
/// process's place, it returns only after a failure.
///
/// # Safety
/// The name and the environment are as C's functions take them.
unsafe fn execute(named: Named, place: Place, environment: Strings, run: impl FnOnce(Strings) -> c_int) -> c_int {
    let mut room = Room::new();
    // SAFETY: the caller's contract.
    let execution = unsafe { Execution::prepare(named, place, environment, &mut room) };
    let status = run(execution.environment);
    if place == Place::Here || status != 0 {
        execution.has_failed();
    }
    status
}

/// Executes a program in a child of its own.
///
/// # Safety
/// As [`execute`].
#[inline(always)]
unsafe fn spawn(named: Named, environment: Strings, run: impl FnOnce(Strings) -> c_int) -> c_int {
    if !symbols::resolve() {
        return libc::EAGAIN;
    }
    // SAFETY: the caller's contract.
    unsafe { execute(named, Place::Child, environment, run) }
}

fn own_environment() -> Strings {
    environment::own().cast()
}

/// The body of a function with any number of arguments, which Rust cannot define yet: it gathers them for another
/// function.
macro_rules! gather {
    ($with:ident) => {
        #[cfg(target_arch = "x86_64")]
        naked_asm!(
            "push r9",
            "push r8",
            "push rcx",
            "push rdx",
            "push rsi",
            "mov rsi, rsp",
            "lea rdx, [rsp + 48]",
            "call {with}",
            "add rsp, 40",
            "ret",
            with = sym $with,
        );
        #[cfg(target_arch = "aarch64")]
        naked_asm!(
            "stp x29, x30, [sp, #-80]!",
            "stp x1, x2, [sp, #16]",
            "stp x3, x4, [sp, #32]",
            "stp x5, x6, [sp, #48]",
            "str x7, [sp, #64]",
            "add x1, sp, #16",
            "add x2, sp, #80",
            "bl {with}",
            "ldp x29, x30, [sp], #80",
            "ret",
            with = sym $with,
        );
    };
}

hooks! {
    /// `execve`
    plain fn execve(path: *const c_char, arguments: Strings, environment: Strings) -> c_int {
        // SAFETY: the program's own call; all that changes is the environment.
        unsafe {
            execute(Named::Path(path), Place::Here, environment, |environment| {
                libc::syscall(libc::SYS_execve, path, arguments, environment) as c_int
            })
        }
    }

    /// `execv`
    plain fn execv(path: *const c_char, arguments: Strings) -> c_int {
        // SAFETY: the same contract.
        unsafe { execve(path, arguments, own_environment()) }
    }

    /// `execvpe`
    calls fn execvpe(file: *const c_char, arguments: Strings, environment: Strings) -> c_int {
        if !symbols::resolve() {
            return -1;
        }
        // SAFETY: the program's own call; all that changes is the environment.
        unsafe {
            execute(Named::Searched(file), Place::Here, environment, |environment| {
                real::execvpe(file, arguments, environment)
            })
        }
    }

    /// `execvp`
    plain fn execvp(file: *const c_char, arguments: Strings) -> c_int {
        // SAFETY: the same contract.
        unsafe { execvpe(file, arguments, own_environment()) }
    }

    /// `execl`
    #[unsafe(naked)]
    plain fn execl(path: *const c_char, first: *const c_char) -> c_int {
        gather!(execl_with);
    }

    /// `execlp`
    #[unsafe(naked)]
    plain fn execlp(path: *const c_char, first: *const c_char) -> c_int {
        gather!(execlp_with);
    }

    /// `execle`
    #[unsafe(naked)]
    plain fn execle(path: *const c_char, first: *const c_char) -> c_int {
        gather!(execle_with);
    }

    /// `fexecve`
    calls fn fexecve(fd: c_int, arguments: Strings, environment: Strings) -> c_int {
        if !symbols::resolve() {
            return -1;
        }
        // SAFETY: the program's own call; all that changes is the environment.
        unsafe {
            execute(Named::Descriptor(fd), Place::Here, environment, |environment| {
                real::fexecve(fd, arguments, environment)
            })
        }
    }

    /// `execveat`
    plain fn execveat(
        folder: c_int,
        path: *const c_char,
        arguments: Strings,
        environment: Strings,
        flags: c_int,
    ) -> c_int {
        // SAFETY: the program's own call, a path among its arguments.
        let named = match unsafe { *path } as u8 {
            0 if flags & libc::AT_EMPTY_PATH != 0 => Named::Descriptor(folder),
            b'/' => Named::Path(path),
            _ if folder == libc::AT_FDCWD => Named::Path(path),
            _ => Named::Otherwise,
        };
        // SAFETY: the program's own call; all that changes is the environment.
        unsafe {
            execute(named, Place::Here, environment, |environment| {
                libc::syscall(libc::SYS_execveat, folder, path, arguments, environment, flags) as c_int
            })
        }
    }

    /// `posix_spawn`
    calls fn posix_spawn(
        pid: *mut libc::pid_t,
        program: *const c_char,
        actions: *const c_void,
        attributes: *const c_void,
        arguments: Strings,
        environment: Strings,
    ) -> c_int {
        // SAFETY: the program's own call; all that changes is the environment.
        unsafe {
            spawn(Named::Path(program), environment, |environment| {
                real::posix_spawn(pid, program, actions, attributes, arguments, environment)
            })
        }
    }

    /// `posix_spawnp`
    calls fn posix_spawnp(
        pid: *mut libc::pid_t,
        program: *const c_char,
        actions: *const c_void,
        attributes: *const c_void,
        arguments: Strings,
        environment: Strings,
    ) -> c_int {
        // SAFETY: the program's own call; all that changes is the environment.
        unsafe {
            spawn(Named::Searched(program), environment, |environment| {
                real::posix_spawnp(pid, program, actions, attributes, arguments, environment)
            })
        }
    }

    /// `popen`
    calls fn popen(command: *const c_char, kind: *const c_char) -> *mut c_void {
        if !symbols::resolve() {
            return ptr::null_mut();
        }
        // SAFETY: the program's own call, passed on as it came.
        let stream = unsafe { real::popen(command, kind) };
        if !stream.is_null() {
            execution::count_child();
        }
        stream
    }

    /// `system`, where a thread can be cancelled: it is jumped to, so that no frame of ours is in the way.
    #[unsafe(naked)]
    jumps fn system(command: *const c_char) -> c_int {
        #[cfg(target_arch = "x86_64")]
        naked_asm!("push rdi", "call {destination}", "pop rdi", "jmp rax", destination = sym system_destination);
        #[cfg(target_arch = "aarch64")]
        naked_asm!(
            "stp x29, x30, [sp, #-32]!",
            "str x0, [sp, #16]",
            "bl {destination}",
            "mov x16, x0",
            "ldr x0, [sp, #16]",
            "ldp x29, x30, [sp], #32",
            "br x16",
            destination = sym system_destination,
        );
    }
}

/// The arguments of a function that takes any number of them, from the second on: first those in registers, then those
/// on the stack.
struct Variadic {
    registers: Strings,
    stack: Strings,
}

/// How many arguments are in registers, from the second on.
const REGISTERS: usize = if cfg!(target_arch = "aarch64") { 7 } else { 5 };

impl Variadic {
    /// # Safety
    /// There are more than `index`.
    unsafe fn at(&self, index: usize) -> *const c_char {
        // SAFETY: the caller's contract.
        unsafe {
            match index.checked_sub(REGISTERS) {
                None => *self.registers.add(index),
                Some(index) => *self.stack.add(index),
            }
        }
    }

    /// Calls `run` with the list of all up to the null pointer that ends them, and the index of what comes after that.
    ///
    /// # Safety
    /// There is a null pointer among them.
    unsafe fn with_list(&self, run: impl FnOnce(Strings, usize) -> c_int) -> c_int {
        let mut length = 0;
        let mut room = List::new();
        // SAFETY: none after the null pointer is read.
        let list = unsafe {
            while !self.at(length).is_null() {
                length += 1;
            }
            room.make(length + 1, (0..length).map(|index| self.at(index)))
        };
        match list {
            Ok(list) => run(list, length + 1),
            Err(OutOfMemory) => {
                // SAFETY: errno is this thread's own.
                unsafe { *libc::__errno_location() = libc::ENOMEM };
                -1
            }
        }
    }
}

unsafe extern "C" fn execl_with(path: *const c_char, registers: Strings, stack: Strings) -> c_int {
    // SAFETY: the program's own call.
    unsafe { Variadic { registers, stack }.with_list(|arguments, _| execv(path, arguments)) }
}

unsafe extern "C" fn execlp_with(file: *const c_char, registers: Strings, stack: Strings) -> c_int {
    // SAFETY: the program's own call.
    unsafe { Variadic { registers, stack }.with_list(|arguments, _| execvp(file, arguments)) }
}

unsafe extern "C" fn execle_with(path: *const c_char, registers: Strings, stack: Strings) -> c_int {
    let given = Variadic { registers, stack };
    // SAFETY: the program's own call: the environment comes after the null pointer.
    unsafe { given.with_list(|arguments, next| execve(path, arguments, given.at(next).cast())) }
}

unsafe extern "C" fn system_destination(command: *const c_char) -> usize {
    if !symbols::resolve() {
        return fail as unsafe extern "C" fn(*const c_char) -> c_int as usize;
    }
    if !command.is_null() {
        execution::count_child();
    }
    real::address::system.load(Relaxed)
}

unsafe extern "C" fn fail(_command: *const c_char) -> c_int {
    -1
}
