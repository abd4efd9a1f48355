//! What memory is listed by, and the rows for that: the same in all lists with `--by WHAT`.

mod columns;
mod rows_by;

use std::fmt;
use std::str::FromStr;

pub(crate) use rows_by::RowsBy;

use crate::naming::places_by::PlacesBy;
use crate::sums::rows::Apart;

/// What the rows of a list are for: all that is asked for together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct By {
    /// Where.
    pub subject: BySubject,
    /// With which function.
    pub allocator: bool,
    /// In which process.
    pub process: bool,
    /// In which thread, and so in which process.
    pub thread: bool,
}

/// What says where.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BySubject {
    /// Nothing does.
    Nothing,
    /// Whole stacks.
    Stacks,
    /// The places of stacks.
    Places(PlacesBy),
}

/// All that memory is listed by, with its name.
const KEYS: [(&str, Key); 9] = [
    ("stack", Key::Subject(BySubject::Stacks)),
    ("function", Key::Subject(BySubject::Places(PlacesBy::Function))),
    ("line", Key::Subject(BySubject::Places(PlacesBy::Line))),
    ("file", Key::Subject(BySubject::Places(PlacesBy::File))),
    ("module", Key::Subject(BySubject::Places(PlacesBy::Module))),
    ("package", Key::Subject(BySubject::Places(PlacesBy::Package))),
    ("allocator", Key::Allocator),
    ("process", Key::Process),
    ("thread", Key::Thread),
];

#[derive(Clone, Copy, PartialEq, Eq)]
enum Key {
    Subject(BySubject),
    Allocator,
    Process,
    Thread,
}

/// The schema of one of the names.
#[cfg(test)]
pub(crate) fn names_schema() -> serde_json::Value {
    serde_json::json!({ "type": "string", "enum": KEYS.map(|(name, _)| name) })
}

impl By {
    /// By place alone.
    pub(crate) const PLACE: Self = Self { subject: BySubject::Places(PlacesBy::Line), ..Self::NOTHING };

    /// By nothing: one row.
    const NOTHING: Self = Self { subject: BySubject::Nothing, allocator: false, process: false, thread: false };

    /// What rows keep apart, besides where it was.
    const fn apart(self) -> Apart {
        Apart { allocator: self.allocator, process: self.process, thread: self.thread }
    }

    /// All that can be asked for: the schemas in docs/ have the rows of each.
    #[cfg(test)]
    pub(crate) fn all() -> impl Iterator<Item = Self> {
        let places = PlacesBy::ALL.map(BySubject::Places);
        let subjects = [BySubject::Stacks].into_iter().chain(places).chain([BySubject::Nothing]);
        let all = subjects.flat_map(|subject| {
            (0..8).map(move |flags| {
                let [allocator, process, thread] = [1, 2, 4].map(|flag| flags & flag > 0);
                Self { subject, allocator, process, thread }
            })
        });
        all.filter(|by| *by != Self::NOTHING)
    }

    /// The names of what it is by.
    pub fn names(self) -> impl Iterator<Item = &'static str> {
        let has = move |key: Key| match key {
            Key::Subject(subject) => self.subject == subject,
            Key::Allocator => self.allocator,
            Key::Process => self.process,
            Key::Thread => self.thread,
        };
        KEYS.into_iter().filter(move |&(_, key)| has(key)).map(|(name, _)| name)
    }
}

/// By line and allocator.
impl Default for By {
    fn default() -> Self {
        Self { allocator: true, ..Self::PLACE }
    }
}

impl fmt::Display for By {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.names().collect::<Vec<_>>().join(","))
    }
}

/// Why a text does not say what to list by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum InvalidBy {
    /// There is no such thing.
    Unknown(String),
    /// Each says where.
    TwoSubjects,
}

impl fmt::Display for InvalidBy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unknown(_) => {
                let names: Vec<&str> = KEYS.into_iter().map(|(name, _)| name).collect();
                write!(f, "memory is listed by {}, or by several of these with commas", names.join(", "))
            }
            Self::TwoSubjects => f.write_str("of stack, function, line, file, module and package, one at most"),
        }
    }
}

impl std::error::Error for InvalidBy {}

impl FromStr for By {
    type Err = InvalidBy;

    fn from_str(text: &str) -> Result<Self, InvalidBy> {
        let mut by = Self::NOTHING;
        for part in text.split(',') {
            let key = KEYS.into_iter().find(|(name, _)| *name == part).map(|(_, key)| key);
            match key.ok_or_else(|| InvalidBy::Unknown(part.to_owned()))? {
                Key::Subject(subject) if by.subject == BySubject::Nothing || by.subject == subject => {
                    by.subject = subject;
                }
                Key::Subject(_) => return Err(InvalidBy::TwoSubjects),
                Key::Allocator => by.allocator = true,
                Key::Process => by.process = true,
                Key::Thread => by.thread = true,
            }
        }
        Ok(by)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_lead_to_what_they_say() {
        for text in ["line,allocator", "stack", "function,allocator,process", "thread", "package,process,thread"] {
            assert_eq!(text.parse::<By>().map(|by| by.to_string()), Ok(text.to_owned()));
        }
        assert_eq!("allocator,line".parse(), Ok(By::default()), "in any order");
        assert_eq!("line,line".parse::<By>().map(|by| by.to_string()), Ok("line".to_owned()));
        assert_eq!("line,stack".parse::<By>(), Err(InvalidBy::TwoSubjects));
        for text in ["", "lines", "line,"] {
            assert!(matches!(text.parse::<By>(), Err(InvalidBy::Unknown(_))), "{text}");
        }
    }
}
