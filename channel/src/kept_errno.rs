//! `errno` as the program left it: the program whose `malloc` this is must not see what memprof did to it.

/// Puts errno back when dropped.
pub struct KeptErrno(libc::c_int);

impl KeptErrno {
    /// Remembers errno.
    #[expect(clippy::new_without_default, reason = "it lasts for a moment, and is never wanted by default")]
    #[must_use]
    pub fn new() -> Self {
        // SAFETY: errno is this thread's own, and always there.
        Self(unsafe { *libc::__errno_location() })
    }
}

impl Drop for KeptErrno {
    fn drop(&mut self) {
        // SAFETY: as above.
        unsafe { *libc::__errno_location() = self.0 };
    }
}
