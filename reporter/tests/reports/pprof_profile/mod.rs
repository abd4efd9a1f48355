//! The messages of pprof's profile.proto, as prost reads them: a decoder that is not ours.

use std::io::Read;

use flate2::read::GzDecoder;
use prost::Message;

#[derive(Clone, PartialEq, Message)]
pub struct Profile {
    #[prost(message, repeated, tag = "1")]
    pub sample_type: Vec<ValueType>,
    #[prost(message, repeated, tag = "2")]
    pub sample: Vec<Sample>,
    #[prost(message, repeated, tag = "3")]
    pub mapping: Vec<Mapping>,
    #[prost(message, repeated, tag = "4")]
    pub location: Vec<Location>,
    #[prost(message, repeated, tag = "5")]
    pub function: Vec<Function>,
    #[prost(string, repeated, tag = "6")]
    pub string_table: Vec<String>,
    #[prost(int64, tag = "9")]
    pub time_nanos: i64,
    #[prost(int64, tag = "10")]
    pub duration_nanos: i64,
    #[prost(message, optional, tag = "11")]
    pub period_type: Option<ValueType>,
    #[prost(int64, tag = "12")]
    pub period: i64,
    #[prost(int64, repeated, tag = "13")]
    pub comment: Vec<i64>,
    #[prost(int64, tag = "14")]
    pub default_sample_type: i64,
}

#[derive(Clone, PartialEq, Message)]
pub struct ValueType {
    #[prost(int64, tag = "1")]
    pub kind: i64,
    #[prost(int64, tag = "2")]
    pub unit: i64,
}

#[derive(Clone, PartialEq, Message)]
pub struct Sample {
    #[prost(uint64, repeated, tag = "1")]
    pub location_id: Vec<u64>,
    #[prost(int64, repeated, tag = "2")]
    pub value: Vec<i64>,
    #[prost(message, repeated, tag = "3")]
    pub label: Vec<Label>,
}

#[derive(Clone, PartialEq, Message)]
pub struct Label {
    #[prost(int64, tag = "1")]
    pub key: i64,
    #[prost(int64, tag = "2")]
    pub text: i64,
}

#[derive(Clone, PartialEq, Message)]
pub struct Mapping {
    #[prost(uint64, tag = "1")]
    pub id: u64,
    #[prost(uint64, tag = "2")]
    pub memory_start: u64,
    #[prost(uint64, tag = "3")]
    pub memory_limit: u64,
    #[prost(int64, tag = "5")]
    pub filename: i64,
    #[prost(int64, tag = "6")]
    pub build_id: i64,
    #[prost(bool, tag = "7")]
    pub has_functions: bool,
}

#[derive(Clone, PartialEq, Message)]
pub struct Location {
    #[prost(uint64, tag = "1")]
    pub id: u64,
    #[prost(uint64, tag = "2")]
    pub mapping_id: u64,
    #[prost(uint64, tag = "3")]
    pub address: u64,
    #[prost(message, repeated, tag = "4")]
    pub line: Vec<Line>,
}

#[derive(Clone, PartialEq, Message)]
pub struct Line {
    #[prost(uint64, tag = "1")]
    pub function_id: u64,
    #[prost(int64, tag = "2")]
    pub line: i64,
}

#[derive(Clone, PartialEq, Message)]
pub struct Function {
    #[prost(uint64, tag = "1")]
    pub id: u64,
    #[prost(int64, tag = "2")]
    pub name: i64,
    #[prost(int64, tag = "3")]
    pub system_name: i64,
    #[prost(int64, tag = "4")]
    pub filename: i64,
}

impl Profile {
    /// Unpacks and decodes a profile, and requires what pprof requires of one.
    pub fn of(bytes: &[u8]) -> Self {
        let mut unpacked = Vec::new();
        GzDecoder::new(bytes).read_to_end(&mut unpacked).expect("it is gzip");
        let profile = Self::decode(&*unpacked).expect("it is a profile");
        profile.check();
        profile
    }

    fn check(&self) {
        assert_eq!(self.string_table.first().map(String::as_str), Some(""));
        for (location, id) in self.location.iter().zip(1..) {
            assert_eq!(location.id, id);
            assert!(!location.line.is_empty());
            assert!(location.line.iter().all(|line| (1..=self.function.len() as u64).contains(&line.function_id)));
            assert!(location.mapping_id <= self.mapping.len() as u64);
        }
        assert!(self.function.iter().zip(1..).all(|(function, id)| function.id == id));
        assert!(self.mapping.iter().zip(1..).all(|(mapping, id)| mapping.id == id));
        for sample in &self.sample {
            assert_eq!(sample.value.len(), self.sample_type.len());
            assert!(!sample.location_id.is_empty());
            assert!(sample.location_id.iter().all(|id| (1..=self.location.len() as u64).contains(id)));
        }
    }

    /// A string.
    pub fn text(&self, index: i64) -> &str {
        &self.string_table[usize::try_from(index).expect("an index")]
    }

    /// The sum over all samples of a type.
    pub fn sum(&self, name: &str) -> u64 {
        let index = self.sample_type.iter().position(|kind| self.text(kind.kind) == name).expect("the type is there");
        self.sample.iter().map(|sample| sample.value[index] as u64).sum()
    }

    /// Function and line of each frame of a sample, the outermost first; inlined ones have an entry of their own.
    pub fn stack(&self, sample: &Sample) -> Vec<(&str, i64)> {
        let lines = sample.location_id.iter().flat_map(|id| &self.location[*id as usize - 1].line);
        let name = |id: u64| self.text(self.function[id as usize - 1].name);
        let mut stack: Vec<_> = lines.map(|line| (name(line.function_id), line.line)).collect();
        stack.reverse();
        stack
    }

    /// The value of a label.
    pub fn label(&self, sample: &Sample, key: &str) -> &str {
        let label = sample.label.iter().find(|label| self.text(label.key) == key).expect("the label is there");
        self.text(label.text)
    }
}
