//! The functions at an address: the one that has machine code of its own, and those that were inlined there.

use gimli::{
    Abbreviation, Attribute, AttributeValue, DwTag, Dwarf, EntriesRaw, Unit, UnitOffset, UnitSectionOffset, constants,
};

use super::Reader;
use super::units::within;

/// One of the functions that an address represents.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Level {
    /// Where it is described.
    pub entry: UnitSectionOffset,
    /// Where it is called, if it was inlined: a number of the unit's table of files.
    pub call_file: u64,
    /// And the line.
    pub call_line: u32,
}

/// The functions at each of these addresses, which are in ascending order: outermost first; none where none is known.
pub fn chains(dwarf: &Dwarf<Reader<'_>>, unit: &Unit<Reader<'_>>, addresses: &[u64]) -> Vec<Vec<Level>> {
    let mut search = Search { dwarf, unit, addresses, chains: vec![Vec::new(); addresses.len()] };
    // What the information says after a place that makes no sense cannot be found; what was found until there is right.
    let _ = search.run(Depth::TopLevel);
    // Functions within functions and classes are rare: only then everything is read.
    if search.chains.iter().any(Vec::is_empty) {
        let _ = search.run(Depth::Everything);
    }
    search.chains
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Depth {
    TopLevel,
    Everything,
}

struct Search<'a, 'd> {
    dwarf: &'a Dwarf<Reader<'d>>,
    unit: &'a Unit<Reader<'d>>,
    addresses: &'a [u64],
    chains: Vec<Vec<Level>>,
}

/// The attributes of a function that matter here.
#[derive(Default)]
struct Extent<'d> {
    low: Option<AttributeValue<Reader<'d>>>,
    high: Option<AttributeValue<Reader<'d>>>,
    ranges: Option<AttributeValue<Reader<'d>>>,
    sibling: Option<UnitOffset>,
    call_file: u64,
    call_line: u32,
}

impl<'a, 'd> Search<'a, 'd> {
    fn run(&mut self, depth: Depth) -> gimli::Result<()> {
        let unit = self.unit;
        let mut entries = unit.entries_raw(None)?;
        while !entries.is_empty() {
            let offset = entries.next_offset();
            let Some(abbreviation) = entries.read_abbreviation()? else { continue };
            if abbreviation.tag() != constants::DW_TAG_subprogram {
                if depth == Depth::TopLevel && abbreviation.has_children() && !holds_functions(abbreviation.tag()) {
                    let extent = read(&mut entries, abbreviation)?;
                    self.skip_children(&mut entries, extent.sibling)?;
                } else {
                    entries.skip_attributes(abbreviation.attributes())?;
                }
                continue;
            }
            let extent = read(&mut entries, abbreviation)?;
            let found: Vec<usize> =
                self.held(&extent).into_iter().filter(|&index| self.chains[index].is_empty()).collect();
            for &index in &found {
                let level = self.level(offset, &extent);
                self.chains[index].push(level);
            }
            if abbreviation.has_children() {
                if !found.is_empty() {
                    self.note_inlined(unit.entries_raw(Some(entries.next_offset()))?, &found)?;
                }
                if depth == Depth::TopLevel {
                    self.skip_children(&mut entries, extent.sibling)?;
                }
            }
        }
        Ok(())
    }

    /// Adds what was inlined into a function, from its first child on, at those addresses that it was `found` to hold.
    fn note_inlined(&mut self, mut entries: EntriesRaw<'a, Reader<'d>>, found: &[usize]) -> gimli::Result<()> {
        // Entries that were jumped over are not seen; so the depth is counted here.
        let mut depth = 1_u32;
        while depth > 0 && !entries.is_empty() {
            let offset = entries.next_offset();
            let Some(abbreviation) = entries.read_abbreviation()? else {
                depth -= 1;
                continue;
            };
            let tag = abbreviation.tag();
            let has_children = abbreviation.has_children();
            if tag == constants::DW_TAG_lexical_block || !has_children && tag != constants::DW_TAG_inlined_subroutine {
                entries.skip_attributes(abbreviation.attributes())?;
                depth += u32::from(has_children);
                continue;
            }
            let extent = read(&mut entries, abbreviation)?;
            let mut is_here = false;
            if tag == constants::DW_TAG_inlined_subroutine {
                for index in self.held(&extent).into_iter().filter(|index| found.contains(index)) {
                    is_here = true;
                    let level = self.level(offset, &extent);
                    self.chains[index].push(level);
                }
            }
            if !has_children {
                continue;
            }
            // Without its sibling's place an entry can only be left by reading all that is in it, which does no harm:
            // an address is in none of what it holds.
            match extent.sibling {
                Some(sibling) if !is_here => seek(self.unit, &mut entries, sibling)?,
                _ => depth += 1,
            }
        }
        Ok(())
    }

    fn level(&self, offset: UnitOffset, extent: &Extent<'d>) -> Level {
        Level {
            entry: offset.to_unit_section_offset(&self.unit.header),
            call_file: extent.call_file,
            call_line: extent.call_line,
        }
    }

    /// The indices of the addresses that a function holds.
    fn held(&self, extent: &Extent<'d>) -> Vec<usize> {
        let mut found = Vec::new();
        if let Some(range) = self.range(extent) {
            found.extend(within(self.addresses, range));
        }
        let ranges = extent.ranges.and_then(|value| self.dwarf.attr_ranges(self.unit, value).ok().flatten());
        if let Some(mut ranges) = ranges {
            while let Ok(Some(range)) = ranges.next() {
                found.extend(within(self.addresses, range));
            }
        }
        found
    }

    fn range(&self, extent: &Extent<'d>) -> Option<gimli::Range> {
        let begin = self.dwarf.attr_address(self.unit, extent.low?).ok()??;
        let end = match extent.high? {
            AttributeValue::Udata(bytes) => begin.checked_add(bytes)?,
            address => self.dwarf.attr_address(self.unit, address).ok()??,
        };
        Some(gimli::Range { begin, end })
    }

    /// Goes past what is in an entry.
    fn skip_children(
        &self,
        entries: &mut EntriesRaw<'a, Reader<'d>>,
        sibling: Option<UnitOffset>,
    ) -> gimli::Result<()> {
        if let Some(sibling) = sibling {
            return seek(self.unit, entries, sibling);
        }
        let mut depth = 1_u32;
        while depth > 0 && !entries.is_empty() {
            match entries.read_abbreviation()? {
                None => depth -= 1,
                Some(abbreviation) => {
                    entries.skip_attributes(abbreviation.attributes())?;
                    depth += u32::from(abbreviation.has_children());
                }
            }
        }
        Ok(())
    }
}

/// Whether functions with machine code are usually described within such an entry.
fn holds_functions(tag: DwTag) -> bool {
    matches!(
        tag,
        constants::DW_TAG_compile_unit
            | constants::DW_TAG_partial_unit
            | constants::DW_TAG_skeleton_unit
            | constants::DW_TAG_namespace
            | constants::DW_TAG_module
    )
}

/// Goes on at a later entry.
fn seek<'u, 'd>(
    unit: &'u Unit<Reader<'d>>,
    entries: &mut EntriesRaw<'u, Reader<'d>>,
    to: UnitOffset,
) -> gimli::Result<()> {
    // Backwards it would never end.
    if to.0 < entries.next_offset().0 {
        return Err(gimli::Error::OffsetOutOfBounds(to.0 as u64));
    }
    *entries = unit.entries_raw(Some(to))?;
    Ok(())
}

fn read<'d>(entries: &mut EntriesRaw<'_, Reader<'d>>, abbreviation: &Abbreviation) -> gimli::Result<Extent<'d>> {
    let mut extent = Extent::default();
    for &specification in abbreviation.attributes() {
        let attribute: Attribute<Reader<'d>> = entries.read_attribute(specification)?;
        match attribute.name() {
            constants::DW_AT_low_pc => extent.low = Some(attribute.value()),
            constants::DW_AT_high_pc => extent.high = Some(attribute.value()),
            constants::DW_AT_ranges => extent.ranges = Some(attribute.value()),
            constants::DW_AT_sibling => {
                if let AttributeValue::UnitRef(offset) = attribute.value() {
                    extent.sibling = Some(offset);
                }
            }
            constants::DW_AT_call_file => {
                extent.call_file = match attribute.value() {
                    AttributeValue::FileIndex(file) => file,
                    other => other.udata_value().unwrap_or(0),
                };
            }
            constants::DW_AT_call_line => {
                extent.call_line = attribute.udata_value().and_then(|line| u32::try_from(line).ok()).unwrap_or(0);
            }
            _ => {}
        }
    }
    Ok(extent)
}
