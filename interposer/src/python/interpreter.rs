//! The Python interpreter of this process.

use core::ffi::{CStr, c_char, c_void};
use core::mem::transmute;
use core::sync::atomic::AtomicUsize;
use core::sync::atomic::Ordering::{AcqRel, Acquire, Relaxed};

use super::allocators::AllocatorFunctions;
use super::codes::CodeTable;
use super::layout::{Layout, minor_version, object};
use crate::platform::real;
use crate::stacks::activations::ActivationSource;
use crate::unwind::call_frame_information::function_range;

type ThreadStateFunction = unsafe extern "C" fn() -> usize;

/// What of an interpreter is needed to read its stacks.
pub struct Interpreter {
    /// Where its fields are.
    pub layout: Layout,
    /// How its activations are found on the C stack.
    pub activations: ActivationSource,
    /// `PyCode_Type`.
    pub code_type: usize,
    /// The code objects that were described.
    pub codes: CodeTable,
    /// `PyGILState_GetThisThreadState`: the calling thread's own state, whether or not it holds the GIL.
    own_state: ThreadStateFunction,
    /// From 3.12, the state that is current in the calling thread: in a sub-interpreter another one than `own_state`.
    /// Before 3.12 the function of this name returns the state of whatever thread holds the GIL.
    current_state: Option<ThreadStateFunction>,
    /// Its functions that have to do with allocators.
    pub allocators: Option<AllocatorFunctions>,
}

/// What a process has in the way of an interpreter.
#[expect(clippy::large_enum_variant, reason = "there is one, for a moment, and no heap to put it on")]
pub enum Found {
    /// None.
    Nothing,
    /// One that memprof can read, and its version as text.
    Known(Interpreter, &'static [u8]),
    /// One that it cannot read, likewise.
    Unknown(&'static [u8]),
}

/// The address of one of the interpreter's functions or objects; 0 where it is not there, of which no trace remains.
pub(super) fn symbol(name: &CStr) -> usize {
    real::look_up(libc::RTLD_DEFAULT, name) as usize
}

fn function(name: &CStr) -> Option<ThreadStateFunction> {
    let address = symbol(name);
    // SAFETY: the names that are asked for are those of C functions without arguments that return a pointer.
    (address != 0).then(|| unsafe { transmute::<usize, ThreadStateFunction>(address) })
}

/// Looks for the interpreter among the libraries that are loaded.
pub fn find() -> Found {
    let version = symbol(c"Py_GetVersion");
    let Some(own_state) = function(c"PyGILState_GetThisThreadState") else { return Found::Nothing };
    if version == 0 {
        return Found::Nothing;
    }
    // SAFETY: `const char *Py_GetVersion(void)` may be called before the interpreter is initialised; what it returns is
    // static. It writes to a buffer of its own and allocates nothing.
    let version = unsafe {
        let version = transmute::<usize, unsafe extern "C" fn() -> *const c_char>(version);
        CStr::from_ptr(version()).to_bytes()
    };
    let code_type = symbol(c"PyCode_Type");
    let Some((minor, layout)) = minor_version(version).and_then(|minor| Some((minor, Layout::of(minor)?))) else {
        return Found::Unknown(version);
    };
    // SAFETY: PyCode_Type, where it exists, is a static type object.
    if code_type == 0 || !unsafe { is_code_type(code_type, &layout) } {
        return Found::Unknown(version);
    }
    let current_state = match minor {
        ..12 => None,
        12 => function(c"_PyThreadState_UncheckedGet"),
        _ => function(c"PyThreadState_GetUnchecked"),
    };
    let allocators = AllocatorFunctions::find(minor);
    let codes = CodeTable::new();
    let activations = activations(minor, &layout);
    Found::Known(Interpreter { layout, activations, code_type, codes, own_state, current_state, allocators }, version)
}

/// How this version's activations are found.
fn activations(minor: u32, layout: &Layout) -> ActivationSource {
    let previous = layout.control_previous;
    match (minor, layout.control_current) {
        (..10, _) => {
            let function = symbol(c"_PyEval_EvalFrameDefault");
            ActivationSource::Function(function_range(function).unwrap_or(0..0))
        }
        (10, _) => ActivationSource::ControlFrames { previous },
        (11, Some(current)) => ActivationSource::ControlFramesWithCurrent { previous, current },
        _ => ActivationSource::EntryFrames,
    }
}

/// An address within the interpreter; 0 where there is none.
pub fn address() -> usize {
    symbol(c"Py_GetVersion")
}

/// Whether the type looks as the layout says: its name, and the size of its objects.
///
/// # Safety
/// `code_type` is the address of a type object.
unsafe fn is_code_type(code_type: usize, layout: &Layout) -> bool {
    // SAFETY: these fields are part of every type object, and are initialised statically.
    unsafe {
        let name = *((code_type + object::TYPE_NAME) as *const *const c_char);
        let size = *((code_type + object::TYPE_BASIC_SIZE) as *const usize);
        !name.is_null() && CStr::from_ptr(name) == c"code" && layout.fits(size)
    }
}

impl Interpreter {
    /// The calling thread's `PyThreadState`, or zero.
    #[inline]
    pub fn thread_state(&self) -> usize {
        // SAFETY: both functions may be called by any thread at any time, also before the interpreter is initialised and
        // after it is finalised: they read thread-specific data, and return null when there is none.
        unsafe {
            if let Some(current) = self.current_state {
                let state = current();
                if state != 0 {
                    return state;
                }
            }
            (self.own_state)()
        }
    }

    /// The name of the allocator behind `PyMem_Malloc` and `PyObject_Malloc`. To be called once the interpreter runs.
    pub fn allocator_name(&self) -> &'static [u8] {
        self.allocators.as_ref().map_or(b"", AllocatorFunctions::current_name)
    }

    /// Puts [`code_dies`] before the interpreter's own function for dying code objects.
    pub fn watch_deaths(&'static self) {
        let slot = (self.code_type + object::TYPE_DEALLOC) as *const AtomicUsize;
        // SAFETY: the slot is an aligned pointer in a type object, which is writable: the interpreter itself fills in
        // parts of it. It is swapped in one step, before the interpreter runs.
        let own = unsafe { (*slot).swap(code_dies as *const () as usize, AcqRel) };
        OWN_DEALLOC.store(own, Relaxed);
        WATCHED.store(core::ptr::from_ref(self) as usize, core::sync::atomic::Ordering::Release);
    }
}

static OWN_DEALLOC: AtomicUsize = AtomicUsize::new(0);
static WATCHED: AtomicUsize = AtomicUsize::new(0);

unsafe extern "C" fn code_dies(code: *mut c_void) {
    let watched = WATCHED.load(Acquire) as *const Interpreter;
    if !watched.is_null() {
        // SAFETY: `watch_deaths` stored the address of an interpreter that lives forever.
        unsafe { (*watched).codes.forget(code as usize) };
    }
    // SAFETY: this is the function that was in the slot, a `destructor`.
    unsafe {
        let own = transmute::<usize, unsafe extern "C" fn(*mut c_void)>(OWN_DEALLOC.load(Relaxed));
        own(code);
    }
}
