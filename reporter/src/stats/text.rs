//! `stats` for a terminal.

use std::io::{self, Write};

use memprof_capture::allocator::Allocator;
use memprof_replay::metric::Metric;
use memprof_replay::slots::Amount;

use super::{process_list, shared_list};
use crate::mapped_memory::MappedAmounts;
use crate::metadata::Metadata;
use crate::place_report::PlaceLists;
use crate::pymalloc;
use crate::report::Report;
use crate::rows::Ranking;
use crate::size_units::{count, counted, percent, seconds, size};
use crate::text::{Align, BAR, Cell, Columns, TextStyle, wrap};

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
    if !report.native.recorded {
        return "stacks not recorded".to_owned();
    }
    let (frames, named) = report.native.frames();
    let modules = counted(report.native.modules.len() as u64, "module");
    format!("stacks recorded; {} in {modules}, {} with names", counted(frames, "frame"), percent(named, frames))
}

fn write_totals(report: &Report, style: &TextStyle, out: &mut impl Write) -> io::Result<()> {
    let (totals, endings) = (&report.aggregate.totals, &report.aggregate.totals.endings);
    let several = report.processes().are_several();
    let amount = |Amount { bytes, allocations }| format!("{} in {}", size(bytes), counted(allocations, "allocation"));
    let mut facts = vec![
        (if several { "Peak of all together" } else { "Peak" }, amount(totals.peak)),
        ("Peak reached after", seconds(report.clock.seconds(totals.peak_at))),
        ("Not freed at the end", amount(totals.leaked)),
        ("Allocated in total", amount(totals.total)),
        ("Temporary", amount(totals.temporary)),
        ("Freed", counted(endings.frees, "allocation")),
    ];
    let apart = [
        ("Mapped files", report.mapped.files, Allocator::MmapFile),
        ("Reserved addresses", report.mapped.reserved, Allocator::MmapReserved),
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
    let native = &report.native;
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
    let mut columns = Columns::new(&[("Bytes", Align::Right), ("Allocations", Align::Right)], "Function");
    for &(allocator, amount) in &allocators {
        columns.push(vec![size(amount.bytes), count(amount.allocations)], Cell::Text(allocator.name().to_owned()));
    }
    columns.print(out, style)?;
    let maps = allocators.iter().any(|(allocator, _)| *allocator == Allocator::Mmap);
    let sentence = pymalloc::sentence(report.metadata()).filter(|_| maps || pymalloc::concerns_all(report.metadata()));
    for line in sentence.iter().flat_map(|sentence| wrap(sentence, style.width() - 2)) {
        writeln!(out, "  {line}")?;
    }
    Ok(())
}

fn write_sizes(report: &Report, style: &TextStyle, out: &mut impl Write) -> io::Result<()> {
    let buckets = report.aggregate.sizes.buckets();
    let Some(most) = buckets.iter().map(|bucket| bucket.allocations).max() else { return Ok(()) };
    writeln!(out, "\n{}", style.heading(&format!("Sizes, {}", report.span())))?;
    let heads = [("From", Align::Right), ("Below", Align::Right), ("Allocations", Align::Right)];
    let rows = |bar_width: usize| {
        let mut columns = Columns::new(&heads, "");
        for bucket in &buckets {
            // The widest bar fills the room; whatever exists at all shows.
            let bar = (bucket.allocations as f64 / most as f64 * bar_width as f64).ceil() as usize;
            let below = bucket.max_bytes.checked_add(1).map_or("16.0 EiB".to_owned(), size);
            let cells = vec![size(bucket.min_bytes), below, count(bucket.allocations)];
            columns.push(cells, Cell::Text(BAR.to_string().repeat(bar)));
        }
        columns
    };
    let room = rows(0).room(style);
    rows(room.min(40)).print(out, style)
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
    // The share stands beside what it is a share of.
    let heads = match ranking {
        Ranking::Bytes => ["Bytes", "Share", "Allocations"],
        Ranking::Allocations => ["Bytes", "Allocations", "Share"],
    };
    let mut columns = Columns::new(&heads.map(|head| (head, Align::Right)), "Place");
    for row in rows.iter().take(top) {
        let (bytes, allocations) = (size(row.amount.bytes), count(row.amount.allocations));
        let cells = match ranking {
            Ranking::Bytes => [bytes, percent(row.amount.bytes, whole.bytes), allocations],
            Ranking::Allocations => [bytes, allocations, percent(row.amount.allocations, whole.allocations)],
        };
        columns.push(cells.into(), Cell::Place(report.location(row.place)));
    }
    columns.print(out, style)?;
    if rows.len() > top {
        let mut rest = Amount::default();
        rows[top..].iter().for_each(|row| rest.add(row.amount));
        let places = counted((rows.len() - top) as u64, "more place");
        writeln!(out, "  and {places}: {} in {}", size(rest.bytes), counted(rest.allocations, "allocation"))?;
    }
    Ok(())
}
