//! What the formats that have every event need to know about an event's site: its node in the tree of calls.

use memprof_capture::file::Thread;
use memprof_channel::allocator::Allocator;
use memprof_channel::ids::{SiteId, ThreadId};

use rustc_hash::FxHashSet;

use super::call_tree_of_slots;
use crate::naming::view::View;
use crate::reading::report::Report;
use crate::sums::flame_tree::FlameTree;
use crate::sums::node::NodeId;

/// Where an allocation was made, and how.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct EventPlace {
    /// The innermost call that the view shows.
    pub node: NodeId,
    /// The allocator; nothing where a damaged capture lost it.
    pub allocator: Option<Allocator>,
}

/// The tree of calls, and the place of each site in it.
pub(super) struct EventPlaces {
    pub tree: FlameTree,
    of_site: Vec<Option<EventPlace>>,
    /// Where the report is on a selection: the threads and sites that belong to it.
    selected: Option<FxHashSet<(ThreadId, SiteId)>>,
    thread_names: Vec<String>,
}

impl EventPlaces {
    /// Of a report on one process.
    pub(super) fn of(report: &mut Report, view: View) -> Self {
        let tree = call_tree_of_slots(report, view);
        let (slots, tables) = (&report.aggregate().slots, report.tables());
        let mut of_site = vec![None; slots.iter().map(|slot| slot.site.index() + 1).max().unwrap_or(0)];
        for (slot, node) in slots.iter().zip(tree.of_slot()) {
            let allocator = tables.site(slot.site).map(|site| site.allocator);
            of_site[slot.site.index()] = Some(EventPlace { node, allocator });
        }
        let name = |thread: &Option<Thread>| thread.as_ref().map_or_else(String::new, |thread| thread.name.clone());
        let is_selection = !report.metadata().selection.is_empty();
        let selected = is_selection.then(|| slots.iter().map(|slot| (slot.thread, slot.site)).collect());
        Self { tree, of_site, selected, thread_names: tables.threads.iter().map(name).collect() }
    }

    /// The place of what a thread does at a site; nothing where the report leaves it out.
    pub(super) fn get(&self, thread: ThreadId, site: SiteId) -> Option<EventPlace> {
        if self.selected.as_ref().is_some_and(|selected| !selected.contains(&(thread, site))) {
            return None;
        }
        self.of_site.get(site.index()).copied().flatten()
    }

    /// A thread's name; empty where it is not known.
    pub(super) fn thread_name(&self, thread: ThreadId) -> &str {
        self.thread_names.get(thread.index()).map_or("", String::as_str)
    }
}
