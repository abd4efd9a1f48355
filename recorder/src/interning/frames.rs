//! Numbers for frames, and their rows until they are written.

use std::hash::BuildHasher;

use memprof_capture::file::{Frame, NativeFrame};
use memprof_channel::ids::FrameId;
use memprof_channel::record::ChannelFrame;
use rustc_hash::{FxBuildHasher, FxHashMap};

/// All frames of a recording.
pub struct Frames {
    ids: FxHashMap<Frame, FrameId>,
    /// By the hash of what is seen.
    recent: Vec<Option<(SeenFrame, FrameId)>>,
    rows: Vec<Frame>,
}

/// A frame as an image of the program describes it.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
struct SeenFrame {
    image: u32,
    word: u64,
}

impl SeenFrame {
    /// Where it is among recent ones. The lower bits of this hash depend on all of a frame, others not on its
    /// offset.
    #[inline]
    fn place(self) -> usize {
        FxBuildHasher.hash_one(self) as usize % RECENT_FRAMES
    }
}

/// How many frames are found at once: programs come back to the same ones in ever different orders.
const RECENT_FRAMES: usize = 1 << 12;

impl Default for Frames {
    fn default() -> Self {
        Self { ids: FxHashMap::default(), recent: vec![None; RECENT_FRAMES], rows: Vec::new() }
    }
}

impl Frames {
    /// The number of a frame that the program sees in this image. `row` says what its row is, if it is not a recent
    /// one.
    #[inline]
    pub fn seen(&mut self, image: u32, frame: ChannelFrame, row: impl FnOnce() -> Frame) -> FrameId {
        let seen = SeenFrame { image, word: frame.to_word() };
        let place = seen.place();
        if let Some((known, id)) = self.recent[place]
            && known == seen
        {
            return id;
        }
        let id = self.id(row());
        self.recent[place] = Some((seen, id));
        id
    }

    /// The number of the frame with this row.
    pub fn id(&mut self, row: Frame) -> FrameId {
        let next = FrameId::from_index(self.ids.len());
        *self.ids.entry(row).or_insert_with(|| {
            self.rows.push(row);
            next
        })
    }

    /// All native frames so far, with their numbers.
    pub fn native(&self) -> impl Iterator<Item = (FrameId, NativeFrame)> + '_ {
        self.ids.iter().filter_map(|(frame, &id)| match *frame {
            Frame::Native(native) => Some((id, native)),
            _ => None,
        })
    }

    /// The rows that have come since the last call.
    pub fn take_rows(&mut self) -> Vec<Frame> {
        std::mem::take(&mut self.rows)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A function that calls itself from two lines has the two frames alternately.
    #[test]
    fn frames_of_one_function_have_places_of_their_own() {
        let place = |offset| SeenFrame { image: 1, word: ChannelFrame::Python { code: 7, offset }.to_word() }.place();
        let places: std::collections::HashSet<_> = (0..200).map(|line| place(line * 14)).collect();
        assert!(places.len() > 180, "{}", places.len());
    }
}
