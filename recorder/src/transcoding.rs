//! From the channel's records to the file's events: threads' own numbers become the recording's, and events gather in
//! columns until they fill a chunk.

use memprof_capture::allocator::Allocator;
use memprof_capture::channel::record::Malformed;
use memprof_capture::channel::{Record, Records};
use memprof_capture::event::Event;
use memprof_capture::file::columns::{ColumnEncoder, RecentSizes, StampPrecision};
use memprof_capture::ids::{Address, SiteId, Stamp};

use crate::interning::Interning;
use crate::thread_stack::ThreadStack;

/// What is remembered of a thread between its chunks.
pub struct ThreadTranscoder {
    /// The image that it belongs to.
    pub image: u32,
    /// Its events that have not been written.
    pub events: ColumnEncoder,
    /// By the thread's own number.
    sites: Vec<SiteId>,
    stack: ThreadStack,
    /// What the program calls the thread, where it has said so.
    pub name: Option<String>,
    /// The description of the process, until somebody takes it.
    pub process: Option<Vec<u8>>,
    /// The description of a code object or a module that has not come to its end.
    description: Vec<u8>,
}

/// Where a gathered chunk goes.
pub trait ChunkSink {
    /// Takes the events gathered so far.
    fn take(&mut self, image: u32, events: &mut ColumnEncoder, interning: &mut Interning);
}

/// So many events make a chunk of the file. A report holds one chunk of every thread that is active at a time, so they
/// are smaller where there are several threads: 2.5 MiB in memory, or 0.6 MiB a thread.
const fn events_per_chunk(precision: StampPrecision) -> usize {
    match precision {
        StampPrecision::Anchored => 1 << 16,
        StampPrecision::Exact => 1 << 14,
    }
}

impl ThreadTranscoder {
    /// A thread without events, of whose stacks at most `native_depth` native frames are kept.
    #[must_use]
    pub fn new(image: u32, native_depth: u32) -> Self {
        Self {
            image,
            events: ColumnEncoder::default(),
            sites: Vec::new(),
            stack: ThreadStack::new(native_depth),
            name: None,
            process: None,
            description: Vec::new(),
        }
    }

    /// Takes in the published words of the thread's next chunk.
    ///
    /// # Errors
    /// When a word makes no sense. What came before it has been taken in.
    pub fn take_chunk(
        &mut self,
        words: &[u64],
        precision: StampPrecision,
        interning: &mut Interning,
        sizes: &mut RecentSizes,
        sink: &mut impl ChunkSink,
    ) -> Result<(), Malformed> {
        if self.events.precision() != precision {
            sink.take(self.image, &mut self.events, interning);
            self.events.set_precision(precision);
        }
        for record in Records::new(words) {
            let (stamp, event) = match record? {
                Record::Allocation { stamp, address, size, site } => {
                    (stamp, Event::Allocation { address: Address(address), size, site: self.site(site)? })
                }
                Record::Free { stamp, address } => (stamp, Event::Free { address: Address(address) }),
                Record::Resize { stamp, address, size, site } => {
                    (stamp, Event::Resize { address: Address(address), size, site: self.site(site)? })
                }
                Record::Map { stamp, address, size, site } => {
                    (stamp, Event::Map { address: Address(address), size, site: self.site(site)? })
                }
                Record::Unmap { stamp, address, size } => (stamp, Event::Unmap { address: Address(address), size }),
                Record::Frames { keep, fresh } => {
                    self.change_stack(keep, fresh, interning)?;
                    continue;
                }
                Record::Site { allocator } => {
                    let stack = self.stack.id(interning);
                    let allocator = Allocator::from_code(allocator).ok_or(Malformed { word: 0 })?;
                    self.sites.push(interning.site(stack, allocator));
                    continue;
                }
                Record::Name { words, bytes } => {
                    let mut name: Vec<u8> = words.iter().flat_map(|word| word.to_ne_bytes()).collect();
                    name.truncate(bytes as usize);
                    self.name = Some(String::from_utf8_lossy(&name).into_owned());
                    continue;
                }
                Record::Code { code, last, words, bytes } => {
                    if let Some(whole) = self.take_description(last, words, bytes)
                        && !interning.describe_code(self.image, code, &whole)
                    {
                        return Err(Malformed { word: 0 });
                    }
                    continue;
                }
                Record::Process { last, words, bytes } => {
                    if let Some(whole) = self.take_description(last, words, bytes) {
                        self.process = Some(whole);
                    }
                    continue;
                }
                Record::Module { module, last, words, bytes } => {
                    if let Some(whole) = self.take_description(last, words, bytes)
                        && !interning.describe_module(self.image, module, &whole)
                    {
                        return Err(Malformed { word: 0 });
                    }
                    continue;
                }
            };
            self.events.push(Stamp(stamp), event, sizes);
            if self.events.len() >= events_per_chunk(precision) {
                sink.take(self.image, &mut self.events, interning);
            }
        }
        Ok(())
    }

    fn site(&self, number: u32) -> Result<SiteId, Malformed> {
        self.sites.get(number as usize).copied().ok_or(Malformed { word: 0 })
    }

    fn change_stack(&mut self, keep: u32, fresh: &[u64], interning: &mut Interning) -> Result<(), Malformed> {
        if !self.stack.keep(keep as usize) {
            return Err(Malformed { word: 0 });
        }
        for frame in Record::frames_of(fresh) {
            self.stack.push(self.image, frame, interning);
        }
        Ok(())
    }

    /// Adds a part of a description. Returns the whole after its last part.
    fn take_description(&mut self, last: bool, words: &[u64], bytes: u32) -> Option<Vec<u8>> {
        let start = self.description.len();
        for word in words {
            self.description.extend_from_slice(&word.to_ne_bytes());
        }
        self.description.truncate(start + bytes as usize);
        last.then(|| std::mem::take(&mut self.description))
    }
}
