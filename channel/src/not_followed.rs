//! Programs that memprof was to go on in, and could not.

/// Why the library cannot work in a program that is about to be executed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[repr(u32)]
pub enum NotFollowed {
    /// It runs as a user, or under a root directory, for whom the library or the channel is not there.
    OutOfReach = 0,
    /// It is made for another processor, or for the 32-bit mode of this one.
    OtherProcessor = 1,
    /// It has another C library.
    OtherLibrary = 2,
    /// It is linked statically: there is no loader that would load the library.
    Static = 3,
    /// The kernel gives it rights of its own (setuid, capabilities), and the loader ignores what is to be preloaded.
    Privileged = 4,
}

impl NotFollowed {
    /// All reasons, in the order of their numbers.
    pub const ALL: [Self; 5] =
        [Self::OutOfReach, Self::OtherProcessor, Self::OtherLibrary, Self::Static, Self::Privileged];

    /// Whether the loader would complain, on the program's own standard error, of what it is to preload.
    #[must_use]
    pub const fn is_complained_of(self) -> bool {
        matches!(self, Self::OutOfReach | Self::OtherProcessor | Self::OtherLibrary)
    }

    /// The reason in words, of one program or of several.
    #[must_use]
    pub const fn in_words(self) -> &'static str {
        match self {
            Self::OutOfReach => "run as another user, in a container or in another root directory",
            Self::OtherProcessor => "made for another processor",
            Self::OtherLibrary => "with another C library",
            Self::Static => "statically linked",
            Self::Privileged => "with privileges of their own",
        }
    }
}
