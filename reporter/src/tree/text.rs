//! `tree` as text.

use std::io::{self, Write};

use memprof_replay::slots::Amount;

use super::TreeOptions;
use super::call_tree::{CallId, CallTree};
use super::guides::{GuideStyle, Guides};
use super::labels::{label, own_label, title};
use super::selection::{Item, Limits, Row, rows};
use crate::formatting::report_title;
use crate::formatting::size_units::{count, counted, percent, size};
use crate::reading::report::Report;
use crate::sums::rows::Ranking;
use crate::text::{TextStyle, text_width};

/// The columns that are kept for a call's name, whatever its depth.
const NAME_NEEDS: usize = 20;
const HEADS: [&str; 3] = ["Bytes", "Share", "Allocs"];

/// Writes the tree within limits.
///
/// # Errors
/// What `out` answers to a write.
pub fn write_text(
    report: &mut Report,
    options: &TreeOptions,
    limits: Limits,
    style: &TextStyle,
    out: &mut impl Write,
) -> io::Result<()> {
    let mut tree = options.tree(report);
    let report = &*report;
    report_title::write_about(report, &title(report, options), style, out)?;
    if tree.get(CallId::ROOT).amount.is_zero() {
        return Ok(());
    }
    writeln!(out)?;
    let rows = rows(&mut tree, report.places(), limits);
    let figures = Figures::of(&tree, &rows, options.ranking);
    let room = style.width() - figures.width();
    writeln!(out, "{}Call", figures.line(&HEADS.map(str::to_owned)))?;
    let (mut guides, guide_style) = (Guides::default(), GuideStyle::of(style));
    let mut following = rows.iter().peekable();
    while let Some(row) = following.next() {
        guides.step(row.joint);
        let prefix = guides.prefix(row.joint, guide_style, room.saturating_sub(NAME_NEEDS));
        let room = room - text_width(&prefix);
        let name = match row.item {
            Item::More { calls, own, .. } => rest(calls, own, options.inverted),
            Item::Call(call) => {
                let (mut last, mut times) = (row, 1_u64);
                while let Some(next) = following.next_if(|next| repeats(&tree, last, next)) {
                    (last, times) = (next, times + 1);
                }
                let times = if times > 1 { format!(" {}{}", guide_style.times(), count(times)) } else { String::new() };
                let beside = following.peek().and_then(|next| beside(&tree, last, next, options.inverted));
                let beside = beside.filter(|beside| text_width(beside) + text_width(&times) + NAME_NEEDS <= room);
                if beside.is_some() {
                    following.next();
                }
                let after = times + &beside.unwrap_or_default();
                label(report, tree.get(call).what, options.inverted, room - text_width(&after)) + &after
            }
        };
        let line = figures.line(&figures.cells(row.amount(&tree)));
        writeln!(out, "{}", style.drawn(format!("{line}{prefix}{name}")))?;
    }
    Ok(())
}

/// Whether a row is the only one below another and represents the same line: a function that calls itself.
fn repeats(tree: &CallTree, row: &Row, next: &Row) -> bool {
    match (row.item, next.item) {
        (Item::Call(call), Item::Call(below)) => !next.joint.branched && tree.repeats(below) && call != CallId::ROOT,
        _ => false,
    }
}

/// What is left out, in words: `+2 calls and [own]`.
fn rest(calls: u64, own: bool, inverted: bool) -> String {
    let own_name = own_label(inverted);
    match (calls, own) {
        (0, _) => format!("+{own_name}"),
        (_, true) => format!("+{} and {own_name}", counted(calls, "call")),
        (_, false) => format!("+{}", counted(calls, "call")),
    }
}

/// What a line can say of what is left out below it, if that is the next row and no branch of the tree.
fn beside(tree: &CallTree, row: &Row, next: &Row, inverted: bool) -> Option<String> {
    match next.item {
        Item::More { calls, own, amount } if !next.joint.branched => {
            // Where nothing below has a line, this one has the amount.
            let is_all = amount == row.amount(tree);
            let rest = rest(calls, own && !is_all, inverted);
            Some(if is_all { format!(" {rest}") } else { format!(" {rest}: {}", size(amount.bytes)) })
        }
        _ => None,
    }
}

/// The columns of numbers.
struct Figures {
    whole: Amount,
    ranking: Ranking,
    widths: [usize; 3],
}

impl Figures {
    fn of(tree: &CallTree, rows: &[Row], ranking: Ranking) -> Self {
        let mut figures = Self { whole: tree.get(CallId::ROOT).amount, ranking, widths: HEADS.map(str::len) };
        for row in rows {
            let cells = figures.cells(row.amount(tree));
            for (width, cell) in figures.widths.iter_mut().zip(cells) {
                *width = cell.len().max(*width);
            }
        }
        figures
    }

    fn cells(&self, amount: Amount) -> [String; 3] {
        [size(amount.bytes), share(self.ranking, amount, self.whole), count(amount.allocations)]
    }

    fn width(&self) -> usize {
        2 + self.widths.iter().map(|width| width + 2).sum::<usize>()
    }

    fn line(&self, cells: &[String; 3]) -> String {
        let [bytes, share, allocations] = self.widths;
        format!("  {:>bytes$}  {:>share$}  {:>allocations$}  ", cells[0], cells[1], cells[2])
    }
}

/// The share of the whole of what calls are ranked by.
#[must_use]
pub fn share(ranking: Ranking, part: Amount, whole: Amount) -> String {
    match ranking {
        Ranking::Bytes => percent(part.bytes, whole.bytes),
        Ranking::Allocations => percent(part.allocations, whole.allocations),
    }
}
