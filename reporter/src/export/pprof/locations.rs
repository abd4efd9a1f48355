//! The stacks of a profile as pprof has them: lists of locations, each an instruction with the functions that it is
//! part of.

use memprof_capture::file::{Frame, NativeFrame, Tables};
use memprof_channel::ids::{FrameId, ModuleId, StackId};
use rustc_hash::FxHashMap;

use crate::export::varint::varint_length;
use crate::naming::places::{PlaceId, Places};
use crate::naming::view::Views;

/// The number of a location, from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct LocationId(pub u32);

/// The number of a stack of locations; 0 is the empty one. Callers have lower numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct ChainId(pub u32);

impl ChainId {
    pub(super) const EMPTY: Self = Self(0);
}

/// What is at a location.
pub(super) struct Location {
    /// The functions, the innermost first: each was inlined into the one after it.
    pub lines: Vec<PlaceId>,
    /// Where a native one is.
    pub native: Option<NativeLocation>,
}

/// An address in the process.
#[derive(Clone, Copy)]
pub(super) struct NativeLocation {
    pub module: Option<ModuleId>,
    pub address: u64,
}

/// What is the same location: native code by its frame, everything else by its place.
#[derive(PartialEq, Eq, Hash)]
enum Key {
    Frame(FrameId),
    Place(PlaceId),
}

/// The locations and stacks that were asked for so far.
pub(super) struct Locations<'a> {
    tables: &'a Tables,
    places: &'a Places,
    views: Views,
    locations: Vec<Location>,
    known: FxHashMap<Key, LocationId>,
    /// From chain 1 on: its callers and its innermost location.
    chains: Vec<(ChainId, LocationId)>,
    chain_of: FxHashMap<(ChainId, LocationId), ChainId>,
    of_stack: FxHashMap<StackId, ChainId>,
}

impl<'a> Locations<'a> {
    /// None yet, of what these views show.
    pub(super) fn new(tables: &'a Tables, places: &'a Places, views: Views) -> Self {
        Self {
            tables,
            places,
            views,
            locations: Vec::new(),
            known: FxHashMap::default(),
            chains: Vec::new(),
            chain_of: FxHashMap::default(),
            of_stack: FxHashMap::default(),
        }
    }

    /// The locations, from number 1 on.
    pub(super) fn list(&self) -> &[Location] {
        &self.locations
    }

    /// A stack with the frames that the views show; empty where they show none.
    pub(super) fn chain(&mut self, stack: StackId) -> ChainId {
        let mut missing = Vec::new();
        let (mut at, mut chain) = (stack, ChainId::EMPTY);
        while at != StackId::EMPTY {
            if let Some(&known) = self.of_stack.get(&at) {
                chain = known;
                break;
            }
            match self.tables.stack(at) {
                Some(node) => {
                    missing.push((at, node.frame));
                    at = node.parent;
                }
                None => {
                    // Damage: the callers are unknown.
                    chain = self.chain_of_place(ChainId::EMPTY, self.places.lost_stack());
                    self.of_stack.insert(at, chain);
                    break;
                }
            }
        }
        for (stack, frame) in missing.into_iter().rev() {
            if let Some(location) = self.location(frame) {
                chain = self.below(chain, location);
            }
            self.of_stack.insert(stack, chain);
        }
        chain
    }

    /// A stack with a place at its end.
    pub(super) fn chain_of_place(&mut self, callers: ChainId, place: PlaceId) -> ChainId {
        let location = self.enter(Key::Place(place), || Location { lines: vec![place], native: None });
        self.below(callers, location)
    }

    /// The locations of a stack, the innermost first.
    pub(super) fn of_chain(&self, chain: ChainId) -> impl Iterator<Item = LocationId> + '_ {
        let mut at = chain;
        std::iter::from_fn(move || {
            let &(callers, location) = self.chains.get((at.0 as usize).checked_sub(1)?)?;
            at = callers;
            Some(location)
        })
    }

    /// By number: the bytes of each stack where it is spelled out.
    pub(super) fn chain_lengths(&self) -> Vec<u64> {
        let mut lengths = Vec::with_capacity(self.chains.len() + 1);
        lengths.push(0);
        for &(callers, location) in &self.chains {
            lengths.push(lengths[callers.0 as usize] + varint_length(location.0.into()));
        }
        lengths
    }

    fn below(&mut self, callers: ChainId, location: LocationId) -> ChainId {
        *self.chain_of.entry((callers, location)).or_insert_with(|| {
            self.chains.push((callers, location));
            ChainId(self.chains.len() as u32)
        })
    }

    /// The location of a frame, if the views show any of it.
    fn location(&mut self, frame: FrameId) -> Option<LocationId> {
        let (places, views) = (self.places, self.views);
        let is_shown = |place: &PlaceId| places.get(*place).shown.intersects(views);
        let innermost = *places.of_frame(frame).iter().rev().find(|place| is_shown(place))?;
        let Some(Frame::Native(native)) = self.tables.frame(frame) else {
            return Some(self.enter(Key::Place(innermost), || Location { lines: vec![innermost], native: None }));
        };
        let tables = self.tables;
        Some(self.enter(Key::Frame(frame), || Location {
            lines: places.of_frame(frame).iter().rev().copied().filter(is_shown).collect(),
            native: Some(native_location(tables, &native)),
        }))
    }

    fn enter(&mut self, key: Key, make: impl FnOnce() -> Location) -> LocationId {
        *self.known.entry(key).or_insert_with(|| {
            self.locations.push(make());
            LocationId(self.locations.len() as u32)
        })
    }
}

/// The address as it was in the process.
fn native_location(tables: &Tables, native: &NativeFrame) -> NativeLocation {
    let module = native.module.filter(|&module| tables.module(module).is_some());
    let bias = module.and_then(|module| tables.module(module)).map_or(0, |module| module.bias);
    NativeLocation { module, address: native.lookup_address().wrapping_add(bias) }
}
