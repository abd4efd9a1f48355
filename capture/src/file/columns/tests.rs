//! Columns are read back, and damaged ones refused.

use super::*;
use crate::event::{Event, TimedEvent};
use crate::ids::{Address, SiteId, Stamp};
use proptest::prelude::*;

const SITES: u32 = 50;

fn address() -> impl Strategy<Value = Address> {
    prop_oneof![0..1_u64 << 57, (0..1000_u64).prop_map(|block| 0x7f00_0000_0000 + block * 16)].prop_map(Address)
}

fn event() -> impl Strategy<Value = Event> {
    let size = prop_oneof![Just(600_u64), any::<u64>()];
    (0..5, address(), size, (0..SITES).prop_map(SiteId)).prop_map(|(kind, address, size, site)| match kind {
        0 => Event::Allocation { address, size, site },
        1 => Event::Free { address },
        2 => Event::Resize { address, size, site },
        3 => Event::Map { address, size, site },
        _ => Event::Unmap { address, size },
    })
}

fn events() -> impl Strategy<Value = Vec<TimedEvent>> {
    let gap = prop_oneof![0..300_u64, 0..1_u64 << 30];
    proptest::collection::vec((gap, event()), 1..200).prop_map(|steps| {
        let mut now = 1 << 40;
        steps
            .into_iter()
            .map(|(gap, event)| {
                now += gap;
                TimedEvent { stamp: Stamp(now), event }
            })
            .collect()
    })
}

fn round_trip(chunks: &[Vec<TimedEvent>], precision: StampPrecision) -> Vec<Vec<TimedEvent>> {
    let (mut encoder, mut decoder) = (ColumnEncoder::default(), ColumnDecoder::default());
    let mut sizes = RecentSizes::default();
    let mut back = Vec::new();
    for chunk in chunks {
        encoder.set_precision(precision);
        for event in chunk {
            encoder.push(event.stamp, event.event, &mut sizes);
        }
        let (first, rows) = (encoder.first(), encoder.len() as u32);
        let (mut payload, mut out) = (Vec::new(), Vec::new());
        encoder.finish(&mut payload);
        decoder.decode(&payload, first, rows, SITES as usize, &mut out).expect("what was encoded can be decoded");
        back.push(out);
    }
    back
}

proptest! {
    #[test]
    fn exact_events_are_read_back(chunks in proptest::collection::vec(events(), 1..4)) {
        prop_assert_eq!(round_trip(&chunks, StampPrecision::Exact), chunks);
    }

    #[test]
    fn anchored_events_are_read_back_in_order_and_dated_within_a_millisecond(
        chunks in proptest::collection::vec(events(), 1..4)
    ) {
        let back = round_trip(&chunks, StampPrecision::Anchored);
        for (chunk, back) in chunks.iter().zip(&back) {
            prop_assert_eq!(chunk.len(), back.len());
            for (event, read) in chunk.iter().zip(back) {
                prop_assert_eq!(event.event, read.event);
                prop_assert!(read.stamp <= event.stamp);
                prop_assert!(event.stamp.0 - read.stamp.0 < ANCHOR_DISTANCE);
            }
        }
    }

    #[test]
    fn any_payload_is_decoded_or_refused(payload: Vec<u8>, rows in 0..100_u32) {
        let mut out = Vec::new();
        let _ = ColumnDecoder::default().decode(&payload, Stamp(0), rows, SITES as usize, &mut out);
        prop_assert!(out.len() <= rows as usize);
    }

    #[test]
    fn a_damaged_payload_is_decoded_or_refused(events in events(), at: prop::sample::Index, bit in 0..8_u8) {
        let (mut encoder, mut sizes) = (ColumnEncoder::default(), RecentSizes::default());
        for event in &events {
            encoder.push(event.stamp, event.event, &mut sizes);
        }
        let (mut payload, mut out) = (Vec::new(), Vec::new());
        encoder.finish(&mut payload);
        let at = at.index(payload.len());
        payload[at] ^= 1_u8 << bit;
        let rows = events.len() as u32;
        let _ = ColumnDecoder::default().decode(&payload, events[0].stamp, rows, SITES as usize, &mut out);
        prop_assert!(out.len() <= rows as usize);
    }
}
