//! What memprof does with real programs, end to end, in one program: each topic would be compiled with all that they share,
//! linked, and run while the slowest test of the one before keeps a single processor busy.

// What captures are made of that no program leaves.
#[path = "../reporter/tests/reports/capture_builder/mod.rs"]
mod capture_builder;
mod support;

// The tests, by what they are about.
mod aggregation;
mod allocator_functions;
mod bad_captures;
mod docs;
mod errno;
mod export_command;
mod export_sizes;
mod foreign_allocators;
mod free_threads;
mod frozen;
mod full_disk;
mod harmless;
mod heaptrack_export;
mod hostile_captures;
mod import_places;
mod killed;
mod known_truth;
mod library_places;
mod limits;
mod linked_allocators;
mod loading;
mod mappings;
mod memray_export;
mod native_names;
mod native_stacks;
mod new_stacks;
mod other_profilers;
mod output_streams;
mod packages;
mod privacy;
mod process_families;
mod process_labels;
mod processes;
mod program_ends;
mod python_allocators;
mod python_and_native;
mod python_layouts;
mod python_stacks;
mod races;
mod replacements;
mod reserved_memory;
mod run_command;
mod run_signals;
mod sanitizers;
mod shared_mappings;
mod signal_handlers;
mod soundness_native;
mod soundness_python;
mod stdlib_tests;
mod stress;
mod subinterpreters;
mod survival;
mod terminal;
mod thread_ends;
mod thread_names;
mod tree_terminal;
mod unusual_places;
mod verdicts;
mod wrappers;

/// A file that is not named above would not be compiled, and its tests would seem to pass.
#[test]
fn every_file_is_a_module() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests");
    let list = include_str!("main.rs");
    for entry in std::fs::read_dir(folder).expect("the folder can be read").flatten() {
        let name = entry.file_name().into_string().expect("names are UTF-8");
        if let Some(name) = name.strip_suffix(".rs").filter(|name| *name != "main") {
            assert!(list.contains(&format!("\nmod {name};\n")), "tests/{name}.rs is not a module of tests/main.rs");
        }
    }
}
