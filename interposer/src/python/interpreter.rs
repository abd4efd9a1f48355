//! The Python interpreter of this process.

use core::ffi::{CStr, c_char, c_void};
use core::mem::transmute;
use core::sync::atomic::Ordering::{AcqRel, Acquire, Relaxed, Release};
use core::sync::atomic::{AtomicPtr, AtomicU32, AtomicUsize};

use super::allocator_functions::AllocatorFunctions;
use super::codes::CodeTable;
use super::debug_offsets::{Table, WORDS};
use super::first_frame;
use super::free_threads::{Detached, FreeThreads};
use super::layout::Layout;
use super::symbols::Symbols;
use super::thread_states::{Current, Reading};
use super::versions::{self, Source, Version};
use crate::lock::Recording;
use crate::platform::memory::OwnMemory;
use crate::stacks::activations::ActivationSource;
use crate::unwind::call_frame_information::function_range;

type ThreadStateFunction = unsafe extern "C" fn() -> usize;

/// What is needed to read the stacks of an interpreter.
pub struct Interpreter {
    /// Where its fields are.
    pub layout: Layout,
    /// How its activations are found on the C stack.
    pub activations: ActivationSource,
    /// `PyCode_Type`.
    pub code_type: usize,
    /// `PyUnicode_Type`.
    pub text_type: usize,
    /// The code objects that were described.
    pub codes: CodeTable,
    /// Where it has no global lock: what is known of that.
    pub free: Option<FreeThreads>,
    own_state: ThreadStateFunction,
    current_state: ThreadStateFunction,
    /// Whether [`Self::current_state`] is the calling thread's.
    pub has_own_current: bool,
    /// Whether its frames are what they are taken for: one of the values below.
    trust: AtomicU32,
    allocators: Option<AllocatorFunctions>,
}

/// No frame has been seen yet, and the layout is what the interpreter stated.
const DOUBTED: u32 = 0;
const TRUSTED: u32 = 1;
const REFUSED: u32 = 2;

/// A process's interpreter.
pub struct Found {
    /// Its version as text.
    pub version: &'static [u8],
    /// Its functions that have to do with allocators.
    pub allocators: Option<AllocatorFunctions>,
    /// What is needed to read its stacks, if they can be read.
    pub interpreter: Option<Interpreter>,
}

/// The interpreter that is there, once it is known.
static PRESENT: AtomicPtr<Interpreter> = AtomicPtr::new(core::ptr::null_mut());

/// The interpreter of this process, if its stacks can be read.
#[inline(always)]
pub fn present() -> Option<&'static Interpreter> {
    // SAFETY: it is null, or `begin` stored a reference that lives for ever.
    unsafe { PRESENT.load(Acquire).as_ref() }
}

/// The interpreter has been unloaded. There will be no other one.
pub fn end() {
    PRESENT.store(core::ptr::null_mut(), Release);
}

/// Finds out what interpreter this is. Its code can be called: the loader is done with it.
pub fn examine(symbols: &Symbols, recording: &mut Recording) -> Found {
    // SAFETY: `const char *Py_GetVersion(void)` may be called before the interpreter is initialised; what it returns is
    // static. It writes to a buffer of its own and allocates nothing.
    let version = unsafe {
        let version = transmute::<usize, unsafe extern "C" fn() -> *const c_char>(symbols.version);
        CStr::from_ptr(version()).to_bytes()
    };
    let known = versions::find(version);
    let allocators = AllocatorFunctions::of(symbols, known.is_none_or(|version| version.allocator_named_early));
    let interpreter = known.and_then(|version| readable(version, symbols, allocators, recording));
    Found { version, allocators, interpreter }
}

/// What is needed to read the stacks of this interpreter, if it is laid out as the version is.
fn readable(
    version: &Version,
    symbols: &Symbols,
    allocators: Option<AllocatorFunctions>,
    recording: &mut Recording,
) -> Option<Interpreter> {
    let (layout, trust) = match &version.source {
        Source::Fixed(layout) => (*layout, TRUSTED),
        Source::DebugOffsets(table) => (stated_layout(table, symbols.runtime)?, DOUBTED),
    };
    // SAFETY: PyCode_Type, where it exists, is a static type object.
    let is_code_type = symbols.code_type != 0 && unsafe { is_code_type(symbols.code_type, &layout) };
    if !is_code_type || symbols.current_state == 0 {
        return None;
    }
    // SAFETY: these are C functions without arguments that return a pointer.
    let function = |address: usize| unsafe { transmute::<usize, ThreadStateFunction>(address) };
    Some(Interpreter {
        activations: activations(&layout, symbols.evaluate, recording),
        layout,
        code_type: symbols.code_type,
        text_type: symbols.text_type,
        codes: CodeTable::new(),
        // SAFETY: the interpreter states this layout, and stays as long as it is read.
        free: layout.free_threading.map(|free| unsafe { FreeThreads::new(free, symbols.runtime) }),
        own_state: function(symbols.own_state),
        current_state: function(symbols.current_state),
        has_own_current: version.current_is_own,
        trust: AtomicU32::new(trust),
        allocators,
    })
}

/// The layout that the interpreter states whose `_PyRuntime` is here. It is read through the kernel, so that nothing
/// need be there.
fn stated_layout(table: &Table, runtime: usize) -> Option<Layout> {
    let mut bytes = [0; WORDS * size_of::<u64>()];
    if runtime == 0 || !OwnMemory::open().read(runtime, &mut bytes) {
        return None;
    }
    let (words, _) = bytes.as_chunks();
    table.read(&core::array::from_fn(|at| u64::from_ne_bytes(words[at])))
}

/// How activations are found in an interpreter with this layout.
fn activations(layout: &Layout, evaluate: usize, recording: &mut Recording) -> ActivationSource {
    let previous = layout.control_previous;
    match (layout.frame_owner, layout.control_frame, layout.control_current) {
        (Some(_), ..) => ActivationSource::EntryFrames,
        (None, Some(_), Some(current)) => ActivationSource::ControlFramesWithCurrent { previous, current },
        (None, Some(_), None) => ActivationSource::ControlFrames { previous },
        (None, None, _) => {
            let range = if evaluate == 0 { None } else { function_range(evaluate, recording) };
            ActivationSource::Function(range.unwrap_or(0..0))
        }
    }
}

/// Whether the type is as the layout says: its name, and the size of its objects.
///
/// # Safety
/// `code_type` is the address of a type object.
unsafe fn is_code_type(code_type: usize, layout: &Layout) -> bool {
    // SAFETY: these fields are part of every type object, and are initialised statically.
    unsafe {
        let name = *((code_type + layout.object.type_name()) as *const *const c_char);
        let size = *((code_type + layout.object.type_basic_size()) as *const usize);
        !name.is_null() && CStr::from_ptr(name) == c"code" && layout.code_basic_size == size
    }
}

impl Interpreter {
    /// The state that `PyGILState_GetThisThreadState` names for the calling thread, or zero. It may have been deleted:
    /// see [`thread_states`](super::thread_states).
    #[inline]
    pub fn own_state(&self) -> usize {
        // SAFETY: any thread may call it at any time: it reads a value that is kept for the thread, and returns null
        // where the interpreter has not begun or has ended. (It may end at this moment: then the C library knows no
        // value.)
        unsafe { (self.own_state)() }
    }

    /// The state that is current in the calling thread ([`Self::has_own_current`]), or else in whichever thread has the
    /// interpreter's lock.
    ///
    /// In the first case the variable is thread-local, and to find it the loader may allocate: when a thread looks for
    /// the first time, or for the first time since some library was loaded.
    #[inline]
    pub fn current_state(&self) -> Current {
        // SAFETY: any thread may call it at any time: it reads one variable.
        Current(unsafe { (self.current_state)() })
    }

    /// Whether frames may be read: not before a first one has been found to be what it is taken for.
    #[inline]
    pub fn is_trusted(&self, current: Current) -> bool {
        self.trust.load(Acquire) == TRUSTED || self.check_first_frame(current)
    }

    #[cold]
    fn check_first_frame(&self, Current(state): Current) -> bool {
        if state == 0 || !self.has_own_current || self.is_refused() {
            return false;
        }
        // SAFETY: the interpreter says that it is current in the calling thread.
        let is_right = first_frame::is_right(self, &unsafe { Reading::of_current(state) });
        self.decide(is_right)
    }

    /// Likewise, with the frames of a detached thread.
    pub fn is_trusted_by(&self, thread: &Detached) -> bool {
        if self.trust.load(Acquire) == TRUSTED {
            return true;
        }
        let (top, base) = thread.frames();
        let is_right = first_frame::is_right_at(self, top, base);
        !self.is_refused() && thread.is_there() && self.decide(is_right)
    }

    fn decide(&self, is_right: Option<bool>) -> bool {
        match is_right {
            None => return false,
            Some(true) => self.trust.store(TRUSTED, Release),
            Some(false) => {
                self.trust.store(REFUSED, Release);
                end();
            }
        }
        !self.is_refused()
    }

    /// Whether its frames are not what they were taken for.
    #[inline]
    pub fn is_refused(&self) -> bool {
        self.trust.load(Acquire) == REFUSED
    }

    /// The name of the allocator that is used by `PyMem_Malloc` and `PyObject_Malloc`. To be called once the
    /// interpreter runs.
    pub fn allocator_name(&self) -> &'static [u8] {
        self.allocators.as_ref().map_or(b"", AllocatorFunctions::current_name)
    }

    /// From now on this is the interpreter that is [`present`]. Puts [`deallocate_code`] before its own function that
    /// deallocates code objects. To be called once, before it runs any code.
    pub fn begin(&'static self) {
        let slot = (self.code_type + self.layout.object.type_dealloc()) as *const AtomicUsize;
        // SAFETY: the slot is an aligned pointer in a type object, which is writable: the interpreter itself fills in
        // parts of it. It is swapped in one step, before the interpreter runs.
        let own = unsafe { (*slot).swap(deallocate_code as *const () as usize, AcqRel) };
        OWN_DEALLOC.store(own, Relaxed);
        PRESENT.store(core::ptr::from_ref(self).cast_mut(), Release);
    }
}

static OWN_DEALLOC: AtomicUsize = AtomicUsize::new(0);

unsafe extern "C" fn deallocate_code(code: *mut c_void) {
    if let Some(interpreter) = present() {
        if let Some(free) = &interpreter.free {
            free.note_deallocation();
        }
        interpreter.codes.remove(code as usize);
    }
    // SAFETY: this is the function that was in the slot, a `destructor`.
    unsafe {
        let own = transmute::<usize, unsafe extern "C" fn(*mut c_void)>(OWN_DEALLOC.load(Relaxed));
        own(code);
    }
}
