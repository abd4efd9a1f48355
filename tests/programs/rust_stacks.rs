//! Allocates at the end of Rust stacks. Comments say what the stacks are;
//! tests/support/native_expectations.rs explains.

use std::collections::HashMap;
use std::hint::black_box;
use std::panic::{self, AssertUnwindSafe};

struct Holder<T> {
    items: Vec<T>,
}

impl<T: Clone> Holder<T> {
    #[inline(never)]
    fn grow(&mut self, count: usize) {
        self.items.reserve_exact(count); // @grow
    }
}

trait Works {
    fn work(&self);
}

impl Works for Holder<u8> {
    #[inline(never)]
    fn work(&self) {
        black_box(vec![1_u8; 1_000_003]); // @work
    }
}

#[inline(never)]
fn generics() {
    let (mut bytes, mut words) = (Holder::<u8> { items: Vec::new() }, Holder::<u32> { items: Vec::new() });
    bytes.grow(1_000_001); // @generics-bytes
    words.grow(250_001); // @generics-words
    black_box((&bytes.items, &words.items));
    let works: &dyn Works = black_box(&bytes);
    works.work(); // @generics-dyn
    black_box(());
}
//stack(v0) 1000001: ~ / rust_stacks::main@main-generics / rust_stacks::generics@generics-bytes / <rust_stacks::Holder<u8>>::grow@grow / ...
//stack(!v0) 1000001: ~ / rust_stacks::main@main-generics / rust_stacks::generics@generics-bytes / rust_stacks::Holder<T>::grow@grow / ...
//stack(v0) 1000004: ~ / rust_stacks::main@main-generics / rust_stacks::generics@generics-words / <rust_stacks::Holder<u32>>::grow@grow / ...
//stack(!v0) 1000004: ~ / rust_stacks::main@main-generics / rust_stacks::generics@generics-words / rust_stacks::Holder<T>::grow@grow / ...
//stack 1000003: ~ / rust_stacks::main@main-generics / rust_stacks::generics@generics-dyn / <rust_stacks::Holder<u8> as rust_stacks::Works>::work@work / ...

#[inline(always)]
fn inlined(size: usize) -> Box<[u8]> {
    vec![2_u8; size].into_boxed_slice() // @inlined
}

#[inline(never)]
fn collections() {
    black_box(inlined(1_000_010)); // @collections-inlined
    let mut text = String::new();
    text.reserve_exact(1_000_011); // @collections-string
    black_box(&text);
    let mut map: HashMap<u64, [u8; 7]> = HashMap::new();
    for number in 0..1000 {
        map.insert(number, [0; 7]);
    }
    map.reserve(50_000); // @collections-map
    black_box(&map);
}
//stack 1000010: ~ / rust_stacks::main@main-collections / rust_stacks::collections@collections-inlined / rust_stacks::inlined@inlined / ...
//stack 1000011: ~ / rust_stacks::main@main-collections / rust_stacks::collections@collections-string / ...

#[inline(never)]
fn calls(function: &dyn Fn(usize)) {
    function(1_000_020); // @calls
    black_box(());
}

#[inline(never)]
fn closures() {
    let own = black_box(7);
    calls(&|size| { // @closures
        black_box(Vec::<u8>::with_capacity(size + own)); // @closure
    });
    black_box(());
}
//stack(v0) 1000027: ~ / rust_stacks::main@main-closures / rust_stacks::closures@closures / rust_stacks::calls@calls / rust_stacks::closures::{closure#0}@closure / ...
//stack(!v0) 1000027: ~ / rust_stacks::main@main-closures / rust_stacks::closures@closures / rust_stacks::calls@calls / rust_stacks::closures::{{closure}}@closure / ...

struct Guard(usize);

impl Drop for Guard {
    #[inline(never)]
    fn drop(&mut self) {
        black_box(Vec::<u8>::with_capacity(self.0)); // @drop
    }
}

#[inline(never)]
fn panics(depth: usize) -> usize {
    let _guard = Guard(1_000_030 + depth);
    if depth == 0 {
        panic!("as intended"); // @panics
    }
    panics(depth - 1) + 1 // @panics-deeper
} // @panics-end

//stack(v0) 1000030: ~ / rust_stacks::main@main-caught / rust_stacks::caught@caught / ~ / rust_stacks::caught::{closure#0}@caught / rust_stacks::panics@panics-deeper / rust_stacks::panics@panics-end / ~ / <rust_stacks::Guard as core::ops::drop::Drop>::drop@drop / ...
//stack(!v0) 1000030: ~ / rust_stacks::main@main-caught / rust_stacks::caught@caught / ~ / rust_stacks::caught::{{closure}}@caught / rust_stacks::panics@panics-deeper / rust_stacks::panics@panics-end / ~ / <rust_stacks::Guard as core::ops::drop::Drop>::drop@drop / ...

#[inline(never)]
fn caught() {
    let caught = panic::catch_unwind(AssertUnwindSafe(|| panics(1))).is_err(); // @caught
    assert!(caught);
    black_box(Vec::<u8>::with_capacity(1_000_035)); // @after-panic
}
//stack 1000035: ~ / rust_stacks::main@main-caught / rust_stacks::caught@after-panic / ...

#[inline(never)]
fn runs(size: usize) {
    black_box(Vec::<u8>::with_capacity(size)); // @runs
}

#[inline(never)]
fn threads() {
    let thread = std::thread::spawn(|| { // @spawn
        runs(1_000_040); // @thread
        black_box(());
    });
    thread.join().unwrap();
    std::thread::scope(|scope| { // @scope
        scope.spawn(|| { // @scope-spawn
            runs(1_000_041); // @scoped
            black_box(());
        });
    });
}

//stack(v0) 1000040: ~ / rust_stacks::main@main-threads / rust_stacks::threads@spawn / ... / | / ... / rust_stacks::threads::{closure#0}@thread / rust_stacks::runs@runs / ...
//stack(!v0) 1000040: ~ / rust_stacks::main@main-threads / rust_stacks::threads@spawn / ... / | / ... / rust_stacks::threads::{{closure}}@thread / rust_stacks::runs@runs / ...
//stack(v0) 1000041: ~ / rust_stacks::main@main-threads / rust_stacks::threads@scope / ... / rust_stacks::threads::{closure#1}@scope-spawn / ... / | / ... / rust_stacks::threads::{closure#1}::{closure#0}@scoped / rust_stacks::runs@runs / ...
//stack(!v0) 1000041: ~ / rust_stacks::main@main-threads / rust_stacks::threads@scope / ... / rust_stacks::threads::{{closure}}@scope-spawn / ... / | / ... / rust_stacks::threads::{{closure}}::{{closure}}@scoped / rust_stacks::runs@runs / ...

fn main() {
    panic::set_hook(Box::new(|_| {}));
    generics(); // @main-generics
    collections(); // @main-collections
    closures(); // @main-closures
    caught(); // @main-caught
    threads(); // @main-threads
    // A last call may become a jump, and main would be gone.
    black_box(());
}
