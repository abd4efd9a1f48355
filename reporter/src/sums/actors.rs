//! Who allocated, and what has a node of its own above all that it did.

use memprof_channel::allocator::Allocator;
use memprof_channel::ids::ThreadId;
use memprof_replay::processes::ProcessId;
use rustc_hash::FxHashMap;

/// What has a node of its own above all that it did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Split {
    /// Each process, where there are several.
    #[default]
    ByProcess,
    /// Each thread as well, below its process.
    ByThread,
}

/// Who allocated, and how.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Actor {
    pub process: ProcessId,
    pub thread: ThreadId,
    pub allocator: Option<Allocator>,
}

/// The number of an actor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct ActorId(pub u32);

/// What stacks are split by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Top {
    pub process: ProcessId,
    /// Where they are split by thread.
    pub thread: Option<ThreadId>,
}

/// The number of a top. Those of one process follow each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct TopId(pub u32);

/// All that occur, in the order of their tops.
pub(crate) struct Actors {
    list: Vec<Actor>,
    top_of: Vec<TopId>,
    tops: Vec<Top>,
}

/// Actors as they come.
pub(crate) struct NewActors {
    split: Split,
    list: Vec<Actor>,
    ids: FxHashMap<Actor, ActorId>,
    last: Option<(Actor, ActorId)>,
    /// When each top came.
    tops: FxHashMap<Top, usize>,
}

impl NewActors {
    /// None yet.
    pub(crate) fn new(split: Split) -> Self {
        Self { split, list: Vec::new(), ids: FxHashMap::default(), last: None, tops: FxHashMap::default() }
    }

    /// Takes note of the top of somebody who has a slot.
    pub(crate) fn see(&mut self, process: ProcessId, thread: ThreadId) {
        let next = self.tops.len();
        self.tops.entry(Top::of(self.split, process, thread)).or_insert(next);
    }

    /// The number of an actor, until all are known.
    pub(crate) fn enter(&mut self, actor: Actor) -> ActorId {
        if let Some((last, id)) = self.last
            && last == actor
        {
            return id;
        }
        let next = ActorId(self.list.len() as u32);
        let id = *self.ids.entry(actor).or_insert(next);
        if id == next {
            self.list.push(actor);
            self.see(actor.process, actor.thread);
        }
        self.last = Some((actor, id));
        id
    }

    /// All of them, and by number until now the number that each has from now on. Processes are in the order of their
    /// numbers, threads of a process in that in which they came.
    pub(crate) fn finish(self) -> (Actors, Vec<ActorId>) {
        let Self { split, list: came, tops: firsts, .. } = self;
        let top = |actor: &Actor| Top::of(split, actor.process, actor.thread);
        let mut tops: Vec<Top> = came.iter().map(top).collect();
        tops.sort_unstable_by_key(|top| (top.process, firsts[top]));
        tops.dedup();
        let numbers: FxHashMap<Top, TopId> = tops.iter().copied().zip((0..).map(TopId)).collect();
        let mut list = came.clone();
        list.sort_unstable_by_key(|actor| (numbers[&top(actor)], *actor));
        let ids: FxHashMap<Actor, ActorId> = list.iter().copied().zip((0..).map(ActorId)).collect();
        let top_of = list.iter().map(|actor| numbers[&top(actor)]).collect();
        let new_ids = came.iter().map(|actor| ids[actor]).collect();
        (Actors { list, top_of, tops }, new_ids)
    }
}

impl Top {
    fn of(split: Split, process: ProcessId, thread: ThreadId) -> Self {
        Self { process, thread: (split == Split::ByThread).then_some(thread) }
    }
}

impl Actors {
    /// All of them, by number.
    pub(crate) fn list(&self) -> &[Actor] {
        &self.list
    }

    /// The one that has a number.
    pub(crate) fn get(&self, actor: ActorId) -> Actor {
        self.list[actor.0 as usize]
    }

    /// Whether nothing is above any of them that is not above all.
    pub(crate) const fn have_one_top(&self) -> bool {
        self.tops.len() <= 1
    }

    /// What is above all that an actor did.
    pub(crate) fn top_of(&self, actor: ActorId) -> TopId {
        self.top_of[actor.0 as usize]
    }

    /// What has this number.
    pub(crate) fn top(&self, top: TopId) -> Top {
        self.tops[top.0 as usize]
    }
}
