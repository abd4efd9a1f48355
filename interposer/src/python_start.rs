//! How the interpreter becomes known: at the session's start, or when the program loads it later, as an application
//! that embeds Python as a plug-in does.
//!
//! Of a library that has just been mapped nothing may be called before the loader has relocated it. So its symbols are
//! noted, and the interpreter is examined when it calls an allocator for the first time, which is before it does
//! anything that is of interest here.

use core::cell::UnsafeCell;
use core::mem::MaybeUninit;
use core::sync::atomic::AtomicU32;
use core::sync::atomic::Ordering::{AcqRel, Acquire, Relaxed, Release};

use memprof_channel::layout::{PythonState, is_free_threaded, store_text};
use memprof_channel::object_tracing::ObjectTracing;

use crate::lock::Recording;
use crate::platform::loaded_modules::LoadedModule;
use crate::python::allocator_functions::AllocatorFunctions;
use crate::python::interpreter::{self, Found, Interpreter, examine};
use crate::python::symbols::Symbols;
use crate::session::{self, Session};
use crate::unwind::modules;

/// There is no interpreter.
const NONE: u32 = 0;
/// Its symbols are being noted.
const NOTING: u32 = 1;
/// Its symbols are noted.
const LOADED: u32 = 2;
/// It has been examined, or is being examined.
const KNOWN: u32 = 3;

struct Late {
    phase: AtomicU32,
    symbols: UnsafeCell<MaybeUninit<Symbols>>,
    interpreter: UnsafeCell<MaybeUninit<Interpreter>>,
    allocators: UnsafeCell<MaybeUninit<AllocatorFunctions>>,
}

// SAFETY: the symbols are written by whoever moves the phase to NOTING, and read after LOADED was stored. The
// interpreter and its allocators are written by whoever moves it to KNOWN.
unsafe impl Sync for Late {}

static LATE: Late = Late {
    phase: AtomicU32::new(NONE),
    symbols: UnsafeCell::new(MaybeUninit::uninit()),
    interpreter: UnsafeCell::new(MaybeUninit::uninit()),
    allocators: UnsafeCell::new(MaybeUninit::uninit()),
};

/// The process has no interpreter, as far as can be seen.
pub fn report_absent(session: &Session) {
    report(session, PythonState::Absent, b"");
}

fn report(session: &Session, state: PythonState, version: &[u8]) {
    let pool = session.pool();
    let header = pool.header();
    store_text(&header.python_version, version);
    store_text(&header.python_allocator, b"");
    header.python_state.store(state as u32, Release);
}

/// The process has this interpreter, which can be called: records it from now on.
pub fn begin(session: &Session, symbols: &Symbols, recording: &mut Recording) {
    if LATE.phase.swap(KNOWN, AcqRel) == KNOWN {
        return;
    }
    modules::set_interpreter(symbols.module);
    let Found { version, allocators, interpreter } = examine(symbols, recording);
    if let Some(found) = interpreter {
        // SAFETY: nobody else has moved the phase to KNOWN, and nobody refers to the interpreter yet.
        let interpreter: &'static Interpreter = unsafe { (*LATE.interpreter.get()).write(found) };
        interpreter.begin();
        report(session, PythonState::Known, version);
    } else {
        report(session, PythonState::Unknown, version);
    }
    // Whether stacks can be read has nothing to do with it.
    let tracing = ObjectTracing::from_number(session.pool().header().python_allocators);
    if let Some(functions) = allocators.filter(|_| tracing.holds(is_free_threaded(version))) {
        // SAFETY: nobody else has moved the phase to KNOWN, and nobody refers to them yet.
        crate::record_python_allocators(unsafe { (*LATE.allocators.get()).write(functions) });
    }
}

/// These modules are there now: some have come, none of whose code has run, or some have gone. Has the interpreter?
pub fn note_modules(loaded: &[LoadedModule]) {
    if LATE.phase.load(Acquire) != NONE {
        let is_there = || loaded.iter().any(|module| modules::is_in_interpreter(module.range().start));
        if (interpreter::present().is_some() || crate::are_python_allocators_recorded()) && !is_there() {
            interpreter::end();
            crate::stop_recording_python_allocators();
        }
        return;
    }
    if let Some(symbols) = Symbols::find(loaded)
        && LATE.phase.compare_exchange(NONE, NOTING, AcqRel, Relaxed).is_ok()
    {
        // SAFETY: this thread has moved the phase to NOTING.
        unsafe { (*LATE.symbols.get()).write(symbols) };
        LATE.phase.store(LOADED, Release);
    }
}

/// Whether an interpreter has been loaded that has not run yet.
#[inline(always)]
pub fn is_expected() -> bool {
    LATE.phase.load(Relaxed) == LOADED
}

/// An allocator has been called from this address. If that is in the interpreter, it has begun to run.
#[cold]
pub fn note_call_from(address: usize, recording: &mut Recording) {
    if LATE.phase.load(Acquire) != LOADED {
        return;
    }
    // SAFETY: the symbols were written before the phase said so, and are not changed.
    let symbols = unsafe { (*LATE.symbols.get()).assume_init_ref() };
    let (start, end) = symbols.module;
    if let Some(session) = session::active()
        && (start..end).contains(&address)
    {
        begin(session, symbols, recording);
    }
}
