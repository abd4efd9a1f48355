//! What has to be said about Python's own allocators: whose memory appears where.

use memprof_channel::allocator::Allocator;
use memprof_replay::aggregate::SlotSummary;
use memprof_replay::metric::Metric;
use rustc_hash::FxHashSet;

use crate::naming::places::PlaceId;
use crate::naming::view::View;
use crate::reading::metadata::Metadata;
use crate::reading::report::Report;
use crate::sums::row_places::RowPlaces;
use crate::sums::rows::{Apart, Ranking, Row, RowKeys, alphabetical, rows, sort};
use crate::sums::stack_paths::PathId;

/// Arenas are worth a word where one of this many largest rows is made of them.
const TOP_ROWS: usize = 10;

/// A sentence on how memory of Python's allocators is counted; nothing where that goes without saying.
pub(crate) fn sentence(run: &Metadata) -> Option<String> {
    let pieces = Pieces::of(run);
    if run.python_allocators_traced {
        let taken = match pieces {
            Some(Pieces::OfMimalloc) => "what mimalloc maps",
            _ => "pymalloc's arenas",
        };
        return Some(format!(
            "Python's own allocators were traced: what they allocate counts, object by object, and the memory \
             that they take for it ({taken}) does not."
        ));
    }
    Some(match pieces? {
        Pieces::Arenas(bytes) => format!(
            "pymalloc takes its memory in arenas of {} by mmap. An arena appears under the line that happened to need \
             a new one; --trace-python-allocators shows every object.",
            if bytes == 1 << 20 { "1 MiB" } else { "256 KiB" }
        ),
        Pieces::OfMimalloc => {
            "Python's objects come from mimalloc, which sets memory aside by the gibibyte: they are in no \
                               figure but the resident set. --trace-python-allocators shows every object."
                .to_owned()
        }
    })
}

/// Whether that concerns all that Python allocates, and not arenas only.
pub(crate) fn concerns_all(run: &Metadata) -> bool {
    run.python_allocators_traced || matches!(Pieces::of(run), Some(Pieces::OfMimalloc))
}

/// Whether [`hint`] depends on who asked for memory.
pub(crate) fn hint_depends_on_stacks(run: &Metadata) -> bool {
    !run.python_allocators_traced && matches!(Pieces::of(run), Some(Pieces::Arenas(_)))
}

/// The same sentence for a page that begins with a view.
pub(crate) fn page_hint(report: &Report, view: View, metric: Metric) -> Option<String> {
    if report.metadata().python_allocators_traced {
        return None;
    }
    match Pieces::of(report.metadata())? {
        Pieces::OfMimalloc => sentence(report.metadata()),
        Pieces::Arenas(_) => {
            let row_places = report.row_places(view);
            hint(report, &row_places, metric)
        }
    }
}

/// The same sentence, where untraced arenas are among the first rows by place, allocator and thread, or objects are
/// nowhere.
pub(crate) fn hint(report: &Report, row_places: &RowPlaces, metric: Metric) -> Option<String> {
    let arena = match Pieces::of(report.metadata()).filter(|_| !report.metadata().python_allocators_traced)? {
        Pieces::Arenas(bytes) => bytes,
        Pieces::OfMimalloc => return sentence(report.metadata()),
    };
    let keys = RowKeys::of(report, Apart { allocator: true, process: true, thread: true });
    let mut rows = rows(report, metric, &keys, |site| (row_places.of_site(site), PathId::EMPTY));
    sort(&mut rows, Ranking::Bytes, |row| alphabetical(report.places(), row.key.place));
    let is_mapped = |row: &&Row| row.key.allocator == Some(Some(Allocator::Mmap));
    let top: FxHashSet<PlaceId> = rows.iter().take(TOP_ROWS).filter(is_mapped).map(|row| row.key.place).collect();
    let has_arenas = report.with_any(metric).any(|(_, site, amount)| {
        let Some(site) = site.filter(|site| site.allocator == Allocator::Mmap) else { return false };
        // Without native stacks nothing says who called mmap but the size.
        let by_interpreter = !report.native().recorded
            || report.tables().stack(site.stack).is_some_and(|stack| report.places().is_in_interpreter(stack.frame));
        amount.allocations > 0
            && amount.allocations.checked_mul(arena) == Some(amount.bytes)
            && by_interpreter
            && top.contains(&row_places.get(site.stack))
    });
    sentence(report.metadata()).filter(|_| has_arenas)
}

/// What has to be known before something that was not freed is called a leak: what interpreters keep, and what a leaked
/// arena does not say.
pub(crate) fn leak_hints(report: &Report) -> Vec<String> {
    let run = report.metadata();
    let mut hints = Vec::new();
    if !run.python_version.is_empty() {
        let kept = "Python keeps modules, code, types, interned strings and caches until it ends, and does not free \
                    all of that then. A leak grows with the work that is done: compare two runs, or examine a part of \
                    one (--from, --to).";
        hints.push(kept.to_owned());
    }
    let pieces = Pieces::of(run).filter(|_| !run.python_allocators_traced);
    let maps = |slot: &SlotSummary| {
        let site = report.tables().site(slot.site);
        slot.sums.leaked.allocations > 0 && site.is_some_and(|site| site.allocator == Allocator::Mmap)
    };
    match pieces {
        Some(Pieces::OfMimalloc) => hints.extend(sentence(run)),
        Some(Pieces::Arenas(_)) if report.aggregate().slots.iter().any(maps) => {
            let arenas = "Python's objects lie in pymalloc's arenas, made by mmap. An arena stays as long as any \
                          object in it lives, under the line that happened to need it. To see the objects themselves, \
                          record with --trace-python-allocators, or set PYTHONMALLOC=malloc for the recording, which \
                          makes each a block of malloc.";
            hints.push(arenas.to_owned());
        }
        _ => {}
    }
    hints
}

/// What Python's own allocator takes from the system.
#[derive(Clone, Copy)]
enum Pieces {
    /// pymalloc's arenas, of this many bytes.
    Arenas(u64),
    /// Whatever mimalloc finds right.
    OfMimalloc,
}

impl Pieces {
    /// Of what the program ran with; nothing where that is the C library's allocator, or not known.
    fn of(run: &Metadata) -> Option<Self> {
        if run.python_allocator.starts_with("mimalloc") {
            return Some(Self::OfMimalloc);
        }
        if !run.python_allocator.starts_with("pymalloc") {
            return None;
        }
        // They grew in 3.10.
        let mut numbers = run.python_version.split('.').map(|part| part.parse::<u32>().unwrap_or(0));
        Some(Self::Arenas(if (numbers.next(), numbers.next()) >= (Some(3), Some(10)) { 1 << 20 } else { 256 << 10 }))
    }
}
