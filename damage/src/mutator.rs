//! Changes bytes as damage and malice do: wrong bits, cuts, splices, numbers at their limits.

use crate::chunks::TakenApart;
use crate::random::Random;

/// Numbers that sizes, counts and indices go wrong with.
const EXTREMES: [u64; 12] =
    [0, 1, 0x7f, 0xff, 0xffff, 1 << 16, 0x7fff_ffff, 0xffff_ffff, 1 << 32, 1 << 48, u64::MAX >> 1, u64::MAX];

/// Changes bytes a few times.
pub fn mutate(bytes: &mut Vec<u8>, random: &mut Random) {
    for _ in 0..=random.below(4) {
        step(bytes, random);
    }
}

fn step(bytes: &mut Vec<u8>, random: &mut Random) {
    if bytes.is_empty() {
        bytes.push(random.next() as u8);
        return;
    }
    let at = random.below(bytes.len());
    match random.below(8) {
        0 | 1 => bytes[at] ^= 1 << random.below(8),
        2 => bytes[at] = random.next() as u8,
        3 => bytes.truncate(at),
        4 => {
            let end = (at + random.below(32)).min(bytes.len());
            bytes.drain(at..end);
        }
        5 => {
            let from = random.below(bytes.len());
            let piece = bytes[from..(from + random.below(32)).min(bytes.len())].to_vec();
            bytes.splice(at..at, piece);
        }
        6 => {
            let number = random.one_of(&EXTREMES).to_le_bytes();
            let width = random.one_of(&[2, 4, 8]).min(bytes.len() - at);
            bytes[at..at + width].copy_from_slice(&number[..width]);
        }
        _ => {
            // The same in seven bits to a byte, as most numbers are stored in a capture.
            let mut number = Vec::new();
            memprof_capture::file::varint::push(&mut number, random.one_of(&EXTREMES));
            bytes.splice(at..at + 1, number);
        }
    }
}

/// Changes a capture such that its checksums are right: what its chunks hold, how they are labelled, and which there
/// are. What cannot be taken apart is changed byte by byte.
pub fn mutate_capture(bytes: &mut Vec<u8>, random: &mut Random) {
    let Some(mut capture) = TakenApart::of(bytes) else { return mutate(bytes, random) };
    for _ in 0..=random.below(3) {
        let count = capture.chunks.len();
        if count == 0 {
            break;
        }
        let at = random.below(count);
        match random.below(10) {
            0..=3 => mutate(&mut capture.chunks[at].payload, random),
            4..=6 => {
                let number = random.one_of(&EXTREMES);
                let number = if random.below(2) == 0 { number } else { random.next() % 1000 };
                let header = &mut capture.chunks[at].header;
                match random.below(6) {
                    0 => header.rows = number as u32,
                    1 => header.thread = number as u32,
                    2 => header.image = number as u32,
                    3 => header.first = number,
                    4 => header.last = number,
                    _ => header.kind = (number % 16) as u8,
                }
            }
            7 => {
                capture.chunks.remove(at);
            }
            8 => {
                let copy = capture.chunks[at].clone();
                capture.chunks.insert(random.below(count), copy);
            }
            _ => {
                let other = random.below(count);
                capture.chunks[at].payload = capture.chunks[other].payload.clone();
            }
        }
    }
    capture.has_end ^= random.below(8) == 0;
    *bytes = capture.put_together();
}
