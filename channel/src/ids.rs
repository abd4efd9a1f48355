//! Dense identifiers and quantities. Each is a newtype, so that a stack can never be taken for a frame, nor a time for
//! an address.

macro_rules! dense_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
        #[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
        #[repr(transparent)]
        pub struct $name(pub u32);

        impl $name {
            /// The identifier as an index into the table that it counts.
            #[must_use]
            pub const fn index(self) -> usize {
                self.0 as usize
            }

            /// The identifier of the table's row `index`.
            ///
            /// # Panics
            /// When the table has more than `u32::MAX` rows.
            #[must_use]
            pub fn from_index(index: usize) -> Self {
                Self(u32::try_from(index).expect("a table of a capture holds at most u32::MAX rows"))
            }
        }
    };
}

dense_id! {
    /// A thread of the recorded process, in the order in which threads made their first allocation. Never reused.
    ThreadId
}
dense_id! {
    /// A Python code object, described once in the capture.
    CodeId
}
dense_id! {
    /// A file of native code that was loaded: the program, a library.
    ModuleId
}
dense_id! {
    /// A place in the program: an instruction of a code object or of a module.
    FrameId
}
dense_id! {
    /// A whole stack: a node of the trie of stacks. Node 0 is the empty stack.
    StackId
}
dense_id! {
    /// A stack together with the allocator that it called: what an allocation is attributed to.
    SiteId
}
dense_id! {
    /// A part of a file or of shared memory, from some byte on, that was mapped.
    PartId
}

impl StackId {
    /// The stack without a frame: the root of the trie.
    pub const EMPTY: Self = Self(0);
}

/// An address in the recorded process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
#[repr(transparent)]
pub struct Address(pub u64);

/// A moment, in units of the recording's [`Clock`](crate::clock::ClockKind): raw ticks shifted right. Comparable
/// between threads.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[repr(transparent)]
pub struct Stamp(pub u64);
