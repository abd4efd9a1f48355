//! Allocates through Rust's standard library. What the function of a line marked `//= N` gets there, at least, is N bytes;
//! nothing else of the program allocates.

use std::alloc::{GlobalAlloc, Layout, System};
use std::collections::{BTreeMap, HashMap, VecDeque};
use std::hint::black_box;
use std::rc::Rc;

/// An allocator with a function of its own between the trait and the system.
struct Counting;

impl Counting {
    #[inline(never)]
    fn counted(&self, layout: Layout) -> *mut u8 {
        black_box(unsafe { System.alloc(layout) })
    }
}

unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        black_box(self.counted(layout))
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        unsafe { System.dealloc(block, layout) }
    }
}

#[cfg(counting)]
#[global_allocator]
static ALLOCATOR: Counting = Counting;

#[inline(never)]
fn with_capacity() {
    black_box(Vec::<u8>::with_capacity(1_001)); //= 1001
}

#[inline(never)]
fn push(numbers: &mut Vec<u64>) {
    for number in 0..1_000 {
        numbers.push(number); //= 8000
    }
}

#[inline(never)]
fn boxed() {
    black_box(Box::new(black_box([1_u8; 2_002]))); //= 2002
}

#[inline(never)]
fn hash_map(map: &mut HashMap<u64, u64>) {
    for number in 0..1_000 {
        map.insert(number, number); //= 16000
    }
}

#[inline(never)]
fn string(text: &mut String) {
    for _ in 0..1_000 {
        text.push_str(black_box("abc")); //= 3000
    }
}

#[inline(never)]
fn rc() {
    black_box(Rc::new(black_box([1_u8; 3_003]))); //= 3003
}

#[inline(never)]
fn tree(map: &mut BTreeMap<u64, u64>) {
    for number in 0..1_000 {
        map.insert(number, number); //= 16000
    }
}

#[inline(never)]
fn formatted() {
    black_box(format!("{:>4004}", black_box(1))); //= 4004
}

#[inline(never)]
fn queue(queue: &mut VecDeque<u64>) {
    queue.resize_with(700, || { //= 5600
        let number = Box::new(black_box(7)); //= 5600
        *black_box(number)
    });
    // A last call may become a jump, and the function would be gone.
    black_box(());
}

#[inline(never)]
fn by_hand() {
    let layout = Layout::array::<u8>(5_005).unwrap();
    let block = unsafe { std::alloc::alloc(layout) }; //= 5005
    unsafe { std::alloc::dealloc(black_box(block), layout) };
}

#[inline(never)]
fn thread() {
    let thread = std::thread::spawn(|| { //= 1
        black_box(vec![1_u8; black_box(6_006)]); //= 6006
    });
    thread.join().unwrap();
}

fn main() {
    black_box(&Counting);
    if std::env::args().len() > 1 { //= 1
        return;
    }
    with_capacity();
    push(black_box(&mut Vec::new()));
    boxed();
    let mut map = HashMap::new();
    hash_map(black_box(&mut map));
    string(black_box(&mut String::new()));
    rc();
    tree(black_box(&mut BTreeMap::new()));
    formatted();
    queue(black_box(&mut VecDeque::new()));
    by_hand();
    thread();
    black_box(&map);
}
