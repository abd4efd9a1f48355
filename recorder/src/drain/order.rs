//! The events of all threads of an image, until they are in one order.

use memprof_capture::event::TimedEvent;
use memprof_capture::file::image_events::{ImageEvents, Keeping};
use memprof_capture::file::site_numbers::SiteNumbers;
use memprof_channel::ids::{Stamp, ThreadId};
use rustc_hash::FxHashMap;

use crate::interning::Interning;
use crate::output::Output;

/// Where the events of each image wait for older ones.
pub struct EventOrder {
    images: FxHashMap<u32, ImageEvents>,
    keeping: Keeping,
}

impl EventOrder {
    /// Of no images yet.
    pub fn new(keeping: Keeping) -> Self {
        Self { images: FxHashMap::default(), keeping }
    }

    /// Where the next events of a thread are to be added.
    pub fn queue(&mut self, image: u32, thread: ThreadId) -> &mut Vec<TimedEvent> {
        self.images.entry(image).or_insert_with(|| ImageEvents::new(self.keeping)).queue(thread)
    }

    /// The images of which there have been events.
    pub fn images(&self) -> Vec<u32> {
        self.images.keys().copied().collect()
    }

    /// Takes the events of an image for settled that are older than `bound`: no such ones can come any more. Returns
    /// what sites have become, if the output has given them other numbers.
    pub fn settle(
        &mut self,
        image: u32,
        bound: Stamp,
        interning: &mut Interning,
        output: &mut dyn Output,
    ) -> Option<SiteNumbers> {
        output.events(image, bound, self.images.get_mut(&image)?, interning);
        let numbers = output.make_room(interning)?;
        self.images.values_mut().for_each(|events| events.renumber_sites(&numbers));
        Some(numbers)
    }

    /// Writes what is settled.
    pub fn write(&mut self, interning: &mut Interning, output: &mut dyn Output) {
        for (&image, events) in &mut self.images {
            output.gathered_events(image, events, interning);
        }
    }

    /// Drops images that have ended. Writes what is settled of them: the rest will never be.
    pub fn finish_ended(
        &mut self,
        has_ended: impl Fn(u32) -> bool,
        interning: &mut Interning,
        output: &mut dyn Output,
    ) {
        self.images.retain(|&image, events| {
            let ended = has_ended(image);
            if ended {
                output.gathered_events(image, events, interning);
            }
            !ended
        });
    }
}
