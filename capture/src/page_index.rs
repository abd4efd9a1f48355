//! Which page of a table represents a stretch of addresses or numbers.

use rustc_hash::FxHashMap;

/// No page has this key: keys have fewer bits.
const NO_KEY: u64 = u64::MAX;

/// Pages by their keys: a hash table, and before it the pages that were used lately, `RECENT` of them, by the low bits
/// of their keys.
pub struct PageIndex<P, const RECENT: usize> {
    pages: FxHashMap<u64, P>,
    recent: Box<[(u64, P); RECENT]>,
}

impl<P: Copy + Default, const RECENT: usize> Default for PageIndex<P, RECENT> {
    fn default() -> Self {
        Self { pages: FxHashMap::default(), recent: Box::new([(NO_KEY, P::default()); RECENT]) }
    }
}

impl<P: Copy, const RECENT: usize> PageIndex<P, RECENT> {
    /// The page with this key.
    #[inline(always)]
    pub fn get(&mut self, key: u64) -> Option<P> {
        let (recent_key, page) = self.recent[key as usize % RECENT];
        if recent_key == key { Some(page) } else { self.find(key) }
    }

    #[cold]
    fn find(&mut self, key: u64) -> Option<P> {
        let page = *self.pages.get(&key)?;
        self.recent[key as usize % RECENT] = (key, page);
        Some(page)
    }

    /// Enters a page, in place of the one that had its key.
    pub fn insert(&mut self, key: u64, page: P) {
        self.pages.insert(key, page);
        self.recent[key as usize % RECENT] = (key, page);
    }

    /// Takes a page out.
    pub fn remove(&mut self, key: u64) -> Option<P> {
        let recent = &mut self.recent[key as usize % RECENT];
        if recent.0 == key {
            recent.0 = NO_KEY;
        }
        self.pages.remove(&key)
    }

    /// All pages and their keys.
    pub fn iter(&self) -> impl Iterator<Item = (u64, P)> {
        self.pages.iter().map(|(&key, &page)| (key, page))
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.pages.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.pages.is_empty()
    }
}
