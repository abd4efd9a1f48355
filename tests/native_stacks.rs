//! Stacks of native programs: each allocation has exactly the frames that its program says, however it was compiled.

use std::collections::BTreeSet;
use std::fs;

use crate::support::c_programs::{Build, tool};
use crate::support::flame_data::{Frame, Kind, View, flame_tree};
use crate::support::native_expectations::{Annotations, NEW_THREAD, special};
use crate::support::recording::{Recorded, Recording, native_stacks};
use crate::support::table::Amount;

/// What makes a compiler put functions one right after the other, as they are in the source.
const IN_ORDER: [&str; 4] =
    ["-fno-toplevel-reorder", "-fno-align-functions", "-fno-reorder-functions", "-fno-reorder-blocks-and-partition"];

/// Checks the C program of many stacks, compiled with these flags.
#[track_caller]
fn check_c(name: &str, flags: &[&str]) {
    let library = Build::c("loaded_library.c", "loaded_library.so").flags(&["-g", "-O1", "-shared", "-fPIC"]).path();
    let program = Build::c("native_stacks.c", name).flags(&["-g"]).flags(&IN_ORDER).flags(flags).path();
    let recorded = Recording::of_command(&[program.as_os_str(), library.as_os_str()]).run().succeeds();
    Annotations::of(&["native_stacks.c", "loaded_library.c"], &[]).assert_hold(&recorded.capture());
    // What a coroutine's function returns to was never called, so that nothing says that its stack ends there.
    assert_whole(&recorded, 4);
    // What a forked child allocates is not its parent's.
    assert_eq!(flame_tree(&recorded.capture()).stacks_with(Amount { allocations: 1, bytes: 1_000_036 }), []);
}

/// Requires that every stack but so many was followed to its root.
#[track_caller]
fn assert_whole(recorded: &Recorded, cut_short: u64) {
    let stats = recorded.stats();
    assert_eq!((native_stacks(&stats, "cut_short"), native_stacks(&stats, "unmerged")), (cut_short, 0), "{stats}");
    assert_eq!(stats["native_stacks"]["recorded"], true);
    assert_eq!(stats["metadata"]["complete"], true);
}

#[test]
fn not_optimised() {
    check_c("not_optimised", &["-O0", "-fno-omit-frame-pointer"]);
    check_c("no_frame_pointer", &["-O0", "-fomit-frame-pointer", "-gdwarf-4"]);
}

#[test]
fn optimised() {
    check_c("optimised", &["-O2", "-fomit-frame-pointer"]);
    check_c("with_frame_pointer", &["-O2", "-fno-omit-frame-pointer", "-gz"]);
    check_c("aggressive", &["-O3", "-march=native", "-flto"]);
    check_c("small", &["-Os"]);
}

#[test]
fn at_a_fixed_address() {
    check_c("fixed", &["-O2", "-fno-pie", "-no-pie"]);
    check_c("fixed_not_optimised", &["-O0", "-fno-pie", "-no-pie"]);
}

#[test]
fn with_gaps_between_its_segments() {
    check_c("gaps", &["-O2", "-Wl,-z,max-page-size=65536"]);
    check_c("fixed_gaps", &["-O2", "-fno-pie", "-no-pie", "-Wl,-z,max-page-size=65536"]);
}

#[test]
fn cpp() {
    for (name, flags) in [("cpp", &["-g", "-O2"][..]), ("cpp_not_optimised", &["-g", "-O0"])] {
        let program = Build::cpp("cpp_stacks.cpp", name).flags(flags).path();
        let recorded = Recording::of_command(&[program.as_os_str()]).run().succeeds();
        Annotations::of(&["cpp_stacks.cpp"], &[]).assert_hold(&recorded.capture());
        assert_whole(&recorded, 0);
    }
}

#[test]
fn rust() {
    for (name, flags) in
        [("rust_stacks", &["-g", "-O"][..]), ("rust_v0", &["-g", "-O", "-Csymbol-mangling-version=v0"])]
    {
        let program = Build::rust("rust_stacks.rs", name).flags(flags).path();
        // Names have another form where the compiler mangles them in the old way.
        let is_old = tool("nm", &[program.as_os_str()]).contains("_ZN11rust_stacks");
        let recorded = Recording::of_command(&[program.as_os_str()]).run().succeeds();
        let words: &[&str] = if is_old { &[] } else { &["v0"] };
        Annotations::of(&["rust_stacks.rs"], words).assert_hold(&recorded.capture());
        assert_whole(&recorded, 0);
    }
}

/// The frames of the allocation of `native_depth.c` below this many calls of a function by itself, with this limit.
fn deep_stack(depth: usize, limit: Option<usize>) -> Vec<Frame> {
    let program = Build::c("native_depth.c", "native_depth").flags(&["-g", "-O1"]).path();
    let mut recording = Recording::of_command(&[program.as_os_str()]).argument(depth.to_string());
    if let Some(limit) = limit {
        recording = recording.option("--native-depth").option(limit.to_string());
    }
    let recorded = recording.run().succeeds();
    if limit.is_none_or(|limit| limit > 10) {
        let words: &[&str] = if depth == 2048 && limit == Some(4000) { &["all"] } else { &[] };
        Annotations::of(&["native_depth.c"], words).assert_hold(&recorded.capture());
    }
    let mut found = flame_tree(&recorded.capture()).stacks_with(Amount { allocations: 1, bytes: 1_000_001 });
    assert_eq!(found.len(), 1);
    found.remove(0).view(View::Full)
}

/// What replaces this many frames.
fn elided_frames(count: usize) -> Frame {
    let (thousands, rest) = (count / 1000, count % 1000);
    let number = if thousands > 0 { format!("{thousands},{rest:03}") } else { rest.to_string() };
    special(&format!("<{number} native frame{} elided>", if count == 1 { "" } else { "s" }))
}

/// Of a stack that is too deep, the middle is left out; how much, is said.
#[test]
fn deeper_than_the_limit() {
    let whole = deep_stack(2048, Some(4000));
    let begin = whole.iter().position(|frame| frame.function == "main").expect("it has a main");
    assert_eq!(whole.len(), begin + 1 + 1 + 2048 + 1, "what starts main, main, begins, the recursion, allocates");
    for (depth, limit) in [(2048, None), (2048, Some(1024)), (2048, Some(100)), (300, Some(2)), (300, Some(7))] {
        let whole: Vec<Frame> = if depth == 2048 { whole.clone() } else { deep_stack(depth, Some(4000)) };
        let found = deep_stack(depth, limit);
        let (limit, kept) = (limit.unwrap_or(1024), found.len() - 1);
        // How many are left out changes in steps.
        assert!(kept <= limit && kept + (limit / 8).max(1) > limit, "{depth} deep, at most {limit}: {kept}");
        let elided = found.iter().position(|frame| frame.kind == Kind::Special).expect("something is left out");
        assert_eq!(found[elided], elided_frames(whole.len() - kept));
        assert_eq!(elided, limit.div_ceil(2), "{kept}");
        assert_eq!(found[..elided], whole[..elided]);
        assert_eq!(found[elided + 1..], whole[whole.len() - (kept - elided)..]);
    }
}

#[test]
fn no_deeper_than_the_limit() {
    let frames = deep_stack(300, None).len();
    for limit in [frames, frames + 1] {
        assert!(deep_stack(300, Some(limit)).iter().all(|frame| frame.kind != Kind::Special), "{limit}");
    }
    let limit = frames - 1;
    assert!(deep_stack(300, Some(limit)).contains(&elided_frames(limit / 8)));
}

/// Functions without unwind tables end the stack: what called them is not guessed. That is counted.
#[test]
fn functions_without_tables_cut_the_stack_short() {
    let apart = Build::c("without_tables.c", "without_tables.o");
    let apart = apart.flags(&["-c", "-g", "-O2", "-fno-asynchronous-unwind-tables", "-fno-unwind-tables"]).path();
    let apart = apart.to_str().expect("it is UTF-8");
    let program = Build::c("calls_without_tables.c", "calls_without_tables").flags(&["-g", "-O2", apart]).path();
    let recorded = Recording::of_command(&[program.as_os_str()]).run().succeeds();
    Annotations::of(&["calls_without_tables.c", "without_tables.c"], &[]).assert_hold(&recorded.capture());
    assert_eq!(native_stacks(&recorded.stats(), "cut_short"), 2);
}

/// Code that the program itself makes: its tables lead on, and the map that profilers share names it.
#[test]
fn code_made_at_run_time() {
    let program = Build::c("jit.c", "jit").flags(&["-g", "-O1"]).path();
    let recorded = Recording::of_command(&[program.as_os_str()]).run().succeeds();
    let stdout = recorded.finished().stdout();
    let (map, address) = stdout.trim().split_once(' ').expect("a file and an address");
    let _ = fs::remove_file(map);

    let marks = Annotations::of(&["jit.c"], &[]);
    let tree = flame_tree(&recorded.capture());
    let stack_of = |bytes: u64| {
        let mut found = tree.stacks_with(Amount { allocations: 1, bytes });
        assert_eq!(found.len(), 1, "{bytes}");
        found.remove(0).view(View::Hybrid)
    };
    let made = Frame::native("", 0, "a function: made at run time");
    let expected =
        [marks.frame("main", "main-named"), marks.frame("runs", "runs"), made, marks.frame("named", "named")];
    assert_eq!(stack_of(1_000_001), expected);

    let found = stack_of(1_000_002);
    let expected =
        [marks.frame("main", "main-nameless"), marks.frame("runs", "runs"), marks.frame("nameless", "nameless")];
    let [main, runs, made, nameless] = &found[..] else { panic!("{found:?}") };
    assert_eq!([main, runs, nameless], [&expected[0], &expected[1], &expected[2]]);
    // Its address is all that there is to say: that of the call or after it.
    let address = u64::from_str_radix(address, 16).expect("an address");
    let shown = made.function.trim_start_matches(|letter: char| letter != 'x').trim_start_matches('x');
    let shown = u64::from_str_radix(shown.trim_end_matches('>'), 16).unwrap_or_else(|_| panic!("no address: {made:?}"));
    assert!((address + 4..=address + 6).contains(&shown), "{made:?} is not at {address:x}");

    // What it does when it returns says as much as tables, and so does the way in which it was entered.
    for (bytes, runs, name) in
        [(1_000_005, "runs", "led"), (1_000_006, "runs", "entered"), (1_000_007, "runs_framed", "framed")]
    {
        let found = stack_of(bytes);
        let [main, caller, _, last] = &found[..] else { panic!("{found:?}") };
        let expected = [
            marks.frame("main", &format!("main-{name}")),
            marks.frame(runs, &runs.replace('_', "-")),
            marks.frame(name, name),
        ];
        assert_eq!([main, caller, last], expected.each_ref());
    }

    // Otherwise nobody knows what called it.
    for (bytes, name) in [(1_000_003, "unknown"), (1_000_004, "forgotten")] {
        let found = stack_of(bytes);
        assert_eq!((found.len(), found.last()), (2, Some(&marks.frame(name, name))), "{found:?}");
    }
    assert_eq!(native_stacks(&recorded.stats(), "cut_short"), 2);
}

/// A library that takes the place of another one: addresses are the same, names are not.
#[test]
fn a_library_in_the_place_of_another() {
    let build = |define: &str, size: &str, result: &str| {
        let inner = format!("-DINNER={define}");
        Build::c("replaced_plugin.c", result).flags(&["-g", "-O1", "-shared", "-fPIC", &inner, size]).path()
    };
    let one = build("inner_of_one", "-DSIZE=1000001", "plugin_a.so");
    let other = build("inner_of_two", "-DSIZE=1000002", "plugin_b.so");
    let program = Build::c("replaces_plugin.c", "replaces_plugin").flags(&["-g"]).path();
    let arguments = [program.as_os_str(), one.as_os_str(), other.as_os_str()];
    let recorded = Recording::of_command(&arguments).run().succeeds();
    let stdout = recorded.finished().stdout();
    let rounds: u64 = stdout.split(' ').next().and_then(|rounds| rounds.parse().ok()).expect("a number");
    let tree = flame_tree(&recorded.capture());
    for (name, size) in [("inner_of_one", 1_000_001), ("inner_of_two", 1_000_002)] {
        let amount = Amount { allocations: 2 * rounds, bytes: 2 * rounds * size };
        // dlopen and dlclose have no part in it; both calls are made by one line each.
        let whole = tree.stacks();
        let stacks: Vec<_> = whole.iter().filter(|stack| stack.own.bytes % size == 0).collect();
        let mut sum = Amount::default();
        stacks.iter().for_each(|stack| sum += stack.own);
        assert_eq!(sum, amount, "{name}: {stacks:#?}");
        for stack in stacks {
            let seen = stack.view(View::Hybrid);
            let names: Vec<&str> = seen.iter().map(|frame| frame.function.as_str()).collect();
            assert_eq!(names, ["main", "run", "plugin_runs", name]);
        }
    }
    let build_ids: BTreeSet<String> =
        [&one, &other].map(|path| tool("readelf", &["-n".as_ref(), path.as_os_str()])).into_iter().collect();
    assert_eq!(build_ids.len(), 2, "the two builds are the same");
}

/// Libraries with frame pointers, without, and with some, and functions that use the register for something else, call each other
/// in any order: another unwinder finds the same stacks.
#[test]
fn with_and_without_frame_pointers() {
    let build = |name: &str, flags: &[&str]| {
        Build::c("mixed_frames.c", name).flags(&["-g", "-DLIBRARY", "-shared", "-fPIC"]).flags(flags).path()
    };
    let libraries = [
        build("mixed_frames_keeps.so", &["-O2", "-fno-omit-frame-pointer"]),
        build("mixed_frames_omits.so", &["-O2", "-fomit-frame-pointer"]),
        build("mixed_frames_simple.so", &["-O0"]),
    ];
    for (name, flag) in [("mixed_frames", "-fomit-frame-pointer"), ("mixed_frames_kept", "-fno-omit-frame-pointer")] {
        let program = Build::c("mixed_frames.c", name).flags(&["-g", "-O2", flag]).path();
        let mut command = vec![program.as_os_str()];
        command.extend(libraries.iter().map(|library| library.as_os_str()));
        let recorded =
            Recording::of_command(&command).variable("MEMPROF_CHECK_STACKS", "libunwind.so.8").run().succeeds();
        let rounds: u64 = recorded.finished().stdout().trim().parse().expect("a number");
        assert_whole(&recorded, 0);
        let stats = recorded.stats();
        assert!(native_stacks(&stats, "checked") >= rounds, "{stats}");
        assert_eq!(native_stacks(&stats, "differing"), 0, "{stats}");
    }
}

/// Interrupted at any instruction, also where a frame is only half there, no caller is missing.
#[test]
fn interrupted_anywhere() {
    for (name, flags) in [("interrupted", &["-g", "-O2"][..]), ("interrupted_o0", &["-g", "-O0"])] {
        let program = Build::c("interrupted.c", name).flags(flags).path();
        let recorded = Recording::of_command(&[program.as_os_str()]).run().succeeds();
        let interruptions: u64 = recorded.finished().stdout().trim().parse().expect("a number");
        assert_whole(&recorded, 0);
        let (mut found, mut names_of_interrupted) = (0, BTreeSet::new());
        let handler = Annotations::of(&["interrupted.c"], &[]).frame("on_timer", "on-timer");
        for stack in flame_tree(&recorded.capture()).stacks_at(&handler) {
            let mut seen = stack.view(View::Hybrid);
            found += stack.own.allocations;
            seen.pop();
            // What the kernel lets handlers return to.
            seen.retain(|frame| frame.file.ends_with("interrupted.c"));
            let names: Vec<&str> = seen.iter().map(|frame| frame.function.as_str()).collect();
            let [start @ .., interrupted] = &names[..] else { panic!("{stack:#?}") };
            names_of_interrupted.insert((*interrupted).to_owned());
            let steps = names.iter().filter(|name| **name == "step").count();
            let expected: Vec<&str> = ["main", "spins"].into_iter().chain(std::iter::repeat_n("step", steps)).collect();
            let rest = names.strip_prefix(&expected[..]).or_else(|| names.strip_prefix(&["main"]));
            let is_possible = match rest {
                _ if names == ["main", "spins"] || names == ["main"] => true,
                Some([]) => steps > 0,
                Some(["leaf" | "saves" | "has_room"] | ["saves" | "has_room", "leaf"]) => steps > 0,
                _ => false,
            };
            assert!(is_possible, "{start:?} and {interrupted}: {stack:#?}");
        }
        assert_eq!(found, interruptions);
        assert!(names_of_interrupted.len() >= 4, "{names_of_interrupted:?}");
    }
}

/// Threads whose stacks are read while libraries come and go: each allocation has its stack all the same.
#[test]
fn while_libraries_are_loaded_and_unloaded() {
    let flags = ["-g", "-O1", "-shared", "-fPIC", "-DINNER=inner", "-DSIZE=5000"];
    let plugin = Build::c("replaced_plugin.c", "plugin_c.so").flags(&flags).path();
    let program = Build::c("loads_meanwhile.c", "loads_meanwhile").flags(&["-g", "-O1"]).path();
    let recorded = Recording::of_command(&[program.as_os_str(), plugin.as_os_str()]).run().succeeds();
    let stdout = recorded.finished().stdout();
    let numbers: Vec<u64> = stdout.split_whitespace().map(|number| number.parse().expect("a number")).collect();
    let [allocations, rounds] = numbers[..] else { panic!("{stdout}") };
    assert_whole(&recorded, 0);
    let marks = Annotations::of(&["loads_meanwhile.c"], &[]);
    let mut of_threads = vec![marks.frame("main", "creates"), special(NEW_THREAD), marks.frame("works", "works")];
    of_threads.extend(std::iter::repeat_n(marks.frame("descends", "descends"), 29));
    of_threads.extend([marks.frame("descends", "descended"), marks.frame("allocates", "allocates")]);
    let tree = flame_tree(&recorded.capture()).view(View::Hybrid);
    assert_eq!(tree.own(&of_threads), Some(Amount { allocations, bytes: 1000 * allocations }));
    let of_plugin = tree.stacks().into_iter().filter(|stack| stack.own.bytes == 5000 * rounds);
    let names: Vec<Vec<String>> =
        of_plugin.map(|stack| stack.frames.into_iter().map(|frame| frame.function).collect()).collect();
    assert_eq!(names, [["main", "plugin_runs", "inner"]]);
}
