//! A thread's end of the channel: appends records to its chunk and publishes them.

mod chunks;

use self::chunks::NO_STAMP;
use crate::allocator::Allocator;
use crate::author::Author;
use crate::early_stop::EarlyStop;
use crate::ids::{Address, SiteId, Stamp};
use crate::layout::CHUNK_WORDS;
use crate::pool::{ChunkIndex, Pool};
use crate::record::{
    ADDRESS_SHIFT, ALLOCATION, CODE, ChannelFrame, DESCRIBES_FILE, DESCRIPTOR, FRAME_COUNT_BITS, FRAMES, FREE,
    IS_SHARED, KIND_BITS, LONG_SIZE, MAP, MAX_DELTA, MAX_DESCRIPTOR_WORDS, MAX_EVENT_WORDS, MODULE, MOVES, Mapped,
    MappedFile, NAME, PROCESS, PROTECTS, RESIZE, SITE, TIME, UNMAP, WIDE,
};
use crate::turns::Stamper;

/// Appends the records of one thread to chunks of the pool.
pub struct ChunkWriter {
    pool: Pool,
    author: Author,
    chunk: Option<ChunkIndex>,
    words: *mut u64,
    used: usize,
    /// Words that may be used; 0 while there is no chunk, so that the first record takes one.
    room: usize,
    stamp: u64,
    sequence: u32,
    stamper: Stamper,
    /// Once the writer has been abandoned: where all words go.
    scratch: *mut u64,
}

/// Where the words of an event go: a copy of what the writer knows, which stays in registers. For the compiler, each
/// word that is written might be the writer's own field.
struct End {
    words: *mut u64,
    used: usize,
}

impl End {
    #[inline(always)]
    fn push(&mut self, word: u64) {
        // SAFETY: `ChunkWriter::head` has reserved room for all words of an event. See `ChunkWriter::push`.
        unsafe { self.words.add(self.used).write(word) };
        self.used += 1;
    }

    #[inline(always)]
    fn push_site_and_size(&mut self, site: SiteId, size: u64) {
        if size < LONG_SIZE {
            self.push(u64::from(site.0) | size << 32);
        } else {
            self.push(u64::from(site.0) | LONG_SIZE << 32);
            self.push(size);
        }
    }
}

impl ChunkWriter {
    /// A writer without a chunk yet.
    #[must_use]
    pub fn new(pool: Pool, author: Author) -> Self {
        Self {
            pool,
            author,
            chunk: None,
            words: core::ptr::null_mut(),
            used: 0,
            room: 0,
            stamp: NO_STAMP,
            sequence: 0,
            stamper: Stamper::new(pool.clock(), author.thread),
            scratch: core::ptr::null_mut(),
        }
    }

    /// The stamp of an event that happens now: see [`Stamper::stamp()`].
    #[inline]
    pub fn stamp(&mut self) -> Stamp {
        self.stamper.stamp(&self.pool.header().turn)
    }

    /// Who writes.
    #[must_use]
    pub const fn author(&self) -> &Author {
        &self.author
    }

    /// The pool that the chunks come from.
    #[must_use]
    pub const fn pool(&self) -> &Pool {
        &self.pool
    }

    /// Stamps a release that is about to be made, and can only be recorded after it: by `realloc`, say, which may or
    /// may not move a block. What others do with the memory meanwhile may be published before the release. So until
    /// [`Self::let_go`] the recorder takes nothing later for settled.
    ///
    /// # Errors
    /// See [`Self::allocation`].
    #[inline]
    pub fn hold(&mut self) -> Result<Stamp, EarlyStop> {
        // The release itself is to be published by the same chunk.
        self.reserve(MAX_EVENT_WORDS)?;
        let stamp = self.stamp();
        if let Some(chunk) = self.chunk {
            self.pool.hold(chunk, stamp.0);
        }
        Ok(stamp)
    }

    /// The release has been published, or there was none.
    #[inline]
    pub fn let_go(&mut self) {
        if let Some(chunk) = self.chunk {
            self.pool.hold(chunk, 0);
        }
    }

    /// Starts an event: time and address.
    #[inline]
    fn head(&mut self, kind: u64, stamp: Stamp, address: Address) -> Result<End, EarlyStop> {
        self.reserve(MAX_EVENT_WORDS)?;
        let mut end = End { words: self.words, used: self.used };
        let mut delta = stamp.0.wrapping_sub(self.stamp);
        if delta > MAX_DELTA {
            end.push(TIME | stamp.0 << KIND_BITS);
            delta = 0;
        }
        self.stamp = stamp.0;
        if address.0 >> 48 != 0 {
            end.push(WIDE | address.0 >> 48 << KIND_BITS);
        }
        end.push(kind | delta << KIND_BITS | address.0 << ADDRESS_SHIFT);
        Ok(end)
    }

    /// Publishes an event.
    #[inline]
    fn finish(&mut self, end: End) {
        self.used = end.used;
        self.publish();
    }

    /// Records [`Event::Allocation`](crate::event::Event::Allocation).
    ///
    /// # Errors
    /// As all methods here: when the pool is exhausted and waiting cannot help.
    #[inline]
    pub fn allocation(&mut self, stamp: Stamp, address: Address, size: u64, site: SiteId) -> Result<(), EarlyStop> {
        let mut end = self.head(ALLOCATION, stamp, address)?;
        end.push_site_and_size(site, size);
        self.finish(end);
        Ok(())
    }

    /// Records [`Event::Resize`](crate::event::Event::Resize).
    ///
    /// # Errors
    /// See [`Self::allocation`].
    #[inline]
    pub fn resize(&mut self, stamp: Stamp, address: Address, size: u64, site: SiteId) -> Result<(), EarlyStop> {
        let mut end = self.head(RESIZE, stamp, address)?;
        end.push_site_and_size(site, size);
        self.finish(end);
        Ok(())
    }

    /// Records [`Event::Map`](crate::event::Event::Map).
    ///
    /// # Errors
    /// See [`Self::allocation`].
    pub fn map(
        &mut self,
        stamp: Stamp,
        address: Address,
        size: u64,
        site: SiteId,
        mapped: Mapped,
    ) -> Result<(), EarlyStop> {
        // All of it in one chunk: what is mapped is said before.
        self.reserve(MAX_DESCRIPTOR_WORDS + MAX_EVENT_WORDS)?;
        match mapped {
            Mapped::Memory => {}
            Mapped::Something => self.push(DESCRIPTOR),
            Mapped::File(MappedFile { device, inode, offset, is_shared }) => {
                self.push(DESCRIPTOR | DESCRIBES_FILE | if is_shared { IS_SHARED } else { 0 });
                [device, inode, offset].into_iter().for_each(|word| self.push(word));
            }
        }
        let mut end = self.head(MAP, stamp, address)?;
        end.push_site_and_size(site, size);
        self.finish(end);
        Ok(())
    }

    /// Records [`Event::Protect`](crate::event::Event::Protect).
    ///
    /// # Errors
    /// See [`Self::allocation`].
    pub fn protect(&mut self, stamp: Stamp, address: Address, size: u64, site: SiteId) -> Result<(), EarlyStop> {
        // In one chunk: that nothing is mapped is said before.
        self.reserve(1 + MAX_EVENT_WORDS)?;
        self.push(DESCRIPTOR | PROTECTS);
        let mut end = self.head(MAP, stamp, address)?;
        end.push_site_and_size(site, size);
        self.finish(end);
        Ok(())
    }

    /// Records [`Event::Free`](crate::event::Event::Free).
    ///
    /// # Errors
    /// See [`Self::allocation`].
    #[inline]
    pub fn free(&mut self, stamp: Stamp, address: Address) -> Result<(), EarlyStop> {
        let end = self.head(FREE, stamp, address)?;
        self.finish(end);
        Ok(())
    }

    /// Records [`Event::Unmap`](crate::event::Event::Unmap).
    ///
    /// # Errors
    /// See [`Self::allocation`].
    pub fn unmap(&mut self, stamp: Stamp, address: Address, size: u64) -> Result<(), EarlyStop> {
        let mut end = self.head(UNMAP, stamp, address)?;
        end.push(size);
        self.finish(end);
        Ok(())
    }

    /// Records [`Event::Move`](crate::event::Event::Move). The next event is the [`Self::map`] of the same.
    ///
    /// # Errors
    /// See [`Self::allocation`].
    pub fn moves(&mut self, stamp: Stamp, address: Address, size: u64) -> Result<(), EarlyStop> {
        self.reserve(1 + MAX_EVENT_WORDS)?;
        self.push(MOVES);
        self.unmap(stamp, address, size)
    }

    /// Changes the thread's stack: keeps the outermost `keep` frames of the last one and adds `fresh`, outermost first.
    ///
    /// # Errors
    /// See [`Self::allocation`].
    pub fn frames(&mut self, keep: u32, fresh: impl ExactSizeIterator<Item = ChannelFrame>) -> Result<(), EarlyStop> {
        // A stack can be longer than a chunk: then it comes in several records, each of which keeps all before it.
        const MOST: usize = CHUNK_WORDS / 8;
        let (mut keep, mut left, mut fresh) = (u64::from(keep), fresh.len(), fresh);
        loop {
            let count = left.min(MOST);
            self.reserve(1 + count)?;
            self.push(FRAMES | keep << KIND_BITS | (count as u64) << (KIND_BITS + FRAME_COUNT_BITS));
            for frame in fresh.by_ref().take(count) {
                self.push(frame.to_word());
            }
            self.publish();
            keep += count as u64;
            left -= count;
            if left == 0 {
                return Ok(());
            }
        }
    }

    /// Defines a site of the thread, which may have had another one with this number: its stack, and `allocator`.
    ///
    /// # Errors
    /// See [`Self::allocation`].
    pub fn site(&mut self, site: SiteId, allocator: Allocator) -> Result<(), EarlyStop> {
        self.reserve(1)?;
        self.push(SITE | u64::from(allocator.code()) << KIND_BITS | u64::from(site.0) << 32);
        self.publish();
        Ok(())
    }

    /// Describes a code object ([`crate::code`]), given in pieces.
    ///
    /// # Errors
    /// See [`Self::allocation`].
    pub fn code(&mut self, code: u32, pieces: &[&[u8]]) -> Result<(), EarlyStop> {
        self.description(CODE, code, pieces)
    }

    /// Describes a module ([`crate::module`]).
    ///
    /// # Errors
    /// See [`Self::allocation`].
    pub fn module(&mut self, module: u32, pieces: &[&[u8]]) -> Result<(), EarlyStop> {
        self.description(MODULE, module, pieces)
    }

    /// Describes the process that the writer's image belongs to ([`crate::process`]).
    ///
    /// # Errors
    /// See [`Self::allocation`].
    pub fn process(&mut self, pieces: &[&[u8]]) -> Result<(), EarlyStop> {
        self.description(PROCESS, 0, pieces)
    }

    fn description(&mut self, kind: u64, number: u32, pieces: &[&[u8]]) -> Result<(), EarlyStop> {
        const MOST: usize = CHUNK_WORDS / 8;
        let mut left: usize = pieces.iter().map(|piece| piece.len()).sum();
        let mut bytes = pieces.iter().flat_map(|piece| piece.iter().copied());
        loop {
            let part = left.min(MOST * 8);
            left -= part;
            self.reserve(1 + part.div_ceil(8))?;
            self.push(kind | u64::from(left == 0) << KIND_BITS | (part as u64) << 8 | u64::from(number) << 32);
            self.push_bytes(part, &mut bytes);
            self.publish();
            if left == 0 {
                return Ok(());
            }
        }
    }

    /// Says what the program itself calls the thread. A name that would not fit into a chunk is cut off.
    ///
    /// # Errors
    /// See [`Self::allocation`].
    pub fn name(&mut self, name: &[u8]) -> Result<(), EarlyStop> {
        let name = &name[..name.len().min(CHUNK_WORDS)];
        self.reserve(1 + name.len().div_ceil(8))?;
        self.push(NAME | (name.len() as u64) << 8);
        self.push_bytes(name.len(), &mut name.iter().copied());
        self.publish();
        Ok(())
    }

    /// Appends `count` of these bytes, eight to a word.
    fn push_bytes(&mut self, count: usize, bytes: &mut impl Iterator<Item = u8>) {
        for start in (0..count).step_by(8) {
            let mut word = [0; 8];
            for (to, from) in word.iter_mut().take(count - start).zip(bytes.by_ref()) {
                *to = from;
            }
            self.push(u64::from_ne_bytes(word));
        }
    }
}
