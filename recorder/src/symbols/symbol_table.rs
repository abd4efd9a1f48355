//! Tables of symbols: which function holds an address, and nothing more.

use std::cmp::Reverse;

use object::{Object, ObjectSymbol, ObjectSymbolTable, SymbolKind};

use super::demangling::demangled;
use super::elf_image::ElfImage;

/// Names the functions at these addresses, which are in ascending order, by the full table of symbols, else by the one
/// for the dynamic linker.
pub fn names(image: &ElfImage<'_>, addresses: &[u64]) -> Vec<Option<String>> {
    let Nearest { holding, before, .. } = Nearest::of(image, addresses);
    let mut unsized_ones = unsized_symbols(image, addresses, &holding, before);
    remove_marks(image, &mut unsized_ones);
    let name = |symbol: Candidate<'_>| demangled(&String::from_utf8_lossy(symbol.name));
    holding.into_iter().zip(unsized_ones).map(|(holding, unsized_one)| holding.or(unsized_one).map(name)).collect()
}

/// The symbols without a size that reach to the addresses which no other symbol holds: each ends where the next one
/// begins, or its section does.
fn unsized_symbols<'d>(
    image: &ElfImage<'d>,
    addresses: &[u64],
    holding: &[Option<Candidate<'d>>],
    before: Vec<Option<Candidate<'d>>>,
) -> Vec<Option<Candidate<'d>>> {
    let mut latest = None;
    let slots = addresses.iter().zip(holding).zip(before);
    slots
        .map(|((&address, holding), before)| {
            latest = before.or(latest);
            let is_held = |symbol: &Candidate<'_>| {
                let code = symbol.section.and_then(|section| image.code_section(section));
                symbol.bytes == 0 && code.is_some_and(|code| code.contains(&address))
            };
            latest.filter(|symbol| holding.is_none() && is_held(symbol))
        })
        .collect()
}

/// Removes those that are marks within a function, and say nothing about what comes after it.
fn remove_marks(image: &ElfImage<'_>, symbols: &mut [Option<Candidate<'_>>]) {
    let mut starts: Vec<u64> = symbols.iter().flatten().map(|symbol| symbol.start).collect();
    if starts.is_empty() {
        return;
    }
    starts.sort_unstable();
    starts.dedup();
    let holding = Nearest::of(image, &starts).holding;
    for slot in symbols {
        let is_mark =
            |symbol: &Candidate<'_>| starts.binary_search(&symbol.start).is_ok_and(|index| holding[index].is_some());
        *slot = slot.filter(|symbol| !is_mark(symbol));
    }
}

/// Of several names for one function the one that its callers use: the strong one, and of two the shorter one.
fn rank<'d>(symbol: &impl ObjectSymbol<'d>) -> (bool, bool) {
    (symbol.is_global(), !symbol.is_weak())
}

#[derive(Clone, Copy, Debug)]
struct Candidate<'d> {
    start: u64,
    bytes: u64,
    rank: (bool, bool),
    section: Option<object::SectionIndex>,
    name: &'d [u8],
}

impl Candidate<'_> {
    /// Whether this name is better than another one for an address that both hold: it begins later, or at the same place
    /// and is the better known.
    fn is_better(&self, other: &Self) -> bool {
        let name = |it: &Self| Reverse((it.name.len(), it.name));
        (self.start, self.rank, name(self)) > (other.start, other.rank, name(other))
    }
}

/// The best symbols for some addresses.
struct Nearest<'a, 'd> {
    addresses: &'a [u64],
    /// For each address, the best of the symbols whose extent holds it.
    holding: Vec<Option<Candidate<'d>>>,
    /// For each address, the best of the symbols that begin at or before it, but after the address before it.
    before: Vec<Option<Candidate<'d>>>,
}

impl<'a, 'd> Nearest<'a, 'd> {
    fn of(image: &ElfImage<'d>, addresses: &'a [u64]) -> Self {
        let nothing = vec![None; addresses.len()];
        let mut nearest = Self { addresses, holding: nothing.clone(), before: nothing };
        let object = image.object();
        for table in [object.symbol_table(), object.dynamic_symbol_table()].into_iter().flatten() {
            for symbol in table.symbols() {
                let is_function = matches!(symbol.kind(), SymbolKind::Text | SymbolKind::Unknown | SymbolKind::Label);
                if is_function && symbol.is_definition() {
                    nearest.note(&symbol);
                }
            }
        }
        nearest
    }

    fn note(&mut self, symbol: &impl ObjectSymbol<'d>) {
        let (start, bytes) = (symbol.address(), symbol.size());
        let first = self.addresses.partition_point(|&address| address < start);
        let end = start.saturating_add(bytes);
        let held = self.addresses[first..].iter().take_while(|&&address| address < end).count();
        let is_latest =
            self.before.get(first).is_some_and(|slot| slot.as_ref().is_none_or(|known| known.start <= start));
        // Most symbols end here: a table has many, and even to read their names would take long.
        if held == 0 && !is_latest {
            return;
        }
        let name = symbol.name_bytes().unwrap_or_default();
        // Marks in the code of some architectures (`$x`), and what is only there for the linker.
        if name.is_empty() || name.starts_with(b"$") || name.starts_with(b".L") {
            return;
        }
        let candidate = Candidate { start, bytes, rank: rank(symbol), section: symbol.section_index(), name };
        let before = self.before.get_mut(first).into_iter();
        for slot in before.chain(&mut self.holding[first..first + held]) {
            if slot.is_none_or(|known| candidate.is_better(&known)) {
                *slot = Some(candidate);
            }
        }
    }
}
