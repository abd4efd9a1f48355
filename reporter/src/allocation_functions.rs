//! Functions of languages' standard libraries that only pass a request for memory on: `operator new`, allocators of
//! containers. Rows list memory under the function that asked for it, not under these.

/// How names begin of functions that do nothing else. The names are demangled.
const PREFIXES: [&str; 22] = [
    // C++
    "operator new",
    "void* __gnu_cxx::__alloc",
    // CPython
    "PyMem_",
    "_PyMem_",
    "PyObject_Malloc",
    "PyObject_Calloc",
    "PyObject_Realloc",
    "_PyObject_Malloc",
    "_PyObject_Calloc",
    "_PyObject_Realloc",
    // Rust
    "__rust_alloc",
    "__rust_realloc",
    "__rustc::__rust_",
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

/// How names begin of C++ allocators, whose member `allocate` is meant.
const ALLOCATORS: [&str; 6] = [
    "std::allocator<",
    "std::allocator_traits<",
    "std::__new_allocator<",
    "__gnu_cxx::new_allocator<",
    "__gnu_cxx::__alloc_traits<",
    "std::pmr::polymorphic_allocator<",
];

/// Whether a native function only passes a request for memory on.
pub(crate) fn passes_on(function: &str) -> bool {
    let starts_with = |start: &&str| function.starts_with(*start);
    PREFIXES.iter().any(starts_with)
        || (ALLOCATORS.iter().any(starts_with) && function.contains(">::allocate"))
        // `std::_Vector_base<...>::_M_allocate`, `std::__detail::_Hashtable_alloc<...>::_M_allocate_node`.
        || (function.starts_with("std::") && function.contains(">::_M_allocate"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_asks_is_told_from_who_passes_on() {
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
}
