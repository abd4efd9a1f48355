//! pprof's format: a gzip'ed protocol buffer with all metrics of all samples.
//!
//! Source: <https://github.com/google/pprof/blob/main/proto/profile.proto>, whose field numbers have names here. The
//! order of fields is free: strings come last, when all of them are known.

mod locations;
mod message;

use std::io::{self, Write};

use flate2::Compression;
use flate2::write::GzEncoder;
use memprof_capture::file::Module;
use memprof_channel::allocator::Allocator;
use memprof_channel::ids::{ModuleId, ThreadId};
use memprof_replay::metric::Metric;
use memprof_replay::processes::ProcessId;
use memprof_replay::slots::Amount;
use rustc_hash::FxHashMap;

use super::format::{Format, Metrics, Processes, Source};
use crate::formatting::expected_size::{ExpectedSize, SizedWrite};
use crate::naming::allocator_name::allocator_name;
use crate::naming::places::{PlaceId, PlaceKind};
use crate::naming::strings::{StringId, Strings};
use crate::naming::view::View;
use crate::reading::report::Report;
use crate::sums::flame_tree::FlameTree;
use locations::{ChainId, Location, Locations};
use message::{Message, write_bytes};

/// The fields of a `Profile`.
mod profile {
    pub(super) const SAMPLE_TYPE: u64 = 1;
    pub(super) const SAMPLE: u64 = 2;
    pub(super) const MAPPING: u64 = 3;
    pub(super) const LOCATION: u64 = 4;
    pub(super) const FUNCTION: u64 = 5;
    pub(super) const STRING_TABLE: u64 = 6;
    pub(super) const TIME_NANOS: u64 = 9;
    pub(super) const DURATION_NANOS: u64 = 10;
    pub(super) const PERIOD_TYPE: u64 = 11;
    pub(super) const PERIOD: u64 = 12;
    pub(super) const COMMENT: u64 = 13;
    pub(super) const DEFAULT_SAMPLE_TYPE: u64 = 14;
}

/// The values of a sample, in order: each metric's allocations, and its bytes. Go's heap profiles have the first four.
const SAMPLE_TYPES: [(Metric, [&str; 2]); 4] = [
    (Metric::Total, ["alloc_objects", "alloc_space"]),
    (Metric::Peak, ["inuse_objects", "inuse_space"]),
    (Metric::Leaks, ["leaked_objects", "leaked_space"]),
    (Metric::Temporary, ["temporary_objects", "temporary_space"]),
];

/// What a sample takes without its stack: eight values, three labels.
const SAMPLE_BYTES: u64 = 50;

/// What is one sample.
type SampleKey = (ChainId, Option<Allocator>, ProcessId, ThreadId);

/// By metric, as in [`SAMPLE_TYPES`].
type Values = [Amount; SAMPLE_TYPES.len()];

/// See [`Format`].
pub(super) static FORMAT: Format = Format {
    name: "pprof",
    help: "pprof's, gzip'ed: `go tool pprof`, Pyroscope and the like",
    extension: "pb.gz",
    metrics: Metrics::Chosen,
    processes: Processes::All,
    source: Source::Slots(write),
};

/// Writes everything that was allocated. The metric is what a viewer shows first.
///
/// # Errors
/// What `out` answers to a write.
fn write(
    report: &Report,
    tree: &FlameTree,
    (view, metric): (View, Metric),
    out: &mut dyn SizedWrite,
) -> io::Result<()> {
    let mut locations = Locations::new(report.tables(), report.places(), view.alone());
    let samples = samples(report, tree, &mut locations);
    let lengths = locations.chain_lengths();
    let sizes = samples.iter().map(|&((chain, ..), _)| lengths[chain.0 as usize].saturating_add(SAMPLE_BYTES));
    out.expect(ExpectedSize::Unpacked(sizes.fold(0, u64::saturating_add)))?;
    let mut writer = ProfileWriter {
        out: GzEncoder::new(out, Compression::default()),
        report,
        strings: Strings::default(),
        functions: FxHashMap::default(),
    };
    // The first one must be empty.
    writer.string("");
    writer.header(metric)?;
    for (key, values) in &samples {
        writer.sample(&locations, *key, values)?;
    }
    let modules = modules(report, &locations);
    for (&module, id) in modules.iter().zip(1..) {
        writer.mapping(module, id)?;
    }
    for (location, id) in locations.list().iter().zip(1..) {
        writer.location(location, id, &modules)?;
    }
    writer.strings()?;
    writer.out.finish()?;
    Ok(())
}

/// The samples, in the order of their stacks.
fn samples(report: &Report, tree: &FlameTree, locations: &mut Locations) -> Vec<(SampleKey, Values)> {
    let mut sums: FxHashMap<SampleKey, Values> = FxHashMap::default();
    for (slot, node) in report.aggregate().slots.iter().zip(tree.of_slot()) {
        let site = report.tables().site(slot.site);
        let mut chain = site.map_or(ChainId::EMPTY, |site| locations.chain(site.stack));
        if chain == ChainId::EMPTY {
            // The placeholder of a stack of which nothing is shown.
            let mut names: Vec<_> = tree.path(node).collect();
            names.retain(|&place| report.places().get(place).kind != PlaceKind::Process);
            chain = names.iter().rev().fold(chain, |chain, &place| locations.chain_of_place(chain, place));
        }
        let key = (chain, site.map(|site| site.allocator), report.processes().of_slot(slot), slot.thread);
        let values = sums.entry(key).or_default();
        for (value, (metric, _)) in values.iter_mut().zip(SAMPLE_TYPES) {
            value.add(slot.sums[metric]);
        }
    }
    let mut samples: Vec<(SampleKey, Values)> = sums.into_iter().collect();
    samples.sort_unstable_by_key(|&(key, _)| key);
    samples
}

/// The modules that have a location. pprof says of the first one that the profile is of it: that is the program's own,
/// or the interpreter, whether it has a location or not.
fn modules(report: &Report, locations: &Locations) -> Vec<ModuleId> {
    let tables = report.tables();
    let natives = locations.list().iter().filter_map(|location| location.native?.module);
    let mut modules: Vec<ModuleId> = natives.collect();
    modules.sort_unstable();
    modules.dedup();
    let program = report.processes().list().first().and_then(|process| process.command_line.first());
    let position = |is_main: &dyn Fn(&Module) -> bool| {
        tables.modules.iter().position(|module| module.as_ref().is_some_and(is_main)).map(ModuleId::from_index)
    };
    let main = position(&|module| Some(&module.path) == program).or_else(|| position(&|module| module.is_interpreter));
    if let Some(main) = main {
        modules.retain(|&module| module != main);
        modules.insert(0, main);
    }
    modules
}

struct ProfileWriter<'a, W: Write> {
    out: GzEncoder<W>,
    report: &'a Report,
    strings: Strings,
    /// By name and file.
    functions: FxHashMap<(StringId, StringId), u64>,
}

impl<W: Write> ProfileWriter<'_, W> {
    fn string(&mut self, text: &str) -> u64 {
        self.strings.intern(text).0.into()
    }

    fn value_type(&mut self, kind: &str, unit: &str) -> Message {
        Message::default().number(1, self.string(kind)).number(2, self.string(unit))
    }

    /// What is known about the run, and which values samples have.
    fn header(&mut self, shown: Metric) -> io::Result<()> {
        for (metric, [objects, space]) in SAMPLE_TYPES {
            self.value_type(objects, "count").write(profile::SAMPLE_TYPE, &mut self.out)?;
            self.value_type(space, "bytes").write(profile::SAMPLE_TYPE, &mut self.out)?;
            if metric == shown {
                let space = self.string(space);
                Message::default().number(profile::DEFAULT_SAMPLE_TYPE, space).write_fields(&mut self.out)?;
            }
        }
        // Every byte was counted.
        self.value_type("space", "bytes").write(profile::PERIOD_TYPE, &mut self.out)?;
        let metadata = self.report.metadata();
        let mut comments = vec![metadata.command_line.clone(), format!("memprof {}", metadata.memprof_version)];
        comments.extend((!metadata.selection.is_empty()).then(|| metadata.selection.clone()));
        comments.extend_from_slice(self.report.notes());
        let comments: Vec<u64> = comments.iter().map(|comment| self.string(comment)).collect();
        Message::default()
            .number(profile::PERIOD, 1)
            .number(profile::TIME_NANOS, self.report.start_unix_ns())
            .number(profile::DURATION_NANOS, (metadata.duration_s * 1e9) as u64)
            .numbers(profile::COMMENT, comments)
            .write_fields(&mut self.out)
    }

    fn sample(&mut self, locations: &Locations, key: SampleKey, values: &Values) -> io::Result<()> {
        let (chain, allocator, process, thread) = key;
        let mut sample = Message::default()
            .numbers(1, locations.of_chain(chain).map(|location| location.0.into()))
            .numbers(2, values.iter().flat_map(|amount| [amount.allocations, amount.bytes]));
        let labels = [
            ("allocator", allocator_name(allocator).to_owned()),
            ("process", self.report.processes().get(process).label()),
            ("thread", self.report.thread_labels().get(thread)),
        ];
        for (key, text) in labels {
            let label = Message::default().number(1, self.string(key)).number(2, self.string(&text));
            sample = sample.message(3, &label);
        }
        sample.write(profile::SAMPLE, &mut self.out)
    }

    fn mapping(&mut self, module: ModuleId, id: u64) -> io::Result<()> {
        let Some(module) = self.report.tables().module(module) else { return Ok(()) };
        let build_id: String = module.build_id.iter().map(|byte| format!("{byte:02x}")).collect();
        let mapping = Message::default()
            .number(1, id)
            .number(2, module.start)
            .number(3, module.end)
            .number(5, self.string(&module.path))
            .number(6, self.string(&build_id));
        // There is nothing left to be looked up: functions, files, lines, inlined functions.
        let mapping = (7..=10).fold(mapping, |mapping, field| mapping.number(field, 1));
        mapping.write(profile::MAPPING, &mut self.out)
    }

    fn location(&mut self, location: &Location, id: u64, modules: &[ModuleId]) -> io::Result<()> {
        let mut message = Message::default().number(1, id);
        if let Some(native) = location.native {
            let mapping = modules.iter().position(|&module| Some(module) == native.module);
            message = message.number(2, mapping.map_or(0, |index| index as u64 + 1)).number(3, native.address);
        }
        for &place in &location.lines {
            let line = self.report.places().line(place);
            let line = Message::default().number(1, self.function(place)?).number(2, line.into());
            message = message.message(4, &line);
        }
        message.write(profile::LOCATION, &mut self.out)
    }

    /// The number of a place's function, which is written when it is new.
    fn function(&mut self, place: PlaceId) -> io::Result<u64> {
        let places = self.report.places();
        let names = (places.get(place).function, places.get(place).file);
        let next = self.functions.len() as u64 + 1;
        let id = *self.functions.entry(names).or_insert(next);
        if id == next {
            let (name, file) = (self.string(places.function(place)), self.string(places.file(place)));
            // No name for the linker: pprof would take what is in angle brackets out of it.
            let function = Message::default().number(1, id).number(2, name).number(4, file);
            function.write(profile::FUNCTION, &mut self.out)?;
        }
        Ok(id)
    }

    fn strings(&mut self) -> io::Result<()> {
        self.strings.iter().try_for_each(|text| write_bytes(&mut self.out, profile::STRING_TABLE, text.as_bytes()))
    }
}
