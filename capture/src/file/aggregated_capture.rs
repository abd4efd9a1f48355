//! Writes a whole aggregated capture.

use std::collections::BTreeMap;
use std::io::{self, Write};

use super::aggregate::StoredAggregate;
use super::facts::{Fact, Header, RssSample, Summary};
use super::tables::Tables;
use super::writer::CaptureWriter;

/// All that an aggregated capture holds.
#[derive(Clone, Copy)]
pub struct AggregatedCapture<'a> {
    /// What was known when the recording started.
    pub header: &'a Header,
    /// What turned out.
    pub facts: &'a [Fact],
    /// What the slots refer to.
    pub tables: &'a Tables,
    /// Resident sets of the process that was started.
    pub rss: &'a [RssSample],
    /// Likewise of the others, by their images.
    pub children_rss: &'a BTreeMap<u32, Vec<RssSample>>,
    /// What the events summed up to.
    pub aggregate: &'a StoredAggregate,
    /// What was known at the end; nothing while the program runs.
    pub summary: Option<&'a Summary>,
}

impl AggregatedCapture<'_> {
    /// Writes it. Returns the number of bytes.
    ///
    /// # Errors
    /// What `out` answers to a write.
    pub fn write(&self, out: impl Write) -> io::Result<u64> {
        let mut writer = CaptureWriter::aggregated(out, self.header)?;
        writer.run_sums(self.aggregate)?;
        if !self.facts.is_empty() {
            writer.facts(self.facts)?;
        }
        writer.tables(self.tables)?;
        writer.slots(&self.aggregate.slots)?;
        writer.rss(0, self.rss)?;
        for (&image, samples) in self.children_rss {
            writer.rss(image, samples)?;
        }
        let (_, bytes) = match self.summary {
            Some(summary) => writer.finish(summary)?,
            None => writer.finish_without_end()?,
        };
        Ok(bytes)
    }
}
