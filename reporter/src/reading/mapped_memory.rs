//! What a run mapped that is not memory of one process's own: files, addresses that nobody may touch, and what several
//! processes see.

use memprof_capture::file::{Site, Tables};
use memprof_channel::allocator::Allocator;
use memprof_replay::aggregate::SlotSummary;
use memprof_replay::mapped_sites::{MappedSites, ObjectId};
use memprof_replay::processes::{ProcessId, Processes};
use memprof_replay::slots::Amount;
use rustc_hash::FxHashMap;
use serde::Serialize;

/// How much of something was mapped; docs/metrics.md defines it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct MappedAmounts {
    pub mappings: u64,
    pub bytes: u64,
    /// Mapped when the heap had its peak.
    pub peak_bytes: u64,
    /// Mapped at the end.
    pub leaked_bytes: u64,
}

impl MappedAmounts {
    fn add(&mut self, slot: &SlotSummary) {
        let Amount { bytes, allocations } = slot.sums.total;
        self.mappings = self.mappings.saturating_add(allocations);
        self.bytes = self.bytes.saturating_add(bytes);
        self.peak_bytes = self.peak_bytes.saturating_add(slot.sums.peak.bytes);
        self.leaked_bytes = self.leaked_bytes.saturating_add(slot.sums.leaked.bytes);
    }
}

/// A file or shared memory that was mapped so that others see the same.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct SharedObject {
    /// As the kernel calls it, or by its number.
    pub name: String,
    /// `memory` or `file`.
    #[cfg_attr(test, schemars(extend("enum" = ["memory", "file"])))]
    pub kind: &'static str,
    #[serde(flatten)]
    pub amounts: MappedAmounts,
    /// The processes that mapped it, in the order in which they began.
    pub pids: Vec<u32>,
}

/// All of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct MappedMemory {
    /// Files and devices together.
    pub files: MappedAmounts,
    /// Addresses that nobody may touch.
    pub reserved: MappedAmounts,
    /// Those with the most bytes at the peak first.
    pub objects: Vec<SharedObject>,
}

impl MappedMemory {
    /// Whether there is anything that is counted apart.
    pub fn has_address_space(&self) -> bool {
        self.files.mappings > 0 || self.reserved.mappings > 0
    }

    /// Of these processes, whose slots are all there.
    pub fn of(tables: &Tables, sites: &MappedSites, processes: &Processes, slots: &[SlotSummary]) -> Self {
        let mut all = Self::default();
        let mut numbers: FxHashMap<ObjectId, usize> = FxHashMap::default();
        let mut holders: Vec<Vec<ProcessId>> = Vec::new();
        for slot in slots {
            let Some(mapped) = sites.get(slot.site) else { continue };
            let site = tables.site(slot.site);
            if mapped.is_address_space {
                let is_reserved = site.is_some_and(|site| site.allocator == Allocator::MmapReserved);
                let kind = if is_reserved { &mut all.reserved } else { &mut all.files };
                kind.add(slot);
            }
            let Some(part) = mapped.part else { continue };
            let index = *numbers.entry(part.object).or_insert_with(|| {
                let name = site.map_or_else(String::new, |site| name(tables, site));
                let kind = if mapped.is_address_space { "file" } else { "memory" };
                all.objects.push(SharedObject { name, kind, amounts: MappedAmounts::default(), pids: Vec::new() });
                holders.push(Vec::new());
                all.objects.len() - 1
            });
            all.objects[index].amounts.add(slot);
            let process = processes.of_slot(slot);
            if !holders[index].contains(&process) {
                holders[index].push(process);
            }
        }
        for (object, mut holders) in all.objects.iter_mut().zip(holders) {
            holders.sort_unstable();
            object.pids = holders.iter().map(|process| processes.list()[process.index()].pid).collect();
        }
        // Stable: otherwise in the order in which they were mapped.
        all.objects.sort_by_key(|object| std::cmp::Reverse((object.amounts.peak_bytes, object.amounts.bytes)));
        all
    }
}

fn name(tables: &Tables, site: Site) -> String {
    let part = site.part.and_then(|part| tables.part(part));
    match part {
        Some(part) if part.name.is_empty() => format!("inode {} of device {}", part.inode, device(part.device)),
        Some(part) => part.name.clone(),
        None => "<lost>".to_owned(),
    }
}

/// As `/proc/self/mountinfo` and `ls -l /dev` have it: see makedev(3).
fn device(device: u64) -> String {
    let major = (device >> 32 & 0xffff_f000) | (device >> 8 & 0xfff);
    let minor = (device >> 12 & 0xffff_ff00) | (device & 0xff);
    format!("{major}:{minor}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn devices_are_numbered_as_the_system_does() {
        assert_eq!(device(0xfe01), "254:1");
        assert_eq!(device(0x40_0003), "0:1027");
    }
}
