//! The units of a file: mostly one for each source file.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use gimli::{Dwarf, Unit, UnitHeader};
use rustc_hash::FxHashMap;

use super::Reader;

/// All units of a file, of which only those that are needed are opened.
pub struct Units<'a, 'd> {
    dwarf: &'a Dwarf<Reader<'d>>,
    /// In ascending order of where they begin.
    headers: Vec<UnitHeader<Reader<'d>>>,
    opened: RefCell<FxHashMap<usize, Option<OpenUnit<'d>>>>,
}

/// A unit that has been opened.
pub type OpenUnit<'d> = Rc<Unit<Reader<'d>>>;

impl<'a, 'd> Units<'a, 'd> {
    /// The units of this information, up to the first one that makes no sense.
    pub fn of(dwarf: &'a Dwarf<Reader<'d>>) -> Self {
        let mut units = dwarf.units();
        let headers = std::iter::from_fn(|| units.next().ok().flatten()).collect();
        Self { dwarf, headers, opened: RefCell::default() }
    }

    /// The information that they are part of.
    pub fn dwarf(&self) -> &'a Dwarf<Reader<'d>> {
        self.dwarf
    }

    /// The unit of this number.
    pub fn open(&self, number: usize) -> Option<OpenUnit<'d>> {
        let header = *self.headers.get(number)?;
        let mut opened = self.opened.borrow_mut();
        opened.entry(number).or_insert_with(|| self.dwarf.unit(header).ok().map(Rc::new)).clone()
    }

    /// Frees the memory that a unit takes, until it is opened again.
    pub fn close(&self, number: usize) {
        self.opened.borrow_mut().remove(&number);
    }

    /// The number of the unit that has this place in the section.
    pub fn at(&self, offset: usize) -> Option<usize> {
        self.headers.partition_point(|header| start(header) <= offset).checked_sub(1)
    }

    /// The numbers of the units that hold any of these addresses, which are in ascending order, each with the indices of
    /// the addresses that it holds.
    pub fn holding(&self, addresses: &[u64]) -> BTreeMap<usize, Vec<usize>> {
        let mut holders = Holders { addresses, units: vec![None; addresses.len()] };
        let listed = self.list(&mut holders);
        // Some compilers list no addresses; then the units themselves say.
        for number in (0..self.headers.len()).filter(|&number| !listed[number]) {
            if holders.units.iter().all(Option::is_some) {
                break;
            }
            let Some(unit) = self.open(number) else { continue };
            let mut holds = false;
            if let Ok(mut ranges) = self.dwarf.unit_ranges(&unit) {
                while let Ok(Some(range)) = ranges.next() {
                    holds |= holders.note(number, range);
                }
            }
            if !holds {
                self.close(number);
            }
        }
        let mut found: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
        for (index, unit) in holders.units.iter().enumerate() {
            if let Some(unit) = unit {
                found.entry(*unit).or_default().push(index);
            }
        }
        found
    }

    /// Looks the addresses up in the list that a linker makes of the compilers' lists. Says which units are in it.
    fn list(&self, holders: &mut Holders<'_>) -> Vec<bool> {
        let mut listed = vec![false; self.headers.len()];
        let mut lists = self.dwarf.debug_aranges.headers();
        while let Ok(Some(list)) = lists.next() {
            let Some(number) = self.at(list.debug_info_offset().0) else { continue };
            let mut entries = list.entries();
            while let Ok(Some(entry)) = entries.next() {
                listed[number] = true;
                holders.note(number, entry.range());
            }
        }
        listed
    }
}

fn start(header: &UnitHeader<Reader<'_>>) -> usize {
    header.debug_info_offset().map_or(usize::MAX, |offset| offset.0)
}

/// Which unit holds which address.
struct Holders<'a> {
    addresses: &'a [u64],
    units: Vec<Option<usize>>,
}

impl Holders<'_> {
    /// Notes that the unit has this range. Says whether that holds any of the addresses.
    fn note(&mut self, unit: usize, range: gimli::Range) -> bool {
        let held = within(self.addresses, range);
        for index in held.clone() {
            self.units[index].get_or_insert(unit);
        }
        !held.is_empty()
    }
}

/// The indices of the addresses, in ascending order, that lie in a range. What begins at 0 was left out by the linker.
pub fn within(addresses: &[u64], range: gimli::Range) -> std::ops::Range<usize> {
    if range.begin == 0 || range.begin >= range.end {
        return 0..0;
    }
    let first = addresses.partition_point(|&address| address < range.begin);
    first..first + addresses[first..].partition_point(|&address| address < range.end)
}
