//! Functions of languages' standard libraries that only pass a request for memory on: `operator new`, allocators of
//! containers. Rows list memory under the function that asked for it, not under these.

/// How names begin of CPython's functions that do nothing else.
const PYTHON: [&str; 8] = [
    "PyMem_",
    "_PyMem_",
    "PyObject_Malloc",
    "PyObject_Calloc",
    "PyObject_Realloc",
    "_PyObject_Malloc",
    "_PyObject_Calloc",
    "_PyObject_Realloc",
];

/// How names begin of Rust's functions that do nothing else, and call nothing of the program's but its allocator. The
/// names are demangled.
const RUST: [&str; 14] = [
    "__rust_alloc",
    "__rust_realloc",
    "__rustc::__rust_",
    "__rustc::__rdl_",
    "__rustc::__rg_",
    "__rdl_",
    "__rg_",
    "alloc::alloc::",
    "<alloc::alloc::",
    "alloc::raw_vec::",
    "<alloc::raw_vec::",
    "std::alloc::System",
    "<std::alloc::System",
    "std::sys::alloc::",
];

/// How names begin of C++ functions that do nothing else.
const CPP: [&str; 2] = ["operator new", "void* __gnu_cxx::__alloc"];

/// How names begin of C++ allocators, whose member `allocate` is meant.
const ALLOCATORS: [&str; 6] = [
    "std::allocator<",
    "std::allocator_traits<",
    "std::__new_allocator<",
    "__gnu_cxx::new_allocator<",
    "__gnu_cxx::__alloc_traits<",
    "std::pmr::polymorphic_allocator<",
];

/// How names begin of the C++ classes by whose `allocate` containers call an allocator that the program may have
/// brought along.
const CPP_ENTRIES: [&str; 3] =
    ["std::allocator_traits<", "__gnu_cxx::__alloc_traits<", "std::pmr::polymorphic_allocator<"];

/// A function of an implementation of this trait is an allocator's, whatever it is called.
const RUST_ALLOCATOR: &str = "core::alloc::global::GlobalAlloc";

/// Whether a native function only passes a request for memory on.
pub(crate) fn passes_on(function: &str) -> bool {
    begins(function, &CPP)
        || begins(function, &PYTHON)
        || begins(function, &RUST)
        || (begins(function, &ALLOCATORS) && function.contains(">::allocate"))
        // `std::_Vector_base<...>::_M_allocate`, `std::__detail::_Hashtable_alloc<...>::_M_allocate_node`.
        || (function.starts_with("std::") && function.contains(">::_M_allocate"))
}

/// Whether what a native function calls belongs to an allocator. That is more than an allocator's own functions:
/// compilers turn calls into jumps, and the first functions of an allocator of the program's may be missing in a stack.
pub(crate) fn enters_allocator(function: &str) -> bool {
    begins(function, &RUST)
        || is_rust_allocator(function)
        || function.starts_with("operator new")
        || (begins(function, &CPP_ENTRIES) && function.contains(">::allocate"))
}

fn begins(function: &str, starts: &[&str]) -> bool {
    starts.iter().any(|start| function.starts_with(start))
}

/// `<app::Counting as core::alloc::global::GlobalAlloc>::alloc`, and the trait's own `alloc_zeroed` and `realloc`.
fn is_rust_allocator(function: &str) -> bool {
    let Some((before, method)) = function.rsplit_once("::") else { return false };
    matches!(method, "alloc" | "alloc_zeroed" | "realloc")
        && (before == RUST_ALLOCATOR
            || before.strip_suffix('>').is_some_and(|before| {
                before.strip_suffix(RUST_ALLOCATOR).is_some_and(|before| before.ends_with(" as "))
                    || before.contains("<impl core::alloc::global::GlobalAlloc for ")
            }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_asks_differs_from_who_passes_on() {
        for name in [
            "operator new(unsigned long)",
            "operator new[](unsigned long, std::align_val_t)",
            "std::__new_allocator<int>::allocate(unsigned long, void const*)",
            "std::_Vector_base<int, std::allocator<int> >::_M_allocate(unsigned long)",
            "std::allocator_traits<std::allocator<Node> >::allocate(std::allocator<Node>&, unsigned long)",
            "_PyMem_RawMalloc",
            "alloc::alloc::exchange_malloc",
            "<alloc::alloc::Global as core::alloc::Allocator>::allocate",
            "alloc::raw_vec::RawVecInner<A>::try_allocate_in",
            "__rustc::__rust_alloc",
        ] {
            assert!(passes_on(name), "{name}");
        }
        for name in [
            "operatornew",
            "std::vector<int, std::allocator<int> >::push_back(int const&)",
            "my::allocator<int>::allocate(unsigned long)",
            "alloc::vec::Vec<T,A>::push",
            "alloc::string::String::clone",
            "main",
        ] {
            assert!(!passes_on(name), "{name}");
        }
    }
    #[test]
    fn where_allocators_begin() {
        for name in [
            "operator new(unsigned long)",
            "std::allocator_traits<Pool<int> >::allocate(Pool<int>&, unsigned long)",
            "__rustc::__rust_alloc",
            "__rg_alloc",
            "alloc::raw_vec::RawVecInner<A>::try_allocate_in",
            "<tikv_jemallocator::Jemalloc as core::alloc::global::GlobalAlloc>::alloc",
            "<app::Counting<app::Limits> as core::alloc::global::GlobalAlloc>::realloc",
            "std::sys::alloc::unix::<impl core::alloc::global::GlobalAlloc for std::alloc::System>::alloc",
            "core::alloc::global::GlobalAlloc::alloc_zeroed",
        ] {
            assert!(enters_allocator(name), "{name}");
        }
        for name in [
            "std::allocator_traits<Pool<int> >::construct<int>(Pool<int>&, int*)",
            // It makes what the node holds, too.
            "std::__detail::_Hashtable_alloc<Pool<int> >::_M_allocate_node<int const&>(int const&)",
            "Pool<int>::allocate(unsigned long)",
            "alloc::vec::Vec<T>::with_capacity",
            "<app::Counting as core::alloc::global::GlobalAlloc>::alloc::{closure#0}",
            "<app::Counting as core::fmt::Debug>::fmt",
            "app::statistics::alloc",
        ] {
            assert!(!enters_allocator(name), "{name}");
        }
    }
}
