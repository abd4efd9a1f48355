//! The readers of foreign bytes, each as a function that takes any bytes and must return.

pub mod capture_reader;
pub mod channel_records;
pub mod column_decoder;
pub mod line_tables;
pub mod symbols;
