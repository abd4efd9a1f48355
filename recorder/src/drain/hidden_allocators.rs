//! Allocators that were not recorded because no symbols tell where they are.

use super::Drain;
use crate::symbols::hidden_allocators;

impl Drain {
    /// Everything is written: adds which of the modules that mapped memory have an allocator that could not be found.
    pub fn write_hidden_allocators(&mut self) {
        let facts = hidden_allocators::facts(self.interning.modules(), self.interning.modules_that_map());
        if !facts.is_empty() {
            self.output.facts(&facts);
        }
    }
}
