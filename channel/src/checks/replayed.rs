//! Words on which code runs one step at a time: it begins again for each step, and gets what it has read before.

use std::cell::{Cell, RefCell};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::rc::Rc;
use std::sync::atomic::Ordering;

use crate::atomic::Atomic;
use crate::states::Words;

/// How far code may run.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Run {
    /// One operation further.
    Step,
    /// To its end.
    ToTheEnd,
}

#[derive(Default)]
struct Shared {
    /// What the words hold.
    memory: RefCell<Vec<u64>>,
    /// What the operations have returned.
    history: RefCell<Vec<u64>>,
    /// How many of them the code has made, in this run.
    at: Cell<usize>,
    /// How many more there can be.
    left: Cell<usize>,
}

/// One word.
pub struct Word {
    shared: Rc<Shared>,
    index: usize,
    /// It always reads 0, and is no step: nobody's decisions depend on it.
    is_ignored: bool,
}

struct Paused;

impl Word {
    fn step(&self, operation: impl FnOnce(&mut u64) -> u64) -> u64 {
        if self.is_ignored {
            return 0;
        }
        let Shared { memory, history, at, left } = &*self.shared;
        let now = at.replace(at.get() + 1);
        if let Some(&known) = history.borrow().get(now) {
            return known;
        }
        if left.get() == 0 {
            resume_unwind(Box::new(Paused));
        }
        left.set(left.get() - 1);
        let result = operation(&mut memory.borrow_mut()[self.index]);
        history.borrow_mut().push(result);
        result
    }
}

impl Word {
    /// A step that returns nothing.
    fn change(&self, change: impl FnOnce(u64) -> u64) {
        self.step(|word| {
            *word = change(*word);
            0
        });
    }
}

macro_rules! steps {
    ($value:ty) => {
        impl Atomic<$value> for Word {
            fn load(&self, _: Ordering) -> $value {
                self.step(|word| *word) as $value
            }
            fn store(&self, value: $value, _: Ordering) {
                self.change(|_| value.into());
            }
            fn swap(&self, value: $value, _: Ordering) -> $value {
                self.step(|word| std::mem::replace(word, value.into())) as $value
            }
            fn add(&self, value: $value, _: Ordering) {
                self.change(|word| (word as $value).wrapping_add(value).into());
            }
            fn raise(&self, value: $value, _: Ordering) {
                self.change(|word| word.max(value.into()));
            }
            fn set(&self, bits: $value, _: Ordering) {
                self.change(|word| word | u64::from(bits));
            }
            fn fetch_and(&self, bits: $value, _: Ordering) -> $value {
                self.step(|word| std::mem::replace(word, *word & u64::from(bits))) as $value
            }
            fn compare_exchange(&self, old: $value, new: $value, _: Ordering, _: Ordering) -> Result<$value, $value> {
                let was = self.step(|word| {
                    let was = *word;
                    if was == u64::from(old) {
                        *word = new.into();
                    }
                    was
                }) as $value;
                if was == old { Ok(was) } else { Err(was) }
            }
        }
    };
}

steps!(u32);
#[allow(clippy::useless_conversion, clippy::unnecessary_cast, reason = "the same text for both widths")]
mod wide {
    use super::{Atomic, Ordering, Word};
    steps!(u64);
}

/// A pool of such words.
pub struct Replayed {
    shared: Rc<Shared>,
    chunks: u32,
    limit: u32,
    header: [Word; 3],
    free: [Word; 1],
    sealed: [Word; 1],
    states: Vec<Word>,
    published: Vec<Word>,
    held: Vec<Word>,
    dead: Vec<Word>,
}

const UNTOUCHED: usize = 0;
const WANTED: usize = 1;
const FREE: usize = 2;
const SEALED: usize = 3;
const FIRST_STATE: usize = 4;

impl Replayed {
    /// A pool of this many chunks, and what is known of this many threads.
    pub fn new(chunks: u32, limit: u32, threads: usize) -> Self {
        let shared = Rc::new(Shared::default());
        let word = |index, is_ignored| Word { shared: Rc::clone(&shared), index, is_ignored };
        let many = |from: usize, count: usize| (from..from + count).map(|index| word(index, false)).collect();
        let count = chunks as usize;
        Self {
            chunks,
            limit,
            header: [word(UNTOUCHED, false), word(WANTED, false), word(0, true)],
            free: [word(FREE, false)],
            sealed: [word(SEALED, false)],
            states: many(FIRST_STATE, count),
            published: many(FIRST_STATE + count, count),
            held: (0..count).map(|_| word(0, true)).collect(),
            dead: many(FIRST_STATE + 2 * count, threads),
            shared,
        }
    }

    /// What the words of a fresh pool hold.
    pub fn fresh(&self) -> Vec<u64> {
        let mut memory = vec![0; FIRST_STATE + 2 * self.states.len() + self.dead.len()];
        memory[FREE] = (1 << self.chunks) - 1;
        memory
    }

    /// Runs code on `memory` that has made the operations in `history`. Returns what it returns, if it has come to its
    /// end.
    pub fn run<R>(
        &self,
        memory: &mut Vec<u64>,
        history: &mut Vec<u64>,
        run: Run,
        code: impl FnOnce(&Self) -> R,
    ) -> Option<R> {
        let shared = &self.shared;
        shared.memory.swap(&RefCell::new(std::mem::take(memory)));
        shared.history.swap(&RefCell::new(std::mem::take(history)));
        shared.at.set(0);
        shared.left.set(if run == Run::Step { 1 } else { usize::MAX });
        let result = catch_unwind(AssertUnwindSafe(|| code(self)));
        *memory = shared.memory.take();
        *history = shared.history.take();
        result
            .map_err(|panic| {
                if !panic.is::<Paused>() {
                    resume_unwind(panic)
                }
            })
            .ok()
    }

    /// Which chunks may be free.
    pub fn hints(&self) -> u64 {
        Atomic::<u64>::load(&self.free[0], Ordering::Relaxed)
    }

    /// Whether a thread has been killed, as the kernel says.
    pub fn is_dead(&self, thread: u32) -> bool {
        Atomic::<u32>::load(&self.dead[thread as usize], Ordering::Relaxed) != 0
    }

    /// Enters in `memory` that a thread has been killed.
    pub fn kill(&self, memory: &mut [u64], thread: u32) {
        memory[self.dead[thread as usize].index] = 1;
    }

    /// The words of a chunk's state in `memory`, and whether its bits in `free` and `sealed` are set.
    pub fn chunk(&self, memory: &[u64], chunk: u32) -> (u64, bool, bool) {
        let bit = |word: usize| memory[word] & 1 << chunk != 0;
        (memory[FIRST_STATE + chunk as usize], bit(FREE), bit(SEALED))
    }
}

impl Words for Replayed {
    type U32 = Word;
    type U64 = Word;

    fn chunks(&self) -> u32 {
        self.chunks
    }
    fn limit(&self) -> u32 {
        self.limit
    }
    fn untouched(&self) -> &Word {
        &self.header[0]
    }
    fn wanted(&self) -> &Word {
        &self.header[1]
    }
    fn space(&self) -> &Word {
        &self.header[2]
    }
    fn free_bits(&self) -> &[Word] {
        &self.free
    }
    fn sealed_bits(&self) -> &[Word] {
        &self.sealed
    }
    fn state_word(&self, chunk: u32) -> &Word {
        &self.states[chunk as usize]
    }
    fn published_word(&self, chunk: u32) -> &Word {
        &self.published[chunk as usize]
    }
    fn held_word(&self, chunk: u32) -> &Word {
        &self.held[chunk as usize]
    }
}
