//! Which functions belong to an allocator, by their names, and what each of them does with its arguments.

use memprof_channel::allocator::{Allocator, LINKED_PREFIXES as PREFIXES};

/// What a function does, and which of its arguments say how much and what.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Returns a block, or null.
    Allocates(Size),
    /// Returns a copy of a text.
    CopiesText,
    /// `posix_memalign`: leaves a block where the first argument points to, of the third argument's size.
    AllocatesInto,
    /// Frees a block.
    Frees { block: u8 },
    /// Returns the block that replaces another one, or null.
    Reallocates { block: u8, size: Size, frees_on_failure: bool },
    /// `xallocx`: makes the block of the first argument as large as the second, and if possible by the third larger.
    /// Returns the size that it then has.
    Resizes,
    /// Makes the block of the first argument as large as the second, where it is. Returns null if it cannot.
    Expands,
    /// Neither, but it maps and unmaps memory for the allocator's own purposes.
    Internal,
}

/// The arguments that say how large a block is to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Size {
    /// This one.
    Of(u8),
    /// This one and the next one, multiplied.
    Product(u8),
}

impl Size {
    /// The size that the arguments of a call say.
    #[inline]
    pub fn among(self, arguments: &[usize; 5]) -> usize {
        match self {
            Self::Of(at) => arguments[usize::from(at)],
            Self::Product(at) => arguments[usize::from(at)].saturating_mul(arguments[usize::from(at) + 1]),
        }
    }

    const fn shifted(self) -> Self {
        match self {
            Self::Of(at) => Self::Of(at + 1),
            Self::Product(at) => Self::Product(at + 1),
        }
    }
}

impl Role {
    /// Of the same function with a heap as one more argument in front.
    const fn of_a_heap(self) -> Option<Self> {
        match self {
            Self::Allocates(size) => Some(Self::Allocates(size.shifted())),
            Self::Reallocates { block, size, frees_on_failure } => {
                Some(Self::Reallocates { block: block + 1, size: size.shifted(), frees_on_failure })
            }
            Self::CopiesText => Some(self),
            // There are none, or something else has that name: `mi_heap_free` frees a heap.
            Self::AllocatesInto | Self::Frees { .. } | Self::Resizes | Self::Expands | Self::Internal => None,
        }
    }

    /// Whether it returns new blocks.
    pub const fn allocates(self) -> bool {
        matches!(self, Self::Allocates(_) | Self::AllocatesInto)
    }

    /// Whether it only frees blocks.
    pub const fn frees(self) -> bool {
        matches!(self, Self::Frees { .. })
    }
}

use Role::{Allocates, AllocatesInto, CopiesText, Expands, Frees, Internal, Resizes};
use Size::{Of, Product};

const fn reallocates(size: Size) -> Role {
    Role::Reallocates { block: 0, size, frees_on_failure: false }
}

const FREES: Role = Frees { block: 0 };

/// The functions of C, which also exist under names that begin with a prefix.
const STANDARD: &[(&[u8], Role, Allocator)] = &[
    (b"malloc", Allocates(Of(0)), Allocator::Malloc),
    (b"calloc", Allocates(Product(0)), Allocator::Calloc),
    (b"realloc", reallocates(Of(1)), Allocator::Realloc),
    (b"free", FREES, Allocator::Malloc),
    (b"posix_memalign", AllocatesInto, Allocator::PosixMemalign),
    (b"aligned_alloc", Allocates(Of(1)), Allocator::AlignedAlloc),
    (b"memalign", Allocates(Of(1)), Allocator::Memalign),
    (b"valloc", Allocates(Of(0)), Allocator::Valloc),
    (b"pvalloc", Allocates(Of(0)), Allocator::Pvalloc),
    (b"cfree", FREES, Allocator::Malloc),
    (b"free_sized", FREES, Allocator::Malloc),
    (b"free_aligned_sized", FREES, Allocator::Malloc),
];

/// What jemalloc has besides, with the same prefix.
const JEMALLOC: &[(&[u8], Role)] = &[
    (b"mallocx", Allocates(Of(0))),
    (b"rallocx", reallocates(Of(1))),
    (b"xallocx", Resizes),
    (b"dallocx", FREES),
    (b"sdallocx", FREES),
    (b"mallctl", Internal),
    (b"mallctlbymib", Internal),
    (b"malloc_stats_print", Internal),
    (b"je_tsd_cleanup", Internal),
    (b"private_je_tsd_cleanup", Internal),
];

/// Functions of jemalloc that have no prefix, whatever the others have.
const JEMALLOC_OWN: &[&[u8]] = &[b"jemalloc_constructor", b"background_thread_entry"];

/// What mimalloc has, after `mi_`. With `heap_` or `theap_` in between, the heap is the first argument.
const MIMALLOC: &[(&[u8], Role)] = &[
    (b"zalloc", Allocates(Of(0))),
    (b"malloc_small", Allocates(Of(0))),
    (b"zalloc_small", Allocates(Of(0))),
    (b"mallocn", Allocates(Product(0))),
    (b"malloc_aligned", Allocates(Of(0))),
    (b"malloc_aligned_at", Allocates(Of(0))),
    (b"zalloc_aligned", Allocates(Of(0))),
    (b"zalloc_aligned_at", Allocates(Of(0))),
    (b"calloc_aligned", Allocates(Product(0))),
    (b"calloc_aligned_at", Allocates(Product(0))),
    (b"new", Allocates(Of(0))),
    (b"new_n", Allocates(Product(0))),
    (b"new_nothrow", Allocates(Of(0))),
    (b"new_aligned", Allocates(Of(0))),
    (b"new_aligned_nothrow", Allocates(Of(0))),
    (b"alloc_new", Allocates(Of(0))),
    (b"alloc_new_n", Allocates(Product(0))),
    (b"strdup", CopiesText),
    (b"strndup", CopiesText),
    (b"reallocf", Role::Reallocates { block: 0, size: Of(1), frees_on_failure: true }),
    (b"reallocn", reallocates(Product(1))),
    (b"rezalloc", reallocates(Of(1))),
    (b"recalloc", reallocates(Product(1))),
    (b"realloc_aligned", reallocates(Of(1))),
    (b"realloc_aligned_at", reallocates(Of(1))),
    (b"rezalloc_aligned", reallocates(Of(1))),
    (b"rezalloc_aligned_at", reallocates(Of(1))),
    (b"recalloc_aligned", reallocates(Product(1))),
    (b"new_realloc", reallocates(Of(1))),
    (b"new_reallocn", reallocates(Product(1))),
    (b"expand", Expands),
    (b"free_size", FREES),
    (b"free_aligned", FREES),
    (b"free_size_aligned", FREES),
    (b"free_small", FREES),
    (b"collect", Internal),
    (b"reserve_os_memory", Internal),
];

/// Functions of mimalloc, by their whole names, that run when processes and threads start and end, and those that make
/// and drop heaps.
const MIMALLOC_OWN: &[&[u8]] = &[
    b"mi_process_load",
    b"_mi_process_load",
    b"mi_process_init",
    b"_mi_process_init",
    b"mi_process_init_once",
    b"mi_process_attach",
    b"_mi_auto_process_init",
    b"mi_process_done",
    b"mi_thread_init",
    b"mi_thread_done",
    b"_mi_thread_done",
    b"mi_pthread_done",
    b"mi_heap_new",
    b"mi_heap_delete",
    b"mi_heap_destroy",
    b"mi_heap_collect",
];

/// A function of Python's own copy of mimalloc. Python's compiler inlines that into its callers, so that patches would
/// see half of the calls. Whoever wants to see Python's objects traces Python's allocators.
pub const PYTHON_MIMALLOC: &[u8] = b"_PyMem_MiMalloc";

/// `new` and `delete` of C++ (Itanium ABI), which an allocator may bring along with `malloc`.
const OPERATORS: &[(&[u8], Role)] = &[
    (b"_Znwm", Allocates(Of(0))),
    (b"_Znam", Allocates(Of(0))),
    (b"_ZnwmRKSt9nothrow_t", Allocates(Of(0))),
    (b"_ZnamRKSt9nothrow_t", Allocates(Of(0))),
    (b"_ZnwmSt11align_val_t", Allocates(Of(0))),
    (b"_ZnamSt11align_val_t", Allocates(Of(0))),
    (b"_ZnwmSt11align_val_tRKSt9nothrow_t", Allocates(Of(0))),
    (b"_ZnamSt11align_val_tRKSt9nothrow_t", Allocates(Of(0))),
    (b"_ZdlPv", FREES),
    (b"_ZdaPv", FREES),
    (b"_ZdlPvm", FREES),
    (b"_ZdaPvm", FREES),
    (b"_ZdlPvRKSt9nothrow_t", FREES),
    (b"_ZdaPvRKSt9nothrow_t", FREES),
    (b"_ZdlPvSt11align_val_t", FREES),
    (b"_ZdaPvSt11align_val_t", FREES),
    (b"_ZdlPvmSt11align_val_t", FREES),
    (b"_ZdaPvmSt11align_val_t", FREES),
    (b"_ZdlPvSt11align_val_tRKSt9nothrow_t", FREES),
    (b"_ZdaPvSt11align_val_tRKSt9nothrow_t", FREES),
];

/// The functions of one allocator in one module: those that share a prefix.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Family(usize);

impl Family {
    /// How many there may be.
    pub const COUNT: usize = PREFIXES.len();
    /// Functions that have the names of C's and C++'s.
    pub const UNPREFIXED: Self = Self(PREFIXES.len() - 1);
    /// mimalloc under its own names.
    pub const MI: Self = Self(PREFIXES.len() - 2);

    /// Its place among all.
    pub const fn index(self) -> usize {
        self.0
    }

    /// All of them.
    pub fn all() -> impl Iterator<Item = Self> {
        (0..Self::COUNT).map(Self)
    }

    /// The name that reports have for it; nothing where it is called as the functions are.
    pub const fn allocator(self) -> Option<Allocator> {
        PREFIXES[self.0].1
    }
}

/// What a name says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Function {
    /// What the function does.
    pub role: Role,
    /// The family that it belongs to; nothing for what belongs to every allocator of this name in its module.
    pub family: Option<Family>,
    /// The allocator that it is part of; by its function, where its name says no more.
    pub allocator: Allocator,
    /// Whether it has the name of one of C's functions, so that calls come to the library that is preloaded.
    pub is_standard: bool,
}

/// The longest name that has a meaning here.
pub const LONGEST_NAME: usize = 40;

/// What the names begin with. By that alone, most symbols are found to have no meaning here.
const BEGINNINGS: [[u8; 4]; 19] = [
    *b"_rje", *b"jema", *b"arro", *b"_mi_", *b"mall", *b"call", *b"real", *b"free", *b"posi", *b"alig", *b"mema",
    *b"vall", *b"pval", *b"cfre", *b"rall", *b"xall", *b"dall", *b"sdal", *b"back",
];

/// Whether a name that begins so may have a meaning.
#[inline]
pub fn may_begin(beginning: [u8; 4]) -> bool {
    match beginning {
        [b'_', b'Z', b'n', b'w' | b'a'] | [b'_', b'Z', b'd', b'l' | b'a'] => true,
        [b'm', b'i', b'_', _] | [b'j', b'e', b'_', _] | [b'_', b'P', b'y', b'M'] => true,
        [b'_', b'Z', ..] => false,
        _ => BEGINNINGS.contains(&beginning),
    }
}

/// The function of a name, if it belongs to an allocator.
pub fn recognise(name: &[u8]) -> Option<Function> {
    let own = |allocator| Function { role: Internal, family: None, allocator, is_standard: false };
    if JEMALLOC_OWN.contains(&name) {
        return Some(own(Allocator::Jemalloc));
    }
    if MIMALLOC_OWN.contains(&name) {
        return Some(own(Allocator::Mimalloc));
    }
    Family::all().find_map(|family| {
        let rest = name.strip_prefix(PREFIXES[family.0].0)?;
        let (role, allocator, is_standard) = match family.allocator() {
            Some(Allocator::Mimalloc) => (of_mimalloc(rest)?, Allocator::Mimalloc, false),
            Some(allocator) => (of_jemalloc(rest)?, allocator, false),
            None => unprefixed(name)?,
        };
        Some(Function { role, family: Some(family), allocator, is_standard })
    })
}

fn standard(name: &[u8]) -> Option<(Role, Allocator)> {
    STANDARD.iter().find(|(known, ..)| *known == name).map(|&(_, role, allocator)| (role, allocator))
}

fn among(functions: &[(&[u8], Role)], name: &[u8]) -> Option<Role> {
    functions.iter().find(|(known, _)| *known == name).map(|&(_, role)| role)
}

fn of_jemalloc(name: &[u8]) -> Option<Role> {
    standard(name).map(|(role, _)| role).or_else(|| among(JEMALLOC, name))
}

fn of_mimalloc(name: &[u8]) -> Option<Role> {
    let of_a_heap = name.strip_prefix(b"heap_").or_else(|| name.strip_prefix(b"theap_"));
    let plain = |name| standard(name).map(|(role, _)| role).or_else(|| among(MIMALLOC, name));
    match of_a_heap {
        Some(name) => plain(name)?.of_a_heap(),
        None => plain(name),
    }
}

fn unprefixed(name: &[u8]) -> Option<(Role, Allocator, bool)> {
    if let Some((role, allocator)) = standard(name) {
        return Some((role, allocator, true));
    }
    if let Some(role) = among(OPERATORS, name) {
        return Some((role, Allocator::Malloc, false));
    }
    among(JEMALLOC, name).map(|role| (role, Allocator::Jemalloc, false))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn role(name: &str) -> Option<Role> {
        recognise(name.as_bytes()).map(|function| function.role)
    }

    #[test]
    fn names_are_distinguished() {
        assert_eq!(role("_rjem_mallocx"), Some(Allocates(Of(0))));
        assert_eq!(role("je_arrow_sdallocx"), Some(FREES));
        assert_eq!(role("je_arrow_private_je_tsd_cleanup"), Some(Internal));
        assert_eq!(role("mi_calloc_aligned"), Some(Allocates(Product(0))));
        assert_eq!(role("mi_heap_calloc"), Some(Allocates(Product(1))));
        assert_eq!(
            role("mi_theap_realloc"),
            Some(Role::Reallocates { block: 1, size: Of(2), frees_on_failure: false })
        );
        assert_eq!(role("mi_heap_delete"), Some(Internal));
        assert_eq!(role("arrow_mi_free"), Some(FREES));
        assert_eq!(role("_ZdlPvm"), Some(FREES));
        for other in
            ["_rjem_je_malloc", "mi_free_generic_mt", "mi_heap_free", "arrow_malloc", "mi_", "", "mallocate", "_Znwmm"]
        {
            assert_eq!(role(other), None, "{other}");
        }
    }

    #[test]
    fn every_name_passes_the_first_check() {
        let prefixed = |names: &mut dyn Iterator<Item = &'static [u8]>, family: &'static [u8]| {
            for name in names {
                let name = [family, name].concat();
                assert!(recognise(&name).is_some() && name.len() <= LONGEST_NAME);
                assert!(may_begin(name[..4].try_into().unwrap()), "{}", name.escape_ascii());
            }
        };
        let standard = || STANDARD.iter().map(|(name, ..)| *name);
        for family in Family::all() {
            let text = PREFIXES[family.0].0;
            prefixed(&mut standard(), text);
            match family.allocator() {
                Some(Allocator::Mimalloc) => prefixed(&mut MIMALLOC.iter().map(|(name, _)| *name), text),
                _ => prefixed(&mut JEMALLOC.iter().map(|(name, _)| *name).filter(|name| name.len() < 9), text),
            }
        }
        prefixed(&mut OPERATORS.iter().map(|(name, _)| *name), b"");
        assert!(may_begin(*PYTHON_MIMALLOC.first_chunk().unwrap()));
        prefixed(&mut JEMALLOC_OWN.iter().chain(MIMALLOC_OWN).copied(), b"");
    }
}
