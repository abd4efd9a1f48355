//! The functions that allocate memory.

/// Makes the list of all allocators: variants, their codes in the channel and in the capture file, which never change
/// and have no gaps, and the names that reports print.
macro_rules! allocators {
    ($($(#[$doc:meta])* $variant:ident = $code:literal, $name:literal;)*) => {
        /// The function that an allocation was made with.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[repr(u8)]
        pub enum Allocator {
            $($(#[$doc])* $variant = $code,)*
        }

        impl Allocator {
            /// Every allocator, by ascending code.
            pub const ALL: [Self; [$($code),*].len()] = [$(Self::$variant),*];

            /// The name that reports print.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$variant => $name,)*
                }
            }
        }
    };
}

allocators! {
    /// `malloc`
    Malloc = 1, "malloc";
    /// `calloc`
    Calloc = 2, "calloc";
    /// `realloc`, for the block that it returns
    Realloc = 3, "realloc";
    /// `posix_memalign`
    PosixMemalign = 4, "posix_memalign";
    /// `aligned_alloc`
    AlignedAlloc = 5, "aligned_alloc";
    /// `memalign`
    Memalign = 6, "memalign";
    /// `valloc`
    Valloc = 7, "valloc";
    /// `pvalloc`
    Pvalloc = 8, "pvalloc";
    /// `mmap` and `mmap64`, of memory that is the program's alone
    Mmap = 9, "mmap";
    /// `mremap`, for what it adds or moves
    Mremap = 10, "mremap";
    /// `PyMem_RawMalloc`, `PyMem_Malloc` and `PyObject_Malloc`, where Python's own allocators are recorded
    PymallocMalloc = 11, "pymalloc_malloc";
    /// `PyMem_RawCalloc` and its like
    PymallocCalloc = 12, "pymalloc_calloc";
    /// `PyMem_RawRealloc` and its like, for the block that they return
    PymallocRealloc = 13, "pymalloc_realloc";
    /// `sbrk` and `brk`, for what they add to the program's data segment
    Sbrk = 14, "sbrk";
    /// A function of jemalloc that is linked into a program or library
    Jemalloc = 15, "jemalloc";
    /// A function of mimalloc that is linked into a program or library
    Mimalloc = 16, "mimalloc";
    /// `mmap` of a file or a device, and what `mremap` makes of that
    MmapFile = 17, "mmap_file";
    /// `mmap` of memory that processes share by a descriptor: a memfd, a file in `/dev/shm`; and what `mremap` makes of
    /// that
    MmapShared = 18, "mmap_shared";
    /// `mmap` of addresses that nobody may touch, and `mprotect` of memory that nobody may touch from then on
    MmapReserved = 19, "mmap_reserved";
    /// `mprotect` of reserved addresses, which makes memory of them
    Mprotect = 20, "mprotect";
}

/// What the names of the functions of a linked allocator begin with, before `malloc`, `free` and the like, and whose
/// they are; nobody's in particular where they are C's own names. A longer one comes before one that it begins with.
pub const LINKED_PREFIXES: [(&[u8], Option<Allocator>); 7] = [
    (b"_rjem_", Some(Allocator::Jemalloc)),
    (b"je_arrow_", Some(Allocator::Jemalloc)),
    (b"jemalloc_", Some(Allocator::Jemalloc)),
    (b"je_", Some(Allocator::Jemalloc)),
    (b"arrow_mi_", Some(Allocator::Mimalloc)),
    (b"mi_", Some(Allocator::Mimalloc)),
    (b"", None),
];

impl Allocator {
    /// The code in the channel and in the capture file.
    #[must_use]
    pub const fn code(self) -> u8 {
        self as u8
    }

    /// The allocator with this code, if there is one.
    #[must_use]
    pub const fn from_code(code: u8) -> Option<Self> {
        if code >= 1 && code as usize <= Self::ALL.len() { Some(Self::ALL[code as usize - 1]) } else { None }
    }

    /// Whether what it allocates are only addresses, and no memory that the program takes: where a file or a device is
    /// mapped, or nothing can be touched.
    #[must_use]
    pub const fn is_address_space(self) -> bool {
        matches!(self, Self::MmapFile | Self::MmapReserved)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_their_own_inverse() {
        for (index, allocator) in Allocator::ALL.into_iter().enumerate() {
            assert_eq!(Allocator::from_code(allocator.code()), Some(allocator));
            assert_eq!(usize::from(allocator.code()), index + 1);
        }
        assert_eq!(Allocator::from_code(0), None);
        assert_eq!(Allocator::from_code(Allocator::ALL.len() as u8 + 1), None);
    }

    #[test]
    fn the_docs_list_their_codes() {
        let docs = include_str!("../../docs/capture-format.md");
        let list = docs.split("Allocators: ").nth(1).and_then(|rest| rest.split('.').next()).expect("the list");
        let listed: Vec<_> =
            list.split(',').map(|entry| entry.split_whitespace().collect::<Vec<_>>().join(" ")).collect();
        assert_eq!(listed, Allocator::ALL.map(|allocator| format!("{} {}", allocator.code(), allocator.name())));
    }
}
