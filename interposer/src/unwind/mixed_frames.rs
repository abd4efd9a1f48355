//! Functions that treat the frame pointer register in every way that unwinding information can express, and call each
//! other in any order: their stacks are those that libgcc's unwinder finds, and each quick step is the one that the
//! slow way makes.

use core::arch::global_asm;
use core::ffi::{c_int, c_void};
use std::sync::Once;

use proptest::prelude::*;

use super::frame::{FrameState, Step};
use super::unwinder::{Unwinder, prepare};
use crate::lock::Recording;
use crate::platform::loaded_modules::{MayAskLoader, all};
use crate::stacks::native::{NativeChain, NativeMemo, Outcome};

/// Defines a function: what it does before it calls, and after that, with what its unwinding information says. The next
/// function's kind is the byte at rdi; after the last one, `then` in rsi is called with rdx. Its name is global:
/// whoever calls it may be compiled to another object file.
macro_rules! kind {
    ($name:literal, $enter:literal, $leave:literal) => {
        global_asm!(
            concat!(".globl ", $name),
            concat!(".hidden ", $name),
            concat!(".type ", $name, ", @function"),
            concat!($name, ":"),
            ".cfi_startproc",
            $enter,
            "movzx eax, byte ptr [rdi]",
            "inc rdi",
            "lea rcx, [rip + mixed_frames_kinds]",
            "call qword ptr [rcx + rax * 8]",
            $leave,
            "ret",
            ".cfi_endproc",
            concat!(".size ", $name, ", . - ", $name),
        );
    };
}

// The standard.
kind!(
    "mixed_frames_keeps",
    "push rbp\n.cfi_def_cfa_offset 16\n.cfi_offset rbp, -16\nmov rbp, rsp\n.cfi_def_cfa_register rbp\nsub rsp, 48",
    "leave\n.cfi_def_cfa rsp, 8"
);
// As compilers do it otherwise.
kind!("mixed_frames_omits", "sub rsp, 40\n.cfi_def_cfa_offset 48", "add rsp, 40\n.cfi_def_cfa_offset 8");
// It calls when it has saved the register, and has not set it yet: it is the caller's.
kind!(
    "mixed_frames_calls_early",
    "push rbp\n.cfi_def_cfa_offset 16\n.cfi_offset rbp, -16",
    "mov rbp, rsp\n.cfi_def_cfa_register rbp\nleave\n.cfi_def_cfa rsp, 8"
);
// It calls when it has restored the register.
kind!(
    "mixed_frames_calls_late",
    "push rbp\n.cfi_def_cfa_offset 16\n.cfi_offset rbp, -16\nmov rbp, rsp\n.cfi_def_cfa_register rbp\n\
     pop rbp\n.cfi_def_cfa rsp, 8\n.cfi_restore rbp\nsub rsp, 8\n.cfi_def_cfa_offset 16",
    "add rsp, 8\n.cfi_def_cfa_offset 8"
);
// The register holds a number.
kind!(
    "mixed_frames_counts",
    "push rbp\n.cfi_def_cfa_offset 16\n.cfi_offset rbp, -16\nmov rbp, 3",
    "pop rbp\n.cfi_def_cfa_offset 8\n.cfi_restore rbp"
);
// The register leads to what seems to be a frame, with a return address, and is none.
kind!(
    "mixed_frames_misleads",
    "push rbp\n.cfi_def_cfa_offset 16\n.cfi_offset rbp, -16\nsub rsp, 32\n.cfi_def_cfa_offset 48\n\
     lea rbp, [rip + mixed_frames_misleads]\nmov [rsp + 8], rbp\nmov [rsp], rsp\nmov rbp, rsp",
    "add rsp, 32\n.cfi_def_cfa_offset 16\npop rbp\n.cfi_def_cfa_offset 8\n.cfi_restore rbp"
);
// The frame pointer is further in than its place, as in libffi.
kind!(
    "mixed_frames_lower",
    "sub rsp, 16\n.cfi_def_cfa_offset 24\npush rbp\n.cfi_def_cfa_offset 32\n.cfi_offset rbp, -32\nmov rbp, rsp\n\
     .cfi_def_cfa_register rbp",
    "mov rsp, rbp\npop rbp\n.cfi_def_cfa rsp, 24\n.cfi_restore rbp\nadd rsp, 16\n.cfi_def_cfa_offset 8"
);
// The canonical frame address is another register's; rbp is the caller's.
kind!(
    "mixed_frames_by_rbx",
    "push rbx\n.cfi_def_cfa_offset 16\n.cfi_offset rbx, -16\nmov rbx, rsp\n.cfi_def_cfa_register rbx",
    "pop rbx\n.cfi_def_cfa rsp, 8\n.cfi_restore rbx"
);
// Expressions, as GCC writes them where a function aligns its stack: the CFA is in the word below the frame pointer,
// which is saved where the register points to.
kind!(
    "mixed_frames_aligns",
    "lea r10, [rsp + 8]\n.cfi_def_cfa r10, 0\nand rsp, -32\npush qword ptr [r10 - 8]\npush rbp\n\
     .cfi_escape 0x10, 0x06, 0x02, 0x76, 0x00\nmov rbp, rsp\npush r10\n.cfi_escape 0x0f, 0x03, 0x76, 0x78, 0x06\nsub rsp, 40",
    "mov r10, [rbp - 8]\n.cfi_def_cfa r10, 0\nleave\nlea rsp, [r10 - 8]\n.cfi_def_cfa rsp, 8"
);
global_asm!(
    ".hidden mixed_frames_ends, mixed_frames_kinds",
    ".globl mixed_frames_ends, mixed_frames_kinds",
    ".type mixed_frames_ends, @function",
    "mixed_frames_ends:",
    ".cfi_startproc",
    "sub rsp, 8",
    ".cfi_def_cfa_offset 16",
    "mov rdi, rdx",
    "call rsi",
    "add rsp, 8",
    ".cfi_def_cfa_offset 8",
    "ret",
    ".cfi_endproc",
    ".size mixed_frames_ends, . - mixed_frames_ends",
    ".pushsection .data.rel.local, \"aw\"",
    "mixed_frames_kinds:",
    ".quad mixed_frames_keeps, mixed_frames_omits, mixed_frames_calls_early, mixed_frames_calls_late",
    ".quad mixed_frames_counts, mixed_frames_misleads, mixed_frames_lower, mixed_frames_by_rbx, mixed_frames_aligns",
    ".quad mixed_frames_ends",
    ".popsection",
);

const KINDS: u8 = 9;

unsafe extern "C" {
    #[link_name = "mixed_frames_omits"]
    fn begin(kinds: *const u8, then: extern "C" fn(*mut c_void), found: *mut c_void);
    fn _Unwind_Backtrace(each: extern "C" fn(*mut c_void, *mut c_void) -> c_int, addresses: *mut c_void) -> c_int;
    fn _Unwind_GetIP(context: *mut c_void) -> usize;
}

extern "C" fn note(context: *mut c_void, addresses: *mut c_void) -> c_int {
    // SAFETY: libgcc passes its context and our vector.
    unsafe { (*addresses.cast::<Vec<usize>>()).push(_Unwind_GetIP(context)) };
    0
}

#[derive(Default)]
struct Found {
    memo: Option<NativeMemo>,
    /// Return addresses from the innermost frame on: by the memo, by libgcc.
    ours: Vec<usize>,
    theirs: Vec<usize>,
    outcome: Option<Outcome>,
    /// Frames, by slow steps alone, and by quick ones where there are some.
    slow: Vec<(FrameState, usize, bool)>,
    quick: Vec<(FrameState, usize, bool)>,
    steps: usize,
}

extern "C" fn inspect(found: *mut c_void) {
    // SAFETY: the test passes what it owns, and waits.
    let found = unsafe { &mut *found.cast::<Found>() };
    // SAFETY: no signal handler of the test program allocates.
    let recording = &mut unsafe { Recording::begin() };
    let here = FrameState::here();
    let mut unwinder = Unwinder::of_this_thread();
    let mut walk = unwinder.walk(recording);

    found.slow.clear();
    let mut at = here;
    while let Step::Caller { frame, bp_slot, in_place } = walk.caller(at) {
        found.slow.push((frame, bp_slot, in_place));
        at = frame;
    }
    found.quick.clear();
    found.steps = 0;
    let mut at = here;
    loop {
        let mut reached = at;
        at = walk.follow(at, |frame, bp_slot, in_place| {
            found.quick.push((frame, bp_slot, in_place));
            found.steps += 1;
            reached = frame;
            // Now and then somebody wants no more.
            found.steps % 7 != 0
        });
        assert_eq!(at, reached);
        let Step::Caller { frame, bp_slot, in_place } = walk.caller(at) else { break };
        found.quick.push((frame, bp_slot, in_place));
        at = frame;
    }

    let memo = found.memo.get_or_insert_with(NativeMemo::new);
    memo.update(&mut walk, &here).unwrap();
    found.outcome = Some(memo.outcome());
    found.ours = (0..memo.len()).rev().map(|index| memo.frame(index).address.get()).collect();
    found.theirs.clear();
    // SAFETY: the callback gets the vector, which outlives the call.
    unsafe { _Unwind_Backtrace(note, (&raw mut found.theirs).cast()) };
    // The last of them is where a thread starts, which calls nothing: 0, in some versions. The first is here.
    found.theirs.retain(|&address| address != 0);
    found.theirs.remove(0);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]
    #[test]
    fn whatever_functions_do_with_the_frame_pointer(
        ways in prop::collection::vec(prop::collection::vec(0..KINDS, 0..60), 1..8),
        kept in 0..60_usize,
    ) {
        static READY: Once = Once::new();
        // SAFETY: no test loads or unloads modules.
        READY.call_once(|| prepare(&all(&unsafe { MayAskLoader::new() }).unwrap()));
        // One memo for all of them: some begin as the one before.
        let mut found = Found::default();
        let mut before: Vec<u8> = Vec::new();
        for way in ways {
            let mut kinds: Vec<u8> = before.iter().take(kept.min(before.len() / 2)).chain(&way).copied().collect();
            before.clone_from(&kinds);
            kinds.push(KINDS);
            // SAFETY: the functions follow the calling convention, and read the kinds up to the last one.
            unsafe { begin(kinds.as_ptr(), inspect, (&raw mut found).cast()) };
            prop_assert!(found.ours.len() > kinds.len());
            prop_assert_eq!(&found.ours, &found.theirs, "{:?}", kinds);
            prop_assert_eq!(found.outcome, Some(Outcome::Whole));
            prop_assert_eq!(&found.quick, &found.slow, "{:?}", kinds);
            prop_assert!(found.steps * 3 > kinds.iter().filter(|&&kind| kind < 7).count(), "{}", found.steps);
        }
    }
}
