//! Why a recording ended before its program.

/// Why a program gave up recording and went on without it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[repr(u32)]
pub enum EarlyStop {
    /// Nobody drained the channel any more.
    RecorderGone = 1,
    /// The kernel gave no more memory for the interposer's own tables.
    OutOfMemory = 2,
    /// Every chunk of the channel was some living thread's own.
    TooManyThreads = 3,
    /// The program gave up the right to read the processor's clock, or to all system calls but a few.
    Forbidden = 4,
}

impl EarlyStop {
    /// The reason with this number, if there is one.
    #[must_use]
    pub const fn from_number(number: u32) -> Option<Self> {
        match number {
            1 => Some(Self::RecorderGone),
            2 => Some(Self::OutOfMemory),
            3 => Some(Self::TooManyThreads),
            4 => Some(Self::Forbidden),
            _ => None,
        }
    }

    /// The reason in words, to follow "recording stopped before the program ended: ".
    #[must_use]
    pub const fn in_words(self) -> &'static str {
        match self {
            Self::RecorderGone => "the recorder was gone",
            Self::OutOfMemory => "there was no memory for memprof's own tables",
            Self::Forbidden => "the program gave up the right to what recording needs (PR_SET_TSC or strict seccomp)",
            Self::TooManyThreads => {
                "there were more threads at a time than memprof can record (4096, or fewer under a limit on address space)"
            }
        }
    }
}

const _: () = assert!(crate::layout::DEFAULT_CHUNKS == 4096, "in_words says how many threads there can be");
