//! Where the recorder's large tables lie in memory.

/// Blocks of at least this many bytes are mappings of their own.
#[cfg(target_env = "gnu")]
const LARGE: libc::c_int = 1 << 20;

/// Lets large blocks be returned to the kernel as soon as they are freed. Otherwise the C library raises its
/// threshold for that with every one that is freed, to 32 MiB, and tables that are rebuilt again and again leave holes:
/// a third of a recorder that sums up.
pub fn release_when_freed() {
    #[cfg(target_env = "gnu")]
    // SAFETY: a recording calls this before it has a second thread. Elsewhere, as in tests, `mallopt` holds the lock of
    // the main arena and writes two words that other threads may read before or after: either says where memory may be
    // taken from.
    unsafe {
        libc::mallopt(libc::M_MMAP_THRESHOLD, LARGE);
    }
}
