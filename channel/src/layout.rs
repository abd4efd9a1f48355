//! The bytes of the shared pool: a header page, the chunk descriptors, the chunks.
//!
//! Both sides run the same build of this file: the recorder carries the interposer inside it, and the interposer
//! refuses a pool of another [`VERSION`].

use core::mem::size_of;
use core::ops::RangeInclusive;
use core::sync::atomic::{AtomicU32, AtomicU64};

use crate::followed::Followed;
use crate::lifeline::Lifeline;
use crate::not_followed::NotFollowed;
use crate::turns::TurnWord;

/// The first word of a pool.
pub const MAGIC: u64 = u64::from_le_bytes(*b"memprofC");
/// Counts incompatible changes of this layout.
pub const VERSION: u32 = 10;
/// Bytes of one chunk: some thousand events.
pub const CHUNK_BYTES: usize = 16 * 1024;
/// Words of one chunk.
pub const CHUNK_WORDS: usize = CHUNK_BYTES / 8;
/// The most chunks that a pool can have: one bit each in [`PoolHeader::free`].
pub const MAX_CHUNKS: usize = 4096;
/// Chunks of a pool, unless the recorder chooses another number. Every thread holds one, so there must be many. Those
/// that are never taken cost address space only (64 MiB in all), since the lowest are taken first.
pub const DEFAULT_CHUNKS: usize = MAX_CHUNKS;
/// Chunks that may wait for the recorder, unless it chooses another number: 14 MiB, so that a program's resident set
/// grows by no more than 16 MiB with everything else that memprof adds. Beyond that, threads wait for the recorder.
pub const DEFAULT_LIMIT: usize = 896;
/// A thread's own numbers of sites are below this: its table of them takes half a MiB.
pub const MOST_SITES: u32 = 1 << 15;

/// The first page of the pool.
#[repr(C, align(64))]
pub struct PoolHeader {
    /// [`MAGIC`].
    pub magic: u64,
    /// [`VERSION`].
    pub version: u32,
    /// A [`ClockKind`](crate::clock::ClockKind) as a number.
    pub clock: u32,
    /// How many chunks there are.
    pub chunks: u32,
    /// How many of them may be sealed at a time.
    pub limit: u32,
    /// Non-zero: only a process image with a Python interpreter is to be recorded. The shells and shims that run
    /// between `memprof run script.py` and its interpreter, or run it as their child, stay out of the capture.
    pub python_only: u32,
    /// The number of the recorder's pid namespace (the inode of `/proc/PID/ns/pid`); 0 where it is not known.
    pub pid_namespace: u64,
    /// Non-zero: stacks have native frames.
    pub native_stacks: u32,
    /// An [`ObjectTracing`](crate::object_tracing::ObjectTracing) as a number.
    pub python_allocators: u32,
    /// A [`Followed`](crate::followed::Followed) as a number.
    pub followed: u32,
    /// Whether the recorder is still there, for who waits for a free chunk.
    pub recorder: Lifeline,
    /// The process that the recorder started. Written by the process itself between fork and exec.
    pub target_pid: AtomicU32,
    /// The process that records, or 0 before there is one: mostly the target. Where only Python is to be recorded and
    /// the target is a wrapper, it is the first Python among its descendants.
    pub attached_pid: AtomicU32,
    /// Images (one per exec) that have attached so far.
    pub images: AtomicU32,
    /// Threads that have made an event so far: the next [`ThreadId`](crate::ids::ThreadId).
    pub threads_started: AtomicU32,
    /// Chunks from this one on have never been taken.
    pub untouched: AtomicU32,
    /// 1 while the recorder sleeps on this word; a thread that wakes it stores 0.
    pub recorder_sleeps: AtomicU32,
    /// 1 once a thread found no free chunk, until the recorder takes note of it.
    pub wanted: AtomicU32,
    /// Changes whenever chunks were released: what waiting threads sleep on.
    pub space: AtomicU32,
    /// Times that a thread found the pool exhausted.
    pub waits: AtomicU64,
    /// Events that could not be recorded: made by a signal handler that interrupted the recording itself.
    pub skipped: AtomicU64,
    /// Stacks (each counted once a thread) whose native frames end before the thread's first function: code without
    /// unwinding information.
    pub cut_short: AtomicU64,
    /// Stacks, counted likewise, whose Python frames could not be placed among the native ones.
    pub unmerged: AtomicU64,
    /// Stacks that were compared with another unwinder's, and those that differed (`MEMPROF_CHECK_STACKS`).
    pub checked: AtomicU64,
    /// See `checked`.
    pub differing: AtomicU64,
    /// Children of recorded processes that were started and not recorded, since nobody asked for it.
    pub unrecorded_children: AtomicU32,
    /// Allocators that modules bring along and whose functions could not be hooked.
    pub allocators_not_hooked: AtomicU32,
    /// Programs that were executed and could not be recorded, by their [`NotFollowed`] as a number.
    pub not_followed: [AtomicU32; NotFollowed::ALL.len()],
    /// What became of the interpreter: a [`PythonState`] as a number.
    pub python_state: AtomicU32,
    /// Non-zero once the process gave up recording before its end: an [`EarlyStop`](crate::early_stop::EarlyStop) as a
    /// number.
    pub stopped: AtomicU32,
    /// `Py_GetVersion()`, cut to what fits; bytes after the first NUL mean nothing.
    pub python_version: [AtomicU64; 16],
    /// The name of CPython's allocator, likewise.
    pub python_allocator: [AtomicU64; 4],
    /// Whose turn it is to make events.
    pub turn: TurnWord,
    /// One bit per chunk, set while it may be free: [`crate::states`].
    pub free: [AtomicU64; MAX_CHUNKS / 64],
    /// One bit per chunk, set while it waits for the recorder.
    pub sealed: [AtomicU64; MAX_CHUNKS / 64],
}

impl PoolHeader {
    /// Which processes are recorded beside the first one.
    #[must_use]
    pub const fn followed(&self) -> Followed {
        Followed::from_number(self.followed)
    }
}

/// The header's room in the pool.
pub const HEADER_BYTES: usize = 4096;
const _: () = assert!(size_of::<PoolHeader>() <= HEADER_BYTES);

/// Whether native stacks can be read on this machine's processor.
pub const NATIVE_STACKS: bool = cfg!(target_arch = "x86_64");

/// The minor versions of Python 3 whose stacks can be read, in builds with a global lock.
pub const KNOWN_PYTHONS: RangeInclusive<u32> = 9..=15;
/// Those whose stacks can be read in free-threaded builds.
pub const KNOWN_FREE_THREADED: RangeInclusive<u32> = 13..=15;

/// Whether a Python whose `Py_GetVersion()` is this has no global lock.
#[must_use]
pub fn is_free_threaded(version: &[u8]) -> bool {
    const SAID: &[u8] = b"free-threading";
    version.windows(SAID.len()).any(|said| said == SAID)
}

/// What the interposer found out about the process's Python interpreter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum PythonState {
    /// There is none.
    Absent = 0,
    /// Its stacks are read.
    Known = 1,
    /// There is one, of a version or build whose frames memprof cannot read.
    Unknown = 2,
}

impl PythonState {
    /// The state with this number; a number that means nothing counts as `Absent`.
    #[must_use]
    pub const fn from_number(number: u32) -> Self {
        match number {
            1 => Self::Known,
            2 => Self::Unknown,
            _ => Self::Absent,
        }
    }
}

/// What is known about one chunk.
#[repr(C, align(64))]
pub struct ChunkDescriptor {
    /// A [`State`](crate::states::State).
    pub state: AtomicU64,
    /// Words that hold complete records. Stored with release order after the words themselves.
    pub published: AtomicU32,
    /// The thread that fills it.
    pub thread: AtomicU32,
    /// That thread's id in the kernel.
    pub tid: AtomicU32,
    /// How many chunks that thread had filled before.
    pub sequence: AtomicU32,
    /// Which image of the process it belongs to, from 1.
    pub image: AtomicU32,
    /// The process.
    pub pid: AtomicU32,
    /// The thread's name in the kernel (`comm`) when it took the chunk.
    pub name: [AtomicU64; 2],
    /// While not 0: the stamp of a release that is under way, and will be published only after it. What other threads
    /// do with the memory may be published before that.
    pub held: AtomicU64,
}

const _: () = assert!(size_of::<ChunkDescriptor>() == 64);
const _: () = assert!(CHUNK_WORDS < u32::MAX as usize);
const _: () = assert!(DEFAULT_CHUNKS <= MAX_CHUNKS && MAX_CHUNKS.is_multiple_of(64));

/// Where the chunks begin, in bytes from the pool's start: on a page.
#[must_use]
pub const fn chunks_offset(chunks: usize) -> usize {
    (HEADER_BYTES + chunks * size_of::<ChunkDescriptor>()).next_multiple_of(4096)
}

/// Bytes of a pool of `chunks` chunks.
#[must_use]
pub const fn pool_bytes(chunks: usize) -> usize {
    chunks_offset(chunks) + chunks * CHUNK_BYTES
}

/// Stores `text`, cut to what fits, so that other processes can read it at any time.
pub fn store_text(words: &[AtomicU64], text: &[u8]) {
    use core::sync::atomic::Ordering::Release;
    for (index, word) in words.iter().enumerate() {
        let mut bytes = [0; 8];
        let from = (index * 8).min(text.len());
        let to = (index * 8 + 8).min(text.len());
        bytes[..to - from].copy_from_slice(&text[from..to]);
        word.store(u64::from_ne_bytes(bytes), Release);
    }
}

/// Reads what [`store_text`] stored into `out`, and returns the part before the first NUL.
pub fn load_text<'a>(words: &[AtomicU64], out: &'a mut [u8]) -> &'a [u8] {
    use core::sync::atomic::Ordering::Acquire;
    for (word, bytes) in words.iter().zip(out.chunks_exact_mut(8)) {
        bytes.copy_from_slice(&word.load(Acquire).to_ne_bytes());
    }
    let room = out.len().min(words.len() * 8);
    let end = out[..room].iter().position(|&byte| byte == 0).unwrap_or(room);
    &out[..end]
}
