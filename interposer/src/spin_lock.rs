//! A lock for what is short and rare: a futex would be no safer inside `malloc`.

use core::cell::UnsafeCell;
use core::hint::spin_loop;
use core::ops::{Deref, DerefMut};
use core::sync::atomic::AtomicUsize;
use core::sync::atomic::Ordering::{Acquire, Relaxed, Release};

/// A value that one thread at a time may use.
pub struct SpinLock<T> {
    /// The thread that holds it, as [`this_thread`] says; 0 while nobody does.
    holder: AtomicUsize,
    value: UnsafeCell<T>,
}

// SAFETY: the value is only reached through a guard, of which there is one at a time.
unsafe impl<T: Send> Sync for SpinLock<T> {}

impl<T> SpinLock<T> {
    /// A lock that nobody holds.
    pub const fn new(value: T) -> Self {
        Self { holder: AtomicUsize::new(0), value: UnsafeCell::new(value) }
    }

    /// Waits until nobody holds the lock, and takes it.
    pub fn lock(&self) -> Held<'_, T> {
        let me = this_thread();
        while self.holder.compare_exchange_weak(0, me, Acquire, Relaxed).is_err() {
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
        self.holder.store(0, Release);
    }

    /// Gives the lock back if the calling thread holds it: what held it will never go on. The value may be half changed.
    pub fn give_back(&self) {
        // A failure: it is nobody's or another thread's.
        let _ = self.holder.compare_exchange(this_thread(), 0, Release, Relaxed);
    }
}

/// A number that no other thread has meanwhile, and that is not 0.
fn this_thread() -> usize {
    // SAFETY: it cannot fail.
    unsafe { libc::pthread_self() as usize }
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
        self.0.holder.store(0, Release);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_its_holder_gives_it_back() {
        static LOCK: SpinLock<u32> = SpinLock::new(1);
        let held = LOCK.lock();
        std::thread::spawn(|| LOCK.give_back()).join().unwrap();
        assert_ne!(LOCK.holder.load(Relaxed), 0);
        core::mem::forget(held);
        LOCK.give_back();
        assert_eq!(*LOCK.lock(), 1);
    }
}
