//! Where the interpreter's functions and objects are.

use core::ffi::CStr;
use core::ops::Range;

use crate::platform::loaded_modules::{LoadedModule, address_of};

/// Addresses; 0 of what a version or build does not export.
#[derive(Clone, Copy, Debug)]
pub struct Symbols {
    /// The module that has them.
    pub module: (usize, usize),
    /// `Py_GetVersion`
    pub version: usize,
    /// `PyGILState_GetThisThreadState`
    pub own_state: usize,
    /// `PyThreadState_GetUnchecked`, or, as it was called before, `_PyThreadState_UncheckedGet`
    pub current_state: usize,
    /// `PyCode_Type`
    pub code_type: usize,
    /// `PyUnicode_Type`
    pub text_type: usize,
    /// `_PyRuntime`
    pub runtime: usize,
    /// `_PyEval_EvalFrameDefault`
    pub evaluate: usize,
    /// `PyMem_GetAllocator`
    pub get_allocator: usize,
    /// `PyMem_SetAllocator`
    pub set_allocator: usize,
    /// `Py_IsInitialized`
    pub is_initialized: usize,
    /// `_PyMem_GetCurrentAllocatorName`
    pub allocator_name: usize,
}

impl Symbols {
    /// Looks for an interpreter among modules. Its symbols need not be visible to others: a library that was loaded
    /// with `RTLD_LOCAL` is found, too.
    pub fn find(modules: &[LoadedModule]) -> Option<Self> {
        let (module, exports) = modules.iter().find_map(|module| {
            let exports = module.exports()?;
            exports.find(c"Py_GetVersion").zip(exports.find(c"PyGILState_GetThisThreadState"))?;
            Some((module, exports))
        })?;
        let function = |name: &CStr| exports.find(name).unwrap_or(0);
        // An object of a library may have been copied into the program, which comes first.
        let object = |name: &CStr| address_of(modules, name);
        let Range { start, end } = module.range();
        Some(Self {
            module: (start, end),
            version: function(c"Py_GetVersion"),
            own_state: function(c"PyGILState_GetThisThreadState"),
            current_state: match function(c"PyThreadState_GetUnchecked") {
                0 => function(c"_PyThreadState_UncheckedGet"),
                found => found,
            },
            code_type: object(c"PyCode_Type"),
            text_type: object(c"PyUnicode_Type"),
            runtime: object(c"_PyRuntime"),
            evaluate: function(c"_PyEval_EvalFrameDefault"),
            get_allocator: function(c"PyMem_GetAllocator"),
            set_allocator: function(c"PyMem_SetAllocator"),
            is_initialized: function(c"Py_IsInitialized"),
            allocator_name: function(c"_PyMem_GetCurrentAllocatorName"),
        })
    }
}
