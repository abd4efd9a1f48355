//! The process of a session, as the recorder is told; and how a forked child becomes one of its own.

use core::sync::atomic::Ordering::{AcqRel, Acquire, Release};
use core::sync::atomic::{AtomicBool, AtomicPtr, AtomicU32};

use memprof_capture::channel::process::ProcessPrefix;
use memprof_capture::channel::{ChunkWriter, Pool};
use memprof_capture::kept_errno::KeptErrno;
use memprof_capture::quiet_file::QuietFile;

use crate::hooks::call::Call;
use crate::memory::MappedVec;
use crate::platform::tls::{self, Doing};
use crate::python::interpreter::Interpreter;
use crate::thread::Stop;
use crate::unwind::{call_frame_information, jit_code, modules};

/// Which image of which process records. A forked child overwrites what it got from its parent, before it has threads.
pub struct Identity {
    image: AtomicU32,
    pid: AtomicU32,
    /// The image that this one was forked from; 0 where it began as a new program.
    forked_from: AtomicU32,
    /// Whether the recorder has been told.
    told: AtomicBool,
}

/// The most bytes of arguments that are told.
const LONGEST_ARGUMENTS: usize = 16 << 10;

impl Identity {
    /// Takes the next image number of the pool.
    pub fn of_new_image(pool: &Pool, pid: u32) -> Self {
        Self {
            image: AtomicU32::new(pool.header().images.fetch_add(1, AcqRel) + 1),
            pid: AtomicU32::new(pid),
            forked_from: AtomicU32::new(0),
            told: AtomicBool::new(false),
        }
    }

    /// The image's number, from 1.
    pub fn image(&self) -> u32 {
        self.image.load(Acquire)
    }

    /// The process.
    pub fn pid(&self) -> u32 {
        self.pid.load(Acquire)
    }

    /// This process is a copy of the one that had this identity: takes one of its own.
    pub fn become_child(&self, pool: &Pool, pid: u32) {
        self.forked_from.store(self.image(), Release);
        self.image.store(pool.header().images.fetch_add(1, AcqRel) + 1, Release);
        self.pid.store(pid, Release);
        self.told.store(false, Release);
    }

    /// Tells the recorder, once.
    pub fn tell(&self, writer: &mut ChunkWriter) -> Result<(), Stop> {
        if self.told.swap(true, AcqRel) {
            return Ok(());
        }
        // SAFETY: getppid cannot fail.
        let parent = unsafe { libc::getppid() }.cast_unsigned();
        let prefix = ProcessPrefix::new(parent, self.forked_from.load(Acquire));
        let arguments = arguments()?;
        Ok(writer.process(&[prefix.as_bytes(), &arguments])?)
    }
}

/// This process's arguments, each with a NUL behind it; empty where `/proc` is not to be had.
fn arguments() -> Result<MappedVec<u8>, Stop> {
    let _errno = KeptErrno::new();
    let mut bytes = MappedVec::<u8>::zeroed(LONGEST_ARGUMENTS)?;
    let length = QuietFile::open(c"/proc/self/cmdline").and_then(|file| file.read(&mut bytes)).unwrap_or(0);
    bytes.truncate(length);
    Ok(bytes)
}

/// The interpreter whose code objects have numbers, for [`hold_all`] and [`release_all`].
static INTERPRETER: AtomicPtr<Interpreter> = AtomicPtr::new(core::ptr::null_mut());

/// Makes forked children record. They must not find our locks taken by threads that they do not have.
pub fn follow_forks(interpreter: Option<&'static Interpreter>) {
    if let Some(interpreter) = interpreter {
        INTERPRETER.store(core::ptr::from_ref(interpreter).cast_mut(), Release);
    }
    // SAFETY: the three functions live as long as this library, which is never unloaded.
    unsafe { libc::pthread_atfork(Some(hold_all), Some(release_all), Some(begin_in_child)) };
}

fn interpreter() -> Option<&'static Interpreter> {
    // SAFETY: it is null, or `follow_forks` stored a reference that lives forever.
    unsafe { INTERPRETER.load(Acquire).as_ref() }
}

/// Whether [`hold_all`] has taken the locks. Forks wait for each other: the locks themselves see to that.
static HELD: AtomicBool = AtomicBool::new(false);

unsafe extern "C" fn hold_all() {
    let block = tls::block();
    // SAFETY: the block is this thread's own.
    unsafe {
        // A signal handler that forks may have interrupted whoever holds one of them.
        if (*block).doing != Doing::Program {
            return;
        }
        // Nor may a signal handler wait for them until they are released.
        (*block).doing = Doing::Recording;
    }
    if let Some(interpreter) = interpreter() {
        interpreter.codes.hold();
    }
    modules::hold();
    jit_code::hold();
    call_frame_information::hold();
    HELD.store(true, Release);
}

unsafe extern "C" fn release_all() {
    if !HELD.swap(false, AcqRel) {
        return;
    }
    call_frame_information::release();
    jit_code::release();
    modules::release();
    if let Some(interpreter) = interpreter() {
        interpreter.codes.release();
    }
    // SAFETY: the block is this thread's own, and was changed by `hold_all`.
    unsafe { (*tls::block()).doing = Doing::Program };
}

unsafe extern "C" fn begin_in_child() {
    // SAFETY: the parent's thread, of which this one is the copy, holds them.
    unsafe { release_all() };
    // The session notices that this is another process, and the call's thread state tells the recorder of it.
    drop(Call::begin());
}

/// Forgets what the parent has told the recorder, so that this process tells it again.
pub fn forget_told() {
    modules::forget_all();
    if let Some(interpreter) = interpreter() {
        interpreter.codes.forget_all();
    }
}
