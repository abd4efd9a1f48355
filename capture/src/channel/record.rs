//! The records inside a chunk: whole 64-bit words, made to be cheap for the thread that writes them.
//!
//! | kind | word 0 after the 4-bit kind | further words |
//! |---|---|---|
//! | `ALLOCATION`, `RESIZE`, `MAP` | stamp delta (12 bits), address (48) | site (low 32) and size (high 32); a size from `u32::MAX` on in a word of its own |
//! | `FREE` | stamp delta, address | |
//! | `UNMAP` | stamp delta, address | size |
//! | `TIME` | absolute stamp (60 bits), from which the next delta counts | |
//! | `WIDE` | bits 48 to 63 of the next record's address | |
//! | `FRAMES` | frames to keep of the thread's last stack (28 bits), fresh frames (28) | a fresh frame each: code (low 32), instruction offset (high 32) |
//! | `SITE` | allocator: the thread's next site is its last stack with this allocator | |
//! | `NAME` | bytes (bits 8 to 31): what the program itself calls the thread | the bytes, UTF-8 |
//! | `CODE` | 1 if it is the description's last part (bit 4), bytes (bits 8 to 31), code (high 32) | the bytes |
//!
//! Frames are listed from the outermost to the innermost. Sites are numbered by each thread from 0.

use crate::allocator::Allocator;

pub(super) const ALLOCATION: u64 = 1;
pub(super) const FREE: u64 = 2;
pub(super) const RESIZE: u64 = 3;
pub(super) const MAP: u64 = 4;
pub(super) const UNMAP: u64 = 5;
pub(super) const TIME: u64 = 6;
pub(super) const WIDE: u64 = 7;
pub(super) const FRAMES: u64 = 8;
pub(super) const SITE: u64 = 9;
pub(super) const CODE: u64 = 10;
pub(super) const NAME: u64 = 11;

pub(super) const KIND_BITS: u32 = 4;
pub(super) const DELTA_BITS: u32 = 12;
pub(super) const MAX_DELTA: u64 = (1 << DELTA_BITS) - 1;
pub(super) const ADDRESS_SHIFT: u32 = KIND_BITS + DELTA_BITS;
/// A size field of this value means that the size has a word of its own.
pub(super) const LONG_SIZE: u64 = u32::MAX as u64;
/// Frames and kept frames of one `FRAMES` record.
pub(super) const FRAME_COUNT_BITS: u32 = 28;
/// The most words that an event takes: `TIME`, `WIDE`, and three of its own.
pub(super) const MAX_EVENT_WORDS: usize = 5;

/// One frame as the interposer sees it: a code object of this process image, and the byte offset of the instruction
/// that it executes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ChannelFrame {
    /// The code object, numbered by the image in the order of description.
    pub code: u32,
    /// Bytes from the start of its bytecode.
    pub offset: u32,
}

impl ChannelFrame {
    pub(super) const fn to_word(self) -> u64 {
        self.code as u64 | (self.offset as u64) << 32
    }

    pub(super) const fn from_word(word: u64) -> Self {
        Self { code: word as u32, offset: (word >> 32) as u32 }
    }
}

/// A decoded record. Stamps are absolute; sites are the thread's own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Record<'a> {
    /// See [`Event::Allocation`](crate::event::Event::Allocation).
    Allocation {
        /// When.
        stamp: u64,
        /// The block.
        address: u64,
        /// Its requested size.
        size: u64,
        /// The thread's site.
        site: u32,
    },
    /// See [`Event::Resize`](crate::event::Event::Resize).
    Resize {
        /// When.
        stamp: u64,
        /// The block.
        address: u64,
        /// Its new requested size.
        size: u64,
        /// The thread's site.
        site: u32,
    },
    /// See [`Event::Map`](crate::event::Event::Map).
    Map {
        /// When.
        stamp: u64,
        /// The range's first byte.
        address: u64,
        /// Its length.
        size: u64,
        /// The thread's site.
        site: u32,
    },
    /// See [`Event::Free`](crate::event::Event::Free).
    Free {
        /// When.
        stamp: u64,
        /// The block.
        address: u64,
    },
    /// See [`Event::Unmap`](crate::event::Event::Unmap).
    Unmap {
        /// When.
        stamp: u64,
        /// The range's first byte.
        address: u64,
        /// Its length.
        size: u64,
    },
    /// The thread's stack is now the outermost `keep` frames of the last one, then the fresh ones.
    Frames {
        /// Frames to keep.
        keep: u32,
        /// The fresh frames, a word each; see [`Record::frames_of`].
        fresh: &'a [u64],
    },
    /// The thread's next site: its stack and this allocator (a code).
    Site {
        /// The allocator's code.
        allocator: u8,
    },
    /// What the program itself calls the thread.
    Name {
        /// The bytes, eight to a word.
        words: &'a [u64],
        /// How many of the bytes count.
        bytes: u32,
    },
    /// Part of the description of a code object.
    Code {
        /// The code object.
        code: u32,
        /// Whether it is the last part.
        last: bool,
        /// The bytes, eight to a word.
        words: &'a [u64],
        /// How many of the bytes count.
        bytes: u32,
    },
}

impl Record<'_> {
    /// The moment of an event; nothing for a record that is none.
    #[must_use]
    pub const fn stamp(&self) -> Option<u64> {
        match *self {
            Self::Allocation { stamp, .. }
            | Self::Resize { stamp, .. }
            | Self::Map { stamp, .. }
            | Self::Free { stamp, .. }
            | Self::Unmap { stamp, .. } => Some(stamp),
            Self::Frames { .. } | Self::Site { .. } | Self::Name { .. } | Self::Code { .. } => None,
        }
    }

    /// The frames of [`Record::Frames::fresh`].
    pub fn frames_of(fresh: &[u64]) -> impl ExactSizeIterator<Item = ChannelFrame> + '_ {
        fresh.iter().map(|&word| ChannelFrame::from_word(word))
    }
}

/// The allocator of a [`Record::Site`], where the code means one.
#[must_use]
pub fn site_allocator(code: u8) -> Option<Allocator> {
    Allocator::from_code(code)
}

/// A word that no writer writes: the chunk is damaged from here on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Malformed {
    /// Where it stands, in words from the chunk's start.
    pub word: usize,
}

/// Decodes the published words of one chunk.
pub struct Records<'a> {
    words: &'a [u64],
    position: usize,
    stamp: u64,
}

impl<'a> Records<'a> {
    /// Starts at the beginning of a chunk.
    #[must_use]
    pub const fn new(words: &'a [u64]) -> Self {
        Self { words, position: 0, stamp: 0 }
    }

    fn take(&mut self, count: usize) -> Option<&'a [u64]> {
        let taken = self.words.get(self.position..self.position.checked_add(count)?)?;
        self.position += count;
        Some(taken)
    }

    #[inline]
    fn decode(&mut self) -> Option<Record<'a>> {
        let mut high = 0;
        loop {
            let word = self.take(1)?[0];
            let kind = word & ((1 << KIND_BITS) - 1);
            match kind {
                TIME => {
                    self.stamp = word >> KIND_BITS;
                    continue;
                }
                WIDE => {
                    high = word >> KIND_BITS << 48;
                    continue;
                }
                _ => {}
            }
            if kind <= UNMAP && kind != 0 {
                self.stamp += word >> KIND_BITS & MAX_DELTA;
                let (stamp, address) = (self.stamp, word >> ADDRESS_SHIFT | high);
                return Some(match kind {
                    FREE => Record::Free { stamp, address },
                    UNMAP => Record::Unmap { stamp, address, size: self.take(1)?[0] },
                    _ => {
                        let second = self.take(1)?[0];
                        let site = second as u32;
                        let size = match second >> 32 {
                            LONG_SIZE => self.take(1)?[0],
                            size => size,
                        };
                        match kind {
                            ALLOCATION => Record::Allocation { stamp, address, size, site },
                            RESIZE => Record::Resize { stamp, address, size, site },
                            _ => Record::Map { stamp, address, size, site },
                        }
                    }
                });
            }
            return match kind {
                FRAMES => {
                    let mask = (1 << FRAME_COUNT_BITS) - 1;
                    let keep = (word >> KIND_BITS & mask) as u32;
                    let fresh = self.take((word >> (KIND_BITS + FRAME_COUNT_BITS) & mask) as usize)?;
                    Some(Record::Frames { keep, fresh })
                }
                SITE => Some(Record::Site { allocator: (word >> KIND_BITS & 0xff) as u8 }),
                NAME => {
                    let bytes = (word >> 8 & 0xff_ffff) as u32;
                    Some(Record::Name { words: self.take(bytes.div_ceil(8) as usize)?, bytes })
                }
                CODE => {
                    let bytes = (word >> 8 & 0xff_ffff) as u32;
                    let words = self.take(bytes.div_ceil(8) as usize)?;
                    Some(Record::Code { code: (word >> 32) as u32, last: word >> KIND_BITS & 1 != 0, words, bytes })
                }
                _ => None,
            };
        }
    }
}

impl<'a> Iterator for Records<'a> {
    type Item = Result<Record<'a>, Malformed>;

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        if self.position == self.words.len() {
            return None;
        }
        let start = self.position;
        Some(self.decode().ok_or_else(|| {
            self.position = self.words.len();
            Malformed { word: start }
        }))
    }
}
