//! Columns are read back, and damaged ones refused.

use memprof_channel::ids::{Address, SiteId, Stamp, ThreadId};
use proptest::prelude::*;

use super::*;
use crate::event::{AllocationNumber, ResolvedEvent, Timed};

const LIMITS: Limits = Limits { sites: 50, threads: 9 };

/// An event, whose blocks are still to be named.
#[derive(Clone, Copy, Debug)]
struct Step {
    kind: u8,
    address: u64,
    size: u64,
    site: u32,
    thread: u32,
    gap: u64,
    /// How far back the block is, or just the one after the last.
    back: Option<u64>,
}

fn step() -> impl Strategy<Value = Step> {
    let address = prop_oneof![any::<u64>(), (0..1000_u64).prop_map(|block| 0x7f00_0000_0000 + block * 16)];
    let size = prop_oneof![Just(600_u64), any::<u64>()];
    let gap = prop_oneof![Just(0), 0..300_u64, 0..1_u64 << 30];
    let thread = prop_oneof![3 => Just(0_u32), 1 => 0..LIMITS.threads];
    let back = prop_oneof![Just(None), (0..40_u64).prop_map(Some), (0..100_000_u64).prop_map(Some)];
    (0..8_u8, address, size, 0..LIMITS.sites as u32, thread, gap, back).prop_map(
        |(kind, address, size, site, thread, gap, back)| Step { kind, address, size, site, thread, gap, back },
    )
}

/// The events of steps: blocks are only named once they have been allocated.
fn events(steps: &[Step], next: &mut u64, now: &mut u64) -> Vec<(ThreadId, Timed<ResolvedEvent>)> {
    let mut named = *next;
    let mut timed = |step: &Step| {
        *now += step.gap;
        let Step { address, size, .. } = *step;
        let (address, site) = (Address(address), SiteId(step.site));
        let old = match step.back {
            None => (named + 1).min(next.saturating_sub(1)),
            Some(back) => next.saturating_sub(1 + back),
        };
        let number = AllocationNumber(*next);
        let event = match step.kind {
            2 | 3 | 7 if *next > 0 => {
                named = old;
                let old = AllocationNumber(old);
                match step.kind {
                    2 => ResolvedEvent::Free { number: old },
                    3 => ResolvedEvent::Resize { old, number, size, site },
                    _ => ResolvedEvent::UnseenFree { number: old },
                }
            }
            4 => ResolvedEvent::Map { address, size, site },
            5 => ResolvedEvent::Unmap { address, size },
            6 => ResolvedEvent::UnknownFree { address },
            _ => ResolvedEvent::Allocation { number, size, site },
        };
        *next += u64::from(matches!(event, ResolvedEvent::Allocation { .. } | ResolvedEvent::Resize { .. }));
        (ThreadId(step.thread), Timed { stamp: Stamp(*now), event })
    };
    steps.iter().map(&mut timed).collect()
}

type Chunk = Vec<(ThreadId, Timed<ResolvedEvent>)>;

fn chunks() -> impl Strategy<Value = Vec<Chunk>> {
    let first = prop_oneof![Just(0), 0..1_u64 << 40];
    let most = if cfg!(miri) { 10 } else { 200 };
    (first, proptest::collection::vec(proptest::collection::vec(step(), 1..most), 1..4)).prop_map(
        |(first, mut chunks)| {
            // The encoder finds out from the first allocation where the numbers begin.
            chunks[0][0].kind = 0;
            let (mut next, mut now) = (first, 1 << 40);
            chunks.iter().map(|steps| events(steps, &mut next, &mut now)).collect()
        },
    )
}

fn encode(chunk: &Chunk, encoder: &mut ColumnEncoder, sizes: &mut RecentSizes) -> Vec<u8> {
    for (thread, timed) in chunk {
        encoder.turn_to(*thread);
        encoder.push(timed.stamp, timed.event, sizes);
    }
    let mut payload = Vec::new();
    encoder.finish(&mut payload);
    payload
}

fn round_trip(chunks: &[Chunk], precision: u64) -> Vec<Chunk> {
    let (mut encoder, mut decoder) = (ColumnEncoder::new(precision), ColumnDecoder::default());
    let mut sizes = RecentSizes::default();
    let back = |chunk: &Chunk| {
        let payload = encode(chunk, &mut encoder, &mut sizes);
        let (first, rows) = (chunk[0].1.stamp, chunk.len() as u32);
        let mut batch = EventBatch::default();
        decoder.decode(&payload, first, rows, LIMITS, &mut batch).expect("what was encoded can be decoded");
        let threads = batch.turns.iter().flat_map(|turn| std::iter::repeat_n(turn.thread, turn.events as usize));
        threads.zip(batch.events.iter().copied()).collect()
    };
    chunks.iter().map(back).collect()
}

proptest! {
    #[test]
    fn events_are_read_back(chunks in chunks()) {
        prop_assert_eq!(round_trip(&chunks, 1), chunks);
    }

    #[test]
    fn events_are_stamped_as_precisely_as_was_asked(chunks in chunks(), precision in 1..1_u64 << 20) {
        for (chunk, back) in chunks.iter().zip(round_trip(&chunks, precision)) {
            prop_assert_eq!(chunk.len(), back.len());
            for ((thread, timed), (read_thread, read)) in chunk.iter().zip(back) {
                prop_assert_eq!((*thread, timed.event), (read_thread, read.event));
                prop_assert!(read.stamp <= timed.stamp && timed.stamp.0 - read.stamp.0 < precision);
            }
        }
    }

    #[test]
    fn any_payload_is_decoded_or_refused(payload: Vec<u8>, rows in 0..100_u32) {
        let mut out = EventBatch::default();
        let _ = ColumnDecoder::default().decode(&payload, Stamp(0), rows, LIMITS, &mut out);
        prop_assert!(out.events.len() <= rows as usize);
    }

    #[test]
    fn a_damaged_payload_is_decoded_or_refused(chunks in chunks(), at: prop::sample::Index, bit in 0..8_u8) {
        let mut payload = encode(&chunks[0], &mut ColumnEncoder::new(1), &mut RecentSizes::default());
        let at = at.index(payload.len());
        payload[at] ^= 1_u8 << bit;
        let (mut out, rows) = (EventBatch::default(), chunks[0].len() as u32);
        if ColumnDecoder::default().decode(&payload, Stamp(0), rows, LIMITS, &mut out).is_ok() {
            prop_assert_eq!(out.turns.iter().map(|turn| turn.events).sum::<u32>(), rows);
        }
    }
}
