//! Libraries that the program loads later are looked at before their first instruction runs.
//!
//! The loader calls a function that does nothing whenever it has mapped or unmapped libraries, so that debuggers can put a
//! breakpoint there (`r_brk` in link.h). At that moment it holds its lock, and none of a new library's code, constructors
//! included, has been called. The function's address is part of the loader's public interface.

use core::ffi::c_int;
use core::slice;

use memprof_capture::allocator::Allocator;
use memprof_capture::kept_errno::KeptErrno;

use super::functions::Role;
use super::hooks::Hooked;
use super::modules::look_again;
use super::patching::{Patches, Target};
use crate::platform::{real, tls};
use crate::session;

/// The beginning of `struct r_debug` (link.h).
#[repr(C)]
struct LoaderState {
    version: c_int,
    modules: usize,
    announce: usize,
    state: c_int,
    loader: usize,
}

/// Bytes that are looked at of the function: it is a `ret`, perhaps behind an `endbr64`, and aligned to 16.
const CODE: usize = 16;

/// Has [`look_again`] called when libraries come and go.
///
/// # Safety
/// The process has one thread only.
pub unsafe fn follow() -> bool {
    // SAFETY: the name is a C string; the variable, where it exists, is such a structure and never changes its fields.
    unsafe {
        let state = real::look_up(libc::RTLD_DEFAULT, c"_r_debug").cast::<LoaderState>();
        if state.is_null() || (*state).announce == 0 || (*state).loader == 0 {
            return false;
        }
        let code = slice::from_raw_parts((*state).announce as *const u8, CODE);
        let hooked = Hooked { original: 0, function: 0, role: Role::KeepsHouse, allocator: Allocator::Mmap };
        let Some(mut patches) = Patches::with_room(1, (*state).loader) else { return false };
        patches.prepare(&Target { code, size: 0, hooked, hook: announced }) && patches.apply().is_some()
    }
}

unsafe extern "C" fn announced(a: usize, b: usize, c: usize, d: usize, e: usize, hooked: &Hooked) -> usize {
    if session::active().is_some() {
        let _errno = KeptErrno::new();
        tls::apart_from_program(look_again);
    }
    // SAFETY: the loader's own call, passed on as it came.
    unsafe { hooked.original([a, b, c, d, e]) }
}
