//! What the reader of a report must know about its capture: what is missing, damaged or estimated.

use memprof_capture::file::{CaptureReader, Fact};
use memprof_replay::aggregate::SlotSummary;

use crate::formatting::size_units::{count, counted};
use crate::reading::elided_callers;
use crate::reading::hidden_allocators;
use crate::reading::native_notes;
use crate::reading::native_stacks::NativeStacks;
use crate::reading::not_recorded;
use crate::reading::run_clock::RunClock;

/// The notes on a capture whose events have been read. Empty for a sound one.
pub(crate) fn of(
    reader: &CaptureReader,
    clock: &RunClock,
    native: &NativeStacks,
    slots: &[SlotSummary],
) -> Vec<String> {
    let mut notes = Vec::new();
    notes.extend(missing_end(reader));
    notes.extend(damage(reader));
    if let Some(summary) = reader.summary() {
        if summary.skipped_events > 0 {
            notes.push(format!(
                "{} could not be recorded: all figures may be too low or too high by that much.",
                counted(summary.skipped_events, "event")
            ));
        }
        if let Some(reason) = summary.stopped {
            notes.push(format!(
                "Recording stopped before the program ended: {}. What came later is missing.",
                reason.in_words()
            ));
        }
        if summary.damaged_chunks > 0 {
            notes.push(format!(
                "The program wrote over memory of the recording: {} of events were lost while it ran.",
                counted(summary.damaged_chunks, "chunk")
            ));
        }
    }
    let cpu_us = reader.summary().map_or(0, |summary| summary.cpu_us);
    notes.extend(not_recorded::notes(reader.facts(), cpu_us));
    notes.extend(reader.facts().iter().find_map(|fact| match fact {
        Fact::Python { version, stacks: false, .. } => Some(format!(
            "memprof {} does not know the stacks of Python {version}: memory appears without its Python functions.",
            reader.header().memprof_version
        )),
        _ => None,
    }));
    notes.extend(hidden_allocators::note(reader.facts(), reader.tables()));
    notes.extend(native_notes::of(native));
    notes.extend(elided_callers::note(reader.tables(), slots));
    if !clock.is_calibrated() {
        notes.push("The capture ends before its clock could be calibrated: times are estimates.".to_owned());
    }
    notes
}

fn missing_end(reader: &CaptureReader) -> Option<String> {
    if reader.summary().is_some() {
        return None;
    }
    let what = "The capture has no end: the recorder was killed or the file was cut off. What came later is missing, \
                and so are the program's exit and the counts of waits and skipped events.";
    Some(what.to_owned())
}

fn damage(reader: &CaptureReader) -> Option<String> {
    let damage = reader.damage();
    if damage.is_none() {
        return None;
    }
    let mut parts = Vec::new();
    if damage.chunks > 0 {
        let events =
            if damage.events > 0 { format!(" with {}", counted(damage.events, "event")) } else { String::new() };
        parts.push(format!("{}{events}", counted(damage.chunks, "damaged chunk")));
    }
    if damage.bytes > 0 {
        let plural = if damage.bytes == 1 { "" } else { "s" };
        parts.push(format!("{} unreadable byte{plural}", count(damage.bytes)));
    }
    if damage.references > 0 {
        parts.push(format!("{} to what is not in it", counted(damage.references, "reference")));
    }
    Some(format!("Parts of the capture are left out: {}. Figures may be too low or too high.", parts.join(", ")))
}
