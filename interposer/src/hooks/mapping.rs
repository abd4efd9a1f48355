//! `mmap` and its family.

use core::ffi::{c_int, c_void};

use memprof_channel::allocator::Allocator;
use memprof_channel::record::Mapped;

use super::call::{Call, about_to_unmap};
use super::list::hooks;
use crate::confinement::unless_confined;
use crate::internal_mappings;
use crate::lock::Recording;
use crate::platform::descriptors::mapped_of;
use crate::platform::symbols;
use crate::platform::tls::{self, Activity, Doing};
use crate::session;

/// While the real functions are being looked up, nothing but the loader itself maps memory, and it does not call us.
fn too_early() -> *mut c_void {
    libc::MAP_FAILED
}

/// What a call with these arguments has mapped. The descriptor is the call's as long as it has not returned.
fn mapped_by(flags: c_int, fd: c_int, offset: i64) -> Mapped {
    if flags & libc::MAP_ANONYMOUS != 0 {
        return Mapped::Memory;
    }
    let is_shared = matches!(flags & libc::MAP_TYPE, libc::MAP_SHARED | libc::MAP_SHARED_VALIDATE);
    unless_confined(|| mapped_of(fd, offset.cast_unsigned(), is_shared)).unwrap_or(Mapped::Something)
}

/// A call that is not recorded has mapped a range.
fn note_internal(start: *const c_void, length: usize) {
    within_real_function(|recording| internal_mappings::insert(start.addr(), length, recording));
}

/// A call that is not recorded is about to unmap a range.
fn about_to_unmap_internal(start: *const c_void, length: usize) {
    if internal_mappings::are_any() {
        within_real_function(|recording| _ = internal_mappings::remove(start.addr(), length, recording));
    }
}

/// Does something while a hook waits for its real function, if that is what the thread is doing.
fn within_real_function(act: impl FnOnce(&mut Recording)) {
    let block = tls::block();
    let activity = block.activity();
    if activity.doing() != Doing::Real || session::active().is_none() {
        return;
    }
    block.begin(Activity::in_hook(Doing::Recording, activity.hook_sp()));
    // SAFETY: the line above says what the thread does, which ends below. The hook records nothing before its real
    // function has returned. A signal handler may come here that has interrupted somebody with a right and without a
    // record, such as `Call::is_interpreter_s`: that one holds other locks than this right is used for, and what is
    // done under this one waits for nobody.
    act(&mut unsafe { Recording::begin() });
    block.begin(activity);
}

hooks! {
    /// `mmap`
    calls fn mmap(
        at: *mut c_void,
        length: usize,
        protection: c_int,
        flags: c_int,
        fd: c_int,
        offset: i64,
    ) -> *mut c_void {
        // SAFETY: the program's own call, passed on as it came.
        unsafe {
            Call::make(
                || {
                    if !symbols::resolve() {
                        return too_early();
                    }
                    let start = real::mmap(at, length, protection, flags, fd, offset);
                    if start != libc::MAP_FAILED {
                        note_internal(start, length);
                    }
                    start
                },
                |call| {
                    let start = real::mmap(at, length, protection, flags, fd, offset);
                    if start != libc::MAP_FAILED {
                        call.takes_internal(start, length);
                        // Python's mimalloc begins with a gibibyte, of which it allocates what it needs.
                        let is_reserved = protection == libc::PROT_NONE
                            || flags & libc::MAP_NORESERVE != 0 && call.is_interpreter_s();
                        let by = if is_reserved { Allocator::MmapReserved } else { Allocator::Mmap };
                        call.mapped(start, length, by, || mapped_by(flags, fd, offset));
                    }
                    start
                },
            )
        }
    }

    /// `mmap64`, which on 64-bit machines is `mmap`
    plain fn mmap64(
        at: *mut c_void,
        length: usize,
        protection: c_int,
        flags: c_int,
        fd: c_int,
        offset: i64,
    ) -> *mut c_void {
        // SAFETY: the same contract.
        unsafe { mmap(at, length, protection, flags, fd, offset) }
    }

    /// `munmap`
    calls fn munmap(start: *mut c_void, length: usize) -> c_int {
        about_to_unmap(start, length);
        // SAFETY: the program's own call, passed on as it came.
        unsafe {
            Call::make(
                || {
                    about_to_unmap_internal(start, length);
                    if symbols::resolve() { real::munmap(start, length) } else { -1 }
                },
                |call| {
                    if call.takes_internal(start, length) {
                        return real::munmap(start, length);
                    }
                    let before = call.before_unmapping();
                    let status = real::munmap(start, length);
                    if status == 0 {
                        call.unmapped(before, start, length);
                    }
                    status
                },
            )
        }
    }

    /// `mprotect`
    calls fn mprotect(start: *mut c_void, length: usize, protection: c_int) -> c_int {
        // SAFETY: the program's own call, passed on as it came.
        unsafe {
            protect(
                start,
                length,
                protection,
                || {
                    if symbols::resolve() { real::mprotect(start, length, protection) } else { -1 }
                },
            )
        }
    }

    /// `pkey_mprotect`, which old C libraries do not have: as theirs does, it asks the kernel, which may not know it
    /// either
    plain fn pkey_mprotect(start: *mut c_void, length: usize, protection: c_int, key: c_int) -> c_int {
        // SAFETY: the program's own call, passed on as it came. Without a key it is `mprotect`: see pkey_mprotect(2).
        unsafe {
            protect(start, length, protection, || match key {
                -1 if symbols::resolve() => real::mprotect(start, length, protection),
                _ => libc::syscall(libc::SYS_pkey_mprotect, start, length, protection, key) as c_int,
            })
        }
    }

    /// `mremap`. In C its last argument is optional; in the calling conventions of x86-64 and AArch64 a register that
    /// the caller did not set is passed on unread.
    calls fn mremap(
        old: *mut c_void,
        old_length: usize,
        length: usize,
        flags: c_int,
        at: *mut c_void,
    ) -> *mut c_void {
        // SAFETY: the program's own call, passed on as it came.
        unsafe {
            Call::make(
                || {
                    if !symbols::resolve() {
                        return too_early();
                    }
                    about_to_unmap_internal(old, old_length);
                    let start = real::mremap(old, old_length, length, flags, at);
                    if start != libc::MAP_FAILED {
                        note_internal(start, length);
                    }
                    start
                },
                |call| {
                    let before = call.before_unmapping();
                    let start = real::mremap(old, old_length, length, flags, at);
                    if start != libc::MAP_FAILED {
                        call.takes_internal(start, length);
                        // A length of zero makes a second mapping of the same pages, and leaves the first.
                        let gone = if flags & libc::MREMAP_DONTUNMAP == 0 { old_length } else { 0 };
                        call.moved(before, (old, gone), (start, length), Allocator::Mremap);
                    }
                    start
                },
            )
        }
    }
}

/// Makes a call that changes who may touch a range.
///
/// # Safety
/// `real` is that call.
#[inline(always)]
unsafe fn protect(start: *mut c_void, length: usize, protection: c_int, real: impl Fn() -> c_int) -> c_int {
    Call::make(&real, |call| {
        let status = real();
        if status == 0 && length > 0 {
            let nobody = protection & (libc::PROT_READ | libc::PROT_WRITE | libc::PROT_EXEC) == 0;
            call.protected(start, length, if nobody { Allocator::MmapReserved } else { Allocator::Mprotect });
        }
        status
    })
}
