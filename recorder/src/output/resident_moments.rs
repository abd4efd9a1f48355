//! Resident sets over a run of any length, in bounded memory: of each stretch of time the moment at which all processes
//! together had the most.

use std::collections::BTreeMap;

use memprof_capture::file::facts::{ClockPoint, RssSample};
use memprof_channel::ids::Stamp;
use rustc_hash::FxHashMap;

/// At most this many moments are kept. When there are more, stretches become twice as long.
const MOST_MOMENTS: usize = 1000;

/// Whose memory a sample counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Owner {
    /// The process that was started.
    Started,
    /// Another process, by its pid.
    Child(u32),
    /// One of which nothing is known but its image.
    Image(u32),
}

/// What all processes had at a moment.
#[derive(Clone, Debug)]
struct Moment {
    at: ClockPoint,
    sum: u64,
    /// Of each process its image and its resident set.
    sizes: BTreeMap<Owner, (u32, u64)>,
}

/// A sample, or the end of a process.
struct News {
    at: Stamp,
    owner: Owner,
    /// With the image that the process runs.
    sample: Option<(u32, RssSample)>,
}

/// The samples of a recording.
#[derive(Default)]
pub struct ResidentMoments {
    pids: FxHashMap<u32, u32>,
    /// What has come since the last time that it was put in order.
    news: Vec<News>,
    /// What the processes had last.
    present: BTreeMap<Owner, (u32, u64)>,
    largest: FxHashMap<Owner, u64>,
    /// Of each stretch the moment with the largest sum, in order.
    moments: Vec<Moment>,
    /// How many samples there have been in the last stretch, and how many are one.
    in_stretch: usize,
    stretch: usize,
}

impl ResidentMoments {
    /// Takes note of the process that runs an image.
    pub fn note_image(&mut self, image: u32, pid: u32) {
        self.pids.insert(image, pid);
    }

    fn owner(&self, image: u32) -> Owner {
        match image {
            0 => Owner::Started,
            _ => self.pids.get(&image).map_or(Owner::Image(image), |&pid| Owner::Child(pid)),
        }
    }

    /// Takes samples of the process that runs an image; 0 represents the one that was started.
    pub fn add(&mut self, image: u32, samples: &[RssSample]) {
        let owner = self.owner(image);
        let news = |&sample: &RssSample| News { at: sample.at.stamp, owner, sample: Some((image, sample)) };
        self.news.extend(samples.iter().map(news));
    }

    /// The process that runs an image has ended.
    pub fn end(&mut self, image: u32, at: Stamp) {
        let owner = self.owner(image);
        self.news.push(News { at, owner, sample: None });
    }

    /// Puts what has come in order, and keeps what is worth it.
    pub fn settle(&mut self) {
        let mut news = std::mem::take(&mut self.news);
        // Stable: the samples of one moment stay in order.
        news.sort_by_key(|news| news.at);
        for News { owner, sample, .. } in news {
            match sample {
                Some((image, sample)) => self.take(owner, image, sample),
                None => drop(self.present.remove(&owner)),
            }
        }
    }

    fn take(&mut self, owner: Owner, image: u32, sample: RssSample) {
        self.present.insert(owner, (image, sample.bytes));
        let largest = self.largest.entry(owner).or_default();
        *largest = sample.bytes.max(*largest);
        let sum = self.present.values().map(|&(_, bytes)| bytes).fold(0, u64::saturating_add);
        let moment = || Moment { at: sample.at, sum, sizes: self.present.clone() };
        match self.moments.last_mut().filter(|_| self.in_stretch < self.stretch) {
            Some(last) => {
                if sum >= last.sum {
                    *last = moment();
                }
                self.in_stretch += 1;
            }
            None => {
                let moment = moment();
                self.moments.push(moment);
                self.in_stretch = 1;
                if self.moments.len() > MOST_MOMENTS {
                    self.widen();
                }
            }
        }
    }

    /// Makes stretches twice as long.
    fn widen(&mut self) {
        let larger = |pair: &[Moment]| pair.iter().max_by_key(|moment| moment.sum).cloned();
        self.moments = self.moments.chunks(2).filter_map(larger).collect();
        self.stretch = self.stretch.max(1) * 2;
    }

    /// The largest resident set of the process that runs an image.
    pub fn largest(&self, image: u32) -> Option<u64> {
        let of_image = self.largest.get(&self.owner(image)).copied();
        // The first image is that of the process that was started.
        let started = self.largest.get(&Owner::Started).copied().filter(|_| image == 1);
        of_image.max(started)
    }

    /// The last moment that is known.
    pub fn last(&self) -> Option<Stamp> {
        self.moments.last().map(|moment| moment.at.stamp)
    }

    /// The samples of the process that was started, and of the others by their images. At any moment, their sum is not
    /// larger than it was at one of those that are kept.
    pub fn samples(&self) -> (Vec<RssSample>, BTreeMap<u32, Vec<RssSample>>) {
        let mut samples: BTreeMap<u32, Vec<RssSample>> = BTreeMap::new();
        let mut before: BTreeMap<Owner, u64> = BTreeMap::new();
        for Moment { at, sizes, .. } in &self.moments {
            for (&owner, &(image, bytes)) in sizes {
                let last = before.insert(owner, bytes);
                let mut at = *at;
                if last.is_some_and(|last| bytes < last) {
                    // What shrinks goes first.
                    at.stamp.0 -= 1;
                }
                if last != Some(bytes) {
                    samples.entry(image).or_default().push(RssSample { at, bytes });
                }
            }
        }
        (samples.remove(&0).unwrap_or_default(), samples)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(stamp: u64, bytes: u64) -> RssSample {
        RssSample { at: ClockPoint { stamp: Stamp(stamp), monotonic_ns: stamp }, bytes }
    }

    #[test]
    fn the_largest_of_any_number_of_samples_is_kept() {
        let mut moments = ResidentMoments::default();
        for round in 0..100_000 {
            let bytes = if round == 77_777 { 5000 } else { 1000 + round % 100 };
            moments.add(0, &[sample(round, bytes)]);
            if round % 1000 == 0 {
                moments.settle();
            }
        }
        moments.settle();
        let (rss, children) = moments.samples();
        assert!(children.is_empty() && rss.len() <= MOST_MOMENTS, "{}", rss.len());
        assert_eq!(rss.iter().map(|sample| sample.bytes).max(), Some(5000));
        assert!(rss.contains(&sample(77_777, 5000)));
        assert_eq!(moments.largest(1), Some(5000));
    }

    /// What a report makes of samples: the largest sum of the last ones.
    fn largest_sum(moments: &ResidentMoments) -> u64 {
        let (rss, children) = moments.samples();
        let mut all: Vec<(Stamp, u32, u64)> = [(0, rss)]
            .into_iter()
            .chain(children)
            .flat_map(|(image, samples)| samples.into_iter().map(move |sample| (sample.at.stamp, image, sample.bytes)))
            .collect();
        all.sort();
        let (mut present, mut largest) = (BTreeMap::new(), 0);
        for (_, image, bytes) in all {
            present.insert(image, bytes);
            largest = largest.max(present.values().sum());
        }
        largest
    }

    #[test]
    fn the_largest_sum_of_several_processes_is_kept_and_no_larger_one_made_up() {
        let mut moments = ResidentMoments::default();
        moments.note_image(2, 4712);
        // One grows when the other one shrinks.
        for round in 0..5000_u64 {
            let (one, other) = if round / 3000 == 1 { (10, 90) } else { (90, 5) };
            moments.add(0, &[sample(10 * round + 10, one)]);
            moments.add(2, &[sample(10 * round + 11, other)]);
            moments.settle();
        }
        assert_eq!(largest_sum(&moments), 100);
        assert_eq!((moments.largest(1), moments.largest(2)), (Some(90), Some(90)));
        moments.end(2, Stamp(100_000));
        moments.add(0, &[sample(100_001, 97)]);
        moments.settle();
        assert_eq!(moments.moments.last().map(|moment| moment.sum), Some(97));
    }
}
