//! The tables of a capture that is made of others: what of theirs is used, and what is equal once.

use std::hash::Hash;

use memprof_channel::ids::{CodeId, FrameId, ModuleId, PartId, SiteId, StackId, ThreadId};
use rustc_hash::FxHashMap;

use super::tables::{Code, Frame, MappedPart, Module, NativeFrame, SharedPart, Site, StackNode, Tables, Thread};

/// Tables in the making.
#[derive(Default)]
pub struct JoinedTables {
    tables: Tables,
    codes: FxHashMap<Code, CodeId>,
    modules: FxHashMap<ModuleKey, ModuleId>,
    frames: FxHashMap<Frame, FrameId>,
    stacks: FxHashMap<StackNode, StackId>,
    parts: FxHashMap<MappedPart, PartId>,
    sites: FxHashMap<Site, SiteId>,
}

/// What makes modules equal: where a file with a build id was loaded is of no interest, since frames are addresses in
/// the file.
#[derive(PartialEq, Eq, Hash)]
enum ModuleKey {
    File { path: String, build_id: Vec<u8>, is_interpreter: bool },
    Loaded(Module),
}

/// What the rows of one of the other captures have become.
#[derive(Default)]
pub struct Renumbering {
    codes: FxHashMap<CodeId, CodeId>,
    modules: FxHashMap<ModuleId, ModuleId>,
    frames: FxHashMap<FrameId, FrameId>,
    stacks: FxHashMap<StackId, StackId>,
    sites: FxHashMap<SiteId, SiteId>,
    threads: FxHashMap<ThreadId, ThreadId>,
}

/// Enters a row, unless an equal one is there. A row that its capture has lost is one here, too.
fn enter<K: Hash + Eq, T, I: Copy>(
    ids: &mut FxHashMap<K, I>,
    rows: &mut Vec<Option<T>>,
    row: Option<(K, T)>,
    id: impl FnOnce(usize) -> I,
) -> I {
    let next = id(rows.len());
    let Some((key, row)) = row else {
        rows.push(None);
        return next;
    };
    *ids.entry(key).or_insert_with(|| {
        rows.push(Some(row));
        next
    })
}

/// Takes over the package of a file. Captures of machines that disagree about it are joined: the first one is right.
fn keep_package(tables: &mut Tables, from: &Tables, file: &str) {
    if let Some(package) = from.package_of(file)
        && !tables.packages.contains_key(file)
    {
        tables.packages.insert(file.to_owned(), package.clone());
    }
}

impl JoinedTables {
    /// The tables so far.
    #[must_use]
    pub const fn tables(&self) -> &Tables {
        &self.tables
    }

    /// The site that one of another capture has become. What it refers to is entered with it.
    pub fn site(&mut self, from: &Tables, known: &mut Renumbering, site: SiteId) -> SiteId {
        if let Some(&site) = known.sites.get(&site) {
            return site;
        }
        let row = from.site(site).map(|row| {
            let row = Site {
                stack: self.stack(from, known, row.stack),
                part: row.part.map(|part| self.part(from, part, 0)),
                ..row
            };
            (row, row)
        });
        let new = enter(&mut self.sites, &mut self.tables.sites, row, SiteId::from_index);
        known.sites.insert(site, new);
        new
    }

    /// The same, for a mapping that begins `offset` bytes after the beginning of the one that was made there.
    pub fn site_at_offset(&mut self, from: &Tables, known: &mut Renumbering, site: SiteId, offset: u64) -> SiteId {
        let new = self.site(from, known, site);
        if offset == 0 {
            return new;
        }
        let (Some(row), Some(part)) = (self.tables.site(new), from.site(site).and_then(|site| site.part)) else {
            return new;
        };
        let row = Site { part: Some(self.part(from, part, offset)), ..row };
        enter(&mut self.sites, &mut self.tables.sites, Some((row, row)), SiteId::from_index)
    }

    fn part(&mut self, from: &Tables, part: SharedPart, offset: u64) -> SharedPart {
        let row = from.part(part).map(|row| {
            let row = MappedPart { offset: row.offset.saturating_add(offset), ..row.clone() };
            (row.clone(), row)
        });
        enter(&mut self.parts, &mut self.tables.parts, row, PartId::from_index).into()
    }

    fn stack(&mut self, from: &Tables, known: &mut Renumbering, stack: StackId) -> StackId {
        // Down to a caller that is known, and up again.
        let (mut fresh, mut at) = (Vec::new(), stack);
        let mut new = loop {
            if at == StackId::EMPTY {
                break StackId::EMPTY;
            }
            if let Some(&known) = known.stacks.get(&at) {
                break known;
            }
            let node = from.stack(at);
            fresh.push((at, node));
            // Parents come before their children; anything else is damage.
            at = node.map_or(StackId::EMPTY, |node| node.parent).min(StackId(at.0 - 1));
        };
        for (old, node) in fresh.into_iter().rev() {
            let row = node.map(|node| {
                let row = StackNode { parent: new, frame: self.frame(from, known, node.frame) };
                (row, row)
            });
            // Row 0 is stack 1: stack 0 is the empty one.
            new = enter(&mut self.stacks, &mut self.tables.stacks, row, |row| StackId::from_index(row + 1));
            known.stacks.insert(old, new);
        }
        new
    }

    fn frame(&mut self, from: &Tables, known: &mut Renumbering, frame: FrameId) -> FrameId {
        if let Some(&frame) = known.frames.get(&frame) {
            return frame;
        }
        let row = from.frame(frame).map(|row| {
            let row = match row {
                Frame::Python { code, offset } => Frame::Python { code: self.code(from, known, code), offset },
                Frame::Native(native @ NativeFrame { module: Some(module), .. }) => {
                    Frame::Native(NativeFrame { module: Some(self.module(from, known, module)), ..native })
                }
                other => other,
            };
            (row, row)
        });
        let new = enter(&mut self.frames, &mut self.tables.frames, row, FrameId::from_index);
        let names = from.functions_of(frame);
        self.tables.symbols.resize(self.tables.frames.len(), Vec::new());
        let named = &mut self.tables.symbols[new.index()];
        if named.is_empty() {
            *named = names.to_vec();
        }
        known.frames.insert(frame, new);
        new
    }

    fn code(&mut self, from: &Tables, known: &mut Renumbering, code: CodeId) -> CodeId {
        *known.codes.entry(code).or_insert_with(|| {
            let row = from.code(code).map(|row| (row.clone(), row.clone()));
            if let Some((Code { file, .. }, _)) = &row {
                keep_package(&mut self.tables, from, file);
            }
            enter(&mut self.codes, &mut self.tables.codes, row, CodeId::from_index)
        })
    }

    fn module(&mut self, from: &Tables, known: &mut Renumbering, module: ModuleId) -> ModuleId {
        *known.modules.entry(module).or_insert_with(|| {
            let row = from.module(module).map(|row| {
                keep_package(&mut self.tables, from, &row.path);
                let Module { path, build_id, is_interpreter, .. } = row.clone();
                let key = if build_id.is_empty() {
                    ModuleKey::Loaded(row.clone())
                } else {
                    ModuleKey::File { path, build_id, is_interpreter }
                };
                (key, row.clone())
            });
            enter(&mut self.modules, &mut self.tables.modules, row, ModuleId::from_index)
        })
    }

    /// The thread that one of another capture has become. Threads are never taken for equal.
    pub fn thread(&mut self, from: &Tables, known: &mut Renumbering, thread: ThreadId) -> ThreadId {
        *known.threads.entry(thread).or_insert_with(|| {
            let unknown = || Thread { tid: 0, name: format!("thread {}", u64::from(thread.0) + 1) };
            let row = from.threads.get(thread.index()).cloned().flatten().unwrap_or_else(unknown);
            self.tables.threads.push(Some(row));
            ThreadId::from_index(self.tables.threads.len() - 1)
        })
    }
}

impl Renumbering {
    /// The module that one of the other capture has become; nothing where no frame of it is used.
    #[must_use]
    pub fn known_module(&self, module: ModuleId) -> Option<ModuleId> {
        self.modules.get(&module).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use memprof_channel::allocator::Allocator;

    fn module(bias: u64) -> Module {
        let path = "/lib/a.so".to_owned();
        Module { path, build_id: vec![1], bias, start: bias, end: bias + 10, is_interpreter: false }
    }

    fn tables(bias: u64, addresses: &[u64]) -> Tables {
        let frame = |&address: &u64| {
            let module = Some(ModuleId(0));
            Some(Frame::Native(NativeFrame { module, address, interrupted: false, evaluates: false }))
        };
        let node = |row: u32| Some(StackNode { parent: StackId(row), frame: FrameId(row) });
        let site = |row: u32| Some(Site::new(StackId(row + 1), Allocator::Malloc));
        let rows = addresses.len() as u32;
        Tables {
            modules: vec![Some(module(bias))],
            frames: addresses.iter().map(frame).collect(),
            stacks: (0..rows).map(node).collect(),
            sites: (0..rows).map(site).collect(),
            ..Tables::default()
        }
    }

    #[test]
    fn what_is_equal_is_there_once_wherever_it_was_loaded() {
        let (one, other) = (tables(0x1000, &[1, 2, 3]), tables(0x7000, &[1, 2, 4]));
        let (mut joined, mut of_one, mut of_other) =
            (JoinedTables::default(), Renumbering::default(), Renumbering::default());
        let first = joined.site(&one, &mut of_one, SiteId(2));
        assert_eq!((joined.tables().sites.len(), joined.tables().stacks.len()), (1, 3), "what is used");
        let second = joined.site(&other, &mut of_other, SiteId(2));
        assert_ne!(first, second);
        assert_eq!(
            (joined.tables().modules.len(), joined.tables().frames.len(), joined.tables().stacks.len()),
            (1, 4, 4)
        );
        assert_eq!(joined.site(&one, &mut of_one, SiteId(1)), joined.site(&other, &mut of_other, SiteId(1)));
        assert_eq!(joined.site(&one, &mut of_one, SiteId(2)), first);
    }

    #[test]
    fn what_is_lost_stays_lost() {
        let mut damaged = tables(0, &[1, 2, 3]);
        damaged.stacks[1] = None;
        let (mut joined, mut known) = (JoinedTables::default(), Renumbering::default());
        let site = joined.site(&damaged, &mut known, SiteId(2));
        let stack = joined.tables().site(site).unwrap().stack;
        assert_eq!(joined.tables().frames_of(stack).count(), 1, "up to the lost one");
        let lost = joined.site(&damaged, &mut known, SiteId(9));
        assert_eq!(joined.tables().site(lost), None);
        // A row that names itself as its caller does not last for ever.
        damaged.stacks[2] = Some(StackNode { parent: StackId(3), frame: FrameId(0) });
        joined.site(&damaged, &mut Renumbering::default(), SiteId(2));
    }
}
