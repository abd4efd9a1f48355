//! What is known about a run, apart from its events.

use memprof_channel::allocator::Allocator;
use memprof_channel::clock::ClockKind;
use memprof_channel::early_stop::EarlyStop;
use memprof_channel::ids::{ModuleId, Stamp};
use memprof_channel::not_followed::NotFollowed;
use memprof_channel::object_tracing::ObjectTracing;
use serde::{Deserialize, Serialize};

/// What is known when the recording starts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Header {
    /// The version of memprof that recorded.
    pub memprof_version: String,
    /// The program and its arguments. Bytes that are not UTF-8 are replaced.
    pub command_line: Vec<String>,
    /// The process that was started.
    pub pid: u32,
    /// Nanoseconds since 1970, UTC.
    pub start_unix_ns: u64,
    /// The same moment on the recording's clock.
    pub start: ClockPoint,
    /// The clock of all stamps.
    pub clock: ClockKind,
    /// Bytes of a page.
    pub page_size: u32,
    /// Operating system and architecture, such as `linux-x86_64`.
    pub machine: String,
    /// Whether native stacks are recorded.
    pub native_stacks: bool,
    /// Whether CPython's own allocators are recorded.
    pub python_allocators_traced: ObjectTracing,
}

/// One moment on two clocks: what turns stamps into seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClockPoint {
    /// On the recording's clock.
    pub stamp: Stamp,
    /// Nanoseconds of `CLOCK_MONOTONIC`.
    pub monotonic_ns: u64,
}

/// What turned out while the program ran.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Fact {
    /// The process image number `image` (from 1) began at `stamp`; all memory of the one before it is gone.
    Image {
        /// Counts the images of the process.
        image: u32,
        /// When its first event could have happened.
        stamp: Stamp,
        /// The process that runs it. A wrapper may have started it as a child of its own.
        pid: u32,
    },
    /// The image runs this Python.
    Python {
        /// As `Py_GetVersion()` has it, up to the first blank: `3.11.7`; with a `t` after it where there is no global
        /// lock.
        version: String,
        /// The name of its allocator (`pymalloc`, `malloc`, ...); empty when the program ended before it was known.
        allocator: String,
        /// Whether memprof can read the stacks of this version.
        stacks: bool,
    },
    /// How the names of a module's frames were found. A later fact about a module replaces an earlier one.
    ModuleSymbols {
        /// The module.
        module: ModuleId,
        /// How.
        source: SymbolSource,
    },
    /// How native stacks were captured. The last one counts.
    NativeStacks {
        /// Stacks (each counted once a thread) whose native frames end before the thread's first function.
        cut_short: u64,
        /// Stacks, counted likewise, whose Python frames could not be placed among the native ones.
        unmerged: u64,
        /// Stacks that were compared with another unwinder's.
        checked: u64,
        /// Those among them that differed.
        differing: u64,
    },
    /// The process that an image belongs to. Images of one process follow each other, by `exec`; those of several
    /// processes (`--follow-fork`) run side by side.
    Process {
        /// The image.
        image: u32,
        /// The process.
        pid: u32,
        /// The process that started it.
        parent: u32,
        /// The image that it was copied from by `fork`; nothing where it began as a new program.
        forked_from: Option<u32>,
        /// Its arguments at that moment. Bytes that are not UTF-8 are replaced.
        command_line: Vec<String>,
    },
    /// The process that runs the image ended: what was live is leaked, and gone.
    ProcessEnded {
        /// Its last image.
        image: u32,
        /// When, as the recorder saw it: a few milliseconds late.
        at: Stamp,
    },
    /// A module has an allocator linked into it, and no symbols that say where: that is seen as the mappings it makes.
    HiddenAllocator {
        /// The module.
        module: ModuleId,
        /// The allocator.
        allocator: LinkedAllocator,
    },
    /// What could not be read of the captures that this one was made of.
    Lost {
        /// Chunks.
        chunks: u64,
        /// Events in them.
        events: u64,
        /// Bytes outside of any chunk.
        bytes: u64,
        /// References to rows that were not there.
        references: u64,
    },
    /// What the program started, and is not in the capture.
    NotRecorded(NotRecorded),
    /// Tables of stacks and sites may have equal rows: those that the recorder had evicted when they came again. Only
    /// in files; readers make them one.
    RowsRepeat,
}

/// Processes and programs that a program started, and allocators that it had, that were not recorded.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct NotRecorded {
    /// Children, where none were to be recorded.
    pub children: u32,
    /// Microseconds of processor time that the program's children used, as far as it waited for them; part of
    /// [`Summary::cpu_us`]. 0 where children were recorded.
    pub children_cpu_us: u64,
    /// Programs that were executed and could not be recorded: why, and how many of them.
    pub programs: Vec<(NotFollowed, u32)>,
    /// Allocators that the program or its libraries bring along and whose functions could not be hooked.
    pub allocators: u32,
}

/// An allocator that programs and libraries link into themselves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum LinkedAllocator {
    /// jemalloc
    Jemalloc,
    /// mimalloc
    Mimalloc,
}

impl LinkedAllocator {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Jemalloc, Self::Mimalloc];

    /// How reports call it.
    pub const fn name(self) -> &'static str {
        self.in_events().name()
    }

    /// How events call it.
    pub const fn in_events(self) -> Allocator {
        match self {
            Self::Jemalloc => Allocator::Jemalloc,
            Self::Mimalloc => Allocator::Mimalloc,
        }
    }
}

/// Where a module's names come from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum SymbolSource {
    /// Debugging information in this file: functions, files, lines, inlined functions.
    DebugInformation(String),
    /// The symbol table of this file: functions only.
    SymbolTable(String),
    /// The file that was found at the module's path is another build: nothing was taken from it.
    OtherBuild(String),
    /// There is no file at the module's path, and none in the folders for debugging information.
    Missing,
    /// This file could not be read, for this reason.
    Unreadable(String, String),
    /// The file has neither debugging information nor a symbol table that knows any of the frames.
    Nameless,
}

/// The memory that the kernel counts for the process, at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RssSample {
    /// When.
    pub at: ClockPoint,
    /// The resident set, in bytes.
    pub bytes: u64,
}

/// What is known when the recording ends. A file without one was cut off.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Summary {
    /// The end.
    pub end: ClockPoint,
    /// How the program ended.
    pub exit: Exit,
    /// Microseconds of processor time that the program used, user and system, as the kernel counts it.
    pub cpu_us: u64,
    /// The largest resident set, in bytes, as the kernel counts it.
    pub peak_rss_bytes: u64,
    /// Times that a thread waited because the recorder could not keep up.
    pub channel_waits: u64,
    /// Events that could not be recorded.
    pub skipped_events: u64,
    /// Why the program gave up recording before it ended, if it did.
    pub stopped: Option<EarlyStop>,
    /// Chunks of the channel that could not be decoded: zero unless the program wrote over the recorder's memory.
    pub damaged_chunks: u64,
}

/// How a program ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Exit {
    /// With this exit status.
    Status(i32),
    /// By this signal.
    Signal(i32),
}

impl Exit {
    /// As an exit status: a signal's number counts from 128.
    #[must_use]
    pub const fn as_shells_have_it(self) -> i32 {
        match self {
            Self::Status(status) => status,
            Self::Signal(signal) => 128 + signal,
        }
    }
}
