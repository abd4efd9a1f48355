//! The memory that the kernel counts for the processes of a report.

use memprof_capture::file::CaptureReader;
use memprof_channel::ids::Stamp;
use memprof_replay::processes::{ProcessId, Processes};
use memprof_replay::timeline::TimelinePoint;

/// Resident sets, of each process and of all together.
pub(crate) struct ResidentSets {
    /// By process: the largest, as the kernel counted it or, where that is missing or smaller, among the samples.
    pub largest: Vec<Option<u64>>,
    /// The sum over the processes that run, whenever one of them was sampled.
    pub together: Vec<TimelinePoint>,
}

impl ResidentSets {
    /// Of these processes.
    pub(crate) fn of(reader: &CaptureReader, processes: &Processes) -> Self {
        let started = reader.rss().iter().map(|sample| (processes.started(), sample));
        let children = reader.children_rss().iter().flat_map(|(&image, samples)| {
            let process = processes.of_image(image);
            samples.iter().map(move |sample| (process, sample))
        });
        let mut sizes: Vec<(Stamp, ProcessId, u64)> = started
            .chain(children)
            .filter_map(|(process, sample)| Some((sample.at.stamp, process?, sample.bytes)))
            .collect();
        // An aggregated capture has few samples, and beside them the largest of all that there were.
        let stored = reader.aggregate().into_iter().flat_map(|stored| &stored.run.processes);
        let stored = stored.filter_map(|process| Some((processes.of_image(process.image)?, process.largest_rss?)));
        let mut largest: Vec<Option<u64>> = vec![None; processes.list().len()];
        for (process, bytes) in sizes.iter().map(|&(_, process, bytes)| (process, bytes)).chain(stored) {
            let known = &mut largest[process.index()];
            *known = (*known).max(Some(bytes));
        }
        if let (Some(process), Some(summary)) = (processes.started(), reader.summary())
            && summary.peak_rss_bytes > 0
        {
            let known = &mut largest[process.index()];
            *known = (*known).max(Some(summary.peak_rss_bytes));
        }
        if processes.are_several() {
            let ends = (0..).map(ProcessId).zip(processes.list());
            sizes.extend(ends.filter_map(|(id, process)| Some((process.ended?, id, 0))));
        }
        // Stable: samples of one moment stay in order, and an end comes after them.
        sizes.sort_by_key(|size| size.0);
        let mut present = vec![0_u64; processes.list().len()];
        let mut sum = 0_u64;
        let together = sizes.into_iter().map(|(at, process, bytes)| {
            let before = std::mem::replace(&mut present[process.index()], bytes);
            sum = sum.saturating_sub(before).saturating_add(bytes);
            TimelinePoint { at, bytes: sum }
        });
        Self { together: together.collect(), largest }
    }

    /// The largest resident set, or the largest sum of those of several processes.
    pub(crate) fn peak(&self) -> Option<u64> {
        let together = self.together.iter().map(|sample| sample.bytes).max();
        // The kernel may have seen more of one process than the samples of all together.
        together.max(self.largest.iter().copied().flatten().max())
    }
}
