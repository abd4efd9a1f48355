//! `dlsym`: what is looked up in the C library itself leads to the hooks, too.
//!
//! A name that is looked up everywhere is found here first. But `dlsym(dlopen("libc.so.6"), "malloc")`, which is what
//! `ctypes.CDLL("libc.so.6").malloc` does, does not find us, and what it does find would go unrecorded.
//!
//! All other lookups are jumps to the real function, which never knows that we were there: some depend on who calls.

use core::arch::naked_asm;
use core::ffi::{CStr, c_char, c_void};
use core::ptr;

use super::list::{self, hooks};
use crate::platform::symbols;

hooks! {
    /// `dlsym`
    #[unsafe(naked)]
    plain fn dlsym(handle: *mut c_void, name: *const c_char) -> *mut c_void {
        #[cfg(target_arch = "x86_64")]
        naked_asm!(
            "push rdi",
            "push rsi",
            "sub rsp, 8",
            "call {destination}",
            "add rsp, 8",
            "pop rsi",
            "pop rdi",
            "jmp rax",
            destination = sym destination,
        );
        #[cfg(target_arch = "aarch64")]
        naked_asm!(
            "stp x29, x30, [sp, #-32]!",
            "stp x0, x1, [sp, #16]",
            "bl {destination}",
            "mov x16, x0",
            "ldp x0, x1, [sp, #16]",
            "ldp x29, x30, [sp], #32",
            "br x16",
            destination = sym destination,
        );
    }
}

type LookUp = unsafe extern "C" fn(*mut c_void, *const c_char) -> *mut c_void;

/// The function that is to answer a lookup.
unsafe extern "C" fn destination(handle: *mut c_void, name: *const c_char) -> usize {
    if !symbols::resolve() {
        return find_nothing as LookUp as usize;
    }
    // What these two find depends on the library that calls.
    let is_relative = handle == libc::RTLD_DEFAULT || handle == libc::RTLD_NEXT;
    // SAFETY: the program's own argument, a C string.
    if is_relative || name.is_null() || unsafe { hook_of(CStr::from_ptr(name)) }.is_null() {
        symbols::dlsym_address()
    } else {
        find_hooked as LookUp as usize
    }
}

/// While the real functions are being looked up, the loader itself does not look for any by `dlsym`.
unsafe extern "C" fn find_nothing(_handle: *mut c_void, _name: *const c_char) -> *mut c_void {
    ptr::null_mut()
}

/// Looks up a name for which there is a hook.
unsafe extern "C" fn find_hooked(handle: *mut c_void, name: *const c_char) -> *mut c_void {
    // SAFETY: the program's own call, passed on as it came.
    let (found, name) = unsafe { (symbols::dlsym(handle, name), CStr::from_ptr(name)) };
    // Another library's function of the same name is none of ours.
    let is_real = !found.is_null() && found == symbols::look_up(libc::RTLD_NEXT, name);
    if is_real { hook_of(name) } else { found }
}

/// The hook for the function of this name, or null.
fn hook_of(name: &CStr) -> *mut c_void {
    list::all().find(|hook| hook.name == name).map_or(ptr::null_mut(), |hook| hook.function)
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "it is these that are tested")]
mod tests {
    use super::*;

    /// Another test may be at it.
    fn await_real_functions() {
        while !symbols::resolve() {
            std::thread::yield_now();
        }
    }

    #[test]
    fn the_c_library_s_functions_lead_to_the_hooks() {
        // SAFETY: the library is loaded already; nothing that is found is called.
        let library = unsafe { libc::dlopen(c"libc.so.6".as_ptr(), libc::RTLD_NOLOAD | libc::RTLD_LAZY) };
        assert!(!library.is_null());
        await_real_functions();
        for name in list::all().map(|hook| hook.name) {
            // SAFETY: the names are C strings.
            let (known, found) = unsafe { (libc::dlsym(library, name.as_ptr()), find_hooked(library, name.as_ptr())) };
            if known.is_null() {
                assert!(found.is_null(), "{name:?} is not there, whatever hook it has");
            } else {
                assert_eq!(found, hook_of(name), "{name:?}");
                assert_ne!(found, known, "{name:?}");
            }
        }
    }

    #[test]
    fn other_names_and_relative_lookups_are_passed_on() {
        await_real_functions();
        // SAFETY: only the addresses of the functions are compared.
        unsafe {
            let everywhere = libc::RTLD_DEFAULT;
            assert_eq!(destination(everywhere, c"malloc".as_ptr()), symbols::dlsym_address());
            assert_eq!(destination(libc::RTLD_NEXT, c"malloc".as_ptr()), symbols::dlsym_address());
            let library = libc::dlopen(c"libc.so.6".as_ptr(), libc::RTLD_NOLOAD | libc::RTLD_LAZY);
            assert_eq!(destination(library, c"strlen".as_ptr()), symbols::dlsym_address());
            assert_eq!(destination(library, c"malloc".as_ptr()), find_hooked as LookUp as usize);
        }
    }
}
