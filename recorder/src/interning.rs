//! Numbers for code objects, frames, stacks and sites, the same for all threads; and their rows, until they are written.

use memprof_capture::allocator::Allocator;
use memprof_capture::channel::code::CodeDescription;
use memprof_capture::channel::record::ChannelFrame;
use memprof_capture::file::{Code, Frame, Site, StackNode};
use memprof_capture::ids::{CodeId, FrameId, SiteId, StackId};
use rustc_hash::FxHashMap;

/// The tables of a recording, as far as they must be remembered.
#[derive(Default)]
pub struct Interning {
    /// The number of each code object, by image and the image's own number.
    code_ids: FxHashMap<(u32, u32), CodeId>,
    /// Code objects from the first one that has not been written; one that has not been described yet is `None`.
    codes: Vec<Option<Code>>,
    codes_written: usize,
    frame_ids: FxHashMap<Frame, FrameId>,
    frames: Vec<Frame>,
    stack_ids: FxHashMap<StackNode, StackId>,
    stacks: Vec<StackNode>,
    site_ids: FxHashMap<Site, SiteId>,
    sites: Vec<Site>,
}

/// Rows that are to be written next.
pub struct NewRows {
    /// Code objects.
    pub codes: Vec<Code>,
    /// Frames.
    pub frames: Vec<Frame>,
    /// Stacks.
    pub stacks: Vec<StackNode>,
    /// Sites.
    pub sites: Vec<Site>,
}

impl Interning {
    fn code_id(&mut self, image: u32, number: u32) -> CodeId {
        let next = CodeId::from_index(self.codes_written + self.codes.len());
        let id = *self.code_ids.entry((image, number)).or_insert(next);
        if id == next {
            self.codes.push(None);
        }
        id
    }

    /// Notes what a code object is. False when the description makes no sense.
    pub fn describe(&mut self, image: u32, number: u32, description: &[u8]) -> bool {
        let id = self.code_id(image, number);
        let Some(code) = CodeDescription::parse(description) else { return false };
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        if let Some(row) = id.index().checked_sub(self.codes_written).and_then(|row| self.codes.get_mut(row)) {
            *row = Some(Code {
                name: text(code.name),
                qualified_name: text(code.qualified_name),
                file: text(code.file),
                first_line: code.first_line,
                format: code.format,
                line_table: code.line_table.to_vec(),
            });
        }
        true
    }

    /// The stack that has one more frame than `parent`.
    pub fn stack(&mut self, image: u32, parent: StackId, frame: ChannelFrame) -> StackId {
        let frame = Frame::Python { code: self.code_id(image, frame.code), offset: frame.offset };
        let frame = intern(&mut self.frame_ids, &mut self.frames, frame, FrameId::from_index);
        let node = StackNode { parent, frame };
        // Row 0 is stack 1: stack 0 is the empty one.
        intern(&mut self.stack_ids, &mut self.stacks, node, |row| StackId::from_index(row + 1))
    }

    /// The site of this stack and allocator.
    pub fn site(&mut self, stack: StackId, allocator: Allocator) -> SiteId {
        intern(&mut self.site_ids, &mut self.sites, Site { stack, allocator }, SiteId::from_index)
    }

    /// The rows that have come since the last call. Code objects are written in order, so that one that has not been
    /// described yet holds up those after it, except at the end.
    pub fn take_rows(&mut self, at_the_end: bool) -> NewRows {
        if at_the_end {
            self.codes.iter_mut().filter(|code| code.is_none()).for_each(|code| *code = Some(undescribed()));
        }
        let ready = self.codes.iter().take_while(|code| code.is_some()).count();
        self.codes_written += ready;
        NewRows {
            codes: self.codes.drain(..ready).flatten().collect(),
            frames: std::mem::take(&mut self.frames),
            stacks: std::mem::take(&mut self.stacks),
            sites: std::mem::take(&mut self.sites),
        }
    }
}

fn intern<K: Copy + Eq + std::hash::Hash, I: Copy>(
    ids: &mut FxHashMap<K, I>,
    new_rows: &mut Vec<K>,
    key: K,
    id_of_row: impl FnOnce(usize) -> I,
) -> I {
    let row = ids.len();
    *ids.entry(key).or_insert_with(|| {
        new_rows.push(key);
        id_of_row(row)
    })
}

/// The program was killed between the use of a code object and its description.
fn undescribed() -> Code {
    Code {
        name: "<unknown>".to_owned(),
        qualified_name: "<unknown>".to_owned(),
        file: String::new(),
        first_line: 0,
        format: memprof_capture::channel::code::LineTableFormat::Locations,
        line_table: Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(code: u32) -> ChannelFrame {
        ChannelFrame { code, offset: 4 }
    }

    fn description(name: &str) -> Vec<u8> {
        let mut bytes = vec![7, 0, 0, 0, 3];
        for text in [name, name, "file.py", ""] {
            bytes.extend((text.len() as u32).to_le_bytes());
            bytes.extend(text.as_bytes());
        }
        bytes
    }

    #[test]
    fn equal_things_have_one_number_and_one_row() {
        let mut interning = Interning::default();
        let outer = interning.stack(1, StackId::EMPTY, frame(0));
        let inner = interning.stack(1, outer, frame(0));
        assert_eq!((outer, inner), (StackId(1), StackId(2)));
        assert_eq!(interning.stack(1, StackId::EMPTY, frame(0)), outer);
        let site = interning.site(inner, Allocator::Malloc);
        assert_eq!(interning.site(inner, Allocator::Malloc), site);
        assert_ne!(interning.site(inner, Allocator::Calloc), site);
        let rows = interning.take_rows(false);
        assert_eq!((rows.frames.len(), rows.stacks.len(), rows.sites.len()), (1, 2, 2));
        assert_eq!(interning.stack(1, outer, frame(1)), StackId(3));
        assert_eq!(interning.take_rows(false).stacks.len(), 1);
    }

    #[test]
    fn code_objects_are_written_in_order_however_they_are_described() {
        let mut interning = Interning::default();
        interning.stack(1, StackId::EMPTY, frame(5));
        assert!(interning.describe(1, 6, &description("second")));
        assert!(interning.take_rows(false).codes.is_empty());
        assert!(interning.describe(1, 5, &description("first")));
        let names: Vec<_> = interning.take_rows(false).codes.into_iter().map(|code| code.name).collect();
        assert_eq!(names, ["first", "second"]);
        // Another image counts anew.
        interning.stack(2, StackId::EMPTY, frame(5));
        assert_eq!(interning.take_rows(true).codes[0].name, "<unknown>");
        assert!(!interning.describe(2, 7, b"nonsense"));
    }
}
