//! Functions that change which code is where: what is remembered by address must follow.

use core::ffi::{CStr, c_int, c_void};
use core::mem::transmute;
use core::sync::atomic::AtomicU64;
use core::sync::atomic::Ordering::{Acquire, Release};

use super::list::hooks;
use crate::platform::symbols;
use crate::session;
use crate::unwind::call_frame_information;
use crate::unwind::jit_code::{self, Removed};
use crate::unwind::unloading::{Closing, code_has_gone, unloads};

hooks! {
    /// `dlclose`
    calls fn dlclose(handle: *mut c_void) -> c_int {
        if !symbols::resolve() {
            return -1;
        }
        let _closing = session::active().filter(|session| session.native_stacks).and_then(|_| Closing::begin());
        // SAFETY: the program's own call, passed on as it came.
        unsafe { real::dlclose(handle) }
    }

    /// `__register_frame` of libgcc: the program has made code, and says how to unwind it
    plain fn __register_frame(section: *const c_void) {
        if !section.is_null() {
            jit_code::add(section as usize);
        }
        // SAFETY: the program's own call, passed on as it came.
        unsafe { pass_on(&REGISTER_FRAME, section) };
    }

    /// `__deregister_frame` of libgcc
    plain fn __deregister_frame(section: *const c_void) {
        if jit_code::remove(section as usize, call_frame_information::wait_for_readers) == Removed::Used {
            code_has_gone();
        }
        // SAFETY: the program's own call, passed on as it came.
        unsafe { pass_on(&DEREGISTER_FRAME, section) };
    }
}

/// Calls the real function.
///
/// # Safety
/// It is a C function that takes one pointer, whose contract the caller keeps.
unsafe fn pass_on(function: &RealFunction, argument: *const c_void) {
    if let Some(address) = function.address() {
        // SAFETY: it was found by that name.
        unsafe { transmute::<usize, unsafe extern "C" fn(*const c_void)>(address)(argument) };
    }
}

static REGISTER_FRAME: RealFunction = RealFunction::of(c"__register_frame");
static DEREGISTER_FRAME: RealFunction = RealFunction::of(c"__deregister_frame");

/// A function of a library that may be loaded late, and unloaded. What was found is remembered until some module has
/// gone: while it is looked up, a signal handler's calls are not recorded.
struct RealFunction {
    name: &'static CStr,
    /// In the lower 48 bits the address, above them when it was found; 0 before that.
    found: AtomicU64,
}

const ADDRESS_BITS: u32 = 48;

impl RealFunction {
    const fn of(name: &'static CStr) -> Self {
        Self { name, found: AtomicU64::new(0) }
    }

    fn address(&self) -> Option<usize> {
        let now = unloads() << ADDRESS_BITS;
        let known = self.found.load(Acquire);
        if known != 0 && known >> ADDRESS_BITS << ADDRESS_BITS == now {
            return Some((known ^ now) as usize);
        }
        let address = self.look_up();
        if address != 0 {
            self.found.store(now | address as u64, Release);
        }
        Some(address).filter(|&address| address != 0)
    }

    #[cold]
    fn look_up(&self) -> usize {
        let address = symbols::look_up(libc::RTLD_NEXT, self.name) as usize;
        if address != 0 {
            return address;
        }
        // It may be loaded so privately that only its own users find it.
        // SAFETY: the names are C strings; the library is not loaded if it was not already, and stays with its users.
        #[expect(clippy::disallowed_methods, reason = "in the program's own call, which is no record: it may wait")]
        unsafe {
            let library = libc::dlopen(c"libgcc_s.so.1".as_ptr(), libc::RTLD_NOLOAD | libc::RTLD_LAZY);
            if library.is_null() {
                return 0;
            }
            let address = symbols::look_up(library, self.name) as usize;
            if symbols::resolve() {
                real::dlclose(library);
            }
            address
        }
    }
}
