//! The columns of a chunk of events.

use memprof_capture::file::columns::ColumnDecoder;
use memprof_capture::ids::Stamp;

/// Decodes columns twice with the same decoder: what it remembers of one chunk must not leak into the next. The first
/// eight bytes are the number of events and of sites.
///
/// # Panics
/// When the decoder is at fault.
pub fn run(bytes: &[u8]) {
    let Some((numbers, payload)) = bytes.split_first_chunk::<8>() else { return };
    let number = |at: usize| u32::from_le_bytes([numbers[at], numbers[at + 1], numbers[at + 2], numbers[at + 3]]);
    let (rows, sites) = (number(0), (number(4) & 0xff_ffff) as usize);
    let mut decoder = ColumnDecoder::default();
    let mut decode = |first| {
        let mut out = Vec::new();
        let decoded = decoder.decode(payload, Stamp(first), rows, sites, &mut out);
        assert!(decoded.is_err() || out.len() == rows as usize);
        assert!(out.len() <= payload.len());
        (decoded, out)
    };
    let (first, again) = (decode(7), decode(7));
    assert_eq!(first, again);
    let _ = decode(u64::MAX);
}
