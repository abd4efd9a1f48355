//! `syscall`: system calls by number, among them those by which a program gives up rights.
//!
//! All others are jumps to the real function. They leave the stack alone, for some return twice (`vfork`), and the real
//! function is what comes next: other libraries put theirs in front of the C library's, too.
//!
//! This library makes its own system calls by the same name, and they come here, in handlers and in forked children as
//! well: a jump is all that happens to them.

use core::arch::naked_asm;
use core::ffi::{c_int, c_long, c_ulong};
use core::sync::atomic::Ordering::Relaxed;

use memprof_channel::kept_errno::KeptErrno;

use super::list::hooks;
use super::rights::{before_prctl, before_seccomp};
use crate::platform::symbols;

hooks! {
    /// `syscall`. What its caller did not set is passed on unread.
    #[unsafe(naked)]
    jumps fn syscall(
        number: c_long,
        a: c_ulong,
        b: c_ulong,
        c: c_ulong,
        d: c_ulong,
        e: c_ulong,
        f: c_ulong,
    ) -> c_long {
        // Where the real function is not known yet, `destination` is asked as well.
        #[cfg(target_arch = "x86_64")]
        naked_asm!(
            "cmp edi, {prctl}",
            "je 2f",
            "cmp edi, {seccomp}",
            "je 2f",
            "mov r11, qword ptr [rip + {real}]",
            "test r11, r11",
            "je 2f",
            "jmp r11",
            "2:",
            // The first one says how many vector registers have arguments, which a function of C may go by.
            "push rax",
            "push rdi",
            "push rsi",
            "push rdx",
            "push rcx",
            "push r8",
            "push r9",
            "call {destination}",
            "mov r11, rax",
            "pop r9",
            "pop r8",
            "pop rcx",
            "pop rdx",
            "pop rsi",
            "pop rdi",
            "pop rax",
            "jmp r11",
            prctl = const libc::SYS_prctl,
            seccomp = const libc::SYS_seccomp,
            real = sym real::address::syscall,
            destination = sym destination,
        );
        #[cfg(target_arch = "aarch64")]
        naked_asm!(
            "cmp w0, #{prctl}",
            "b.eq 2f",
            "cmp w0, #{seccomp}",
            "b.eq 2f",
            "adrp x16, {real}",
            "ldr x16, [x16, :lo12:{real}]",
            "cbz x16, 2f",
            "br x16",
            "2:",
            "stp x29, x30, [sp, #-80]!",
            "stp x0, x1, [sp, #16]",
            "stp x2, x3, [sp, #32]",
            "stp x4, x5, [sp, #48]",
            "stp x6, x7, [sp, #64]",
            "bl {destination}",
            "mov x16, x0",
            "ldp x0, x1, [sp, #16]",
            "ldp x2, x3, [sp, #32]",
            "ldp x4, x5, [sp, #48]",
            "ldp x6, x7, [sp, #64]",
            "ldp x29, x30, [sp], #80",
            "br x16",
            prctl = const libc::SYS_prctl,
            seccomp = const libc::SYS_seccomp,
            real = sym real::address::syscall,
            destination = sym destination,
        );
    }
}

/// The function that is to make a system call; what it means for the recording has been seen to.
unsafe extern "C" fn destination(number: c_long, a: c_ulong, b: c_ulong, c: c_ulong) -> usize {
    let _errno = KeptErrno::new();
    // The kernel reads as many bits of a number as an int has.
    match c_long::from(number as c_int) {
        libc::SYS_prctl => before_prctl(a as c_int, b, c),
        libc::SYS_seccomp => before_seccomp(a, b, c),
        _ => {}
    }
    match symbols::resolve().then(|| real::address::syscall.load(Relaxed)) {
        None | Some(0) => make as *const () as usize,
        Some(real) => real,
    }
}

/// Makes a system call as the C library's function does, while that is being looked up.
#[unsafe(naked)]
unsafe extern "C" fn make(
    number: c_long,
    a: c_ulong,
    b: c_ulong,
    c: c_ulong,
    d: c_ulong,
    e: c_ulong,
    f: c_ulong,
) -> c_long {
    #[cfg(target_arch = "x86_64")]
    naked_asm!(
        "mov rax, rdi",
        "mov rdi, rsi",
        "mov rsi, rdx",
        "mov rdx, rcx",
        "mov r10, r8",
        "mov r8, r9",
        "mov r9, qword ptr [rsp + 8]",
        "syscall",
        "cmp rax, -4095",
        "jae 2f",
        "ret",
        "2:",
        "mov rdi, rax",
        "jmp {fail}",
        fail = sym fail,
    );
    #[cfg(target_arch = "aarch64")]
    naked_asm!(
        "uxtw x8, w0",
        "mov x0, x1",
        "mov x1, x2",
        "mov x2, x3",
        "mov x3, x4",
        "mov x4, x5",
        "mov x5, x6",
        "svc #0",
        "cmn x0, #4095",
        "b.cs 2f",
        "ret",
        "2:",
        "b {fail}",
        fail = sym fail,
    );
}

/// What the kernel answers when a call fails, as C programs know it.
unsafe extern "C" fn fail(answer: c_long) -> c_long {
    // SAFETY: errno is this thread's own.
    unsafe { *libc::__errno_location() = -answer as c_int };
    -1
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::os::fd::AsRawFd;

    use super::*;

    type Function = unsafe extern "C" fn(c_long, c_ulong, c_ulong, c_ulong, c_ulong, c_ulong, c_ulong) -> c_long;
    const BOTH: [Function; 2] = [make, syscall];

    #[test]
    fn all_arguments_arrive_and_errors_are_reported() {
        const PAGE: c_ulong = 4096;
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(&[1; PAGE as usize]).unwrap();
        file.write_all(&[2; PAGE as usize]).unwrap();
        let (fd, reads, private) =
            (file.as_raw_fd() as c_ulong, libc::PROT_READ as c_ulong, libc::MAP_PRIVATE as c_ulong);
        for call in BOTH {
            // SAFETY: the kernel picks an unused range for the mapping, of which one byte is read; the other calls
            // change nothing.
            unsafe {
                *libc::__errno_location() = 4711;
                let second = call(libc::SYS_mmap, 0, PAGE, reads, private, fd, PAGE);
                assert_eq!((*(second as *const u8), *libc::__errno_location()), (2, 4711));
                assert_eq!(call(libc::SYS_munmap, second as c_ulong, PAGE, 0, 0, 0, 0), 0);
                assert_eq!(call(libc::SYS_close, c_ulong::MAX, 0, 0, 0, 0, 0), -1);
                assert_eq!(*libc::__errno_location(), libc::EBADF);
                // The largest error numbers are errors, and what comes below them is none.
                assert_eq!(fail(-4095), -1);
                assert_eq!(*libc::__errno_location(), 4095);
            }
        }
    }

    #[test]
    fn what_is_examined_goes_on_as_it_came() {
        for call in BOTH {
            let mut name = [0_u8; 16];
            // SAFETY: PR_GET_NAME fills 16 bytes; seccomp without a program is refused.
            unsafe {
                let at = (&raw mut name).addr() as c_ulong;
                assert_eq!(call(libc::SYS_prctl, libc::PR_GET_NAME as c_ulong, at, 0, 0, 0, 0), 0);
                let filter = c_ulong::from(libc::SECCOMP_SET_MODE_FILTER);
                assert_eq!(call(libc::SYS_seccomp, filter, 0, 0, 0, 0, 0), -1);
                assert_eq!(*libc::__errno_location(), libc::EFAULT);
            }
            assert_ne!(name[0], 0);
        }
    }
}
