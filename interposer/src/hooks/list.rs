//! How hooks are defined, and the list of all.
//!
//! Each module of hooks has one [`hooks!`], and an entry in it is all that a hook is. From it follow the exported
//! function, the real function that is looked up for it, the answer of `dlsym` ([`lookup`](super::lookup)), and the
//! table in docs/architecture.md. A module that is missing in [`MODULES`] does not compile.

use core::ffi::{CStr, c_void};
use core::sync::atomic::AtomicUsize;
use core::sync::atomic::Ordering::Relaxed;

use super::{code, heap, lookup, mapping, program_break, programs, rights, system_call, threads};

/// A function that this library exports, in front of the C library's function of the same name.
pub struct Hook {
    /// Its name in C.
    pub name: &'static CStr,
    /// Where it is.
    pub function: *mut c_void,
    /// Where the address of the real function is stored, if it is looked up under this name.
    pub real: Option<&'static AtomicUsize>,
}

// SAFETY: the pointer is the address of a function, and nobody reads or writes what is there.
unsafe impl Sync for Hook {}

/// Defines the hooks of a module, as functions of C: `calls fn malloc(size: usize) -> *mut c_void { ... }`. The first
/// word says what becomes of the real function:
///
/// - `calls`: it is looked up when the first hook is called, and is then `real::malloc(size)`.
/// - `jumps`: it is looked up as well, and its address is in `real::address::malloc`.
/// - `plain`: nothing is looked up under this name. Old C libraries may have no such function.
///
/// What is looked up must exist wherever there is glibc: see [`symbols`](crate::platform::symbols).
macro_rules! hooks {
    ($(
        $(#[$attribute:meta])*
        $way:ident fn $name:ident($($argument:ident: $type:ty),* $(,)?) $(-> $result:ty)? { $($body:tt)* }
    )*) => {
        $(
            $(#[$attribute])*
            ///
            /// # Safety
            /// As the C function.
            #[cfg_attr(not(test), unsafe(no_mangle))]
            pub unsafe extern "C" fn $name($($argument: $type),*) $(-> $result)? { $($body)* }
        )*

        /// The real functions.
        mod real {
            #[allow(unused_imports, reason = "the types of the arguments, where there are any")]
            use super::*;

            $($crate::hooks::list::real_function! { $way $name($($argument: $type),*) $(-> $result)? })*

            /// Where they are; 0 before they have been looked up.
            #[allow(non_upper_case_globals, reason = "the functions' own names")]
            pub mod address {
                $($crate::hooks::list::real_address! { define $way $name })*
            }
        }

        /// All hooks of this module.
        #[deny(dead_code, reason = "a module whose hooks are not in the list of all")]
        pub static HOOKS: &[$crate::hooks::list::Hook] = &[$(
            $crate::hooks::list::Hook {
                // The text ends with its only NUL, put there by concat.
                name: match core::ffi::CStr::from_bytes_with_nul(concat!(stringify!($name), "\0").as_bytes()) {
                    Ok(name) => name,
                    Err(_) => unreachable!(),
                },
                function: $name as *mut core::ffi::c_void,
                real: $crate::hooks::list::real_address! { of $way $name },
            }
        ),*];
    };
}

/// The real function of a hook that calls it.
macro_rules! real_function {
    (calls $name:ident($($argument:ident: $type:ty),*) $(-> $result:ty)?) => {
        /// The real function of this name. Must not be called before `symbols::resolve` has returned true.
        ///
        /// # Safety
        /// As the C function says.
        #[inline]
        pub unsafe fn $name($($argument: $type),*) $(-> $result)? {
            let address = address::$name.load(core::sync::atomic::Ordering::Relaxed);
            // SAFETY: what was stored there is the address of a C function, whose signature is the hook's.
            let function: unsafe extern "C" fn($($type),*) $(-> $result)? = unsafe { core::mem::transmute(address) };
            // SAFETY: the caller keeps the function's contract.
            unsafe { function($($argument),*) }
        }
    };
    (jumps $($signature:tt)*) => {};
    (plain $($signature:tt)*) => {};
}

/// Where the address of a hook's real function is stored.
macro_rules! real_address {
    (define plain $name:ident) => {};
    (define $way:ident $name:ident) => {
        pub static $name: core::sync::atomic::AtomicUsize = core::sync::atomic::AtomicUsize::new(0);
    };
    (of plain $name:ident) => {
        None
    };
    (of $way:ident $name:ident) => {
        Some(&real::address::$name)
    };
}

pub(super) use {hooks, real_address, real_function};

/// The modules of hooks.
static MODULES: [(&str, &[Hook]); 9] = [
    ("heap.rs", heap::HOOKS),
    ("mapping.rs", mapping::HOOKS),
    ("program_break.rs", program_break::HOOKS),
    ("code.rs", code::HOOKS),
    ("threads.rs", threads::HOOKS),
    ("rights.rs", rights::HOOKS),
    ("system_call.rs", system_call::HOOKS),
    ("programs.rs", programs::HOOKS),
    ("lookup.rs", lookup::HOOKS),
];

/// All hooks.
pub fn all() -> impl Iterator<Item = &'static Hook> {
    MODULES.iter().flat_map(|(_, hooks)| hooks.iter())
}

/// Finds the functions that the hooks are in front of. `next` returns what a name leads to after this library.
pub fn look_up_real_functions(next: impl Fn(&CStr) -> usize) {
    for hook in all() {
        if let Some(address) = hook.real {
            address.store(next(hook.name), Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fmt::Write;

    use super::*;

    /// After a change that is wanted, run the test with `MEMPROF_UPDATE_GOLDEN=1`.
    #[test]
    fn the_docs_list_all_hooks() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/architecture.md");
        let docs = std::fs::read_to_string(path).unwrap();
        let mut table = "| in `hooks/` | functions |\n|---|---|\n".to_owned();
        for (module, hooks) in &MODULES {
            let names: Vec<_> = hooks.iter().map(|hook| format!("`{}`", hook.name.to_str().unwrap())).collect();
            writeln!(table, "| `{module}` | {} |", names.join(", ")).unwrap();
        }
        let start = docs.find("| in `hooks/` |").expect("the table");
        let length = docs[start..].find("\n\n").expect("what follows it") + 1;
        if std::env::var_os("MEMPROF_UPDATE_GOLDEN").is_some() {
            std::fs::write(path, [&docs[..start], &table, &docs[start + length..]].concat()).unwrap();
        } else {
            assert_eq!(docs[start..start + length], table);
        }
    }
}
