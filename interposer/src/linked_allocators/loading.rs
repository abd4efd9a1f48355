//! Libraries that the program loads later are searched before their first instruction runs.
//!
//! The loader calls a function that does nothing whenever it has mapped or unmapped libraries, so that debuggers can
//! put a breakpoint there (`r_brk` in link.h). At that moment it holds its lock, and none of a new library's code,
//! constructors included, has been called. The function's address is part of the loader's public interface.

use core::ffi::c_int;
use core::slice;

use memprof_channel::allocator::Allocator;
use memprof_channel::kept_errno::KeptErrno;

use super::functions::Role;
use super::hooks::Hooked;
use super::modules::update;
use super::patching::{Patches, Target};
use crate::lock::Recording;
use crate::platform::loaded_modules::{LoadedModule, MayAskLoader, address_of};
use crate::platform::tls::{self, Doing};
use crate::session;
use crate::unwind::unloading;

/// The beginning of `struct r_debug` (link.h).
#[repr(C)]
struct LoaderState {
    version: c_int,
    modules: usize,
    announce: usize,
    state: c_int,
    loader: usize,
}

/// Bytes that are examined of the function: it is a `ret`, perhaps after an `endbr64`, and aligned to 16.
const CODE: usize = 16;

/// Has [`update`] called when libraries come and go.
///
/// # Safety
/// The process has one thread only.
pub unsafe fn follow(modules: &[LoadedModule]) -> bool {
    let state = address_of(modules, c"_r_debug") as *const LoaderState;
    // SAFETY: the variable, where it exists, is such a structure and never changes its fields.
    unsafe {
        if state.is_null() || (*state).announce == 0 || (*state).loader == 0 {
            return false;
        }
        let code = slice::from_raw_parts((*state).announce as *const u8, CODE);
        let hooked = Hooked { original: 0, function: 0, role: Role::Internal, allocator: Allocator::Mmap };
        let Some(mut patches) = Patches::with_room(1, (*state).loader) else { return false };
        patches.prepare(&Target { code, size: 0, hooked, hook: announced }) && patches.apply().is_some()
    }
}

unsafe extern "C" fn announced(a: usize, b: usize, c: usize, d: usize, e: usize, hooked: &Hooked) -> usize {
    if session::active().is_none() {
        // Nothing is remembered.
    } else if tls::block().doing() == Doing::Recording {
        // A signal handler has interrupted a record, and unloads something.
        unloading::modules_have_gone();
    } else {
        let _errno = KeptErrno::new();
        // SAFETY: the thread does not do the program's business, and makes no record further out. The loader holds its
        // lock when it calls.
        tls::apart_from_program(|| unsafe { update(&mut Recording::begin(), &MayAskLoader::new()) });
    }
    // SAFETY: the loader's own call, passed on as it came.
    unsafe { hooked.original([a, b, c, d, e]) }
}
