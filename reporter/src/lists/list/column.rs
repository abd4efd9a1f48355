//! A column of a list: its names, who reads it, and what it shows of a row.

use std::borrow::Cow;

use memprof_replay::metric::Sums;

use super::SubjectName;
use crate::formatting::size_units::{count, percent, seconds, size};
use crate::text::Align;

/// A value of each row.
pub(crate) type Of<'a, R, T> = Box<dyn Fn(&R) -> T + 'a>;

/// What a column shows of a row, and so how it is written.
pub(crate) enum Shows<'a, R> {
    /// A number of bytes.
    Bytes(Of<'a, R, u64>),
    /// The last number of bytes of a range. People read where the next one begins.
    LastBytes(Of<'a, R, u64>),
    /// A number of things.
    Count(Of<'a, R, u64>),
    /// A number that is a name.
    Id(Of<'a, R, u32>),
    /// A name.
    Text(Of<'a, R, Cow<'a, str>>),
    /// Seconds; nothing where they are not known.
    Seconds(Of<'a, R, Option<f64>>),
    /// A part of a whole.
    Share(Of<'a, R, (u64, u64)>),
    /// Bytes and allocations by each metric.
    Amounts(Of<'a, R, Sums>),
}

/// How a text finds room for a column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Room {
    /// It is always there.
    Always,
    /// It is there if there is room. Those of the highest number go first, and all of one number at once.
    IfThereIs(u8),
    /// Where the columns do not fit, it is on a line of its own, above the subject.
    OwnLine,
    /// It is not shown: only programs read it.
    Never,
}

/// A column.
pub(crate) struct Column<'a, R> {
    /// For programs; nothing where these do not have it.
    pub name: Option<&'static str>,
    /// For people.
    pub head: &'static str,
    pub align: Align,
    pub room: Room,
    pub shows: Shows<'a, R>,
    pub meaning: Meaning,
}

/// What a column is to programs.
#[derive(Clone, Copy)]
#[cfg_attr(not(test), expect(dead_code, reason = "the schemas in docs/ say it"))]
pub(crate) struct Meaning {
    /// A sentence, or more. Nothing where no schema has the column.
    pub text: &'static str,
    /// The least number.
    pub least: u64,
}

impl<'a, R> Column<'a, R> {
    /// One that people read, until it has a name for programs, too.
    pub(crate) const fn new(head: &'static str, shows: Shows<'a, R>) -> Self {
        let align = if matches!(shows, Shows::Text(_)) { Align::Left } else { Align::Right };
        Self { name: None, head, align, room: Room::Always, shows, meaning: Meaning { text: "", least: 0 } }
    }

    /// Bytes.
    pub(crate) fn bytes(head: &'static str, of: impl Fn(&R) -> u64 + 'a) -> Self {
        Self::new(head, Shows::Bytes(Box::new(of)))
    }

    /// The last number of bytes of a range.
    pub(crate) fn last_bytes(head: &'static str, of: impl Fn(&R) -> u64 + 'a) -> Self {
        Self::new(head, Shows::LastBytes(Box::new(of)))
    }

    /// A number of things.
    pub(crate) fn count(head: &'static str, of: impl Fn(&R) -> u64 + 'a) -> Self {
        Self::new(head, Shows::Count(Box::new(of)))
    }

    /// A number that is a name.
    pub(crate) fn id(head: &'static str, of: impl Fn(&R) -> u32 + 'a) -> Self {
        Self::new(head, Shows::Id(Box::new(of)))
    }

    /// Seconds.
    pub(crate) fn seconds(head: &'static str, of: impl Fn(&R) -> Option<f64> + 'a) -> Self {
        Self::new(head, Shows::Seconds(Box::new(of)))
    }

    /// A name.
    pub(crate) fn text(head: &'static str, of: impl Fn(&R) -> Cow<'a, str> + 'a) -> Self {
        Self::new(head, Shows::Text(Box::new(of)))
    }

    /// What could be what the rows are about.
    pub(crate) fn called(called: SubjectName, of: impl Fn(&R) -> Cow<'a, str> + 'a) -> Self {
        Self::text(called.head, of).named(called.name).meaning(called.meaning)
    }

    /// A part of a whole.
    pub(crate) fn share(of: impl Fn(&R) -> (u64, u64) + 'a) -> Self {
        Self::new("Share", Shows::Share(Box::new(of)))
    }

    /// Bytes and allocations by each metric, which are too much for a text.
    pub(crate) fn amounts(of: impl Fn(&R) -> Sums + 'a) -> Self {
        Self { room: Room::Never, ..Self::new("", Shows::Amounts(Box::new(of))) }
    }

    /// The same for programs, too, by this name.
    pub(crate) fn named(self, name: &'static str) -> Self {
        Self { name: Some(name), ..self }
    }

    /// The same with what it means to programs.
    pub(crate) fn meaning(self, text: &'static str) -> Self {
        Self { meaning: Meaning { text, ..self.meaning }, ..self }
    }

    /// The same of numbers that are never less.
    pub(crate) fn at_least(self, least: u64) -> Self {
        Self { meaning: Meaning { least, ..self.meaning }, ..self }
    }

    /// The same with another rule for room.
    pub(crate) fn with_room(self, room: Room) -> Self {
        Self { room, ..self }
    }

    /// Whether people read it.
    pub(crate) fn is_shown(&self) -> bool {
        self.room != Room::Never
    }

    /// Whether it shows what something is called, and no figure.
    pub(crate) const fn is_name(&self) -> bool {
        matches!(self.shows, Shows::Id(_) | Shows::Text(_))
    }

    /// What people read of a row.
    pub(crate) fn in_words(&self, row: &R) -> String {
        match &self.shows {
            Shows::Bytes(of) => size(of(row)),
            Shows::LastBytes(of) => of(row).checked_add(1).map_or("16.0 EiB".to_owned(), size),
            Shows::Count(of) => count(of(row)),
            Shows::Id(of) => of(row).to_string(),
            Shows::Text(of) => of(row).into_owned(),
            Shows::Seconds(of) => of(row).map(seconds).unwrap_or_default(),
            Shows::Share(of) => {
                let (part, whole) = of(row);
                percent(part, whole)
            }
            Shows::Amounts(_) => String::new(),
        }
    }
}
