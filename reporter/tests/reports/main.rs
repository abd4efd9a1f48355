//! What replays and reports say of captures that the tests build themselves, in one program: each would link the whole
//! reporter and compile its generic parts once more.

// What captures are made of, and how outputs are read.
#[path = "../../../replay/tests/bin_ranges/mod.rs"]
mod bin_ranges;
mod capture_builder;
mod family_run;
mod golden_text;
mod json_schema;
mod lists;
mod native_run;
mod page_columns;
mod page_data;
mod pprof_profile;
mod random_family;
mod sample_run;
mod tree_run;

// The tests, by what they are about.
mod aggregated_captures;
mod check;
mod damaged_captures;
mod derived_captures;
mod diff;
mod diff_csv;
mod elided_callers;
mod event_exports;
mod exports;
mod import_machinery;
mod json_reports;
mod large_page;
mod line_tables;
mod lists_by;
mod native_views;
mod node_reports;
mod odd_names;
mod old_captures;
mod packages;
mod page_ranges;
mod pages;
mod place_reports;
mod places_of;
mod process_vectors;
mod replay_model;
mod replay_vectors;
mod report_sizes;
mod terminal_json;
mod terminal_reports;
mod text_reports;
mod time_ranges;
mod tree_report;
