//! Where the memory of a figure comes from.

use std::cmp::Reverse;

use memprof_channel::ids::StackId;
use memprof_replay::aggregate::SlotSummary;
use memprof_replay::slots::Amount;
use rustc_hash::FxHashMap;
use serde::{Serialize, Serializer};

use super::figure::Figure;
use crate::guards::diff::{By, Comparison, Diff, Order};
use crate::naming::places::{PlaceId, PlaceKind};
use crate::naming::view::View;
use crate::reading::report::Report;
use crate::sums::row_places::RowPlaces;

/// A function on the way to an allocation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct SiteFrame {
    /// Its name.
    pub function: String,
    /// Its file; empty for names in angle brackets.
    pub file: String,
    /// The line; 0 where it is not known, or there is none.
    pub line: u32,
    /// What it is.
    #[serde(serialize_with = "kind_name")]
    #[cfg_attr(test, schemars(with = "String", extend("enum" = PlaceKind::IN_STACKS)))]
    pub kind: PlaceKind,
}

fn kind_name<S: Serializer>(kind: &PlaceKind, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(kind.name())
}

/// Where memory was allocated, and how much.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Site {
    /// The place, and its callers as far as they are known, outwards; of a growth the place alone. Never empty.
    pub frames: Vec<SiteFrame>,
    /// How much; of a growth, how much more.
    #[serde(flatten)]
    pub amount: Amount,
}

impl SiteFrame {
    /// Function, file and line in one line: `parse (app/json.py:12)`.
    #[must_use]
    pub fn label(&self) -> String {
        match (self.file.as_str(), self.line) {
            ("", _) => self.function.clone(),
            (file, 0) => format!("{} ({file})", self.function),
            (file, line) => format!("{} ({file}:{line})", self.function),
        }
    }

    fn of(report: &Report, place: PlaceId) -> Self {
        let places = report.places();
        Self {
            function: places.function(place).to_owned(),
            file: places.file(place).to_owned(),
            line: places.line(place),
            kind: places.get(place).kind,
        }
    }
}

const fn key(figure: Figure, amount: Amount) -> (u64, u64) {
    match figure {
        Figure::Allocations => (amount.allocations, amount.bytes),
        _ => (amount.bytes, amount.allocations),
    }
}

/// The stacks with most of a figure among slots that are meant.
pub(super) fn largest(
    report: &Report,
    view: View,
    figure: Figure,
    most: usize,
    is_meant: impl Fn(&SlotSummary) -> bool,
) -> Vec<Site> {
    let row_places = report.row_places(view);
    let mut of_stack: FxHashMap<Option<StackId>, Amount> = FxHashMap::default();
    for (_, site, amount) in report.with_any(figure.metric()).filter(|&(slot, ..)| is_meant(slot)) {
        of_stack.entry(site.map(|site| site.stack)).or_default().add(amount);
    }
    // Stacks that differ below the place only are the same to the reader.
    let mut sums: FxHashMap<Vec<PlaceId>, Amount> = FxHashMap::default();
    for (stack, amount) in of_stack {
        sums.entry(outwards(report, &row_places, view, stack)).or_default().add(amount);
    }
    let mut sites: Vec<(Vec<PlaceId>, Amount)> = sums.into_iter().collect();
    sites.sort_by(|a, b| key(figure, b.1).cmp(&key(figure, a.1)).then_with(|| a.0.cmp(&b.0)));
    let sites = sites.into_iter().take(most);
    sites
        .map(|(places, amount)| Site {
            frames: places.into_iter().map(|place| SiteFrame::of(report, place)).collect(),
            amount,
        })
        .collect()
}

/// The place of a stack and its callers.
fn outwards(report: &Report, row_places: &RowPlaces, view: View, stack: Option<StackId>) -> Vec<PlaceId> {
    let (places, tables) = (report.places(), report.tables());
    let place = stack.map_or(places.lost_stack(), |stack| row_places.get(stack));
    let mut found = vec![place];
    let mut is_outside = false;
    let mut at = stack.unwrap_or(StackId::EMPTY);
    while at != StackId::EMPTY {
        let Some(node) = tables.stack(at) else { break };
        for &caller in places.of_frame(node.frame).iter().rev() {
            if is_outside && places.get(caller).shown.intersects(view.alone()) {
                found.push(caller);
            }
            is_outside |= caller == place;
        }
        at = node.parent;
    }
    found
}

/// The functions in which a figure has grown most since another capture.
pub(super) fn grown(before: &mut Report, after: &mut Report, view: View, figure: Figure, most: usize) -> Vec<Site> {
    let comparison = Comparison { view, metric: figure.metric(), by: By::Function, order: Order::Growth };
    let diff = Diff::of(before, after, comparison);
    let mut rows: Vec<(Amount, Option<PlaceId>)> = Vec::new();
    for row in diff.rows() {
        let difference = row.change.difference();
        let more = |number: i128| u64::try_from(number).unwrap_or(0);
        let amount = Amount { bytes: more(difference.bytes), allocations: more(difference.allocations) };
        if key(figure, amount).0 > 0 {
            rows.push((amount, diff.main_place(row)));
        }
    }
    rows.sort_by_key(|&(amount, _)| Reverse(key(figure, amount)));
    rows.truncate(most);
    let after = diff.after();
    rows.into_iter()
        .filter_map(|(amount, place)| Some(Site { frames: vec![SiteFrame::of(after, place?)], amount }))
        .collect()
}
