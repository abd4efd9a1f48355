//! How figures, names and stacks are written, whatever the report: as text ([`size_units`], `stack_text`,
//! `report_title`), in Markdown, as CSV (`csv_records`) and in JSON (`json_head`, `json_frames`, `json_columns`;
//! `json_schema` for docs/), and command lines as a shell takes them ([`shell_quoting`]). [`quantities`]: the other way
//! round. [`expected_size`]: how large a report will be.

pub(crate) mod csv_records;
pub mod expected_size;
pub(crate) mod json_columns;
pub(crate) mod json_frames;
pub(crate) mod json_head;
#[cfg(test)]
pub(crate) mod json_schema;
pub(crate) mod markdown;
pub mod quantities;
pub(crate) mod report_title;
pub mod shell_quoting;
pub mod size_units;
pub(crate) mod stack_text;
