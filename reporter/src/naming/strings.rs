//! Texts by number: each is kept once.

use std::rc::Rc;

use rustc_hash::FxHashMap;

/// The number of a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StringId(pub u32);

/// Distinct texts.
#[derive(Clone, Debug, Default)]
pub struct Strings {
    ids: FxHashMap<Rc<str>, StringId>,
    texts: Vec<Rc<str>>,
}

impl Strings {
    /// The number of a text, which is entered when it is new.
    pub fn intern(&mut self, text: &str) -> StringId {
        if let Some(&id) = self.ids.get(text) {
            return id;
        }
        let id = StringId(self.texts.len() as u32);
        let text: Rc<str> = text.into();
        self.texts.push(Rc::clone(&text));
        self.ids.insert(text, id);
        id
    }

    /// The text with this number.
    #[must_use]
    pub fn get(&self, id: StringId) -> &str {
        &self.texts[id.0 as usize]
    }

    /// All texts, by number.
    pub fn iter(&self) -> impl Iterator<Item = &str> + Clone {
        self.texts.iter().map(|text| &**text)
    }
}
