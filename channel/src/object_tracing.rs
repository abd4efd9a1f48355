//! Whether allocations of Python's own allocators are recorded.

/// When it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[repr(u32)]
pub enum ObjectTracing {
    /// Never: their arenas count, and large blocks, which come from the C library.
    Never = 0,
    /// Always.
    Always = 1,
    /// Where Python has no global lock. There, all that Python allocates comes from mimalloc, which has set a gibibyte
    /// aside: nothing else would show it.
    #[default]
    FreeThreaded = 2,
}

impl ObjectTracing {
    /// The one with this number. Nobody writes another one.
    #[must_use]
    pub const fn from_number(number: u32) -> Self {
        match number {
            0 => Self::Never,
            1 => Self::Always,
            _ => Self::FreeThreaded,
        }
    }

    /// Whether it is recorded in a Python that has a global lock, or none.
    #[must_use]
    pub const fn holds(self, free_threaded: bool) -> bool {
        match self {
            Self::Never => false,
            Self::Always => true,
            Self::FreeThreaded => free_threaded,
        }
    }
}
