//! What symbols lead to after this library: the next definitions in the search order, which are the real functions that
//! hooks are put in front of. Nearly all are with their hooks (`hooks::list`); here are the two that are also called by
//! what is below these.

use core::ffi::{CStr, c_char, c_int, c_void};
use core::mem::transmute;
use core::sync::atomic::Ordering::{Acquire, Relaxed, Release};
use core::sync::atomic::{AtomicU32, AtomicUsize};

use super::tls::{self, Activity, Doing};

/// `dlsym` is hooked itself, and has to be found in another way: by the version that it has always had.
static DLSYM: AtomicUsize = AtomicUsize::new(0);

#[cfg(target_arch = "x86_64")]
const FIRST_VERSION: &CStr = c"GLIBC_2.2.5";
#[cfg(target_arch = "aarch64")]
const FIRST_VERSION: &CStr = c"GLIBC_2.17";

fn look_up_dlsym() {
    // SAFETY: dlvsym takes any NUL-terminated texts.
    #[expect(clippy::disallowed_methods, reason = "before the first hooked call there is one thread, and it is found")]
    let found = unsafe { libc::dlvsym(libc::RTLD_NEXT, c"dlsym".as_ptr(), FIRST_VERSION.as_ptr()) };
    DLSYM.store(found as usize, Relaxed);
}

/// Where the real `dlsym` is. Only known after [`resolve`] has returned true.
#[inline]
pub fn dlsym_address() -> usize {
    DLSYM.load(Relaxed)
}

/// The real `dlsym`, called by this library. Must not be called before [`resolve`] has returned true.
///
/// # Safety
/// As the C function says.
pub unsafe fn dlsym(handle: *mut c_void, name: *const c_char) -> *mut c_void {
    type Function = unsafe extern "C" fn(*mut c_void, *const c_char) -> *mut c_void;
    // SAFETY: `resolve` stored the address of a C function with this signature.
    let function = unsafe { transmute::<usize, Function>(dlsym_address()) };
    // SAFETY: the caller keeps the function's contract.
    unsafe { function(handle, name) }
}

static PTHREAD_GETATTR_NP: AtomicUsize = AtomicUsize::new(0);

/// The real `pthread_getattr_np`. Must not be called before [`resolve`] has returned true.
///
/// # Safety
/// As the C function says.
pub unsafe fn pthread_getattr_np(thread: libc::pthread_t, attributes: *mut libc::pthread_attr_t) -> c_int {
    type Function = unsafe extern "C" fn(libc::pthread_t, *mut libc::pthread_attr_t) -> c_int;
    // SAFETY: `resolve` stored the address of a C function with this signature.
    let function = unsafe { transmute::<usize, Function>(PTHREAD_GETATTR_NP.load(Relaxed)) };
    // SAFETY: the caller keeps the function's contract.
    unsafe { function(thread, attributes) }
}

/// The next definition of a name that exists wherever there is glibc: a lookup that fails allocates, and it may be a
/// program's own malloc, not ready yet, that is called for it.
fn next(name: &CStr) -> usize {
    // SAFETY: the name is a C string. The call is this library's, and so is what is next.
    unsafe { dlsym(libc::RTLD_NEXT, name.as_ptr()) as usize }
}

/// Looks up a symbol that may not be there. Null while the real functions are being looked up.
///
/// A failure leaves nothing: the next `dlerror` is the program's, and so is every block that it frees. Nor do
/// the allocators take part. One that is a wrapper, and begins to look for what it wraps when it is first called, would do
/// so in the middle of a lookup that has failed; glibc cannot bear that.
pub fn look_up(handle: *mut c_void, name: &CStr) -> *mut c_void {
    if !resolve() {
        return core::ptr::null_mut();
    }
    let block = tls::block();
    let before = block.activity();
    block.begin(Activity::of(Doing::LookingUp));
    // SAFETY: the names are C strings.
    let found = unsafe {
        let found = dlsym(handle, name.as_ptr());
        if found.is_null() {
            // One that succeeds clears up.
            dlsym(libc::RTLD_DEFAULT, c"free".as_ptr());
        }
        found
    };
    block.begin(before);
    found
}

/// Whether the real functions may be called to allocate something now: not while symbols are being looked up.
#[inline]
pub fn may_allocate() -> bool {
    resolve() && tls::block().doing() != Doing::LookingUp
}

const UNRESOLVED: u32 = 0;
const RESOLVING: u32 = 1;
const RESOLVED: u32 = 2;

static STATE: AtomicU32 = AtomicU32::new(UNRESOLVED);

/// Makes the real functions callable. False while they are being looked up further down this very call stack (or by
/// another thread, which cannot be before the program has threads): then [`early`] serves.
#[inline]
pub fn resolve() -> bool {
    STATE.load(Acquire) == RESOLVED || resolve_now()
}

#[cold]
fn resolve_now() -> bool {
    if STATE.compare_exchange(UNRESOLVED, RESOLVING, Acquire, Relaxed).is_err() {
        return false;
    }
    look_up_dlsym();
    PTHREAD_GETATTR_NP.store(next(c"pthread_getattr_np"), Relaxed);
    crate::look_up_hooked_functions(next);
    STATE.store(RESOLVED, Release);
    true
}

/// Memory for calls that come while symbols are being looked up: `dlsym` may allocate. Never freed.
pub mod early {
    use core::cell::UnsafeCell;
    use core::ffi::c_void;
    use core::ptr;
    use core::sync::atomic::AtomicUsize;
    use core::sync::atomic::Ordering::Relaxed;

    const BYTES: usize = 64 * 1024;
    /// Before each block is its size, in as many bytes as keep it aligned.
    const ALIGNMENT: usize = 16;

    #[repr(C, align(16))]
    struct Arena(UnsafeCell<[u8; BYTES]>);

    // SAFETY: every byte is handed out at most once, by an atomic counter.
    unsafe impl Sync for Arena {}

    static ARENA: Arena = Arena(UnsafeCell::new([0; BYTES]));
    static USED: AtomicUsize = AtomicUsize::new(0);

    /// A zeroed block aligned to 16 bytes, or null when the arena is used up.
    pub fn allocate(size: usize) -> *mut c_void {
        let Some(total) = size.checked_next_multiple_of(ALIGNMENT).and_then(|size| size.checked_add(ALIGNMENT)) else {
            return ptr::null_mut();
        };
        let claimed = USED.fetch_update(Relaxed, Relaxed, |used| used.checked_add(total).filter(|&end| end <= BYTES));
        let Ok(start) = claimed else { return ptr::null_mut() };
        // SAFETY: `start + total` is within the arena, and these bytes are nobody else's.
        unsafe {
            let block = ARENA.0.get().cast::<u8>().add(start);
            block.cast::<usize>().write(size);
            block.add(ALIGNMENT).cast()
        }
    }

    /// Whether a block came from here.
    #[inline]
    pub fn owns(block: *const c_void) -> bool {
        (block as usize).wrapping_sub(ARENA.0.get() as usize) < BYTES
    }

    /// The size of a block that came from here.
    ///
    /// # Safety
    /// [`owns`] says so, and it is the start of a block.
    pub unsafe fn size_of(block: *const c_void) -> usize {
        // SAFETY: `allocate` wrote the size there.
        unsafe { block.cast::<u8>().sub(ALIGNMENT).cast::<usize>().read() }
    }
}
