//! The interactive pages: what is in all of them (`page`), and the flame graph with its tabs ([`flamegraph`]), which is
//! a static picture, too.

pub mod flamegraph;
pub(crate) mod page;
