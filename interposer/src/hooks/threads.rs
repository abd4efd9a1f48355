//! `pthread_create`: a thread that native code starts begins with the stack of its creator. Threads that Python starts
//! have a stack of their own from `Thread._bootstrap` on, and are left alone where that can be seen.
//!
//! `pthread_getattr_np`: must not be the first to make a thread known.

use core::arch::naked_asm;
use core::ffi::{c_int, c_void};
use core::mem::MaybeUninit;
use core::ptr::{self, NonNull};

use super::call::Call;
use super::list::hooks;
use crate::births::{Birth, StartRoutine, WantedStack};
use crate::platform::{symbols, tls};
use crate::session;
use crate::thread_end::watch_birth;

hooks! {
    /// `pthread_create`
    calls fn pthread_create(
        thread: *mut libc::pthread_t,
        attributes: *const libc::pthread_attr_t,
        start: StartRoutine,
        argument: *mut c_void,
    ) -> c_int {
        if !symbols::resolve() {
            return libc::EAGAIN;
        }
        // The call is over before the real function is called: what that allocates is the program's.
        let origin = Call::make(|| None, Call::thread_origin);
        let birth = origin.and_then(|origin| {
            // SAFETY: the attributes are those of the program's own call.
            Birth::create(start, argument, origin, unsafe { wanted_stack(attributes) })
        });
        // SAFETY: the program's own call; the new thread takes the birth over.
        unsafe {
            let Some(birth) = birth else { return real::pthread_create(thread, attributes, start, argument) };
            let status = real::pthread_create(thread, attributes, begin_thread, birth.as_ptr().cast());
            if status != 0 {
                Birth::destroy(birth);
            }
            status
        }
    }

    /// `pthread_getattr_np`, which allocates while it holds the thread's lock. What we have to ask it ourselves at a
    /// thread's first event must have been asked before that.
    plain fn pthread_getattr_np(thread: libc::pthread_t, attributes: *mut libc::pthread_attr_t) -> c_int {
        if !symbols::resolve() {
            return libc::ENOMEM;
        }
        Call::make_nothing();
        // SAFETY: the program's own call, passed on as it came.
        unsafe { symbols::pthread_getattr_np(thread, attributes) }
    }
}

/// The stack that a thread with these attributes gets. Asks nobody who could allocate.
///
/// # Safety
/// The attributes are null or were initialised.
unsafe fn wanted_stack(attributes: *const libc::pthread_attr_t) -> WantedStack {
    let mut usual = MaybeUninit::<libc::pthread_attr_t>::zeroed();
    let (mut start, mut bytes, mut guard) = (ptr::null_mut(), 0, 0);
    // SAFETY: the caller vouches for the attributes; those in their place are initialised, and destroyed again.
    unsafe {
        if !attributes.is_null() && libc::pthread_attr_getstack(attributes, &raw mut start, &raw mut bytes) == 0 {
            // Where no stack was given, it counts as one that ends at address 0.
            if start.addr().wrapping_add(bytes) != 0 {
                return WantedStack::Given(start.addr());
            }
        }
        let attributes = match attributes.is_null() {
            true if libc::pthread_attr_init(usual.as_mut_ptr()) != 0 => return WantedStack::Unknown,
            true => usual.as_ptr(),
            false => attributes,
        };
        let asked = libc::pthread_attr_getstacksize(attributes, &raw mut bytes) == 0
            && libc::pthread_attr_getguardsize(attributes, &raw mut guard) == 0;
        if attributes == usual.as_ptr() {
            libc::pthread_attr_destroy(usual.as_mut_ptr());
        }
        if asked { WantedStack::Bytes(bytes.saturating_sub(guard)) } else { WantedStack::Unknown }
    }
}

/// Where a thread with a birth starts. It leaves no frame: the program's own function is jumped to.
#[unsafe(naked)]
extern "C" fn begin_thread(birth: *mut c_void) -> *mut c_void {
    #[cfg(target_arch = "x86_64")]
    naked_asm!(
        "sub rsp, 8",
        "call {take_over}",
        "add rsp, 8",
        "mov rdi, rax",
        "jmp rdx",
        take_over = sym take_over,
    );
    #[cfg(target_arch = "aarch64")]
    naked_asm!(
        "stp x29, x30, [sp, #-16]!",
        "bl {take_over}",
        "ldp x29, x30, [sp], #16",
        "br x1",
        take_over = sym take_over,
    );
}

/// Two registers' worth, as both calling conventions return it.
#[repr(C)]
struct Start {
    argument: *mut c_void,
    function: StartRoutine,
}

/// The new thread notes its birth, which lasts until its first event or its end.
extern "C" fn take_over(birth: NonNull<Birth>) -> Start {
    let block = tls::block();
    block.replace_birth(birth.as_ptr().cast());
    if let Some(session) = session::active() {
        watch_birth(session, birth.as_ptr());
    }
    // SAFETY: the birth was made for this thread, and nobody takes it before this returns.
    unsafe { Start { argument: birth.as_ref().argument, function: birth.as_ref().start } }
}
