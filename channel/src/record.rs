//! The records inside a chunk: whole 64-bit words, made to be cheap for the thread that writes them.
//!
//! | kind | word 0 after the 4-bit kind | further words |
//! |---|---|---|
//! | `ALLOCATION`, `RESIZE`, `MAP` | stamp delta (12 bits), address (48) | site (low 32) and size (high 32); a size from `u32::MAX` on in a word of its own |
//! | `FREE` | stamp delta, address | |
//! | `UNMAP` | stamp delta, address | size |
//! | `TIME` | absolute stamp (60 bits), from which the next delta counts | |
//! | `WIDE` | bits 48 to 63 of the next record's address | |
//! | `FRAMES` | frames to keep of the thread's last stack (28 bits), fresh frames (28) | a fresh frame each: see [`ChannelFrame`] |
//! | `SITE` | allocator (bits 4 to 11), number (high 32): the thread's site with this number is from now on its last stack with this allocator | |
//! | `NAME` | bytes (bits 8 to 31): what the program itself calls the thread | the bytes, UTF-8 |
//! | `CODE` | 1 if it is the description's last part (bit 4), bytes (bits 8 to 31), code (high 32) | the bytes |
//! | `MODULE` | likewise, of a module | the bytes |
//! | `PROCESS` | likewise, of the process that the image belongs to | the bytes |
//! | `MOVES` | what the next `UNMAP` takes away is what the `MAP` after it shows | |
//! | `DESCRIPTOR` | what the next record maps: 0 if that is not known; bit 4: a file, bit 5: shared; bit 6: nothing, it only protects | of a file: device, inode, offset |
//!
//! Frames are listed from the outermost to the innermost. Each thread has site numbers of its own, below
//! [`MOST_SITES`](crate::layout::MOST_SITES).

pub(crate) const ALLOCATION: u64 = 1;
pub(crate) const FREE: u64 = 2;
pub(crate) const RESIZE: u64 = 3;
pub(crate) const MAP: u64 = 4;
pub(crate) const UNMAP: u64 = 5;
pub(crate) const TIME: u64 = 6;
pub(crate) const WIDE: u64 = 7;
pub(crate) const FRAMES: u64 = 8;
pub(crate) const SITE: u64 = 9;
pub(crate) const CODE: u64 = 10;
pub(crate) const NAME: u64 = 11;
pub(crate) const MODULE: u64 = 12;
pub(crate) const PROCESS: u64 = 13;
pub(crate) const DESCRIPTOR: u64 = 14;
pub(crate) const MOVES: u64 = 15;

pub(crate) const KIND_BITS: u32 = 4;
const KIND_MASK: u64 = (1 << KIND_BITS) - 1;
pub(crate) const DELTA_BITS: u32 = 12;
pub(crate) const MAX_DELTA: u64 = (1 << DELTA_BITS) - 1;
pub(crate) const ADDRESS_SHIFT: u32 = KIND_BITS + DELTA_BITS;
/// A size field of this value means that the size has a word of its own.
pub(crate) const LONG_SIZE: u64 = u32::MAX as u64;
/// Frames and kept frames of one `FRAMES` record.
pub(crate) const FRAME_COUNT_BITS: u32 = 28;
/// The most words that an event takes: `TIME`, `WIDE`, and three of its own.
pub(crate) const MAX_EVENT_WORDS: usize = 5;
/// The most words that say what is mapped.
pub(crate) const MAX_DESCRIPTOR_WORDS: usize = 4;
pub(crate) const DESCRIBES_FILE: u64 = 1 << KIND_BITS;
pub(crate) const IS_SHARED: u64 = 1 << (KIND_BITS + 1);
pub(crate) const PROTECTS: u64 = 1 << (KIND_BITS + 2);

/// What a mapping shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mapped {
    /// Memory of its own.
    Memory,
    /// What some descriptor refers to: a device, say, or something that could not be asked for.
    Something,
    /// A file, which may be one of a file system in memory.
    File(MappedFile),
}

/// The file that a mapping shows. What has the same device and inode at one time is the same file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MappedFile {
    /// The device of its file system (`st_dev`).
    pub device: u64,
    /// Its number there (`st_ino`).
    pub inode: u64,
    /// The first byte of it that is mapped.
    pub offset: u64,
    /// Whether what is written there is seen by others.
    pub is_shared: bool,
}

/// One frame as the interposer sees it.
///
/// | | bits of its word |
/// |---|---|
/// | Python | code object (0 to 31), byte offset of the instruction (32 to 62) |
/// | native, in a module | address relative to the module's load bias (0 to 39), module (40 to 59), flags (60 to 62), bit 63 |
/// | native, elsewhere | address (0 to 47), all bits from 48 to 59, flags (60 to 62), bit 63 |
/// | the start of a thread | bits 60, 61, 62 and 63 and no other |
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ChannelFrame {
    /// An instruction of a code object of this process image.
    Python {
        /// The code object, numbered by the image in the order of description.
        code: u32,
        /// Bytes from the start of its bytecode.
        offset: u32,
    },
    /// An address in native code.
    Native(ChannelNativeFrame),
    /// What comes before is the stack of the thread that created this one; what follows is this thread's own.
    ThreadStart,
}

/// An address in native code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ChannelNativeFrame {
    /// The module, numbered by the image in the order of description; nothing where no module holds the address.
    pub module: Option<u32>,
    /// Relative to the module's load bias; without a module, as it is in the process.
    pub address: u64,
    /// Whether the frame was interrupted by a signal at exactly this instruction. Otherwise it is a return address, and
    /// the call comes before it.
    pub interrupted: bool,
    /// Whether this is the interpreter's evaluation loop, which runs the Python frames that follow.
    pub evaluates: bool,
}

const NATIVE: u64 = 1 << 63;
const INTERRUPTED: u64 = 1 << 62;
const EVALUATES: u64 = 1 << 61;
const THREAD_START: u64 = 0xf << 60;
const MODULE_SHIFT: u32 = 40;
const MODULE_ADDRESS: u64 = (1 << MODULE_SHIFT) - 1;
/// In place of a module: the address is the process's own, and reaches into these bits' lower part.
const NO_MODULE: u64 = 0xfff;
const PLAIN_ADDRESS: u64 = (1 << 48) - 1;

/// How many modules an image can number: those above would look like [`NO_MODULE`].
pub const MOST_MODULES: u32 = (NO_MODULE as u32) << 8;
/// The largest relative address that a frame can have in a module.
pub const LARGEST_MODULE_ADDRESS: u64 = MODULE_ADDRESS;

impl ChannelFrame {
    /// The frame as a word of the channel.
    #[must_use]
    pub const fn to_word(self) -> u64 {
        match self {
            Self::Python { code, offset } => code as u64 | (offset as u64 & 0x7fff_ffff) << 32,
            Self::Native(ChannelNativeFrame { module, address, interrupted, evaluates }) => {
                let flags = NATIVE | if interrupted { INTERRUPTED } else { 0 } | if evaluates { EVALUATES } else { 0 };
                match module {
                    Some(module) => flags | (module as u64) << MODULE_SHIFT | address & MODULE_ADDRESS,
                    None => flags | NO_MODULE << 48 | address & PLAIN_ADDRESS,
                }
            }
            Self::ThreadStart => THREAD_START,
        }
    }

    /// The frame that a word represents.
    #[must_use]
    pub const fn from_word(word: u64) -> Self {
        if word & NATIVE == 0 {
            return Self::Python { code: word as u32, offset: (word >> 32) as u32 };
        }
        if word == THREAD_START {
            return Self::ThreadStart;
        }
        let (module, address) = if word >> 48 & NO_MODULE == NO_MODULE {
            (None, word & PLAIN_ADDRESS)
        } else {
            (Some((word >> MODULE_SHIFT & 0xf_ffff) as u32), word & MODULE_ADDRESS)
        };
        let (interrupted, evaluates) = (word & INTERRUPTED != 0, word & EVALUATES != 0);
        Self::Native(ChannelNativeFrame { module, address, interrupted, evaluates })
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
        /// What it shows.
        mapped: Mapped,
    },
    /// See [`Event::Protect`](crate::event::Event::Protect).
    Protect {
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
        /// Whether it is `mremap` that takes it away, and the thread's next event maps the same elsewhere. Then the
        /// length is 0 where it stays in its place, too.
        moves: bool,
    },
    /// The thread's stack is now the outermost `keep` frames of the last one, then the fresh ones.
    Frames {
        /// Frames to keep.
        keep: u32,
        /// The fresh frames, a word each; see [`Record::frames_of`].
        fresh: &'a [u64],
    },
    /// What a site of the thread is from now on: its stack and this allocator (a code).
    Site {
        /// The site's number.
        site: u32,
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
    /// Part of the description of the process.
    Process {
        /// Whether it is the last part.
        last: bool,
        /// The bytes, eight to a word.
        words: &'a [u64],
        /// How many of the bytes count.
        bytes: u32,
    },
    /// Part of the description of a module.
    Module {
        /// The module.
        module: u32,
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
            | Self::Protect { stamp, .. }
            | Self::Free { stamp, .. }
            | Self::Unmap { stamp, .. } => Some(stamp),
            Self::Frames { .. }
            | Self::Site { .. }
            | Self::Name { .. }
            | Self::Code { .. }
            | Self::Module { .. }
            | Self::Process { .. } => None,
        }
    }

    /// The frames of [`Record::Frames::fresh`].
    pub fn frames_of(fresh: &[u64]) -> impl ExactSizeIterator<Item = ChannelFrame> + '_ {
        fresh.iter().map(|&word| ChannelFrame::from_word(word))
    }
}

/// A word that no writer writes: the chunk is damaged from here on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Malformed {
    /// Where it is, in words from the chunk's start.
    pub word: usize,
}

/// How far a chunk has been decoded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// In words.
    position: usize,
    /// The time from which the next delta counts.
    stamp: u64,
}

impl Progress {
    /// How many words have been decoded.
    #[must_use]
    pub const fn words(self) -> usize {
        self.position
    }
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

    /// Goes on where the decoding of fewer words of the same chunk ended.
    #[must_use]
    pub fn after(words: &'a [u64], progress: Progress) -> Self {
        Self { words, position: progress.position.min(words.len()), stamp: progress.stamp }
    }

    /// How far it has come.
    #[must_use]
    pub const fn progress(&self) -> Progress {
        Progress { position: self.position, stamp: self.stamp }
    }

    fn take(&mut self, count: usize) -> Option<&'a [u64]> {
        let taken = self.words.get(self.position..self.position.checked_add(count)?)?;
        self.position += count;
        Some(taken)
    }

    /// The next record, if it allocates or frees and takes no more words than most of those do.
    /// [`Self::decode`] knows these as well, but is too long to become part of a loop.
    #[inline(always)]
    fn decode_short(&mut self) -> Option<Record<'a>> {
        let &[word, ref rest @ ..] = self.words.get(self.position..)? else { return None };
        let stamp = self.stamp.wrapping_add(word >> KIND_BITS & MAX_DELTA);
        let address = word >> ADDRESS_SHIFT;
        let (record, words) = match (word & KIND_MASK, rest) {
            (FREE, _) => (Record::Free { stamp, address }, 1),
            (ALLOCATION, &[second, ..]) if second >> 32 != LONG_SIZE => {
                (Record::Allocation { stamp, address, size: second >> 32, site: second as u32 }, 2)
            }
            _ => return None,
        };
        self.stamp = stamp;
        self.position += words;
        Some(record)
    }

    /// The next record, whatever it is; nothing if it makes no sense.
    #[inline(never)]
    fn decode(&mut self) -> Option<Record<'a>> {
        let (mut high, mut mapped, mut moves, mut protects) = (0, Mapped::Memory, false, false);
        loop {
            let word = self.take(1)?[0];
            let kind = word & KIND_MASK;
            match kind {
                TIME => {
                    self.stamp = word >> KIND_BITS;
                    continue;
                }
                WIDE => {
                    high = word >> KIND_BITS << 48;
                    continue;
                }
                DESCRIPTOR if word & DESCRIBES_FILE != 0 => {
                    let &[device, inode, offset] = self.take(3)? else { return None };
                    mapped = Mapped::File(MappedFile { device, inode, offset, is_shared: word & IS_SHARED != 0 });
                    continue;
                }
                DESCRIPTOR if word & PROTECTS != 0 => {
                    protects = true;
                    continue;
                }
                DESCRIPTOR => {
                    mapped = Mapped::Something;
                    continue;
                }
                MOVES => {
                    moves = true;
                    continue;
                }
                _ => {}
            }
            if kind <= UNMAP && kind != 0 {
                self.stamp = self.stamp.wrapping_add(word >> KIND_BITS & MAX_DELTA);
                let (stamp, address) = (self.stamp, word >> ADDRESS_SHIFT | high);
                return Some(match kind {
                    FREE => Record::Free { stamp, address },
                    UNMAP => Record::Unmap { stamp, address, size: self.take(1)?[0], moves },
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
                            _ if protects => Record::Protect { stamp, address, size, site },
                            _ => Record::Map { stamp, address, size, site, mapped },
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
                SITE => Some(Record::Site { site: (word >> 32) as u32, allocator: (word >> KIND_BITS & 0xff) as u8 }),
                NAME => {
                    let bytes = (word >> 8 & 0xff_ffff) as u32;
                    Some(Record::Name { words: self.take(bytes.div_ceil(8) as usize)?, bytes })
                }
                CODE | MODULE | PROCESS => {
                    let (last, number) = (word >> KIND_BITS & 1 != 0, (word >> 32) as u32);
                    let bytes = (word >> 8 & 0xff_ffff) as u32;
                    let words = self.take(bytes.div_ceil(8) as usize)?;
                    Some(match kind {
                        CODE => Record::Code { code: number, last, words, bytes },
                        PROCESS => Record::Process { last, words, bytes },
                        _ => Record::Module { module: number, last, words, bytes },
                    })
                }
                _ => None,
            };
        }
    }
}

impl<'a> Iterator for Records<'a> {
    type Item = Result<Record<'a>, Malformed>;

    #[inline(always)]
    fn next(&mut self) -> Option<Self::Item> {
        if let Some(record) = self.decode_short() {
            return Some(Ok(record));
        }
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
