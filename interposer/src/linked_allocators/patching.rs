//! Puts hooks in front of functions that nobody looks up by name: their first bytes become a jump.
//!
//! For each function there is a slot in a page near it. The slot has two pieces of code: one that calls the hook, to
//! which the function now jumps, and one that does what the overwritten instructions did and goes on after them, which
//! is the way to the original. All functions of an allocator are patched, or none.
//!
//! Nobody may execute the functions meanwhile: the process has no second thread yet, or the module has just been
//! mapped.

use core::ptr::NonNull;
use core::slice;

use super::hooks::{Hook, Hooked};
use super::instructions::{Kind, decode};
use crate::platform::memory::{map, map_near, protect_code, unmap};

/// What a patch overwrites: `jmp rel32`
const JUMP: usize = 5;
/// Bytes of a slot: the way to the hook, then the way to the original.
const SLOT: usize = 128;
const ORIGINAL: usize = 32;
const PAGE: usize = 4096;

/// A function to be patched.
pub struct Target<'a> {
    /// Its code, as it is in memory, with some bytes of what follows.
    pub code: &'a [u8],
    /// How many of them are the function.
    pub size: usize,
    /// What the hook is given.
    pub hooked: Hooked,
    /// What its calls go to.
    pub hook: Hook,
}

/// Room for the slots of some functions, and for what their hooks are given.
pub struct Patches {
    code: NonNull<u8>,
    hooked: NonNull<Hooked>,
    room: usize,
    count: usize,
}

impl Patches {
    /// Room for `room` functions that are not far from `near`.
    pub fn with_room(room: usize, near: usize) -> Option<Self> {
        let code = map_near((room * SLOT).next_multiple_of(PAGE), near)?;
        let Some(hooked) = map((room * size_of::<Hooked>()).next_multiple_of(PAGE)) else {
            // SAFETY: nobody has seen it.
            unsafe { unmap(code, (room * SLOT).next_multiple_of(PAGE)) };
            return None;
        };
        Some(Self { code, hooked: hooked.cast(), room, count: 0 })
    }

    /// Whether a function is prepared.
    pub fn has(&self, function: usize) -> bool {
        // SAFETY: the first `count` are written.
        let hooked = unsafe { slice::from_raw_parts(self.hooked.as_ptr(), self.count) };
        hooked.iter().any(|known| known.function == function)
    }

    /// Prepares a patch. False if the function cannot be patched.
    pub fn prepare(&mut self, target: &Target<'_>) -> bool {
        if self.count == self.room {
            return false;
        }
        // SAFETY: there is room for one more of both, and nobody executes or reads it yet.
        let (slot, hooked) = unsafe {
            let slot = slice::from_raw_parts_mut(self.code.add(self.count * SLOT).as_ptr(), SLOT);
            (slot, self.hooked.add(self.count))
        };
        let start = slot.as_ptr().addr();
        let function = target.code.as_ptr().addr();
        let mut original = Code { bytes: &mut slot[ORIGINAL..], length: 0, start: start + ORIGINAL };
        if jump(function, start).is_none() || relocate(target.code, target.size, &mut original).is_none() {
            return false;
        }
        // mov r9, hooked; jmp [rip]: the sixth argument, which none of these functions has.
        slot[..2].copy_from_slice(&[0x49, 0xb9]);
        slot[2..10].copy_from_slice(&(hooked.as_ptr().addr() as u64).to_le_bytes());
        slot[10..24].copy_from_slice(&far_jump(target.hook as *const () as usize));
        let filled = Hooked { original: start + ORIGINAL, function, ..target.hooked };
        // SAFETY: as above.
        unsafe { hooked.write(filled) };
        self.count += 1;
        true
    }

    /// Patches the prepared functions, whose pages may be read and executed. Nothing is patched if the system does not
    /// let code be changed.
    ///
    /// # Safety
    /// Nobody executes the functions now, and the hooks do with the arguments what the functions do.
    pub unsafe fn apply(self) -> Option<Applied> {
        let bytes = (self.room * SLOT).next_multiple_of(PAGE);
        // SAFETY: the first `count` are written, and nobody changes them.
        let hooked = unsafe { slice::from_raw_parts(self.hooked.as_ptr(), self.count) };
        // SAFETY: the pages are this one's own.
        let mut ready = unsafe { protect_code(self.code.as_ptr().addr(), bytes, false) };
        let mut opened = 0;
        while ready && opened < hooked.len() {
            // SAFETY: they were executable, and stay so.
            ready = unsafe { protect_code(hooked[opened].function, JUMP, true) };
            opened += usize::from(ready);
        }
        for (number, patched) in hooked.iter().enumerate().filter(|_| ready) {
            if let Some(code) = jump(patched.function, self.code.as_ptr().addr() + number * SLOT) {
                // SAFETY: the page is writable, at least this many bytes of the function may be replaced, and nobody
                // executes them.
                unsafe { (patched.function as *mut [u8; JUMP]).write_unaligned(code) };
            }
        }
        for patched in &hooked[..opened] {
            // SAFETY: as they were.
            unsafe { protect_code(patched.function, JUMP, false) };
        }
        ready.then(|| {
            // The slots are used from now on.
            let applied = Applied { code: self.code.addr().get(), hooked: self.hooked.addr().get(), room: self.room };
            core::mem::forget(self);
            applied
        })
    }
}

/// What the patches of a module use.
#[derive(Clone, Copy)]
pub struct Applied {
    code: usize,
    hooked: usize,
    room: usize,
}

impl Applied {
    /// No patches.
    pub const NONE: Self = Self { code: 0, hooked: 0, room: 0 };

    /// Releases it.
    ///
    /// # Safety
    /// The module has been unloaded.
    pub unsafe fn release(self) {
        let (code, hooked) = (NonNull::new(self.code as *mut u8), NonNull::new(self.hooked as *mut Hooked));
        if let (Some(code), Some(hooked)) = (code, hooked) {
            drop(Patches { code, hooked, room: self.room, count: 0 });
        }
    }
}

impl Drop for Patches {
    fn drop(&mut self) {
        // SAFETY: these are mappings of its own; it is dropped only if nothing leads to them.
        unsafe {
            unmap(self.code, (self.room * SLOT).next_multiple_of(PAGE));
            unmap(self.hooked.cast(), (self.room * size_of::<Hooked>()).next_multiple_of(PAGE));
        }
    }
}

/// The jump from one place to another, if that is near enough.
fn jump(from: usize, to: usize) -> Option<[u8; JUMP]> {
    let mut code = [0xe9, 0, 0, 0, 0];
    code[1..].copy_from_slice(&distance(from + JUMP, to)?.to_le_bytes());
    Some(code)
}

fn distance(from: usize, to: usize) -> Option<i32> {
    i32::try_from(to.wrapping_sub(from).cast_signed()).ok()
}

/// `jmp [rip]` and where it goes.
fn far_jump(to: usize) -> [u8; 14] {
    let mut code = [0xff, 0x25, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    code[6..].copy_from_slice(&(to as u64).to_le_bytes());
    code
}

/// Code that is being written.
struct Code<'a> {
    bytes: &'a mut [u8],
    length: usize,
    /// Where it is.
    start: usize,
}

impl Code<'_> {
    fn push(&mut self, bytes: &[u8]) -> Option<()> {
        self.bytes.get_mut(self.length..)?.get_mut(..bytes.len())?.copy_from_slice(bytes);
        self.length += bytes.len();
        Some(())
    }

    /// An instruction with an address at the offset `operand`, relative to the next instruction.
    fn push_moved(&mut self, instruction: &[u8], operand: usize) -> Option<()> {
        let relative = i32::from_le_bytes(*instruction.get(operand..)?.first_chunk()?);
        let to = instruction.as_ptr_range().end.addr().wrapping_add_signed(relative as isize);
        let moved = distance(self.start + self.length + instruction.len(), to)?;
        let place = self.length + operand;
        self.push(instruction)?;
        self.bytes[place..place + 4].copy_from_slice(&moved.to_le_bytes());
        Some(())
    }

    /// An opcode and the distance to an address.
    fn push_with_distance(&mut self, opcode: &[u8], to: usize) -> Option<()> {
        let distance = distance(self.start + self.length + opcode.len() + 4, to)?;
        self.push(opcode)?;
        self.push(&distance.to_le_bytes())
    }
}

/// Writes what does the same as the first instructions of `code`, as many as a jump overwrites, and then goes on after
/// them. `size` bytes of `code` are the function. Nothing if that cannot be done.
fn relocate(code: &[u8], size: usize, out: &mut Code<'_>) -> Option<()> {
    let start = code.as_ptr().addr();
    let (mut at, mut has_ended) = (0, false);
    while at < JUMP && !has_ended {
        let found = decode(&code[at..])?;
        let next = at + found.length;
        let to = |distance: i32| start.wrapping_add(next).wrapping_add_signed(distance as isize);
        match found.kind {
            // A debugger's breakpoint
            Kind::Padding if code[at] == 0xcc => return None,
            // A call that is going on now, if this thread is in it, would return into what is overwritten. (After a
            // direct call, which has five bytes, it returns to the first byte that is not overwritten.)
            Kind::IndirectCall => return None,
            Kind::Plain | Kind::Padding => out.push(&code[at..next])?,
            Kind::Relative { at: operand } => out.push_moved(&code[at..next], operand)?,
            Kind::Call(distance) => out.push_with_distance(&[0xe8], to(distance))?,
            Kind::Branch { condition, distance } => out.push_with_distance(&[0x0f, 0x80 | condition], to(distance))?,
            Kind::Jump(distance) => {
                out.push_with_distance(&[0xe9], to(distance))?;
                has_ended = true;
            }
            Kind::End { relative } => {
                match relative {
                    Some(operand) => out.push_moved(&code[at..next], operand)?,
                    None => out.push(&code[at..next])?,
                }
                has_ended = true;
            }
        }
        at = next;
    }
    if has_ended {
        // A short function: what fills the space after it may be overwritten.
        while at < JUMP {
            at += decode(&code[at..]).filter(|space| space.kind == Kind::Padding)?.length;
        }
    } else {
        out.push(&far_jump(start + at))?;
    }
    (!jumps_into(code.get(..size)?, at)).then_some(())
}

/// Whether a function jumps into its first `length` bytes, but not to its very beginning. Examines all of its code that
/// can be read in one go.
fn jumps_into(code: &[u8], length: usize) -> bool {
    let mut at = 0;
    while let Some(found) = decode(&code[at..]) {
        at += found.length;
        if let Kind::Jump(distance) | Kind::Branch { distance, .. } = found.kind {
            let to = at.wrapping_add_signed(distance as isize);
            if to > 0 && to < length {
                return true;
            }
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use core::arch::naked_asm;
    use core::sync::atomic::AtomicU64;
    use core::sync::atomic::Ordering::Relaxed;

    use memprof_channel::allocator::Allocator;

    use super::*;
    use crate::elf::ObjectFile;
    use crate::linked_allocators::functions::Role;
    use crate::lock::Recording;
    use crate::platform::loaded_modules::{MayAskLoader, all};
    use crate::unwind::loaded_objects;
    use std::sync::Mutex;

    type Function = unsafe extern "C" fn(u64, u64) -> u64;

    static SEVEN: u64 = 7;
    static PLAIN: Function = plain;

    /// Defines functions of a few instructions each, and how to call one that the compiler cannot see through.
    macro_rules! functions {
        ($($name:ident: $($line:literal)* $(, $operand:ident = sym $symbol:path)?;)*) => {
            $(#[unsafe(naked)]
            unsafe extern "C" fn $name(_: u64, _: u64) -> u64 {
                naked_asm!($($line,)* $($operand = sym $symbol)?)
            })*
        };
    }

    functions! {
        plain: "push rbp" "mov rbp, rsp" "lea rax, [rdi + rsi]" "pop rbp" "ret";
        loads: "mov rax, qword ptr [rip + {seven}]" "add rax, rdi" "ret", seven = sym SEVEN;
        compares: "cmp qword ptr [rip + {seven}], 7" "jne 2f" "lea rax, [rdi + 1]" "ret" "2: xor eax, eax" "ret", seven = sym SEVEN;
        branches: "test rdi, rdi" "je 2f" "mov eax, 10" "ret" "2: mov eax, 20" "ret";
        short: "mov eax, edi" "ret" "int3" "nop";
        passes_on: "jmp {plain}", plain = sym plain;
        passes_on_far: "jmp qword ptr [rip + {address}]", address = sym PLAIN;
        calls: "push rbx" "call {plain}" "add rax, 1" "pop rbx" "ret", plain = sym plain;
        repeats: "xor eax, eax" "2: add rax, rdi" "dec rsi" "jnz 2b" "ret";
        starts_again: "dec rdi" "jnz {starts_again}" "mov rax, rsi" "ret", starts_again = sym starts_again;
        no_space: "mov eax, edi" "ret" "2: mov eax, esi" "jmp 2b";
        calls_back: "call rdi" "add rax, rsi" "ret";
        breakpoint: "int3" "mov rax, rdi" "ret";
    }

    static CALLS: AtomicU64 = AtomicU64::new(0);
    /// The functions share pages: one test at a time changes what may be done with them.
    static PATCHING: Mutex<()> = Mutex::new(());

    unsafe extern "C" fn hook(a: usize, b: usize, c: usize, d: usize, e: usize, hooked: &Hooked) -> usize {
        CALLS.fetch_add(1, Relaxed);
        // SAFETY: the call is passed on as it came.
        unsafe { hooked.original([a, b, c, d, e]) + 1000 }
    }

    fn patched(function: Function) -> bool {
        let _alone = PATCHING.lock().unwrap();
        let start = function as *const () as usize;
        // SAFETY: no test loads or unloads modules.
        loaded_objects::prepare(&all(&unsafe { MayAskLoader::new() }).unwrap());
        // SAFETY: no signal handler of the test program allocates.
        let bias = loaded_objects::find(start, &mut unsafe { Recording::begin() }).unwrap().bias;
        let file = ObjectFile::open(c"/proc/self/exe").unwrap();
        let (_, symbol) = file.functions(|_| true).find(|(_, symbol)| symbol.address + bias == start).unwrap();
        // SAFETY: the code of the test program, which is larger than that.
        let code = unsafe { slice::from_raw_parts(start as *const u8, symbol.size + 32) };
        let hooked = Hooked { original: 0, function: 0, role: Role::Internal, allocator: Allocator::Mmap };
        let mut patches = Patches::with_room(1, start).unwrap();
        let ready = patches.prepare(&Target { code, size: symbol.size, hooked, hook });
        assert_eq!(ready, patches.has(start));
        // SAFETY: nobody but this test executes the function.
        ready && unsafe { patches.apply() }.is_some()
    }

    #[track_caller]
    fn assert_patched(function: Function, arguments: [u64; 2], result: u64) {
        // SAFETY: these functions only compute.
        let call = || unsafe { function(arguments[0], arguments[1]) };
        assert_eq!(call(), result);
        assert!(patched(function));
        let calls = CALLS.load(Relaxed);
        assert_eq!((call(), CALLS.load(Relaxed) - calls), (result + 1000, 1));
    }

    #[test]
    fn functions_do_the_same_through_their_hooks() {
        assert_patched(loads, [1, 0], 8);
        assert_patched(compares, [1, 0], 2);
        assert_patched(branches, [0, 0], 20);
        // SAFETY: it only computes.
        assert_eq!(unsafe { branches(1, 0) }, 1010);
        assert_patched(short, [5, 0], 5);
        assert_patched(passes_on, [3, 4], 7);
        assert_patched(passes_on_far, [3, 4], 7);
        assert_patched(calls, [3, 4], 8);
        assert_patched(plain, [3, 4], 7);
        // Both hooks are called now, the outer one and the inner one.
        // SAFETY: it only computes.
        assert_eq!(unsafe { calls(3, 4) }, 2008);
        // A second hook in front of the first one
        assert!(patched(plain));
        // SAFETY: it only computes.
        assert_eq!(unsafe { plain(3, 4) }, 2007);
    }

    #[test]
    fn functions_that_start_again_call_their_hook_again() {
        assert!(patched(starts_again));
        // SAFETY: it only computes.
        assert_eq!(unsafe { starts_again(3, 4) }, 3004);
    }

    #[test]
    fn functions_that_cannot_be_patched_stay_as_they_are() {
        assert!(!patched(repeats) && !patched(no_space) && !patched(breakpoint) && !patched(calls_back));
        // SAFETY: they only compute.
        unsafe { assert_eq!((repeats(3, 4), no_space(5, 0)), (12, 5)) };
    }
}
