//! `.eh_frame`, read by gimli: what it says about an address, as a [`Rule`] where one can say it, and the steps that no
//! rule can express: expressions (the code of lazy binding, functions that realign their stack), signal frames.

use core::ops::Range;

use gimli::{
    BaseAddresses, CfaRule, EhFrame, EhFrameHdr, EndianSlice, Evaluation, EvaluationResult, EvaluationStorage,
    Expression, FrameDescriptionEntry, Location, NativeEndian, Piece, Register, RegisterRule, UnwindContext,
    UnwindContextStorage, UnwindSection, UnwindTableRow, Value,
};

use super::frame::CodeAddress;
use super::x86_64::registers::{RETURN_ADDRESS, RSP};
use super::x86_64::{Registers, Rule};
use super::{jit_code, loaded_objects};
use crate::lock::{AnyLock, Lock, Recording};
use crate::memory::MappedBox;

type Bytes = EndianSlice<'static, NativeEndian>;
type Section = EhFrame<Bytes>;

/// Room for the rules of one function: no allocation. Compilers name 17 registers at most.
pub struct FixedStorage;

impl UnwindContextStorage<usize> for FixedStorage {
    type Rules = [(Register, RegisterRule<usize>); 24];
    type Stack = [UnwindTableRow<usize, Self>; 4];
}

impl EvaluationStorage<Bytes> for FixedStorage {
    type Stack = [Value; 16];
    type ExpressionStack = [(Bytes, Bytes); 1];
    type Result = [Piece<Bytes>; 1];
}

type Row = UnwindTableRow<usize, FixedStorage>;

type Context = MappedBox<UnwindContext<usize, FixedStorage>>;

/// Several KiB, which a thread's stack may not have to spare: so there is one for all threads. It is held for about a
/// microsecond whenever an address is seen for the first time.
static CONTEXT: Lock<Option<Context>> = Lock::new(None, || None);

/// Makes the room that later calls use. Nothing without memory for it.
#[cold]
#[inline(never)]
fn make_context() -> Option<Context> {
    MappedBox::new(UnwindContext::new_in()).ok()
}

/// The lock that whoever reads unwinding information holds.
pub fn lock() -> &'static dyn AnyLock {
    &CONTEXT
}

/// Returns when nobody reads a section any more that was taken out of [`jit_code`] before.
pub fn wait_for_readers() {
    CONTEXT.wait_for_present_holder();
}

/// The bytes from `start` to the end of the object.
///
/// # Safety
/// Both are addresses within one loaded object.
unsafe fn bytes(start: usize, end: usize) -> Bytes {
    // SAFETY: the caller vouches for the range. An object is not unloaded while it executes. (A walk that wrong
    // information has led astray may be in one that does not: docs/soundness.md.)
    EndianSlice::new(
        unsafe { core::slice::from_raw_parts(start as *const u8, end.saturating_sub(start)) },
        NativeEndian,
    )
}

/// Calls `then` with what is known about the instruction at `pc`: the section, the row of its table, and its function.
fn with_row<R>(
    pc: usize,
    recording: &mut Recording,
    then: impl FnOnce(&Section, &Row, &FrameDescriptionEntry<Bytes>) -> R,
) -> Option<R> {
    let object = loaded_objects::find(pc, recording);
    let mut held = CONTEXT.lock(recording).ok()?;
    if held.is_none() {
        *held = make_context();
    }
    let context: &mut UnwindContext<_, _> = held.as_mut()?;
    if let Some(object) = object {
        let (start, end) = (object.eh_frame_header, object.end);
        if !(object.start..end).contains(&start) {
            return None;
        }
        let bases = BaseAddresses::default().set_eh_frame_hdr(start as u64);
        // SAFETY: the header lies within the object.
        let header = EhFrameHdr::from(unsafe { bytes(start, end) }).parse(&bases, 8).ok()?;
        let eh_frame = usize::try_from(header.eh_frame_ptr().direct().ok()?).ok()?;
        if !(object.start..end).contains(&eh_frame) {
            return None;
        }
        let bases = bases.set_eh_frame(eh_frame as u64);
        // SAFETY: so does the section.
        let mut section = EhFrame::from(unsafe { bytes(eh_frame, end) });
        section.set_address_size(8);
        let description = match header.table() {
            Some(table) => table.fde_for_address(&section, &bases, pc as u64, EhFrame::cie_from_offset),
            None => section.fde_for_address(&bases, pc as u64, EhFrame::cie_from_offset),
        };
        let description = description.ok()?;
        let row = description.unwind_info_for_address(&section, &bases, context, pc as u64).ok()?;
        return Some(then(&section, row, &description));
    }
    let mut then = Some(then);
    let mut try_section = |entries: &'static [u8]| {
        let bases = BaseAddresses::default().set_eh_frame(entries.as_ptr() as u64);
        let mut section = EhFrame::from(EndianSlice::new(entries, NativeEndian));
        section.set_address_size(8);
        let description = section.fde_for_address(&bases, pc as u64, EhFrame::cie_from_offset).ok()?;
        let row = description.unwind_info_for_address(&section, &bases, context, pc as u64).ok()?;
        let then = then.take()?;
        Some(then(&section, row, &description))
    };
    // SAFETY: the lock is held.
    unsafe { jit_code::find(&mut try_section) }
}

/// The rule for an address; nothing where there is no information about it. `note` is called with it before anybody can
/// have waited for its readers.
pub fn rule(address: CodeAddress, recording: &mut Recording, note: impl FnOnce(Rule)) -> Option<Rule> {
    with_row(address.lookup(), recording, |_, row, function| {
        let rule = if function.is_signal_trampoline() { Rule::UNCACHEABLE } else { Rule::of_row(row) };
        note(rule);
        rule
    })
}

/// The addresses of the function that holds `pc`.
pub fn function_range(pc: usize, recording: &mut Recording) -> Option<Range<usize>> {
    with_row(pc, recording, |_, _, function| {
        let start = function.initial_address() as usize;
        start..start + function.len() as usize
    })
}

/// What a step that no rule can express led to.
#[derive(Clone, Copy, Debug)]
pub enum UncacheableStep {
    /// The caller's registers, and whether it was interrupted rather than called.
    Caller(Registers, bool),
    /// This is the thread's first function.
    End,
    /// The information needs a register that is not known.
    UnknownRegister,
    /// There is none, or it makes no sense.
    Lost,
}

/// Why an expression or rule has no value.
enum NoValue {
    UnknownRegister,
    Nonsense,
}

/// Goes from a frame to its caller, whatever the information says. `may_read` says whether a word is part of the stack.
pub fn step(
    address: CodeAddress,
    registers: &Registers,
    may_read: impl Fn(usize) -> bool,
    recording: &mut Recording,
) -> UncacheableStep {
    let frame = Frame { registers, may_read: &may_read };
    let caller = with_row(address.lookup(), recording, |section, row, function| {
        frame.caller(section, row, function.is_signal_trampoline())
    });
    caller.unwrap_or(UncacheableStep::Lost)
}

struct Frame<'a, M: Fn(usize) -> bool> {
    registers: &'a Registers,
    may_read: &'a M,
}

impl<M: Fn(usize) -> bool> Frame<'_, M> {
    fn caller(&self, section: &Section, row: &Row, is_signal: bool) -> UncacheableStep {
        match self.try_caller(section, row) {
            Ok(Some(registers)) => UncacheableStep::Caller(registers, is_signal),
            Ok(None) => UncacheableStep::End,
            Err(NoValue::UnknownRegister) => UncacheableStep::UnknownRegister,
            Err(NoValue::Nonsense) => UncacheableStep::Lost,
        }
    }

    fn try_caller(&self, section: &Section, row: &Row) -> Result<Option<Registers>, NoValue> {
        if matches!(row.register(RETURN_ADDRESS), Some(RegisterRule::Undefined)) {
            return Ok(None);
        }
        let cfa = match row.cfa() {
            CfaRule::RegisterAndOffset { register, offset } => self.register(*register)?.wrapping_add_signed(*offset),
            CfaRule::Expression(expression) => {
                let expression = expression.get(section).map_err(|_| NoValue::Nonsense)?;
                self.evaluate(expression, None)?
            }
        };
        let mut caller = self.registers.preserved();
        caller.set(RSP, cfa);
        for (register, rule) in row.registers() {
            match self.value(section, rule, cfa) {
                Ok(Some(value)) => caller.set(*register, value),
                Ok(None) => {}
                // Only the return address is needed in any case; whoever needs another one will say so.
                Err(error) if *register == RETURN_ADDRESS => return Err(error),
                Err(_) => {}
            }
        }
        if caller.get(RETURN_ADDRESS).is_none() {
            return Err(NoValue::Nonsense);
        }
        Ok(Some(caller))
    }

    /// The caller's value of a register; nothing where it is the same or lost.
    fn value(&self, section: &Section, rule: &RegisterRule<usize>, cfa: u64) -> Result<Option<u64>, NoValue> {
        let expression = |expression: &gimli::UnwindExpression<usize>| {
            let expression = expression.get(section).map_err(|_| NoValue::Nonsense)?;
            self.evaluate(expression, Some(cfa))
        };
        Ok(Some(match rule {
            RegisterRule::Undefined | RegisterRule::SameValue | RegisterRule::Architectural => return Ok(None),
            RegisterRule::Offset(offset) => self.word(cfa.wrapping_add_signed(*offset))?,
            RegisterRule::ValOffset(offset) => cfa.wrapping_add_signed(*offset),
            RegisterRule::Register(other) => self.register(*other)?,
            RegisterRule::Expression(at) => self.word(expression(at)?)?,
            RegisterRule::ValExpression(value) => expression(value)?,
            RegisterRule::Constant(value) => *value,
        }))
    }

    fn register(&self, register: Register) -> Result<u64, NoValue> {
        self.registers.get(register).ok_or(NoValue::UnknownRegister)
    }

    fn word(&self, address: u64) -> Result<u64, NoValue> {
        let address = usize::try_from(address).map_err(|_| NoValue::Nonsense)?;
        if !(self.may_read)(address) {
            return Err(NoValue::Nonsense);
        }
        // SAFETY: it is an aligned word of the stack above the stack pointer.
        Ok(unsafe { (address as *const u64).read_volatile() })
    }

    /// The value of an expression (DWARF 5, section 2.5), which starts with the CFA on its stack where the rule is a
    /// register's.
    fn evaluate(&self, expression: Expression<Bytes>, cfa: Option<u64>) -> Result<u64, NoValue> {
        const MOST_STEPS: u32 = 1000;
        let encoding = gimli::Encoding { address_size: 8, format: gimli::Format::Dwarf32, version: 5 };
        let mut evaluation = Evaluation::<_, FixedStorage>::new_in(expression.0, encoding);
        evaluation.set_max_iterations(MOST_STEPS);
        if let Some(cfa) = cfa {
            evaluation.set_initial_value(cfa);
        }
        let nonsense = |_| NoValue::Nonsense;
        let mut result = evaluation.evaluate().map_err(nonsense)?;
        loop {
            result = match result {
                EvaluationResult::Complete => break,
                EvaluationResult::RequiresRegister { register, .. } => {
                    let value = Value::Generic(self.register(register)?);
                    evaluation.resume_with_register(value).map_err(nonsense)?
                }
                EvaluationResult::RequiresMemory { address, size: 8, .. } => {
                    evaluation.resume_with_memory(Value::Generic(self.word(address)?)).map_err(nonsense)?
                }
                _ => return Err(NoValue::Nonsense),
            };
        }
        match evaluation.as_result() {
            [Piece { location: Location::Address { address }, .. }] => Ok(*address),
            _ => Err(NoValue::Nonsense),
        }
    }
}
