//! `stats` for a terminal.

use std::io::{self, Write};

use memprof_channel::allocator::Allocator;
use memprof_replay::aggregate::Aggregate;
use memprof_replay::metric::Metric;
use memprof_replay::size_histogram::SizeBucket;
use memprof_replay::slots::Amount;

use super::{process_list, shared_list};
use crate::formatting::size_units::{count, counted, percent, seconds, size};
use crate::lists::list::{Column, List, Subject, SubjectName, sum_in_words};
use crate::reading::mapped_memory::MappedAmounts;
use crate::reading::metadata::Metadata;
use crate::reading::pymalloc;
use crate::reading::report::Report;
use crate::sums::place_report::PlaceLists;
use crate::sums::rows::{PlaceRow, Ranking};
use crate::text::{TextStyle, wrap};

const FUNCTION: SubjectName = SubjectName { name: "function", head: "Function", meaning: "The allocator." };

type AllocatorColumn<'a> = Column<'a, (Allocator, Amount)>;
type SizeColumn<'a> = Column<'a, SizeBucket>;
type PlaceColumn<'a> = Column<'a, PlaceRow>;

/// Writes the figures as text, with `top` places in each ranking.
///
/// # Errors
/// What `out` answers to a write.
pub fn write_text(
    lists: &PlaceLists<'_>,
    metric: Metric,
    top: usize,
    style: &TextStyle,
    out: &mut impl Write,
) -> io::Result<()> {
    let report = lists.report;
    write_run(report, style, out)?;
    write_totals(report, style, out)?;
    process_list::write(report, top, style, out)?;
    shared_list::write(report, top, style, out)?;
    write_allocators(report, style, out)?;
    write_sizes(report, style, out)?;
    write_ranking(lists, (metric, Ranking::Bytes), top, style, out)?;
    write_ranking(lists, (Metric::Total, Ranking::Allocations), top, style, out)
}

/// Labels with their values, which continue on further lines where they are too long.
fn write_facts(facts: &[(&str, String)], style: &TextStyle, out: &mut impl Write) -> io::Result<()> {
    let label_width = facts.iter().map(|(label, _)| label.len()).max().unwrap_or(0);
    for (label, value) in facts {
        let mut label = *label;
        for line in wrap(value, style.width() - label_width - 4) {
            writeln!(out, "  {label:label_width$}  {line}")?;
            label = "";
        }
    }
    Ok(())
}

fn write_run(report: &Report, style: &TextStyle, out: &mut impl Write) -> io::Result<()> {
    let run = report.metadata();
    let started = run.start_time.replace('T', " ").replace('Z', " UTC");
    let mut facts = vec![
        ("Command", run.command_line.clone()),
        ("Process", format!("{}, started {started}, ran for {}", process_list::who(report), seconds(run.duration_s))),
        ("Python", python(run)),
        ("Native", native_stacks(report)),
    ];
    if !run.selection.is_empty() {
        facts.push(("Selection", run.selection.clone()));
    }
    facts.extend(report.notes().iter().map(|note| ("Note", note.clone())));
    writeln!(out, "{}", style.heading("Run"))?;
    write_facts(&facts, style, out)
}

fn python(run: &Metadata) -> String {
    if run.python_version.is_empty() {
        return "none was seen".to_owned();
    }
    let traced = if run.python_allocators_traced { "traced" } else { "not traced" };
    match (run.python_version.as_str(), run.python_allocator.as_str()) {
        (version, "") => format!("{version}, its allocators {traced}"),
        (version, allocator) => format!("{version} with {allocator}, {traced}"),
    }
}

fn native_stacks(report: &Report) -> String {
    if !report.native().recorded {
        return "stacks not recorded".to_owned();
    }
    let (frames, named) = report.native().frames();
    let modules = counted(report.native().modules.len() as u64, "module");
    format!("stacks recorded; {} in {modules}, {} with names", counted(frames, "frame"), percent(named, frames))
}

fn write_totals(report: &Report, style: &TextStyle, out: &mut impl Write) -> io::Result<()> {
    let Aggregate { run, sums, .. } = report.aggregate();
    let (sums, endings) = (&sums.all, run.endings());
    let several = report.processes().are_several();
    let amount = |Amount { bytes, allocations }| format!("{} in {}", size(bytes), counted(allocations, "allocation"));
    let mut facts = vec![
        (if several { "Peak of all together" } else { "Peak" }, amount(sums.peak)),
        ("Peak reached after", seconds(report.clock().seconds(run.peak_at))),
        ("Not freed at the end", amount(sums.leaked)),
        ("Allocated in total", amount(sums.total)),
        ("Temporary", amount(sums.temporary)),
        ("Freed", counted(endings.frees, "allocation")),
    ];
    let apart = [
        ("Mapped files", report.mapped().files, Allocator::MmapFile),
        ("Reserved addresses", report.mapped().reserved, Allocator::MmapReserved),
    ];
    for (name, amounts, allocator) in apart {
        if amounts.mappings > 0 {
            facts.push((name, mapped(amounts, allocator)));
        }
    }
    if endings.dropped_by_exec > 0 {
        facts.push(("Gone with exec", counted(endings.dropped_by_exec, "allocation")));
    }
    if endings.unknown_frees > 0 {
        facts.push(("Frees of unknown memory", count(endings.unknown_frees)));
    }
    if endings.inherited_frees > 0 {
        facts.push(("Frees of inherited memory", count(endings.inherited_frees)));
    }
    if let Some(bytes) = report.peak_rss() {
        facts.push((if several { "Largest resident sets" } else { "Largest resident set" }, size(bytes)));
    }
    if let Some(summary) = report.summary() {
        facts.push(("Waits for the recorder", count(summary.channel_waits)));
        facts.push(("Events not recorded", count(summary.skipped_events)));
    }
    let native = report.native();
    if let (true, Some(cut_short), Some(unmerged)) = (native.recorded, native.cut_short, native.unmerged) {
        facts.push(("Native stacks cut short", count(cut_short)));
        facts.push(("Native stacks not merged", count(unmerged)));
    }
    if let (Some(checked @ 1..), Some(differing)) = (native.checked, native.differing) {
        facts.push(("Native stacks compared", format!("{}, of which {} differ", count(checked), count(differing))));
    }
    writeln!(out, "\n{}", style.heading("Memory"))?;
    write_facts(&facts, style, out)
}

/// What is in no other figure.
fn mapped(amounts: MappedAmounts, allocator: Allocator) -> String {
    let MappedAmounts { mappings, bytes, peak_bytes, leaked_bytes } = amounts;
    format!(
        "{} in {} (at the peak {}, at the end {}), which count nowhere else; --allocator {} shows where",
        size(bytes),
        counted(mappings, "mapping"),
        size(peak_bytes),
        size(leaked_bytes),
        allocator.name(),
    )
}

fn write_allocators(report: &Report, style: &TextStyle, out: &mut impl Write) -> io::Result<()> {
    let allocators = report.by_allocator();
    if allocators.is_empty() {
        return Ok(());
    }
    writeln!(out, "\n{}", style.heading(&format!("Allocators, {}", report.span())))?;
    let columns = vec![
        AllocatorColumn::bytes("Bytes", |(_, amount)| amount.bytes),
        AllocatorColumn::count("Allocations", |(_, amount)| amount.allocations),
    ];
    let subject = Subject::Name(FUNCTION, Box::new(|(allocator, _): &(Allocator, Amount)| allocator.name().into()));
    List::without_sum(report, &allocators, "allocator", subject, columns).write_text(usize::MAX, style, out)?;
    let maps = allocators.iter().any(|(allocator, _)| *allocator == Allocator::Mmap);
    let sentence = pymalloc::sentence(report.metadata()).filter(|_| maps || pymalloc::concerns_all(report.metadata()));
    for line in sentence.iter().flat_map(|sentence| wrap(sentence, style.width() - 2)) {
        writeln!(out, "  {line}")?;
    }
    Ok(())
}

fn write_sizes(report: &Report, style: &TextStyle, out: &mut impl Write) -> io::Result<()> {
    let buckets = report.aggregate().run.sizes.buckets();
    if buckets.is_empty() {
        return Ok(());
    }
    writeln!(out, "\n{}", style.heading(&format!("Sizes, {}", report.span())))?;
    let columns = vec![
        SizeColumn::bytes("From", |bucket| bucket.min_bytes),
        SizeColumn::last_bytes("Below", |bucket| bucket.max_bytes),
        SizeColumn::count("Allocations", |bucket| bucket.allocations),
    ];
    let bar = Subject::Bar(Box::new(|bucket: &SizeBucket| bucket.allocations));
    List::without_sum(report, &buckets, "size", bar, columns).write_text(usize::MAX, style, out)
}

fn write_ranking(
    lists: &PlaceLists<'_>,
    (metric, ranking): (Metric, Ranking),
    top: usize,
    style: &TextStyle,
    out: &mut impl Write,
) -> io::Result<()> {
    let (report, view) = (lists.report, lists.view);
    let rows = lists.by_place(metric, ranking);
    let title = match ranking {
        Ranking::Bytes => format!("Most bytes {}{}", metric.heading(), view.kind.heading()),
        Ranking::Allocations => format!("Most allocations {}{}", report.span(), view.kind.heading()),
    };
    if rows.is_empty() || top == 0 {
        return Ok(());
    }
    writeln!(out, "\n{}", style.heading(&title))?;
    let whole = report.total(metric);
    let bytes = PlaceColumn::bytes("Bytes", |row| row.amount.bytes);
    let allocations = PlaceColumn::count("Allocations", |row| row.amount.allocations);
    // The share comes next to what it is a share of.
    let columns = match ranking {
        Ranking::Bytes => {
            vec![bytes, PlaceColumn::share(|row| (row.amount.bytes, whole.bytes)), allocations]
        }
        Ranking::Allocations => {
            vec![bytes, allocations, PlaceColumn::share(|row| (row.amount.allocations, whole.allocations))]
        }
    };
    let subject = Subject::Place(Box::new(|row: &PlaceRow| row.place));
    let sum = Box::new(|rows: &[PlaceRow]| sum_in_words(rows.iter().map(|row| row.amount)));
    List { sum, ..List::without_sum(report, &rows, "place", subject, columns) }.write_text(top, style, out)
}
