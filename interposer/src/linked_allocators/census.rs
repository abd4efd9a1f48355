//! Which allocators a module has, and which of its functions are to be patched.

use memprof_channel::allocator::Allocator;

use super::functions::{Family, Function};

/// Which families a module has whole: those of which it has functions that allocate and functions that free.
#[derive(Default)]
pub struct Census {
    allocates: [bool; Family::COUNT],
    frees: [bool; Family::COUNT],
    has_unprefixed_jemalloc: bool,
    is_python: bool,
}

impl Census {
    /// Notes a function that the module has.
    pub fn note(&mut self, function: &Function) {
        let Some(family) = function.family else { return };
        if family == Family::UNPREFIXED && !function.is_standard {
            // Operators alone make no allocator: they call somebody's `malloc`.
            self.has_unprefixed_jemalloc |= function.allocator == Allocator::Jemalloc;
            return;
        }
        self.allocates[family.index()] |= function.role.allocates();
        self.frees[family.index()] |= function.role.frees();
    }

    /// Notes that the module has Python's own copy of mimalloc.
    pub fn note_python(&mut self) {
        self.is_python = true;
    }

    /// Whether the module has a family whole.
    pub fn has(&self, family: Family) -> bool {
        !(self.is_python && family == Family::MI) && self.allocates[family.index()] && self.frees[family.index()]
    }

    /// Whether calls of a function are to be recorded where it is, in the program itself or in a library. Functions
    /// with the names of C's are found by their names, unless the program itself has them: its own come first.
    pub fn wants(&self, function: &Function, in_program: bool) -> bool {
        match function.family {
            Some(family) => self.has(family) && (in_program || !function.is_standard),
            None => Family::all().any(|family| self.has(family) && self.allocator(family) == Some(function.allocator)),
        }
    }

    /// The name that reports have for a family of this module; nothing where its functions are called by their own
    /// names.
    pub fn allocator(&self, family: Family) -> Option<Allocator> {
        match family.allocator() {
            None if self.has_unprefixed_jemalloc => Some(Allocator::Jemalloc),
            None if self.has(Family::MI) => Some(Allocator::Mimalloc),
            allocator => allocator,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::linked_allocators::functions::recognise;

    #[test]
    fn a_family_is_used_whole_or_not_at_all() {
        let noted = |names: &[&str]| {
            let mut census = Census::default();
            names.iter().for_each(|name| census.note(&recognise(name.as_bytes()).unwrap()));
            census
        };
        let function = |name: &str| recognise(name.as_bytes()).unwrap();
        let half = noted(&["_rjem_malloc", "_rjem_mallctl", "mi_free"]);
        assert!(!half.wants(&function("_rjem_malloc"), true));
        let mut python = noted(&["mi_malloc", "mi_free"]);
        assert!(python.wants(&function("mi_free"), true));
        python.note_python();
        assert!(!python.wants(&function("mi_free"), true) && !python.wants(&function("mi_process_init"), true));
        let polars = noted(&["_rjem_mallocx", "_rjem_sdallocx"]);
        assert!(polars.wants(&function("_rjem_mallocx"), false));
        assert!(polars.wants(&function("jemalloc_constructor"), false));
        assert!(!polars.wants(&function("mi_process_load"), false));
        // A library's own `malloc` is found by its name, its other functions are not.
        let library = noted(&["malloc", "free", "mallocx", "_Znwm"]);
        assert!(!library.wants(&function("malloc"), false) && library.wants(&function("malloc"), true));
        assert!(library.wants(&function("_Znwm"), false) && library.wants(&function("mallocx"), false));
        assert_eq!(library.allocator(Family::UNPREFIXED), Some(Allocator::Jemalloc));
        assert!(!noted(&["_Znwm", "_ZdlPv"]).wants(&function("_Znwm"), false), "libstdc++ calls malloc");
    }
}
