//! What is tried exhaustively.

use super::exhaustive::{Event, Explorer, Figures, Outcome, Scene};
use super::former::Former;
use super::protocol::{Present, Protocol, WithoutOffers};

fn explore<P: Protocol>(scene: Scene) -> Outcome {
    Explorer::new(scene).explore::<P>()
}

const SMALL: Scene = Scene { chunks: 2, limit: 1, threads: 2, born: 2, copies_go_on: false };

fn require<P: Protocol>(scene: Scene) {
    match explore::<P>(scene) {
        Ok(Figures { states, events }) => println!("{states} states, {events} events between them"),
        Err((what, way)) => panic!("{what}: {way:?}"),
    }
}

#[test]
fn one_chunk_goes_round_whoever_is_killed_wherever() {
    require::<Present>(Scene { chunks: 1, ..SMALL });
    require::<Present>(Scene { chunks: 1, born: 1, ..SMALL });
    require::<Present>(Scene { threads: 1, born: 1, ..SMALL });
}

#[test]
#[cfg_attr(debug_assertions, ignore = "takes half a minute, and a few seconds in a release build")]
fn two_chunks_and_two_threads() {
    require::<Present>(SMALL);
    require::<Present>(Scene { limit: 2, born: 1, ..SMALL });
}

#[test]
#[cfg_attr(debug_assertions, ignore = "takes half a minute, and a few seconds in a release build")]
fn three_threads_want_one_chunk() {
    require::<Present>(Scene { chunks: 1, threads: 3, ..SMALL });
}

#[test]
fn a_chunk_that_was_taken_without_a_name_is_lost() {
    let (what, way) = explore::<Former<false>>(SMALL).unwrap_err();
    println!("{what}: {way:?}");
    assert_eq!(what, "a chunk is lost");
    assert!(way.iter().any(|event| matches!(event, Event::IsKilled(_))));
}

#[test]
fn a_count_of_sealed_chunks_goes_wrong() {
    let (what, way) = explore::<Former<true>>(SMALL).unwrap_err();
    println!("{what}: {way:?}");
    assert_eq!(what, "nobody gets a chunk");
}

#[test]
fn hints_must_be_set_again() {
    let (what, way) = explore::<WithoutOffers>(SMALL).unwrap_err();
    println!("{what}: {way:?}");
    assert_eq!(what, "a chunk is lost");
}

/// Why a child that is forked in the middle of a record must be cut off from the pool.
#[test]
fn a_copy_that_goes_on_has_its_parents_chunk() {
    let scene = Scene { born: 1, copies_go_on: true, ..SMALL };
    let (what, way) = explore::<Present>(scene).unwrap_err();
    println!("{what}: {way:?}");
    assert!(way.iter().any(|event| matches!(event, Event::GoesOnAs(..))));
}
