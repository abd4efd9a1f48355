//! A run with an irregular tree of calls, of any size.

use memprof_capture::file::{Code, Frame, Site, StackNode, Thread};
use memprof_channel::allocator::Allocator;
use memprof_channel::code::LineTableFormat;
use memprof_channel::event::Event;
use memprof_channel::ids::{Address, CodeId, FrameId, SiteId, StackId};

use super::{CaptureBuilder, START, one_line_for_each_unit};

const FUNCTIONS: u64 = 20_000;
const FUNCTIONS_IN_A_FILE: u64 = 50;
/// Lines of each function that are in stacks.
const LINES: u64 = 3;
const THREADS: u64 = 8;
/// Frames on the way that lead to all calls.
const DEEPEST: usize = 60;
const ALLOCATORS: [Allocator; 4] = [Allocator::Malloc, Allocator::Calloc, Allocator::Realloc, Allocator::PosixMemalign];

/// A cheap, repeatable source of numbers (xorshift).
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % limit
    }
}

/// A run whose flame graph has this many nodes, besides the root. More than half of them allocate, by eight threads and
/// four allocators, a few of them often; one half of that is live at the end.
pub fn large_tree(nodes: usize) -> CaptureBuilder {
    let mut numbers = Numbers(0x9e37_79b9_7f4a_7c15);
    let mut builder = CaptureBuilder::new();
    builder.threads = (0..THREADS as u32).map(|n| Thread { tid: 4711 + n, name: format!("worker-{n}") }).collect();
    for function in 0..FUNCTIONS {
        let (module, group) = (function / FUNCTIONS_IN_A_FILE, function / FUNCTIONS_IN_A_FILE / 20);
        builder.codes.push(Code {
            name: format!("function_{function}"),
            qualified_name: format!("Class{}.function_{function}", function % 7),
            file: format!("/srv/app/package_{group}/module_{module}.py"),
            first_line: (function % FUNCTIONS_IN_A_FILE) as u32 * 20 + 1,
            format: LineTableFormat::Locations,
            line_table: one_line_for_each_unit(),
        });
        let code = CodeId::from_index(function as usize);
        builder.frames.extend((0..LINES as u32).map(|line| Frame::Python { code, offset: (3 * line + 1) * 2 }));
    }
    grow(&mut builder, nodes, &mut numbers);
    allocate(&mut builder, &mut numbers);
    builder
}

/// Each new node hangs somewhere on the way to the one before it, mostly near its end.
fn grow(builder: &mut CaptureBuilder, nodes: usize, numbers: &mut Numbers) {
    let frames = FUNCTIONS * LINES;
    // The way to the last node: its stack, and how many nodes hang on it.
    let mut path: Vec<(StackId, u64)> = vec![(StackId::EMPTY, 0)];
    for node in 0..nodes {
        let leave =
            if numbers.below(50) == 0 { numbers.below(path.len() as u64) } else { numbers.below(4).saturating_sub(1) };
        // The outermost calls last.
        let lasting = if numbers.below(2000) == 0 { 1 } else { 4 };
        let keep = path.len().saturating_sub(leave as usize).clamp(lasting.min(path.len()), DEEPEST);
        path.truncate(keep);
        let (parent, children) = path.last_mut().expect("the root stays");
        // Siblings have different frames: each is some steps after the one before it.
        let frame = (u64::from(parent.0).wrapping_mul(0x9e37_79b1) + *children * 7919) % frames;
        *children += 1;
        let parent = *parent;
        builder.stacks.push(StackNode { parent, frame: FrameId::from_index(frame as usize) });
        path.push((StackId::from_index(node + 1), 0));
    }
}

fn allocate(builder: &mut CaptureBuilder, numbers: &mut Numbers) {
    let stacks = builder.stacks.len();
    for stack in (1..=stacks).map(StackId::from_index) {
        // What calls nothing allocates: all others are there because of that.
        let is_leaf = builder.stacks.get(stack.index()).is_none_or(|next| next.parent != stack);
        if !is_leaf && numbers.below(4) > 0 {
            continue;
        }
        let allocator = ALLOCATORS[(stack.0 / 7 % 4) as usize];
        let site = SiteId::from_index(builder.sites.len());
        builder.sites.push(Site::new(stack, allocator));
        // Every stack has a thread, and some have a second one.
        for n in 0..=numbers.below(8) / 7 {
            let thread = ((u64::from(stack.0) / 4096 + n) % THREADS) as u32;
            let times = if numbers.below(1000) == 0 { 20 } else { 1 };
            for _ in 0..times {
                allocate_once(builder, numbers, site, thread);
            }
        }
    }
}

fn allocate_once(builder: &mut CaptureBuilder, numbers: &mut Numbers, site: SiteId, thread: u32) {
    let stamp = builder.now.max(START) + 1 + numbers.below(100);
    let address = Address((builder.events.len() as u64 + 1) << 24);
    let size = 1 + (1 << numbers.below(14)) + numbers.below(16);
    builder.event(thread, stamp, Event::Allocation { address, size, site });
    if numbers.below(2) == 0 {
        builder.event(thread, stamp + 1 + numbers.below(5), Event::Free { address });
    }
}
