//! Where the recorder's large tables lie in memory.

/// Blocks of so many bytes are mappings of their own.
#[cfg(target_env = "gnu")]
const LARGE: libc::c_int = 1 << 20;

/// Lets large blocks be given back to the kernel as soon as they are freed. Otherwise the C library raises its threshold for that
/// with every one that is freed, to 32 MiB, and tables that are made anew again and again leave holes behind: a third of a recorder
/// that sums up.
pub fn give_back() {
    #[cfg(target_env = "gnu")]
    // SAFETY: `mallopt` may be called at any time; it changes where memory is taken from, and nothing that anybody relies on.
    unsafe {
        libc::mallopt(libc::M_MMAP_THRESHOLD, LARGE);
    }
}
