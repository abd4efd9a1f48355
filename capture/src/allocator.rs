//! The functions that hand out memory.

/// The function that an allocation was made with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Allocator {
    /// `malloc`
    Malloc = 1,
    /// `calloc`
    Calloc = 2,
    /// `realloc`, for the block that it returns
    Realloc = 3,
    /// `posix_memalign`
    PosixMemalign = 4,
    /// `aligned_alloc`
    AlignedAlloc = 5,
    /// `memalign`
    Memalign = 6,
    /// `valloc`
    Valloc = 7,
    /// `pvalloc`
    Pvalloc = 8,
    /// `mmap` and `mmap64`, of memory that is the program's alone
    Mmap = 9,
    /// `mremap`, for what it adds or moves
    Mremap = 10,
    /// `PyMem_RawMalloc`, `PyMem_Malloc` and `PyObject_Malloc`, where Python's own allocators are recorded
    PymallocMalloc = 11,
    /// `PyMem_RawCalloc` and its like
    PymallocCalloc = 12,
    /// `PyMem_RawRealloc` and its like, for the block that they return
    PymallocRealloc = 13,
    /// `sbrk` and `brk`, for what they add to the program's data segment
    Sbrk = 14,
    /// A function of jemalloc that is linked into a program or library
    Jemalloc = 15,
    /// A function of mimalloc that is linked into a program or library
    Mimalloc = 16,
    /// `mmap` of a file or a device, and what `mremap` makes of that
    MmapFile = 17,
    /// `mmap` of memory that processes share by a descriptor: a memfd, a file in `/dev/shm`; and what `mremap` makes of that
    MmapShared = 18,
    /// `mmap` of addresses that nobody may touch, and `mprotect` of memory that nobody may touch from then on
    MmapReserved = 19,
    /// `mprotect` of reserved addresses, which makes memory of them
    Mprotect = 20,
}

/// What the names of the functions of a linked allocator begin with, before `malloc`, `free` and the like, and whose they
/// are; nobody's in particular where they are C's own names. A longer one stands before one that it begins with.
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
    /// Every allocator, by ascending code.
    pub const ALL: [Self; 20] = [
        Self::Malloc,
        Self::Calloc,
        Self::Realloc,
        Self::PosixMemalign,
        Self::AlignedAlloc,
        Self::Memalign,
        Self::Valloc,
        Self::Pvalloc,
        Self::Mmap,
        Self::Mremap,
        Self::PymallocMalloc,
        Self::PymallocCalloc,
        Self::PymallocRealloc,
        Self::Sbrk,
        Self::Jemalloc,
        Self::Mimalloc,
        Self::MmapFile,
        Self::MmapShared,
        Self::MmapReserved,
        Self::Mprotect,
    ];

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

    /// Whether what it hands out are only addresses, and no memory that the program takes: where a file or a device can be seen,
    /// or nothing can be touched.
    #[must_use]
    pub const fn is_address_space(self) -> bool {
        matches!(self, Self::MmapFile | Self::MmapReserved)
    }

    /// The name that reports print.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Malloc => "malloc",
            Self::Calloc => "calloc",
            Self::Realloc => "realloc",
            Self::PosixMemalign => "posix_memalign",
            Self::AlignedAlloc => "aligned_alloc",
            Self::Memalign => "memalign",
            Self::Valloc => "valloc",
            Self::Pvalloc => "pvalloc",
            Self::Mmap => "mmap",
            Self::Mremap => "mremap",
            Self::PymallocMalloc => "pymalloc_malloc",
            Self::PymallocCalloc => "pymalloc_calloc",
            Self::PymallocRealloc => "pymalloc_realloc",
            Self::Sbrk => "sbrk",
            Self::Jemalloc => "jemalloc",
            Self::Mimalloc => "mimalloc",
            Self::MmapFile => "mmap_file",
            Self::MmapShared => "mmap_shared",
            Self::MmapReserved => "mmap_reserved",
            Self::Mprotect => "mprotect",
        }
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
        assert_eq!(Allocator::from_code(21), None);
    }
}
