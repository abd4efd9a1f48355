//! Whether the recorder is still there, for a thread that waits for it: it reads one word of shared memory. For a
//! system call, the program would need the permission (seccomp(2)), and would have to see the recorder
//! (pid_namespaces(7)).

use core::cell::UnsafeCell;
use core::sync::atomic::AtomicU32;
use core::sync::atomic::Ordering::{AcqRel, Acquire};

/// A robust mutex (pthread_mutexattr_setrobust(3)), which the recorder holds as long as it lives. When its holder ends,
/// in whatever way, the kernel marks the mutex's word (set_robust_list(2)). Nobody ever waits for the mutex.
#[repr(C, align(8))]
pub struct Lifeline(UnsafeCell<[u64; 6]>);

// SAFETY: after it is held, which is before it is shared, only its word is used, as an atomic.
unsafe impl Sync for Lifeline {}

/// What the kernel sets in the word (linux/futex.h).
const FUTEX_OWNER_DIED: u32 = 0x4000_0000;
/// Where the word is in the C library's mutex.
const WORD: usize = if cfg!(target_env = "musl") { 4 } else { 0 };

impl Lifeline {
    /// From now on the recorder is there, until the calling thread ends, or lets go. Not called again. The line's
    /// memory stays until then: the kernel and the C library know where it is.
    ///
    /// # Errors
    /// The number of the error, if the system has no such mutexes: then the recorder counts as being there for ever.
    #[cfg(target_os = "linux")]
    #[expect(clippy::disallowed_methods, reason = "the recorder calls it, and nobody has the mutex yet")]
    pub fn hold(&self) -> Result<(), i32> {
        const _: () = assert!(size_of::<libc::pthread_mutex_t>() <= size_of::<Lifeline>());
        let check = |status| if status == 0 { Ok(()) } else { Err(status) };
        let mutex = self.0.get().cast::<libc::pthread_mutex_t>();
        let mut attributes = core::mem::MaybeUninit::uninit();
        // SAFETY: the mutex has room and alignment, and is initialised before it is locked.
        unsafe {
            check(libc::pthread_mutexattr_init(attributes.as_mut_ptr()))?;
            check(libc::pthread_mutexattr_setpshared(attributes.as_mut_ptr(), libc::PTHREAD_PROCESS_SHARED))?;
            check(libc::pthread_mutexattr_setrobust(attributes.as_mut_ptr(), libc::PTHREAD_MUTEX_ROBUST))?;
            check(libc::pthread_mutex_init(mutex, attributes.as_ptr()))?;
            libc::pthread_mutexattr_destroy(attributes.as_mut_ptr());
            check(libc::pthread_mutex_lock(mutex))
        }
    }

    /// The recorder is gone. Called by the thread that holds the line.
    #[cfg(target_os = "linux")]
    pub fn let_go(&self) {
        // SAFETY: it was initialised and locked by this thread.
        unsafe { libc::pthread_mutex_unlock(self.0.get().cast()) };
        self.cut();
    }

    /// The recorder will not come back, although its thread may go on.
    pub fn cut(&self) {
        self.word().fetch_or(FUTEX_OWNER_DIED, AcqRel);
    }

    /// Whether the recorder is gone.
    #[must_use]
    pub fn is_cut(&self) -> bool {
        self.word().load(Acquire) & FUTEX_OWNER_DIED != 0
    }

    fn word(&self) -> &AtomicU32 {
        // SAFETY: it is within the mutex, aligned, and changed atomically by everybody, the kernel among them.
        unsafe { &*self.0.get().byte_add(WORD).cast() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[cfg_attr(miri, ignore = "Miri has no robust mutexes")]
    fn a_holder_that_lets_go_cuts_it() {
        for _ in 0..3 {
            let line = Box::new(line());
            line.hold().unwrap();
            assert!(!line.is_cut());
            line.let_go();
            assert!(line.is_cut());
        }
    }

    fn line() -> Lifeline {
        Lifeline(UnsafeCell::new([0; 6]))
    }

    #[test]
    #[cfg_attr(miri, ignore = "Miri has no robust mutexes")]
    fn it_is_cut_when_its_holder_ends_however_that_is() {
        let line = std::sync::Arc::new(line());
        assert!(!line.is_cut());
        let (held, wait) = (std::sync::Barrier::new(2), std::sync::Barrier::new(2));
        std::thread::scope(|scope| {
            let holder = scope.spawn(|| {
                line.hold().unwrap();
                held.wait();
                wait.wait();
            });
            held.wait();
            assert!(!line.is_cut());
            wait.wait();
            holder.join().unwrap();
        });
        // The thread says that it is done before the kernel ends it.
        let limit = std::time::Instant::now() + std::time::Duration::from_secs(10);
        while !line.is_cut() {
            assert!(std::time::Instant::now() < limit);
            std::thread::yield_now();
        }
    }

    #[test]
    fn it_can_be_cut() {
        let line = line();
        line.cut();
        assert!(line.is_cut());
    }
}
