//! Debugging information: the functions, files and lines at an address.
//!
//! Only what the addresses need is read: of the file's units (one for each source file) those that hold one of them; in
//! a unit the functions, and of these the inside of those that hold one. An interpreter's information is some 10 MB, and
//! its names are wanted at the end of each recording.
//!
//! - [`units`]: which unit holds an address.
//! - [`functions`]: which function of the unit, and what was inlined into it there.
//! - [`names`]: what functions are called, wherever that is written.
//! - [`lines`], [`line_machine`]: files and lines.

mod functions;
mod line_machine;
mod lines;
mod names;
mod units;

use std::borrow::Cow;

use gimli::{Dwarf, DwarfSections, EndianSlice, RunTimeEndian, SectionId};
use memprof_capture::file::Function;

use super::elf_image::ElfImage;
use lines::Lines;
use names::Names;
use units::Units;

/// How the sections are read.
type Reader<'d> = EndianSlice<'d, RunTimeEndian>;

/// What is known about an address.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Located {
    /// The functions, outermost first. Those without a name have an empty one.
    pub functions: Vec<Function>,
    /// Whether a table of symbols may know a better name of the outermost function.
    pub is_short: bool,
    /// The file and line, where no function is known.
    pub line: Option<(String, u32)>,
}

/// Looks addresses up, which are in ascending order. `alternative` holds what the information shares with others.
pub fn locate(image: &ElfImage<'_>, alternative: Option<&ElfImage<'_>>, addresses: &[u64]) -> Vec<Located> {
    let mut located = vec![Located::default(); addresses.len()];
    let (sections, shared) = (sections_of(image), alternative.map(sections_of));
    let mut dwarf = borrowed(&sections, image);
    if let (Some(shared), Some(alternative)) = (&shared, alternative) {
        dwarf.set_sup(borrowed(shared, alternative));
    }
    let units = Units::of(&dwarf);
    let names = Names::new(&units, dwarf.sup().map(Units::of));
    for (number, found) in units.holding(addresses) {
        let Some(unit) = units.open(number) else { continue };
        let here: Vec<u64> = found.iter().map(|&index| addresses[index]).collect();
        let chains = functions::chains(&dwarf, &unit, &here);
        let lines = Lines::of(&dwarf, &unit, &here);
        for ((chain, line), &index) in chains.iter().zip(&lines.rows).zip(&found) {
            located[index] = describe(chain, *line, &names, &lines);
        }
        units.close(number);
    }
    located
}

fn sections_of<'d>(image: &ElfImage<'d>) -> DwarfSections<Cow<'d, [u8]>> {
    let load = |id: SectionId| -> Result<_, std::convert::Infallible> {
        // The others may be large, and compressed.
        let wanted = matches!(
            id,
            SectionId::DebugAbbrev
                | SectionId::DebugAddr
                | SectionId::DebugAranges
                | SectionId::DebugInfo
                | SectionId::DebugLine
                | SectionId::DebugLineStr
                | SectionId::DebugRanges
                | SectionId::DebugRngLists
                | SectionId::DebugStr
                | SectionId::DebugStrOffsets
        );
        Ok(if wanted { image.section(id.name()) } else { Cow::default() })
    };
    let Ok(sections) = DwarfSections::load(load);
    sections
}

fn borrowed<'s>(sections: &'s DwarfSections<Cow<'_, [u8]>>, image: &ElfImage<'_>) -> Dwarf<Reader<'s>> {
    let endian = if image.is_little_endian() { RunTimeEndian::Little } else { RunTimeEndian::Big };
    sections.borrow(|section| EndianSlice::new(section, endian))
}

/// The functions of a chain, each at the line where it calls the next one, the last one at the address itself.
fn describe(
    chain: &[functions::Level],
    line: Option<(u64, u32)>,
    names: &Names<'_, '_>,
    lines: &Lines<'_, '_>,
) -> Located {
    let innermost = line.map(|(file, line)| (lines.file(file), line));
    if chain.is_empty() {
        return Located { line: innermost, ..Located::default() };
    }
    let places = chain[1..].iter().map(|next| match next.call_file {
        0 if next.call_line == 0 => (String::new(), 0),
        file => (lines.file(file), next.call_line),
    });
    let places = places.chain([innermost.unwrap_or_default()]);
    let mut is_short = false;
    let functions = chain.iter().zip(places).enumerate().map(|(depth, (level, (file, line)))| {
        let name = names.of(level.entry);
        is_short |= depth == 0 && name.as_ref().is_some_and(|name| !name.is_whole);
        Function { name: name.map_or_else(String::new, |name| name.text.to_string()), file, line }
    });
    Located { functions: functions.collect(), is_short, line: None }
}
