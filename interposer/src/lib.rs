//! The interposer.
