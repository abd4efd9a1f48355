//! Functions that change which code is where: what is remembered by address must follow.

use core::ffi::{CStr, c_int, c_void};
use core::mem::transmute;

use crate::platform::real;
use crate::session;
use crate::unwind::unloading::{Closing, code_has_gone};
use crate::unwind::{call_frame_information, jit_code};

/// `dlclose`
///
/// # Safety
/// As the C function.
#[cfg_attr(not(test), unsafe(no_mangle))]
pub unsafe extern "C" fn dlclose(handle: *mut c_void) -> c_int {
    if !real::resolve() {
        return -1;
    }
    let _closing = session::active().filter(|session| session.native_stacks).and_then(|_| Closing::begin());
    // SAFETY: the program's own call, passed on as it came.
    unsafe { real::dlclose(handle) }
}

/// `__register_frame` of libgcc: the program has made code, and says how to unwind it
///
/// # Safety
/// As the C function.
#[cfg_attr(not(test), unsafe(no_mangle))]
pub unsafe extern "C" fn __register_frame(section: *const c_void) {
    if !section.is_null() {
        jit_code::add(section as usize);
    }
    // SAFETY: the program's own call, passed on as it came.
    unsafe { pass_on(c"__register_frame", section) };
}

/// `__deregister_frame` of libgcc
///
/// # Safety
/// As the C function.
#[cfg_attr(not(test), unsafe(no_mangle))]
pub unsafe extern "C" fn __deregister_frame(section: *const c_void) {
    if jit_code::take_out(section as usize) {
        call_frame_information::wait_for_readers();
        code_has_gone();
    }
    // SAFETY: the program's own call, passed on as it came.
    unsafe { pass_on(c"__deregister_frame", section) };
}

/// Calls the real function. It is looked up each time: the library that has it may be loaded late, and so privately that
/// only its own users find it.
///
/// # Safety
/// `name` is that of a C function that takes one pointer, whose contract the caller keeps.
unsafe fn pass_on(name: &CStr, argument: *const c_void) {
    // SAFETY: the names are C strings; the library is not loaded if it was not already.
    unsafe {
        let mut function = real::look_up(libc::RTLD_NEXT, name);
        let mut library = core::ptr::null_mut();
        if function.is_null() {
            #[expect(clippy::disallowed_methods, reason = "the program's own call, which is no record: it may wait")]
            let found = libc::dlopen(c"libgcc_s.so.1".as_ptr(), libc::RTLD_NOLOAD | libc::RTLD_LAZY);
            library = found;
            if !library.is_null() {
                function = real::look_up(library, name);
            }
        }
        if !function.is_null() {
            transmute::<*mut c_void, unsafe extern "C" fn(*const c_void)>(function)(argument);
        }
        if !library.is_null() && real::resolve() {
            real::dlclose(library);
        }
    }
}
