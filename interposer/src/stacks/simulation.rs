//! A program that calls and returns, natively and in Python, on a stack in ordinary memory; and the same stacks as the
//! memos have them, which must always be those of a full walk, in the right order, and emitted completely.

use std::collections::HashMap;

use memprof_channel::author::Author;
use memprof_channel::clock::ClockKind;
use memprof_channel::followed::Followed;
use memprof_channel::layout::pool_bytes;
use memprof_channel::record::{ChannelFrame, ChannelNativeFrame};
use memprof_channel::{ChunkWriter, Pool, PoolSettings, Record, Records};
use proptest::prelude::*;

use super::activations::{ActivationSource, ControlFrames};
use super::hash::StackHash;
use super::memo::{CodePosition, FrameAddress, FrameChain, FrameContent};
use super::merged::MergedStack;
use super::native::NativeChain;
use crate::channel::Channel;
use crate::lock::Recording;
use crate::memory::{MappedVec, OutOfMemory};
use crate::unwind::frame::{CodeAddress, FrameState, Step};
use crate::unwind::stack_region::StackRegion;
use memprof_channel::object_tracing::ObjectTracing;

const WORDS: usize = 1 << 14;
/// Functions 0 to 15; these have a meaning.
const HOOK: usize = 0;
const EVALUATE: usize = 1;
const PREVIOUS: usize = 0;
const CURRENT: usize = 8;

/// Addresses name a function and a place in it, in a range where no module is.
const fn address(function: usize, place: usize) -> usize {
    0x1000 + function * 0x100 + place
}

const fn function_of(address: usize) -> usize {
    (address - 1 - 0x1000) / 0x100
}

/// Words of a function's frame, the return address among them.
const fn frame_words(function: usize) -> usize {
    if function == EVALUATE { 6 } else { 2 + function % 4 }
}

/// Whether a function saves the frame pointer, below its return address, and uses it as it likes.
const fn saves_bp(function: usize) -> bool {
    !function.is_multiple_of(3)
}

/// Functions whose callers no rule finds.
const fn is_uncacheable(function: usize) -> bool {
    function % 7 == 6
}

struct NativeCall {
    function: usize,
    place: usize,
    sp: usize,
    bp: usize,
    /// Python frames that it runs, if it evaluates: their numbers and instructions.
    python: Vec<(usize, u64)>,
}

struct Program {
    memory: Vec<usize>,
    calls: Vec<NativeCall>,
    source: ActivationSource,
    /// Python frames have addresses from here on, 16 apart, and are numbered by depth.
    python_depth: usize,
    control: usize,
}

const PYTHON: usize = 0x10_0000;

impl Program {
    fn new(source: ActivationSource) -> Self {
        let mut program = Self { memory: vec![0; WORDS], calls: Vec::new(), source, python_depth: 0, control: 0 };
        // The root control frame, which is part of the thread state.
        program.control = &raw const program.memory[WORDS - 2] as usize;
        // Its link leads nowhere.
        program.memory[WORDS - 2] = 0x120;
        let sp = &raw const program.memory[WORDS - 8] as usize;
        program.calls.push(NativeCall { function: 3, place: 1, sp, bp: 0, python: Vec::new() });
        program
    }

    fn word(&mut self, address: usize) -> &mut usize {
        let base = self.memory.as_ptr() as usize;
        &mut self.memory[(address - base) / 8]
    }

    fn top(&self) -> &NativeCall {
        self.calls.last().expect("there is always a first function")
    }

    fn call(&mut self, function: usize, place: usize) {
        let (return_to, sp, bp) = (address(self.top().function, self.top().place), self.top().sp, self.top().bp);
        *self.word(sp - 8) = return_to;
        let mut own_bp = bp;
        if saves_bp(function) {
            *self.word(sp - 16) = bp;
            own_bp = place * 77;
        }
        let sp = sp - frame_words(function) * 8;
        self.calls.push(NativeCall { function, place, sp, bp: own_bp, python: Vec::new() });
    }

    fn evaluate(&mut self, place: usize, instruction: u64) {
        self.call(EVALUATE, place);
        let (control, marker) = (self.control, self.marker(self.calls.len() - 1));
        *self.word(marker + PREVIOUS) = control;
        self.control = marker;
        self.call_python(instruction);
    }

    fn marker(&self, call: usize) -> usize {
        self.calls[call].sp + 8
    }

    fn call_python(&mut self, instruction: u64) {
        self.python_depth += 1;
        let number = self.python_depth;
        self.calls.last_mut().expect("a call").python.push((number, instruction));
        let control = self.control;
        *self.word(control + CURRENT) = PYTHON + number * 16;
    }

    fn leave(&mut self) {
        let runs = self.top().python.len();
        if runs > 0 {
            self.python_depth -= 1;
            let control = self.control;
            *self.word(control + CURRENT) = PYTHON + self.python_depth * 16;
            self.calls.last_mut().expect("a call").python.pop();
        }
        if runs <= 1 && self.calls.len() > 1 {
            if runs == 1 {
                let control = self.control;
                self.control = *self.word(control + PREVIOUS);
            }
            self.calls.pop();
        }
    }

    fn go_on(&mut self, place: usize) {
        let top = self.calls.last_mut().expect("a call");
        top.place = place;
        if let Some((_, instruction)) = top.python.last_mut() {
            *instruction = place as u64;
        }
    }

    /// As the memos should have it.
    fn merged(&self) -> Vec<ChannelFrame> {
        let mut frames = Vec::new();
        for call in &self.calls {
            frames.extend(call.python.iter().map(|&(number, instruction)| python_frame(number, instruction)));
            frames.push(ChannelFrame::Native(ChannelNativeFrame {
                module: None,
                address: address(call.function, call.place) as u64,
                interrupted: false,
                evaluates: call.function == EVALUATE,
            }));
        }
        frames
    }

    fn python(&self) -> PythonChain<'_> {
        PythonChain(self)
    }

    /// Brings a stack up to date, as an allocation does.
    fn allocate(&mut self, stack: &mut MergedStack, native: bool) -> StackHash {
        stack.update_python(&mut self.python()).unwrap();
        if !native {
            return stack.python_hash();
        }
        self.call(HOOK, 5);
        let (address, hook) = (CodeAddress::return_address(address(HOOK, 5)), self.top());
        let hook = FrameState { address, sp: hook.sp, bp: hook.bp };
        let control = ControlFrames {
            innermost: self.control,
            outermost: &raw const self.memory[WORDS - 2] as usize,
            stack: StackRegion::new(self.memory.as_ptr() as usize, self.memory.as_ptr_range().end as usize),
            sp: hook.sp,
        };
        stack.update_native(&mut NativeWalk(self), &hook).unwrap();
        // SAFETY: control frames lie in the program's memory.
        let hash = unsafe { stack.join(&self.source, control, 0).unwrap() };
        self.leave();
        hash
    }
}

fn python_frame(number: usize, instruction: u64) -> ChannelFrame {
    ChannelFrame::Python { code: number as u32 % 3, offset: instruction as u32 }
}

struct PythonChain<'a>(&'a Program);

impl PythonChain<'_> {
    /// The frames of the chain, outermost first: where each is, its instruction, and its number unless it is an entry.
    fn chain(&self) -> Vec<(FrameAddress, u64, Option<usize>)> {
        let mut chain = Vec::new();
        for (index, call) in self.0.calls.iter().enumerate().filter(|(_, call)| !call.python.is_empty()) {
            if self.0.source == ActivationSource::EntryFrames {
                chain.push((self.0.marker(index), 0, None));
            }
            chain.extend(call.python.iter().map(|&(number, at)| (PYTHON + number * 16, at + 1, Some(number))));
        }
        chain
    }

    fn at(&self, frame: FrameAddress) -> usize {
        self.chain().iter().position(|&(at, ..)| at == frame).expect("only frames of the chain are read")
    }
}

// Reads are checked: a frame outside the present chain fails the test.
impl FrameChain for PythonChain<'_> {
    type Error = OutOfMemory;

    fn top(&self) -> FrameAddress {
        self.chain().last().map_or(0, |&(at, ..)| at)
    }

    unsafe fn identity(&self, frame: FrameAddress) -> u64 {
        self.chain()[self.at(frame)].1
    }

    unsafe fn previous(&self, frame: FrameAddress) -> FrameAddress {
        self.at(frame).checked_sub(1).map_or(0, |caller| self.chain()[caller].0)
    }

    unsafe fn content(&mut self, frame: FrameAddress) -> Result<FrameContent, OutOfMemory> {
        let (_, instruction, number) = self.chain()[self.at(frame)];
        let Some(number) = number else { return Ok(FrameContent::Entry) };
        let ChannelFrame::Python { code, offset } = python_frame(number, instruction - 1) else { unreachable!() };
        Ok(FrameContent::Place(CodePosition { code, offset }))
    }
}

struct NativeWalk<'a>(&'a Program);

// Slots are checked: one below the stack pointer fails the test.
impl NativeChain for NativeWalk<'_> {
    fn follow(&self, from: FrameState, mut each: impl FnMut(FrameState, usize, bool) -> bool) -> FrameState {
        let mut frame = from;
        // Of some functions that is not quickly done.
        while function_of(frame.address.get()) % 5 != 4
            && let Step::Caller { frame: caller, bp_slot, in_place: true } = self.step(frame)
        {
            frame = caller;
            if !each(frame, bp_slot, true) {
                break;
            }
        }
        frame
    }

    fn caller(&mut self, of: FrameState) -> Step {
        self.step(of)
    }

    unsafe fn slot(&self, slot: usize) -> usize {
        assert!(slot >= self.0.top().sp, "read below the stack");
        self.0.memory[(slot - self.0.memory.as_ptr() as usize) / 8]
    }
}

impl NativeWalk<'_> {
    fn step(&self, of: FrameState) -> Step {
        let function = function_of(of.address.get());
        let cfa = of.sp + frame_words(function) * 8;
        // SAFETY: as checked there.
        let (return_to, saved) = unsafe { (self.slot(cfa - 8), self.slot(cfa - 16)) };
        if return_to == 0 {
            return Step::End;
        }
        let bp_slot = if saves_bp(function) { cfa - 16 } else { 0 };
        let bp = if bp_slot == 0 { of.bp } else { saved };
        let frame = FrameState { address: CodeAddress::return_address(return_to), sp: cfa, bp };
        if is_uncacheable(function) {
            return Step::Caller { frame, bp_slot: 0, in_place: false };
        }
        Step::Caller { frame, bp_slot, in_place: true }
    }
}

/// A pool of its own, and the stack that its records describe.
struct Recorder {
    memory: MappedVec<u64>,
    pool: Pool,
    emitted: Vec<ChannelFrame>,
    /// How many frames have been emitted to it, each time counted again.
    frames: usize,
}

const CHUNKS: usize = 8;

impl Recorder {
    fn new() -> Self {
        let memory = MappedVec::<u64>::zeroed(pool_bytes(CHUNKS) / 8).unwrap();
        let settings = PoolSettings {
            chunks: CHUNKS,
            limit: CHUNKS as u32,
            clock: ClockKind::Monotonic,
            python_only: false,
            native_stacks: true,
            python_allocators: ObjectTracing::Never,
            followed: Followed::Nobody,
            pid_namespace: 0,
        };
        // SAFETY: the memory is fresh, large enough, on a page, and lives as long as the pool is used.
        let pool = unsafe { Pool::create(memory.as_ptr().cast_mut().cast(), &settings) };
        Self { memory, pool, emitted: Vec::new(), frames: 0 }
    }

    fn take(&mut self, channel: &mut Channel) {
        assert!(!self.memory.is_empty());
        channel.seal();
        let mut chunks: Vec<_> = self.pool.chunks().filter(|&chunk| self.pool.is_sealed(chunk)).collect();
        chunks.sort_by_key(|&chunk| self.pool.descriptor(chunk).sequence.load(std::sync::atomic::Ordering::Relaxed));
        for chunk in chunks {
            let descriptor = self.pool.descriptor(chunk);
            let used = descriptor.published.load(std::sync::atomic::Ordering::Acquire) as usize;
            // SAFETY: the chunk is sealed, and has this many words.
            let words = unsafe { std::slice::from_raw_parts(self.pool.words(chunk), used) };
            for record in Records::new(words) {
                if let Record::Frames { keep, fresh } = record.expect("a whole record") {
                    assert!(keep as usize <= self.emitted.len());
                    self.emitted.truncate(keep as usize);
                    self.emitted.extend(Record::frames_of(fresh));
                    self.frames += fresh.len();
                }
            }
            self.pool.free(chunk);
        }
    }
}

#[derive(Clone, Debug)]
enum Action {
    Call { function: usize, place: usize },
    Evaluate { place: usize, instruction: u64 },
    CallPython { instruction: u64 },
    Return { times: usize },
    GoOn { place: usize },
    Allocate { emit: bool },
    ClearNative,
    ClearPython,
}

fn action() -> impl Strategy<Value = Action> {
    prop_oneof![
        4 => (2..16_usize, 1..20_usize).prop_map(|(function, place)| Action::Call { function, place }),
        3 => (1..20_usize, 0..20_u64).prop_map(|(place, instruction)| Action::Evaluate { place, instruction }),
        3 => (0..20_u64).prop_map(|instruction| Action::CallPython { instruction }),
        3 => (1..6_usize).prop_map(|times| Action::Return { times }),
        2 => (1..20_usize).prop_map(|place| Action::GoOn { place }),
        8 => any::<bool>().prop_map(|emit| Action::Allocate { emit }),
        1 => Just(Action::ClearNative),
        1 => Just(Action::ClearPython),
    ]
}

fn sources() -> impl Strategy<Value = ActivationSource> {
    prop_oneof![
        Just(ActivationSource::Function(address(EVALUATE, 0)..address(EVALUATE + 1, 0))),
        Just(ActivationSource::ControlFrames { previous: PREVIOUS }),
        Just(ActivationSource::ControlFramesWithCurrent { previous: PREVIOUS, current: CURRENT }),
        Just(ActivationSource::EntryFrames),
    ]
}

/// Whether each activation of this kind runs exactly one frame.
fn runs_one(source: &ActivationSource) -> bool {
    matches!(source, ActivationSource::Function(_) | ActivationSource::ControlFrames { .. })
}

/// A recursion with a thousand Python frames in one native one, which calls from another place each time.
#[test]
fn what_has_not_changed_is_not_emitted_again() {
    const DEPTH: usize = 1000;
    let with_current = ActivationSource::ControlFramesWithCurrent { previous: PREVIOUS, current: CURRENT };
    for (source, native) in
        [(ActivationSource::EntryFrames, true), (ActivationSource::EntryFrames, false), (with_current, true)]
    {
        let mut program = Program::new(source);
        let mut recorder = Recorder::new();
        let mut stack = MergedStack::new(MappedVec::new()).unwrap();
        let author = Author { thread: 0, tid: 1, image: 1, pid: 1, name: [0; 16] };
        let mut channel = Channel::new(ChunkWriter::new(recorder.pool, author));
        // SAFETY: no signal handler of the test program allocates.
        let recording = &mut unsafe { Recording::begin() };
        program.evaluate(1, 1);
        (1..DEPTH).for_each(|depth| program.call_python(depth as u64 % 7));
        let mut emitted = Vec::new();
        for moment in 0..40 {
            program.go_on(moment / 2 % 5 + 1);
            program.allocate(&mut stack, native);
            stack.emit(&mut channel, recording).unwrap();
            recorder.take(&mut channel);
            emitted.push(std::mem::take(&mut recorder.frames));
        }
        assert!(emitted[0] >= DEPTH && emitted[1..].iter().all(|&frames| frames < 10), "{emitted:?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]
    #[test]
    fn the_stack_is_always_that_of_a_full_walk(
        source in sources(),
        native in prop::bool::weighted(0.8),
        origin in prop::collection::vec(1..100_u32, 0..3),
        actions in prop::collection::vec(action(), 1..150),
    ) {
        let mut program = Program::new(source.clone());
        let mut words = MappedVec::new();
        let expected_origin: Vec<ChannelFrame> =
            origin.iter().map(|&offset| ChannelFrame::Python { code: 9, offset }).collect();
        expected_origin.iter().for_each(|frame| words.push(frame.to_word()).unwrap());
        let mut stack = MergedStack::new(words).unwrap();
        let mut recorder = Recorder::new();
        let author = Author { thread: 0, tid: 1, image: 1, pid: 1, name: [0; 16] };
        let mut channel = Channel::new(ChunkWriter::new(recorder.pool, author));
        // SAFETY: no signal handler of the test program allocates.
        let recording = &mut unsafe { Recording::begin() };
        let mut hashes: HashMap<Vec<u64>, StackHash> = HashMap::new();
        for action in actions {
            match action {
                Action::Call { function, place } if program.calls.len() < 60 => program.call(function, place),
                Action::Evaluate { place, instruction } if program.calls.len() < 60 => {
                    program.evaluate(place, instruction);
                }
                Action::CallPython { instruction } if !program.top().python.is_empty() && !runs_one(&source) => {
                    program.call_python(instruction);
                }
                Action::Return { times } => (0..times).for_each(|_| program.leave()),
                Action::GoOn { place } => program.go_on(place),
                Action::ClearNative => stack.clear_native(),
                Action::ClearPython => stack.clear_python(),
                Action::Allocate { emit } => {
                    let mut expected = program.merged();
                    let hash = program.allocate(&mut stack, native);
                    if !native {
                        expected.retain(|frame| matches!(frame, ChannelFrame::Python { .. }));
                    }
                    let key: Vec<u64> = expected.iter().map(|frame| frame.to_word()).collect();
                    prop_assert_eq!(*hashes.entry(key).or_insert(hash), hash);
                    if emit {
                        let findings = stack.emit(&mut channel, recording).unwrap();
                        recorder.take(&mut channel);
                        let whole: Vec<_> = expected_origin.iter().copied().chain(expected).collect();
                        prop_assert_eq!(&recorder.emitted, &whole);
                        prop_assert!(!findings.unmerged && !findings.cut_short);
                    }
                }
                _ => {}
            }
        }
        let mut distinct: Vec<_> = hashes.values().map(|hash| (hash.low, hash.high)).collect();
        distinct.sort_unstable();
        distinct.dedup();
        prop_assert_eq!(distinct.len(), hashes.len(), "two stacks have one hash");
    }
}
