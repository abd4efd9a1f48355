//! What the reader of a report must know about native stacks: a sentence for each kind of gap, however many there are.

use memprof_capture::file::SymbolSource;

use crate::formatting::size_units::{count, counted};
use crate::naming::runtime_functions::file_name;
use crate::reading::native_stacks::{ModuleReport, NativeStacks};

/// At most this many modules are named; the others are counted.
const NAMED: usize = 3;

/// The notes on native stacks. Empty where they have no gaps.
pub(crate) fn of(native: &NativeStacks) -> Vec<String> {
    let mut notes = Vec::new();
    if native.recorded {
        notes.extend(stacks(native));
    }
    let of_source = |source: fn(&SymbolSource) -> bool| -> Vec<&ModuleReport> {
        native.modules.iter().filter(|module| module.source.as_ref().is_some_and(source)).collect()
    };
    let other_builds = of_source(|source| matches!(source, SymbolSource::OtherBuild(_)));
    if !other_builds.is_empty() {
        let (is, has) = if other_builds.len() == 1 { ("is", "has") } else { ("are", "have") };
        notes.push(format!(
            "{} {is} no longer the build that ran, and {has} no function names here.",
            names(&other_builds)
        ));
    }
    let missing = of_source(|source| matches!(source, SymbolSource::Missing));
    if !missing.is_empty() {
        let (was, has) = if missing.len() == 1 { ("was", "has") } else { ("were", "have") };
        notes.push(format!(
            "{} {was} no longer there after the run, and {has} no function names here.",
            names(&missing)
        ));
    }
    let unreadable = of_source(|source| matches!(source, SymbolSource::Unreadable(..)));
    if let Some(SymbolSource::Unreadable(_, reason)) = unreadable.first().and_then(|module| module.source.as_ref()) {
        let has = if unreadable.len() == 1 { "has" } else { "have" };
        notes.push(format!("{} could not be read ({reason}), and {has} no function names here.", names(&unreadable)));
    }
    notes
}

fn stacks(native: &NativeStacks) -> Vec<String> {
    let mut notes = Vec::new();
    let plural = |number: u64, one: &'static str, many: &'static str| if number == 1 { one } else { many };
    if let Some(cut_short) = native.cut_short.filter(|&stacks| stacks > 0) {
        notes.push(format!(
            "{} {}, at code without unwinding information (a just-in-time compiler's, or compiled with \
             -fno-asynchronous-unwind-tables): {} outermost functions are missing.",
            counted(cut_short, "native stack"),
            plural(cut_short, "ends early", "end early"),
            plural(cut_short, "its", "their")
        ));
    }
    if let Some(unmerged) = native.unmerged.filter(|&stacks| stacks > 0) {
        notes.push(format!(
            "In {} the Python functions could not be placed among the native ones: --view python shows them alone.",
            counted(unmerged, "stack")
        ));
    }
    if let (Some(checked), Some(differing)) = (native.checked, native.differing.filter(|&stacks| stacks > 0)) {
        notes.push(format!(
            "{} of the {} that were compared with another unwinder's {}.",
            count(differing),
            counted(checked, "native stack"),
            plural(differing, "differs", "differ")
        ));
    }
    notes
}

/// `a.so, b.so and 7 other modules`.
fn names(modules: &[&ModuleReport]) -> String {
    listed(modules.iter().map(|module| file_name(&module.path).to_owned()))
}

/// Likewise, of names.
pub(crate) fn listed(all: impl ExactSizeIterator<Item = String>) -> String {
    let others = all.len().saturating_sub(NAMED);
    let mut names: Vec<String> = all.take(NAMED).collect();
    if others > 0 {
        names.push(counted(others as u64, "other module"));
    }
    let Some(last) = names.pop() else { return String::new() };
    if names.is_empty() { last } else { format!("{} and {last}", names.join(", ")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn module(path: &str, source: SymbolSource) -> ModuleReport {
        ModuleReport { path: path.to_owned(), frames: 1, named: 0, source: Some(source) }
    }

    #[test]
    fn there_is_one_sentence_for_many_modules() {
        let other = |path: &str| module(path, SymbolSource::OtherBuild(path.to_owned()));
        let mut native = NativeStacks { recorded: true, ..NativeStacks::default() };
        assert!(of(&native).is_empty());
        native.modules = vec![other("/lib/a.so"), module("/tmp/gone.so", SymbolSource::Missing)];
        assert_eq!(
            of(&native),
            [
                "a.so is no longer the build that ran, and has no function names here.",
                "gone.so was no longer there after the run, and has no function names here.",
            ]
        );
        native.modules = (0..40).map(|number| other(&format!("/lib/{number}.so"))).collect();
        let says =
            "0.so, 1.so, 2.so and 37 other modules are no longer the build that ran, and have no function names here.";
        assert_eq!(of(&native), [says]);
    }

    #[test]
    fn gaps_in_stacks_are_counted() {
        let (cut_short, unmerged, checked, differing) = (Some(1), Some(2), Some(5000), Some(0));
        let native = NativeStacks { recorded: true, cut_short, unmerged, checked, differing, modules: Vec::new() };
        assert_eq!(
            of(&native),
            [
                "1 native stack ends early, at code without unwinding information (a just-in-time compiler's, or \
                 compiled with -fno-asynchronous-unwind-tables): its outermost functions are missing.",
                "In 2 stacks the Python functions could not be placed among the native ones: --view python shows them \
                 alone.",
            ]
        );
        let native = NativeStacks { differing: Some(12), cut_short: None, unmerged: None, ..native };
        assert_eq!(of(&native), ["12 of the 5,000 native stacks that were compared with another unwinder's differ."]);
    }
}
