//! What functions are called. The name is often not written where the code is described, but in the declaration, the
//! original of what was inlined, another unit, or another file.

use std::cell::RefCell;
use std::rc::Rc;

use gimli::{AttributeValue, DebugInfoOffset, Unit, UnitSectionOffset, constants};
use rustc_hash::FxHashMap;

use super::Reader;
use super::units::Units;
use crate::symbols::demangling::{demangled, shortened};

/// From a function to its name there are three steps at most; damaged information may go round in circles.
const MAX_STEPS: usize = 16;

/// What a function is called.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Name {
    /// As the programmer wrote it.
    pub text: Rc<str>,
    /// Whether that is all of it: not only `operator()` of `shapes::area()::{lambda(int)#1}::operator()(int) const`. What
    /// no other file can refer to often has no more in the debugging information, but in the table of symbols.
    pub is_whole: bool,
}

/// The names of a file's functions, each looked up once.
pub struct Names<'a, 'd> {
    units: &'a Units<'a, 'd>,
    shared: Option<Units<'a, 'd>>,
    known: RefCell<FxHashMap<usize, Option<Name>>>,
}

/// Where to read on.
#[derive(Clone, Copy)]
struct Place {
    /// In the file that holds what several share.
    is_shared: bool,
    offset: usize,
}

impl<'a, 'd> Names<'a, 'd> {
    /// For these units, and those of the file that holds what several share.
    pub fn new(units: &'a Units<'a, 'd>, shared: Option<Units<'a, 'd>>) -> Self {
        Self { units, shared, known: RefCell::default() }
    }

    /// The name of the function that is described there.
    pub fn of(&self, entry: UnitSectionOffset) -> Option<Name> {
        let UnitSectionOffset(offset) = entry;
        if let Some(name) = self.known.borrow().get(&offset) {
            return name.clone();
        }
        let name = self.look_up(Place { is_shared: false, offset });
        self.known.borrow_mut().insert(offset, name.clone());
        name
    }

    fn look_up(&self, mut place: Place) -> Option<Name> {
        let mut plain: Option<Name> = None;
        for _ in 0..MAX_STEPS {
            let units = if place.is_shared { self.shared.as_ref()? } else { self.units };
            let unit = units.open(units.at(place.offset)?)?;
            let offset = DebugInfoOffset(place.offset).to_unit_offset(&unit.header)?;
            let entry = unit.entry(offset).ok()?;
            let mut next = None;
            for attribute in entry.attrs() {
                match attribute.name() {
                    constants::DW_AT_linkage_name | constants::DW_AT_MIPS_linkage_name => {
                        if let Ok(name) = units.dwarf().attr_string(&unit, attribute.value()) {
                            let text = demangled(&name.to_string_lossy()).into();
                            return Some(Name { text, is_whole: true });
                        }
                    }
                    constants::DW_AT_name if plain.is_none() => {
                        let name = units.dwarf().attr_string(&unit, attribute.value()).ok();
                        plain = name.map(|name| Name {
                            text: readable(name.to_string_lossy().into_owned()).into(),
                            is_whole: is_c(&unit),
                        });
                    }
                    constants::DW_AT_abstract_origin | constants::DW_AT_specification => {
                        next = referred(&unit, attribute.value(), place.is_shared);
                    }
                    _ => {}
                }
            }
            match next {
                Some(next) => place = next,
                None => break,
            }
        }
        plain
    }
}

/// A name from the source. GCC writes the linker's there for functions that it has made (`_ZGTt...`, transaction
/// clones).
fn readable(name: String) -> String {
    if name.starts_with("_Z") { demangled(&name) } else { shortened(name) }
}

fn referred(unit: &Unit<Reader<'_>>, value: AttributeValue<Reader<'_>>, is_shared: bool) -> Option<Place> {
    match value {
        AttributeValue::UnitRef(offset) => {
            Some(Place { is_shared, offset: offset.to_debug_info_offset(&unit.header)?.0 })
        }
        AttributeValue::DebugInfoRef(offset) => Some(Place { is_shared, offset: offset.0 }),
        AttributeValue::DebugInfoRefSup(offset) => Some(Place { is_shared: true, offset: offset.0 }),
        _ => None,
    }
}

/// Whether a unit is in a language without namespaces.
fn is_c(unit: &Unit<Reader<'_>>) -> bool {
    let root = unit.entry(unit.header.root_offset());
    let language = root.ok().and_then(|root| root.attr_value(constants::DW_AT_language));
    let Some(AttributeValue::Language(language)) = language else { return false };
    matches!(
        language,
        constants::DW_LANG_C
            | constants::DW_LANG_C89
            | constants::DW_LANG_C99
            | constants::DW_LANG_C11
            | constants::DW_LANG_C17
            | constants::DW_LANG_Mips_Assembler
    )
}
