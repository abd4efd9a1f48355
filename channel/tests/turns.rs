//! Threads that hand something to each other: sorted by their stamps, the hand-overs are in order, although most of
//! them never read the clock.

use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::{AcqRel, Relaxed, Release};
use std::sync::{Arc, Barrier};
use std::time::{Duration, Instant};

use memprof_channel::clock::ClockKind;
use memprof_channel::ids::Stamp;
use memprof_channel::turns::{Stamper, TurnWord};

const THREADS: u32 = 4;
const EVENTS: usize = 40_000;

/// What happened: the token with this number was given away, or taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct HandOver {
    stamp: Stamp,
    takes: bool,
    token: u64,
}

/// A thread gives tokens away, and takes others', with some events of its own between them.
fn hand_over(word: &TurnWord, slots: &[AtomicU64], thread: u32, pause: Option<Duration>) -> Vec<HandOver> {
    let mut stamper = Stamper::new(ClockKind::of_this_machine(), thread);
    let (mut random, mut log, mut next) = (u64::from(thread) * 7919 + 1, Vec::new(), u64::from(thread) << 32);
    while log.len() < EVENTS {
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let slot = &slots[(random >> 60) as usize % slots.len()];
        for _ in 0..random >> 50 & 7 {
            stamper.stamp(word);
        }
        let token = slot.swap(0, AcqRel);
        if token != 0 {
            // As an allocation: stamped when the block is there.
            log.push(HandOver { stamp: stamper.stamp(word), takes: true, token });
        }
        next += 1;
        // As a release: stamped before the block is given away.
        let given = HandOver { stamp: stamper.stamp(word), takes: false, token: next };
        log.push(given);
        if slot.compare_exchange(0, next, Release, Relaxed).is_err() {
            log.pop();
        }
        if let Some(pause) = pause.filter(|_| random >> 40 & 0xff == 0) {
            std::thread::sleep(pause);
        }
    }
    log
}

fn check(pause: Option<Duration>) {
    let word: Arc<TurnWord> = Arc::default();
    let slots: Arc<Vec<AtomicU64>> = Arc::new((0..4).map(|_| AtomicU64::new(0)).collect());
    let start = Arc::new(Barrier::new(THREADS as usize));
    let threads: Vec<_> = (0..THREADS)
        .map(|thread| {
            let (word, slots, start) = (Arc::clone(&word), Arc::clone(&slots), Arc::clone(&start));
            std::thread::spawn(move || {
                start.wait();
                hand_over(&word, &slots, thread, pause)
            })
        })
        .collect();
    while !threads.iter().all(std::thread::JoinHandle::is_finished) {
        word.poll();
        std::thread::sleep(Duration::from_micros(200));
    }
    let mut all = Vec::new();
    for thread in threads {
        let log = thread.join().expect("the thread ends");
        assert!(log.windows(2).all(|pair| pair[0].stamp <= pair[1].stamp), "a thread's stamps never go back");
        all.extend(log);
    }
    let given: std::collections::HashMap<u64, Stamp> =
        all.iter().filter(|it| !it.takes).map(|it| (it.token, it.stamp)).collect();
    let taken: Vec<&HandOver> = all.iter().filter(|it| it.takes).collect();
    assert!(taken.len() > 1000, "{}", taken.len());
    for it in taken {
        // On a tie, what gives comes before what takes.
        assert!(
            given[&it.token] <= it.stamp,
            "token {} was given at {:?}, and taken at {:?}",
            it.token,
            given[&it.token],
            it.stamp
        );
    }
}

#[test]
fn threads_that_run_at_the_same_time() {
    check(None);
}

#[test]
fn threads_that_take_turns() {
    check(Some(Duration::from_micros(20)));
}

#[test]
fn a_thread_alone_reads_the_clock_when_the_recorder_polls() {
    let (word, clock): (TurnWord, _) = (TurnWord::default(), ClockKind::of_this_machine());
    let mut stamper = Stamper::new(clock, 0);
    let first = stamper.stamp(&word);
    let until = Instant::now() + Duration::from_millis(2);
    while Instant::now() < until {
        assert_eq!(stamper.stamp(&word), first);
    }
    let before = clock.now_in_order();
    word.poll();
    let second = stamper.stamp(&word);
    assert!(second >= before && before > first);
    assert_eq!(stamper.stamp(&word), second);
    stamper.drop_turn();
    assert!(stamper.stamp(&word) >= second);
}

#[test]
fn another_thread_ends_a_turn() {
    let (word, clock): (TurnWord, _) = (TurnWord::default(), ClockKind::of_this_machine());
    let (mut one, mut other) = (Stamper::new(clock, 0), Stamper::new(clock, 1));
    let first = one.stamp(&word);
    std::thread::sleep(Duration::from_millis(1));
    let second = other.stamp(&word);
    assert!(second > first);
    std::thread::sleep(Duration::from_millis(1));
    assert!(one.stamp(&word) > second);
    // A turn that lasted so short makes a crowd, in which everyone reads the clock.
    let crowd = other.stamp(&word);
    assert!(one.stamp(&word) >= crowd && other.stamp(&word) >= crowd);
    let last = other.stamp(&word);
    assert!(clock.now_in_order() >= last);
}
