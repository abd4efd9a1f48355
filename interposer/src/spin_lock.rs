//! A lock for what is short and rare: a futex would be no safer inside `malloc`.

use core::cell::UnsafeCell;
use core::hint::spin_loop;
use core::ops::{Deref, DerefMut};
use core::sync::atomic::AtomicBool;
use core::sync::atomic::Ordering::{Acquire, Relaxed, Release};

/// A value that one thread at a time may use.
pub struct SpinLock<T> {
    taken: AtomicBool,
    value: UnsafeCell<T>,
}

// SAFETY: the value is only reached through a guard, of which there is one at a time.
unsafe impl<T: Send> Sync for SpinLock<T> {}

impl<T> SpinLock<T> {
    /// A lock that nobody holds.
    pub const fn new(value: T) -> Self {
        Self { taken: AtomicBool::new(false), value: UnsafeCell::new(value) }
    }

    /// Waits until nobody holds the lock, and takes it.
    pub fn lock(&self) -> Held<'_, T> {
        while self.taken.compare_exchange_weak(false, true, Acquire, Relaxed).is_err() {
            spin_loop();
            // The holder may wait for this very processor.
            // SAFETY: it only gives up the rest of the time slice.
            unsafe { libc::syscall(libc::SYS_sched_yield) };
        }
        Held(self)
    }

    /// Takes the lock until [`Self::release`]: around a fork.
    pub fn hold(&self) {
        core::mem::forget(self.lock());
    }

    /// Ends what [`Self::hold`] began, in the parent or in the child.
    pub fn release(&self) {
        self.taken.store(false, Release);
    }
}

/// The right to use the value, until it is dropped.
pub struct Held<'a, T>(&'a SpinLock<T>);

impl<T> Deref for Held<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        // SAFETY: the lock is held.
        unsafe { &*self.0.value.get() }
    }
}

impl<T> DerefMut for Held<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: the lock is held, and the guard is borrowed mutably.
        unsafe { &mut *self.0.value.get() }
    }
}

impl<T> Drop for Held<'_, T> {
    fn drop(&mut self) {
        self.0.taken.store(false, Release);
    }
}
