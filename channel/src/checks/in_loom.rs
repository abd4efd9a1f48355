//! The protocol's own code in all orders that the processor's memory allows, as the crate loom makes them up; and with
//! a thread killed after each of its operations.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::Ordering;

use loom::cell::{Cell, UnsafeCell};
use loom::sync::Arc;
use loom::sync::atomic::{AtomicU32, AtomicU64};
use loom::thread;

use crate::atomic::{Atomic, passed_on};
use crate::ids::Stamp;
use crate::states::{self, State, Task, Words};
use crate::turns::{Clock, Stamper, TurnWord};

/// loom's words, whose operations each count as one.
struct Word<A> {
    word: A,
    /// Written before each operation, which orders nothing for the program. loom (0.7) remembers only the last access
    /// to a word when it decides which orders are left to be tried, so that a thread's own load hides that of another
    /// one.
    turn: AtomicU32,
}

passed_on!(AtomicU32, u32);
passed_on!(AtomicU64, u64);

loom::thread_local! {
    /// How many operations the thread has left until it is killed.
    static LEFT: Cell<usize> = Cell::new(usize::MAX);
}

struct Killed;

fn step(turn: &AtomicU32) {
    turn.fetch_add(1, Ordering::Relaxed);
    LEFT.with(|left| {
        if left.get() == 0 {
            resume_unwind(Box::new(Killed));
        }
        left.set(left.get() - 1);
    });
}

impl<T, A: Atomic<T>> Atomic<T> for Word<A> {
    fn load(&self, order: Ordering) -> T {
        step(&self.turn);
        self.word.load(order)
    }
    fn store(&self, value: T, order: Ordering) {
        step(&self.turn);
        self.word.store(value, order);
    }
    fn swap(&self, value: T, order: Ordering) -> T {
        step(&self.turn);
        self.word.swap(value, order)
    }
    fn add(&self, value: T, order: Ordering) {
        step(&self.turn);
        self.word.add(value, order);
    }
    fn raise(&self, value: T, order: Ordering) {
        step(&self.turn);
        self.word.raise(value, order);
    }
    fn set(&self, bits: T, order: Ordering) {
        step(&self.turn);
        self.word.set(bits, order);
    }
    fn fetch_and(&self, bits: T, order: Ordering) -> T {
        step(&self.turn);
        self.word.fetch_and(bits, order)
    }
    fn compare_exchange(&self, old: T, new: T, ok: Ordering, no: Ordering) -> Result<T, T> {
        step(&self.turn);
        self.word.compare_exchange(old, new, ok, no)
    }
}

/// Runs code that is killed after this number of operations. Returns whether it has come to its end.
fn killed_after(operations: usize, code: impl FnOnce()) -> bool {
    LEFT.with(|left| left.set(operations));
    let result = catch_unwind(AssertUnwindSafe(code));
    LEFT.with(|left| left.set(usize::MAX));
    match result {
        Ok(()) => true,
        Err(panic) if panic.is::<Killed>() => false,
        Err(panic) => resume_unwind(panic),
    }
}

/// A pool whose chunks have room for one word.
struct Pool {
    header: [Word<AtomicU32>; 3],
    free: [Word<AtomicU64>; 1],
    sealed: [Word<AtomicU64>; 1],
    chunks: Vec<Chunk>,
}

struct Chunk {
    state: Word<AtomicU64>,
    published: Word<AtomicU32>,
    held: Word<AtomicU64>,
    /// What the owner says of the chunk, and what it writes: plain memory, on which loom finds every race.
    said: UnsafeCell<u32>,
    word: UnsafeCell<u32>,
}

fn narrow(value: u32) -> Word<AtomicU32> {
    Word { word: AtomicU32::new(value), turn: AtomicU32::new(0) }
}

fn wide(value: u64) -> Word<AtomicU64> {
    Word { word: AtomicU64::new(value), turn: AtomicU32::new(0) }
}

impl Pool {
    fn new(chunks: u32) -> Self {
        let chunk = |_| Chunk {
            state: wide(states::FREE),
            published: narrow(0),
            held: wide(0),
            said: UnsafeCell::new(0),
            word: UnsafeCell::new(0),
        };
        Self {
            header: [narrow(0), narrow(0), narrow(0)],
            free: [wide((1 << chunks) - 1)],
            sealed: [wide(0)],
            chunks: (0..chunks).map(chunk).collect(),
        }
    }

    /// Takes a chunk, writes a word, and hands it over. Returns whether there was one.
    fn fill(&self, number: u32) -> bool {
        let task = task(number);
        let Some(chunk) = states::try_take(self, task) else { return false };
        let at = &self.chunks[chunk as usize];
        // SAFETY: loom finds out whether it is.
        states::own(self, chunk, task, || at.said.with_mut(|said| unsafe { *said = number }));
        // SAFETY: as above.
        at.word.with_mut(|word| unsafe { *word = number });
        states::publish(self, chunk, 1);
        states::seal(self, chunk);
        true
    }

    /// Reads what is published in a chunk that is in use.
    fn read(&self, chunk: u32) -> Option<u32> {
        let at = &self.chunks[chunk as usize];
        // SAFETY: as above.
        let said = at.said.with(|said| unsafe { *said });
        let published = states::published(self, chunk);
        (published > 0).then(|| {
            // SAFETY: as above.
            let word = at.word.with(|word| unsafe { *word });
            assert_eq!(word, said);
            word
        })
    }

    /// A poll of the recorder's: it reads chunks that are filled, and takes those that are sealed.
    fn poll(&self, taken: &mut Vec<u32>) {
        for chunk in 0..states::touched(self) {
            if states::is_in_use(self, chunk) {
                let is_sealed = states::is_sealed(self, chunk);
                let word = self.read(chunk);
                if is_sealed {
                    taken.extend(word);
                    assert!(word.is_some(), "a sealed chunk holds what was published");
                    states::free(self, chunk);
                }
            }
        }
    }

    /// What the recorder does when chunks are wanted, and these threads have gone.
    fn reclaim(&self, gone: &[Task], taken: &mut Vec<u32>) {
        for chunk in 0..states::touched(self) {
            match states::state(self, chunk) {
                State::Free => states::offer(self, chunk),
                State::Taken(task) if gone.contains(&task) => states::release(self, chunk, task),
                State::Owned(task) if gone.contains(&task) => {
                    taken.extend(self.read(chunk));
                    states::free(self, chunk);
                }
                State::Taken(_) | State::Owned(_) => {}
            }
        }
    }
}

fn task(number: u32) -> Task {
    Task { image: 1, tid: number }
}

impl Words for Pool {
    type U32 = Word<AtomicU32>;
    type U64 = Word<AtomicU64>;

    fn chunks(&self) -> u32 {
        self.chunks.len() as u32
    }
    fn limit(&self) -> u32 {
        // Never reached.
        self.chunks() + 1
    }
    fn untouched(&self) -> &Self::U32 {
        &self.header[0]
    }
    fn wanted(&self) -> &Self::U32 {
        &self.header[1]
    }
    fn space(&self) -> &Self::U32 {
        &self.header[2]
    }
    fn free_bits(&self) -> &[Self::U64] {
        &self.free
    }
    fn sealed_bits(&self) -> &[Self::U64] {
        &self.sealed
    }
    fn state_word(&self, chunk: u32) -> &Self::U64 {
        &self.chunks[chunk as usize].state
    }
    fn published_word(&self, chunk: u32) -> &Self::U32 {
        &self.chunks[chunk as usize].published
    }
    fn held_word(&self, chunk: u32) -> &Self::U64 {
        &self.chunks[chunk as usize].held
    }
}

/// Tries all orders; those with more than `preemptions` changes from one thread to another only where they are forced.
fn try_all(preemptions: usize, code: impl Fn() + Send + Sync + 'static) {
    let orders = std::sync::Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let count = std::sync::Arc::clone(&orders);
    let mut model = loom::model::Builder::new();
    model.preemption_bound = Some(preemptions);
    model.check(move || {
        count.fetch_add(1, Ordering::Relaxed);
        code();
    });
    println!("{} orders", orders.load(Ordering::Relaxed));
}

#[test]
fn loom_a_chunk_goes_from_hand_to_hand() {
    try_all(3, || {
        let pool = Arc::new(Pool::new(1));
        let other = Arc::clone(&pool);
        let thread = thread::spawn(move || [other.fill(1), other.fill(1)]);
        let mut taken = Vec::new();
        pool.poll(&mut taken);
        pool.poll(&mut taken);
        let filled = thread.join().unwrap();
        pool.poll(&mut taken);
        assert_eq!(taken.len(), filled.iter().filter(|&&it| it).count());
    });
}

#[test]
fn loom_two_threads_never_have_one_chunk() {
    try_all(3, || {
        let pool = Arc::new(Pool::new(1));
        let other = Arc::clone(&pool);
        let thread = thread::spawn(move || other.fill(1));
        let third = Arc::clone(&pool);
        let recorder = thread::spawn(move || {
            let mut taken = Vec::new();
            third.poll(&mut taken);
            taken
        });
        let mine = pool.fill(2);
        let theirs = thread.join().unwrap();
        let mut taken = recorder.join().unwrap();
        pool.poll(&mut taken);
        assert_eq!(taken.len(), usize::from(mine) + usize::from(theirs));
    });
}

/// What is left when the recorder sets the hint of a chunk that somebody is just taking.
#[test]
fn loom_a_hint_too_many() {
    try_all(4, || {
        let pool = Arc::new(Pool::new(1));
        assert!(pool.fill(1));
        pool.free_bits()[0].set(1, Ordering::Relaxed);
        let other = Arc::clone(&pool);
        let thread = thread::spawn(move || other.fill(2));
        let mut taken = Vec::new();
        pool.poll(&mut taken);
        let filled = thread.join().unwrap();
        pool.poll(&mut taken);
        assert_eq!(taken.len(), 1 + usize::from(filled));
        assert!(pool.fill(3), "there is room");
    });
}

#[test]
fn loom_a_thread_is_killed_anywhere() {
    let (mut operations, came_to_its_end) = (0, std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false)));
    while !came_to_its_end.load(Ordering::Relaxed) {
        let end = std::sync::Arc::clone(&came_to_its_end);
        try_all(3, move || {
            let pool = Arc::new(Pool::new(1));
            let other = Arc::clone(&pool);
            let end = std::sync::Arc::clone(&end);
            let thread = thread::spawn(move || {
                if killed_after(operations, || assert!(other.fill(1))) {
                    end.store(true, Ordering::Relaxed);
                }
            });
            // The recorder polls meanwhile.
            let mut taken = Vec::new();
            pool.poll(&mut taken);
            pool.reclaim(&[], &mut taken);
            thread.join().unwrap();
            pool.poll(&mut taken);
            pool.reclaim(&[task(1)], &mut taken);
            assert!(taken.len() <= 1);
            assert!(pool.fill(2), "the chunk has come back");
        });
        operations += 1;
    }
    println!("killed after each of {} operations", operations - 1);
}

/// A clock that shows another time whenever it is read.
struct Ticks(Arc<AtomicU64>);

impl Clock for Ticks {
    fn now_between(&self) -> Stamp {
        // Long turns: a crowd reads the clock for each event.
        Stamp(self.0.fetch_add(1000, Ordering::SeqCst))
    }
}

#[test]
fn loom_stamps_order_what_is_handed_over() {
    for polls in [false, true] {
        try_all(3, move || {
            let word = Arc::new(TurnWord::of(wide(0)));
            let (ticks, given) = (Arc::new(AtomicU64::new(1000)), Arc::new(AtomicU64::new(0)));
            let mut mine = Stamper::new(Ticks(Arc::clone(&ticks)), 0);
            let before = mine.stamp(&word);
            let thread = {
                let (word, ticks, given) = (Arc::clone(&word), Arc::clone(&ticks), Arc::clone(&given));
                thread::spawn(move || {
                    let mut stamper = Stamper::new(Ticks(ticks), 1);
                    stamper.stamp(&word);
                    let was_given = given.load(Ordering::Acquire);
                    (was_given, stamper.stamp(&word))
                })
            };
            if polls {
                word.poll();
            }
            let stamp = mine.stamp(&word);
            assert!(stamp >= before);
            // Published before it is given away.
            given.store(stamp.0, Ordering::Release);
            let (was_given, taken) = thread.join().unwrap();
            assert!(was_given == 0 || was_given <= taken.0, "{was_given} was given before {}", taken.0);
        });
    }
}
