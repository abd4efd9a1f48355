//! Search for functions and files by a regular expression.

use memprof_replay::slots::Amount;
use memprof_reporter::node::NodeId;
use memprof_reporter::places::{PlaceId, Places};
use memprof_reporter::tree::{CallId, CallTree, Position, What};
use regex::{Regex, RegexBuilder};

/// What was searched for, and where it is.
pub(crate) struct Search {
    pattern: String,
    /// By place.
    matching: Vec<bool>,
    /// By node of the flame tree: whether it matches or the tree goes on from it to one that does.
    leads: Vec<bool>,
    /// How many places match of which there is any memory.
    pub places: u64,
    /// The memory that went through one of them.
    pub amount: Amount,
}

impl Search {
    /// Finds what matches a regular expression: `function (file:line)`, as rows have it. An expression without capital
    /// letters matches these, too.
    ///
    /// # Errors
    /// Why the text is no regular expression, in one line.
    pub(crate) fn of(pattern: &str, tree: &CallTree, places: &Places) -> Result<Self, String> {
        let sensitive = pattern.contains(char::is_uppercase);
        let regex = RegexBuilder::new(pattern).case_insensitive(!sensitive).build();
        let regex = regex.map_err(|error| {
            let text = error.to_string();
            let reason = text.lines().rev().find_map(|line| line.strip_prefix("error: "));
            format!("this is no regular expression: {}", reason.unwrap_or("it is too large"))
        })?;
        let matching = places.ids().map(|place| is_match(&regex, places, place)).collect();
        let mut search =
            Self { pattern: pattern.to_owned(), matching, leads: Vec::new(), places: 0, amount: Amount::default() };
        search.follow(tree);
        Ok(search)
    }

    /// The regular expression.
    pub(crate) fn pattern(&self) -> &str {
        &self.pattern
    }

    /// Whether a place matches.
    pub(crate) fn matches_place(&self, place: PlaceId) -> bool {
        self.matching.get(place.index()).is_some_and(|&matches| matches)
    }

    /// Whether a call matches.
    pub(crate) fn matches(&self, tree: &CallTree, call: CallId) -> bool {
        match tree.get(call).what {
            What::Call(place) => call != CallId::ROOT && self.matches_place(place),
            What::Own | What::Hidden { .. } => false,
        }
    }

    /// The first match after a call in the order of the whole tree, from the end on to its beginning; nothing where
    /// there is none.
    pub(crate) fn after(&self, tree: &mut CallTree, places: &Places, from: CallId) -> Option<CallId> {
        let mut at = from;
        let mut next = self.leading(tree, places, from).first().copied();
        while next.is_none() && at != CallId::ROOT {
            let parent = tree.get(at).parent;
            next = self.leading(tree, places, parent).into_iter().find(|&sibling| sibling > at);
            at = parent;
        }
        let mut call = next.or_else(|| self.leading(tree, places, CallId::ROOT).first().copied())?;
        while !self.matches(tree, call) {
            call = *self.leading(tree, places, call).first()?;
        }
        Some(call)
    }

    /// The last match before a call, from the beginning on to the end.
    pub(crate) fn before(&self, tree: &mut CallTree, places: &Places, from: CallId) -> Option<CallId> {
        let mut at = from;
        let mut call = loop {
            if at == CallId::ROOT {
                break *self.leading(tree, places, at).last()?;
            }
            let parent = tree.get(at).parent;
            let earlier = self.leading(tree, places, parent).into_iter().rev().find(|&sibling| sibling < at);
            match earlier {
                Some(sibling) => break sibling,
                None if self.matches(tree, parent) => return Some(parent),
                None => at = parent,
            }
        };
        while let Some(&last) = self.leading(tree, places, call).last() {
            call = last;
        }
        Some(call)
    }

    /// The calls right below one that match or lead to a match, in order.
    fn leading(&self, tree: &mut CallTree, places: &Places, call: CallId) -> Vec<CallId> {
        let children: Vec<CallId> = tree.children(call, places).collect();
        let leads = |position: &Position| self.leads[position.at.index()];
        children.into_iter().filter(|&child| tree.positions(child).iter().any(leads)).collect()
    }

    fn follow(&mut self, tree: &CallTree) {
        let branches = tree.branches();
        let nodes = branches.inclusive_amounts().len();
        let id = |index: usize| NodeId(index as u32);
        let mut found = vec![false; self.matching.len()];
        let mut hit = vec![false];
        for (index, amount) in branches.inclusive_amounts().iter().enumerate().skip(1) {
            let place = branches.place(id(index));
            let is_hit = self.matches_place(place) && !amount.is_zero();
            hit.push(is_hit);
            found[place.index()] |= is_hit;
        }
        self.places = found.iter().filter(|&&found| found).count() as u64;
        let mut within = hit.clone();
        for index in 1..nodes {
            within[index] |= within[branches.parent(id(index)).index()];
        }
        let own = within.iter().zip(branches.own_amounts()).filter(|(within, _)| **within);
        own.for_each(|(_, &own)| self.amount.add(own));
        if branches.is_inverted() {
            self.leads = within;
            return;
        }
        for index in (1..nodes).rev() {
            if hit[index] {
                hit[branches.parent(id(index)).index()] = true;
            }
        }
        self.leads = hit;
    }
}

fn is_match(regex: &Regex, places: &Places, place: PlaceId) -> bool {
    let (function, file, line) = (places.function(place), places.file(place), places.line(place));
    match (file.is_empty(), line) {
        (true, _) => regex.is_match(function),
        (false, 0) => regex.is_match(&format!("{function} ({file})")),
        (false, _) => regex.is_match(&format!("{function} ({file}:{line})")),
    }
}
