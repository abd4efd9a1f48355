//! The pool of chunks, seen from both sides.

use core::sync::atomic::Ordering::{Acquire, Relaxed};
use core::sync::atomic::{AtomicU32, AtomicU64};

use crate::author::Author;
use crate::clock::ClockKind;
use crate::followed::Followed;
use crate::layout::{
    CHUNK_BYTES, CHUNK_WORDS, ChunkDescriptor, HEADER_BYTES, MAGIC, MAX_CHUNKS, PoolHeader, VERSION, chunks_offset,
    pool_bytes,
};
use crate::object_tracing::ObjectTracing;
use crate::states::{self, State, Task, Words};

/// A chunk of the pool.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ChunkIndex(u32);

/// A mapped pool. A handle: copying it copies no memory.
///
/// What changes in shared memory is only ever accessed through atomics, except that a chunk's one owner writes its
/// words plainly, and the recorder reads them after they have been published. What does not change, the pool's
/// settings, is read when it is taken up.
#[derive(Clone, Copy)]
pub struct Pool {
    base: *mut u8,
    chunks: u32,
    limit: u32,
    clock: ClockKind,
}

// SAFETY: the memory at `base` stays mapped for the handle's life (the contract of `create` and `attach`). What several
// threads touch in it through the handle is atomic; the words of a chunk are to be had as an address only.
unsafe impl Send for Pool {}
// SAFETY: as above.
unsafe impl Sync for Pool {}

/// What a pool is made for.
#[derive(Clone, Copy, Debug)]
pub struct PoolSettings {
    /// How many chunks.
    pub chunks: usize,
    /// How many of them may be sealed at a time.
    pub limit: u32,
    /// The clock of all stamps.
    pub clock: ClockKind,
    /// Whether only images with a Python interpreter are recorded.
    pub python_only: bool,
    /// Whether stacks have native frames.
    pub native_stacks: bool,
    /// Whether Python's own allocators are recorded as well.
    pub python_allocators: ObjectTracing,
    /// Which processes are recorded beside the first one.
    pub followed: Followed,
    /// The recorder's pid namespace: see [`PoolHeader::pid_namespace`].
    pub pid_namespace: u64,
}

/// Why a mapping is not a pool that this build can use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotAPool {
    /// It is shorter than its own header says, or does not start like a pool.
    Foreign,
    /// It was made by another version of memprof.
    OtherVersion(u32),
}

impl Pool {
    /// Lays out a new pool of `chunks` chunks, of which `limit` may be sealed at a time, in zeroed memory.
    ///
    /// # Safety
    /// `base` is the page-aligned start of `pool_bytes(settings.chunks)` zero bytes that stay mapped, readable and
    /// writable as long as any copy of the handle is used, and nobody else uses them yet.
    #[must_use]
    pub unsafe fn create(base: *mut u8, settings: &PoolSettings) -> Self {
        let chunks = settings.chunks;
        assert!(chunks > 0 && chunks <= MAX_CHUNKS, "a pool has 1 to {MAX_CHUNKS} chunks");
        let pool = Self { base, chunks: chunks as u32, limit: settings.limit, clock: settings.clock };
        let header = base.cast::<PoolHeader>();
        // SAFETY: the caller gives this function sole use of the memory; the header lies at its start.
        unsafe {
            (*header).version = VERSION;
            (*header).clock = settings.clock as u32;
            (*header).chunks = chunks as u32;
            (*header).limit = settings.limit;
            (*header).python_only = u32::from(settings.python_only);
            (*header).native_stacks = u32::from(settings.native_stacks);
            (*header).python_allocators = settings.python_allocators as u32;
            (*header).followed = settings.followed as u32;
            (*header).pid_namespace = settings.pid_namespace;
            (*header).magic = MAGIC;
        }
        for chunk in 0..chunks {
            pool.header().free[chunk / 64].fetch_or(1 << (chunk % 64), Relaxed);
        }
        pool
    }

    /// Takes up a pool that another process created.
    ///
    /// # Errors
    /// When the memory does not hold a pool of this version.
    ///
    /// # Safety
    /// `base` is the page-aligned start of `length` bytes of shared memory that stay mapped, readable and writable as
    /// long as any copy of the handle is used.
    pub unsafe fn attach(base: *mut u8, length: usize) -> Result<Self, NotAPool> {
        if length < HEADER_BYTES {
            return Err(NotAPool::Foreign);
        }
        // SAFETY: the header's fields that are read here are written before the pool is shared, and then never again.
        let (magic, version, chunks, limit, clock) = unsafe {
            let header = base.cast::<PoolHeader>();
            ((*header).magic, (*header).version, (*header).chunks, (*header).limit, (*header).clock)
        };
        if magic != MAGIC {
            return Err(NotAPool::Foreign);
        }
        if version != VERSION {
            return Err(NotAPool::OtherVersion(version));
        }
        if chunks == 0 || chunks as usize > MAX_CHUNKS || pool_bytes(chunks as usize) > length {
            return Err(NotAPool::Foreign);
        }
        let clock = ClockKind::from_number(clock).ok_or(NotAPool::Foreign)?;
        Ok(Self { base, chunks, limit, clock })
    }

    /// The header.
    #[inline]
    #[must_use]
    pub fn header(&self) -> &PoolHeader {
        // SAFETY: `base` points to a laid-out header; what changes in it is atomic. Its plain fields are written before
        // the pool is shared. A program that has gone wild may write to them, too; any number is a valid one.
        unsafe { &*self.base.cast::<PoolHeader>() }
    }

    /// The clock that stamps are read from.
    #[must_use]
    pub const fn clock(&self) -> ClockKind {
        self.clock
    }

    /// All chunks that have ever been taken.
    pub fn chunks(&self) -> impl Iterator<Item = ChunkIndex> + use<> {
        (0..states::touched(self)).map(ChunkIndex)
    }

    /// What is known about a chunk.
    #[inline]
    #[must_use]
    pub fn descriptor(&self, chunk: ChunkIndex) -> &ChunkDescriptor {
        debug_assert!(chunk.0 < self.chunks, "a chunk of another pool");
        // SAFETY: a ChunkIndex is below its pool's number of chunks, whatever the header says by now. The descriptors
        // follow the header, and all that is in them is atomic.
        unsafe { &*self.base.add(HEADER_BYTES).cast::<ChunkDescriptor>().add(chunk.0 as usize) }
    }

    /// The first word of a chunk.
    #[must_use]
    pub fn words(&self, chunk: ChunkIndex) -> *mut u64 {
        debug_assert!(chunk.0 < self.chunks, "a chunk of another pool");
        // SAFETY: the offset lies within the pool, for the same reason.
        unsafe { self.base.add(chunks_offset(self.chunks as usize) + chunk.0 as usize * CHUNK_BYTES).cast() }
    }

    /// Takes a free chunk, unless too many wait for the recorder or there is none. The lowest is preferred: chunks in
    /// use stay few, and warm in the cache.
    #[must_use]
    pub fn try_take(&self, task: Task) -> Option<ChunkIndex> {
        states::try_take(self, task).map(ChunkIndex)
    }

    /// Makes a taken chunk the thread's own: empty, and visible to the recorder.
    pub fn own(&self, chunk: ChunkIndex, author: &Author, sequence: u32) {
        let descriptor = self.descriptor(chunk);
        states::own(self, chunk.0, author.task(), || {
            descriptor.thread.store(author.thread, Relaxed);
            descriptor.tid.store(author.tid, Relaxed);
            descriptor.sequence.store(sequence, Relaxed);
            descriptor.image.store(author.image, Relaxed);
            descriptor.pid.store(author.pid, Relaxed);
            crate::layout::store_text(&descriptor.name, &author.name);
        });
    }

    /// Publishes the first `count` words of a chunk of the thread's own, which it has written.
    #[inline]
    pub fn publish(&self, chunk: ChunkIndex, count: usize) {
        states::publish(self, chunk.0, count as u32);
    }

    /// Says, in a chunk of the thread's own, that a release is under way whose stamp is `stamp`; 0: there is none any
    /// more.
    #[inline]
    pub fn hold(&self, chunk: ChunkIndex, stamp: u64) {
        states::hold(self, chunk.0, stamp);
    }

    /// Hands a complete chunk to the recorder. Returns whether the recorder sleeps and should be woken, because a good
    /// part of the pool waits for it.
    pub fn seal(&self, chunk: ChunkIndex) -> bool {
        states::seal(self, chunk.0);
        self.header().recorder_sleeps.load(Acquire) != 0 && states::waiting(self) * 4 >= self.limit
    }

    /// How many chunks wait for the recorder.
    #[must_use]
    pub fn waiting(&self) -> u32 {
        states::waiting(self)
    }

    /// Whether a chunk is sealed; if so, everything that its thread wrote to it is visible.
    #[must_use]
    pub fn is_sealed(&self, chunk: ChunkIndex) -> bool {
        states::is_sealed(self, chunk.0)
    }

    /// Whether a chunk holds records, complete or not.
    #[must_use]
    pub fn is_in_use(&self, chunk: ChunkIndex) -> bool {
        states::is_in_use(self, chunk.0)
    }

    /// A chunk's state.
    #[must_use]
    pub fn state(&self, chunk: ChunkIndex) -> State {
        states::state(self, chunk.0)
    }

    /// How many words of a chunk are published: complete records, which no thread writes to again before the chunk is
    /// free.
    #[must_use]
    pub fn published(&self, chunk: ChunkIndex) -> usize {
        states::published(self, chunk.0)
    }

    /// Copies the first `count` of a chunk's published words to the end of `words`.
    pub fn copy_words(&self, chunk: ChunkIndex, count: usize, words: &mut Vec<u64>) {
        let (start, count) = (self.words(chunk), count.min(CHUNK_WORDS));
        // SAFETY: the words lie within the chunk. Their owner wrote them before it published them. No reference to
        // plain memory is made of them, because a program that has gone wild can write to them at any time.
        words.extend((0..count).map(|index| unsafe { AtomicU64::from_ptr(start.add(index)) }.load(Relaxed)));
    }

    /// Releases a drained chunk. Whoever waits for one has to be woken after that.
    pub fn free(&self, chunk: ChunkIndex) {
        states::free(self, chunk.0);
    }

    /// Releases a chunk that a task has taken, and has not made its own before it ended.
    pub fn release(&self, chunk: ChunkIndex, gone: Task) {
        states::release(self, chunk.0, gone);
    }

    /// Lets threads find a chunk, if it is free and was hidden from them by one that was killed.
    pub fn offer(&self, chunk: ChunkIndex) {
        states::offer(self, chunk.0);
    }

    /// Says that a thread has found no free chunk.
    pub fn want(&self) {
        states::want(self);
    }

    /// Whether a thread has found no free chunk since this was asked the last time.
    #[must_use]
    pub fn is_wanted(&self) -> bool {
        states::is_wanted(self)
    }
}

impl Words for Pool {
    type U32 = AtomicU32;
    type U64 = AtomicU64;

    #[inline(always)]
    fn chunks(&self) -> u32 {
        self.chunks
    }
    #[inline(always)]
    fn limit(&self) -> u32 {
        self.limit
    }
    #[inline(always)]
    fn untouched(&self) -> &AtomicU32 {
        &self.header().untouched
    }
    #[inline(always)]
    fn wanted(&self) -> &AtomicU32 {
        &self.header().wanted
    }
    #[inline(always)]
    fn space(&self) -> &AtomicU32 {
        &self.header().space
    }
    #[inline(always)]
    fn free_bits(&self) -> &[AtomicU64] {
        &self.header().free
    }
    #[inline(always)]
    fn sealed_bits(&self) -> &[AtomicU64] {
        &self.header().sealed
    }
    #[inline(always)]
    fn state_word(&self, chunk: u32) -> &AtomicU64 {
        &self.descriptor(ChunkIndex(chunk)).state
    }
    #[inline(always)]
    fn published_word(&self, chunk: u32) -> &AtomicU32 {
        &self.descriptor(ChunkIndex(chunk)).published
    }
    #[inline(always)]
    fn held_word(&self, chunk: u32) -> &AtomicU64 {
        &self.descriptor(ChunkIndex(chunk)).held
    }
}

/// Sleeps until `word` no longer holds `expected`, somebody wakes it, or the time is over.
pub fn futex_wait(word: &AtomicU32, expected: u32, timeout: core::time::Duration) {
    let time =
        libc::timespec { tv_sec: timeout.as_secs() as libc::time_t, tv_nsec: timeout.subsec_nanos() as libc::c_long };
    // SAFETY: `word` outlives the call, and `time` is a valid timespec. A failure is a reason to check again, as a wake
    // is.
    unsafe { libc::syscall(libc::SYS_futex, word.as_ptr(), libc::FUTEX_WAIT, expected, &raw const time) };
}

/// Wakes whoever sleeps on `word`, in any process that maps it.
pub fn futex_wake(word: &AtomicU32) {
    // SAFETY: FUTEX_WAKE only takes the word's address.
    unsafe { libc::syscall(libc::SYS_futex, word.as_ptr(), libc::FUTEX_WAKE, i32::MAX) };
}
