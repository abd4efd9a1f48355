//! The one kind of lock in this library, and the right to take it.
//!
//! A lock is held for some hundred instructions, and rarely. It spins, since inside `malloc` there is nothing to sleep
//! on that another thread would surely wake.
//!
//! What must never happen, and what sees to it:
//! - A signal handler waits for what its own thread holds: the lock answers [`Busy`] then.
//! - Two threads wait for each other: whoever takes a lock shows that the thread is [`Recording`], and that right is
//!   borrowed exclusively while a lock is held, so that nobody takes a second one, asks the loader or waits for the
//!   recorder meanwhile. A signal handler that has interrupted a record, and makes one itself, may do so in the middle
//!   of all that: it never waits for a lock.
//! - A stack ends while a lock is held, and a handler jumps away: where there is no room for what is done under a lock,
//!   it answers [`Busy`]. If a thread is left all the same, [`AnyLock::give_up`] takes the lock from it.
//! - The holder is gone for another reason: after [`PATIENCE`] the lock answers [`Busy`], and the program goes on.
//! - A process is forked while another thread holds a lock: the child resets all of them ([`AnyLock::renew`]).

use core::cell::UnsafeCell;
use core::hint::spin_loop;
use core::marker::PhantomData;
use core::ops::{Deref, DerefMut};
use core::ptr;
use core::sync::atomic::AtomicUsize;
use core::sync::atomic::Ordering::{Acquire, Relaxed, Release};

use memprof_channel::clock::monotonic_nanoseconds;

use crate::platform::memory::doze;
use crate::platform::tls;

/// The calling thread makes a record.
///
/// It is the right to do what may have to wait: to take a lock, to ask the loader, to hand a chunk to the recorder.
/// Each borrows it exclusively, so that none of them happens within another. It stays in its thread.
pub struct Recording(PhantomData<*mut ()>);

impl Recording {
    /// Begins it.
    ///
    /// # Safety
    /// As long as this exists, the calling thread is doing something else than the program's own business
    /// ([`tls::Doing`]), and has no other right of this kind at this level ([`tls::Block::level`]).
    #[inline(always)]
    pub const unsafe fn begin() -> Self {
        Self(PhantomData)
    }
}

/// The lock cannot be had: the calling thread itself holds it, or must not wait for it, or its stack is about to end;
/// or whoever holds it will never go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Busy;

/// How long a thread waits for another one, in nanoseconds. Only a thread that has been stopped or left holds a lock
/// for that long.
const PATIENCE: u64 = 10_000_000_000;
/// Rounds of the loop before a thread lets the processor go: the holder may wait for this very one.
const ROUNDS: u32 = 100;

/// Waits until something is so. False if it does not become so.
pub fn wait_until(mut is_so: impl FnMut() -> bool) -> bool {
    for _ in 0..ROUNDS {
        if is_so() {
            return true;
        }
        spin_loop();
    }
    let began = monotonic_nanoseconds();
    loop {
        if is_so() {
            return true;
        }
        if monotonic_nanoseconds().saturating_sub(began) > PATIENCE {
            return false;
        }
        doze();
    }
}

/// A value that one thread at a time may use.
pub struct Lock<T> {
    /// Who holds it; 0 while nobody does.
    holder: AtomicUsize,
    value: UnsafeCell<T>,
    /// What the value is in the beginning, and again when nobody knows what became of it.
    fresh: fn() -> T,
}

// SAFETY: the value is only reached by its one holder, or when there is no other thread.
unsafe impl<T: Send> Sync for Lock<T> {}

impl<T> Lock<T> {
    /// A lock that nobody holds. `fresh` makes a value that equals `value`.
    pub const fn new(value: T, fresh: fn() -> T) -> Self {
        Self { holder: AtomicUsize::new(0), value: UnsafeCell::new(value), fresh }
    }

    /// Waits until nobody holds the lock, and takes it. A signal handler that has interrupted a record does not wait.
    #[inline]
    pub fn lock<'a>(&'a self, _: &'a mut Recording) -> Result<Held<'a, T>, Busy> {
        if !has_stack() {
            return Err(Busy);
        }
        let me = Holder::now();
        let take = || self.holder.compare_exchange(0, me.0, Acquire, Relaxed);
        match take() {
            Ok(_) => Ok(Held(self)),
            Err(_) if me.level() != 0 => Err(Busy),
            Err(holder) if Holder(holder).thread() == me.thread() => Err(Busy),
            Err(_) if wait_until(|| take().is_ok()) => Ok(Held(self)),
            Err(_) => Err(Busy),
        }
    }

    /// Returns when whoever holds the lock now has released it: what that thread was still reading, nobody reads any
    /// more. At once if the calling thread holds it, which has been interrupted then.
    pub fn wait_for_present_holder(&self) {
        let holder = self.holder.load(Acquire);
        if holder != 0 && Holder(holder).thread() != Holder::now().thread() {
            wait_until(|| self.holder.load(Acquire) != holder);
        }
    }
}

/// What can be done with all locks alike.
pub trait AnyLock: Sync {
    /// The calling thread will never go on with what it was doing at this level and those above it. If it took the lock
    /// there, the lock is free again, and its value, which may be half changed, a fresh one. The old value's memory is
    /// lost.
    fn give_up(&self);

    /// Whoever holds it is gone. If somebody does, the value may be half changed: it is free, with a fresh value.
    ///
    /// # Safety
    /// The process has one thread, and that does not hold the lock.
    unsafe fn renew(&self);
}

impl<T: Send> AnyLock for Lock<T> {
    fn give_up(&self) {
        let (holder, me) = (Holder(self.holder.load(Relaxed)), Holder::now());
        if holder.thread() == me.thread() && holder.level() >= me.level() {
            // SAFETY: this thread holds the lock, and what it was doing with the value has been left.
            unsafe { ptr::write(self.value.get(), (self.fresh)()) };
            self.holder.store(0, Release);
        }
    }

    unsafe fn renew(&self) {
        if self.holder.load(Acquire) != 0 {
            // SAFETY: the caller says that nobody else uses the value.
            unsafe { ptr::write(self.value.get(), (self.fresh)()) };
            self.holder.store(0, Release);
        }
    }
}

/// Who holds a lock, as a number that is not 0: a thread, by the address of its block, and in the low bits its level.
#[derive(Clone, Copy)]
struct Holder(usize);

impl Holder {
    const LEVELS: usize = tls::BLOCK_ALIGNMENT - 1;

    /// The calling thread at this moment.
    fn now() -> Self {
        let block = tls::block();
        Self(block.addr() | usize::from(block.level()) & Self::LEVELS)
    }

    const fn thread(self) -> usize {
        self.0 & !Self::LEVELS
    }

    const fn level(self) -> usize {
        self.0 & Self::LEVELS
    }
}

/// What is done under a lock takes less stack than this: to read unwinding information of code that was made at run
/// time, some 4200 bytes.
const ROOM: usize = 6 << 10;

/// Whether the stack has room for what is done under a lock. Of another stack than the thread's own it is not known
/// where it ends.
#[inline(always)]
fn has_stack() -> bool {
    let here = 0_u8;
    let sp = (&raw const here).addr();
    let (low, high) = tls::block().stack();
    !(low..high).contains(&sp) || sp - low > ROOM
}

/// The right to use the value, until it is dropped.
pub struct Held<'a, T>(&'a Lock<T>);

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
    use std::sync::atomic::AtomicBool;
    use std::time::{Duration, Instant};

    fn recording() -> Recording {
        // SAFETY: no signal handler of the test program allocates, and each test has one right.
        unsafe { Recording::begin() }
    }

    fn numbers() -> Lock<u32> {
        Lock::new(1, || 1)
    }

    #[test]
    fn one_thread_at_a_time_uses_the_value() {
        let lock = numbers();
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for _ in 0..20_000 {
                        *lock.lock(&mut recording()).unwrap() += 1;
                    }
                });
            }
        });
        assert_eq!(*lock.lock(&mut recording()).unwrap(), 80_001);
    }

    #[test]
    fn its_own_holder_gets_an_answer() {
        let lock = numbers();
        let mut right = recording();
        let held = lock.lock(&mut right).unwrap();
        let began = Instant::now();
        assert_eq!(lock.lock(&mut recording()).err(), Some(Busy));
        assert!(began.elapsed() < Duration::from_secs(1));
        drop(held);
        assert!(lock.lock(&mut recording()).is_ok());
    }

    #[test]
    fn a_handler_within_a_record_neither_waits_for_a_lock_nor_gives_up_what_the_record_holds() {
        let lock = numbers();
        let (taken, seen) = (AtomicBool::new(false), AtomicBool::new(false));
        std::thread::scope(|scope| {
            scope.spawn(|| {
                let mut right = recording();
                let _held = lock.lock(&mut right).unwrap();
                taken.store(true, Release);
                assert!(wait_until(|| seen.load(Acquire)));
            });
            assert!(wait_until(|| taken.load(Acquire)));
            tls::block().set_level(1);
            let began = Instant::now();
            assert_eq!(lock.lock(&mut recording()).err(), Some(Busy));
            assert!(began.elapsed() < Duration::from_secs(1));
            tls::block().set_level(0);
            seen.store(true, Release);
        });
        let mut right = recording();
        let held = lock.lock(&mut right).unwrap();
        tls::block().set_level(1);
        lock.give_up();
        assert_ne!(lock.holder.load(Relaxed), 0);
        tls::block().set_level(0);
        drop(held);
        tls::block().set_level(1);
        let mut right = recording();
        core::mem::forget(lock.lock(&mut right).unwrap());
        tls::block().set_level(0);
        lock.give_up();
        assert_eq!(lock.holder.load(Relaxed), 0);
    }

    #[test]
    fn only_its_holder_gives_it_up_and_the_value_is_fresh_then() {
        let lock = numbers();
        let mut right = recording();
        let mut held = lock.lock(&mut right).unwrap();
        *held = 7;
        std::thread::scope(|scope| scope.spawn(|| lock.give_up()).join().unwrap());
        assert_ne!(lock.holder.load(Relaxed), 0);
        core::mem::forget(held);
        lock.give_up();
        assert_eq!(*lock.lock(&mut recording()).unwrap(), 1);
    }

    #[test]
    fn renewing_takes_it_from_whoever_holds_it() {
        let lock = numbers();
        std::thread::scope(|scope| {
            scope.spawn(|| {
                let mut right = recording();
                let mut held = lock.lock(&mut right).unwrap();
                *held = 9;
                core::mem::forget(held);
            });
        });
        assert_ne!(lock.holder.load(Relaxed), 0);
        // SAFETY: the other thread has ended.
        unsafe { lock.renew() };
        assert_eq!(*lock.lock(&mut recording()).unwrap(), 1);
    }

    #[test]
    fn the_present_holder_is_waited_for_and_no_later_one() {
        let lock = numbers();
        lock.wait_for_present_holder();
        let (taken, freed) = (AtomicBool::new(false), AtomicBool::new(false));
        std::thread::scope(|scope| {
            scope.spawn(|| {
                let mut right = recording();
                let held = lock.lock(&mut right).unwrap();
                taken.store(true, Release);
                std::thread::sleep(Duration::from_millis(50));
                freed.store(true, Release);
                drop(held);
            });
            assert!(wait_until(|| taken.load(Acquire)));
            lock.wait_for_present_holder();
            assert!(freed.load(Acquire));
        });
    }
}
