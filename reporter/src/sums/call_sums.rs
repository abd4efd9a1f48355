//! What functions, or lines, allocated themselves and together with all that they called.

use memprof_capture::file::Tables;
use memprof_channel::ids::StackId;
use memprof_replay::metric::Sums;

use crate::naming::places::PlaceId;
use crate::naming::view::View;
use crate::reading::report::Report;
use crate::sums::row_places::RowPlaces;

/// Which places belong together: the lines of a function, the functions of a file.
pub(crate) struct PlaceGroups {
    /// By place; nothing for those that are not asked for.
    pub of_place: Vec<Option<u32>>,
    /// How many groups there are.
    pub count: usize,
}

impl PlaceGroups {
    fn get(&self, place: PlaceId) -> Option<usize> {
        self.of_place.get(place.index()).copied().flatten().map(|group| group as usize)
    }
}

/// The sums of groups of places.
pub(crate) struct CallSums {
    /// By group: what is listed under its places, as in a table. The sum over all groups of all places is the total.
    pub own: Vec<Sums>,
    /// By group: what was allocated while one of its places was on the stack, however often it was.
    pub with_callees: Vec<Sums>,
}

impl CallSums {
    /// Of all that a report is about.
    pub(crate) fn of(report: &Report, view: View, row_places: &RowPlaces, groups: &PlaceGroups) -> Self {
        let (tables, places) = (report.tables(), report.places());
        let none = vec![Sums::default(); groups.count];
        let mut sums = Self { own: none.clone(), with_callees: none };
        // By stack: what was allocated right there.
        let mut of_stack = vec![Sums::default(); tables.stacks.len() + 1];
        let shown = view.alone();
        // These represent stacks of which the view shows nothing, as import machinery does that it does not show.
        let placeholders = [places.runtime(), places.no_python(), places.no_native()];
        let is_placeholder = |place| placeholders.contains(&place) || !places.get(place).shown.intersects(shown);
        for slot in &report.aggregate().slots {
            let amounts = slot.sums;
            let site = tables.site(slot.site);
            let place = row_places.of_site(site);
            let known = site.and_then(|site| of_stack.get_mut(site.stack.index()));
            if let Some(group) = groups.get(place) {
                sums.own[group].add(&amounts);
                if known.is_none() || is_placeholder(place) {
                    sums.with_callees[group].add(&amounts);
                }
            }
            if let Some(known) = known {
                known.add(&amounts);
            }
        }
        let trie = StackTrie::of(tables);
        trie.add_to_callers(&mut of_stack);
        // By group: how often it is on the stack that is being walked.
        let mut times = vec![0_u32; groups.count];
        let groups_of = |stack: StackId| {
            let frame = tables.stack(stack).map(|node| places.of_frame(node.frame));
            let lost = frame.is_none().then(|| places.lost_stack());
            let all = frame.into_iter().flatten().copied().chain(lost);
            all.filter_map(|place| places.get(place).shown.intersects(shown).then(|| groups.get(place)).flatten())
        };
        trie.walk(|step| match step {
            Step::Enter(stack) => {
                let amounts = &of_stack[stack.index()];
                for group in groups_of(stack) {
                    if times[group] == 0 {
                        sums.with_callees[group].add(amounts);
                    }
                    times[group] += 1;
                }
            }
            Step::Leave(stack) => groups_of(stack).for_each(|group| times[group] -= 1),
        });
        sums
    }
}

/// The stacks of a capture as a tree, to be walked from callers to callees without recursion: stacks may be a hundred
/// thousand frames deep.
struct StackTrie {
    callers: Vec<StackId>,
    first_callee: Vec<StackId>,
    /// The next one with the same caller.
    next: Vec<StackId>,
}

/// A step of a walk through a [`StackTrie`].
enum Step {
    Enter(StackId),
    Leave(StackId),
}

impl StackTrie {
    fn of(tables: &Tables) -> Self {
        let none = vec![StackId::EMPTY; tables.stacks.len() + 1];
        let mut trie = Self { callers: none.clone(), first_callee: none.clone(), next: none };
        for (index, node) in tables.stacks.iter().enumerate().rev() {
            let stack = StackId::from_index(index + 1);
            let caller = node.map_or(StackId::EMPTY, |node| node.parent);
            trie.callers[stack.index()] = caller;
            trie.next[stack.index()] = std::mem::replace(&mut trie.first_callee[caller.index()], stack);
        }
        trie
    }

    /// Adds the amounts of each stack to those of its callers.
    fn add_to_callers(&self, of_stack: &mut [Sums]) {
        for index in (1..of_stack.len()).rev() {
            let amounts = of_stack[index];
            of_stack[self.callers[index].index()].add(&amounts);
        }
    }

    /// Goes through all stacks but the empty one, callers first.
    fn walk(&self, mut visit: impl FnMut(Step)) {
        let mut stack = self.first_callee[StackId::EMPTY.index()];
        while stack != StackId::EMPTY {
            visit(Step::Enter(stack));
            let mut following = self.first_callee[stack.index()];
            while following == StackId::EMPTY && stack != StackId::EMPTY {
                visit(Step::Leave(stack));
                following = self.next[stack.index()];
                stack = self.callers[stack.index()];
            }
            stack = following;
        }
    }
}
