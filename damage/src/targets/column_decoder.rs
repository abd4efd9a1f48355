//! The columns of a chunk of events.

use memprof_capture::file::columns::{ColumnDecoder, EventBatch, Limits};
use memprof_channel::ids::Stamp;

/// Decodes columns twice with the same decoder: what it remembers of one chunk must not leak into the next. The first
/// eight bytes are the number of events and of sites; of threads there are as many as of sites.
///
/// # Panics
/// When the decoder is at fault.
pub fn run(bytes: &[u8]) {
    let Some((numbers, payload)) = bytes.split_first_chunk::<8>() else { return };
    let number = |at: usize| u32::from_le_bytes([numbers[at], numbers[at + 1], numbers[at + 2], numbers[at + 3]]);
    let (rows, limit) = (number(0), number(4) & 0xff_ffff);
    let limits = Limits { sites: limit as usize, threads: limit };
    let mut decoder = ColumnDecoder::default();
    let mut decode = |first| {
        let mut out = EventBatch::default();
        let decoded = decoder.decode(payload, Stamp(first), rows, limits, &mut out);
        assert!(out.events.len() <= payload.len() && out.turns.len() <= payload.len());
        if decoded.is_ok() {
            assert_eq!(out.events.len(), rows as usize);
            assert_eq!(out.turns.iter().map(|turn| u64::from(turn.events)).sum::<u64>(), u64::from(rows));
            assert!(out.turns.iter().all(|turn| turn.thread.0 < limit));
        }
        (decoded, out)
    };
    let (first, again) = (decode(7), decode(7));
    assert_eq!(first, again);
    let _ = decode(u64::MAX);
}
