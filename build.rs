//! Builds the interposer and hands it to the command as a file to embed (`src/interposer_file.rs`).
//!
//! The interposer needs a profile of its own (fat LTO, abort on panic, stripped) and must never be linked into the
//! command, since it defines `malloc`. So it is built by a nested cargo into a target directory of its own under
//! `OUT_DIR`: `cargo build`, `run`, `test` and `install` then all give one complete executable.
//!
//! `MEMPROF_INTERPOSER_PREBUILT=<file>` embeds that file instead of building one.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio, exit};

const PREBUILT: &str = "MEMPROF_INTERPOSER_PREBUILT";
const PACKAGE: &str = "memprof-interposer";

/// What decides about the library's contents.
const INPUTS: &[&str] = &[
    "build.rs",
    "Cargo.toml",
    "Cargo.lock",
    "interposer/Cargo.toml",
    "interposer/src",
    "interposer/build.rs",
    "channel/Cargo.toml",
    "channel/src",
];

fn main() {
    if let Err(sentence) = embed() {
        eprintln!("memprof's build script: {sentence}");
        exit(1);
    }
}

fn embed() -> Result<(), String> {
    let root = PathBuf::from(variable("CARGO_MANIFEST_DIR")?);
    let out = PathBuf::from(variable("OUT_DIR")?);
    println!("cargo:rerun-if-env-changed={PREBUILT}");
    for input in INPUTS {
        // Cargo takes an input that does not exist for one that always changes.
        if root.join(input).exists() {
            println!("cargo:rerun-if-changed={input}");
        }
    }

    let library = match env::var_os(PREBUILT) {
        Some(path) if !path.is_empty() => {
            let path = PathBuf::from(path);
            println!("cargo:rerun-if-changed={}", path.display());
            path
        }
        _ => build(&root, &out.join("interposer-build"))?,
    };
    let contents = fs::read(&library).map_err(|error| format!("cannot read {}: {error}", library.display()))?;
    let embedded = out.join("memprof_interposer.library");
    fs::write(&embedded, &contents).map_err(|error| format!("cannot write {}: {error}", embedded.display()))?;
    println!("cargo:rustc-env=MEMPROF_INTERPOSER_LIBRARY={}", embedded.display());
    println!("cargo:rustc-env=MEMPROF_INTERPOSER_HASH={:032x}", fnv1a(&contents));
    Ok(())
}

/// Runs the nested cargo and returns the library that it reports.
fn build(root: &Path, target_dir: &Path) -> Result<PathBuf, String> {
    let cargo = variable("CARGO")?;
    let mut command = Command::new(&cargo);
    command.current_dir(root).args(["build", "--profile", "interposer", "--lib", "--package", PACKAGE]);
    command.args(["--message-format", "json-render-diagnostics"]);
    command.arg("--manifest-path").arg(root.join("Cargo.toml")).arg("--target-dir").arg(target_dir);
    if root.join("Cargo.lock").exists() {
        // The outer cargo has brought the lock file up to date; this also keeps a read-only checkout read-only.
        command.arg("--locked");
    }
    let target = variable("TARGET")?;
    if target != variable("HOST")? {
        command.args(["--target", &target]);
    }
    for (name, _) in env::vars_os() {
        if name.to_str().is_some_and(belongs_to_the_outer_build) {
            command.env_remove(name);
        }
    }
    // Otherwise a build directory that the user's configuration splits off would be shared with the outer cargo,
    // which holds its lock.
    command.env("CARGO_BUILD_BUILD_DIR", target_dir);

    let output = command
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .output()
        .map_err(|error| format!("cannot run {cargo}: {error}"))?;
    if !output.status.success() {
        return Err(format!("cargo could not build {PACKAGE} ({}); its messages are above", output.status));
    }
    let messages = String::from_utf8_lossy(&output.stdout);
    messages
        .lines()
        .rev()
        .find_map(library_of)
        .ok_or_else(|| format!("cargo built {PACKAGE}, but named no library among its results"))
}

/// The library that a line of cargo's messages announces, if it does.
fn library_of(line: &str) -> Option<PathBuf> {
    let message: serde_json::Value = serde_json::from_str(line).ok()?;
    if message["reason"] != "compiler-artifact" || message["target"]["name"] != "memprof_interposer" {
        return None;
    }
    if !message["target"]["kind"].as_array()?.iter().any(|kind| kind == "cdylib") {
        return None;
    }
    message["filenames"].as_array()?.first()?.as_str().map(PathBuf::from)
}

/// Whether a variable describes the outer build and would mislead the nested one.
///
/// Linkers and C compilers for a target (`CARGO_TARGET_*_LINKER`, `CC_*`) stay: a cross build needs them.
fn belongs_to_the_outer_build(name: &str) -> bool {
    const PREFIXES: &[&str] =
        &["CARGO_FEATURE_", "CARGO_CFG_", "CARGO_PKG_", "CARGO_MANIFEST", "CARGO_PROFILE_", "DEP_"];
    const NAMES: &[&str] = &[
        "CARGO_TARGET_DIR",
        "CARGO_BUILD_TARGET",
        "CARGO_BUILD_TARGET_DIR",
        "CARGO_BUILD_BUILD_DIR",
        "CARGO_BUILD_DEP_INFO_BASEDIR",
        "CARGO_ENCODED_RUSTFLAGS",
        "CARGO_BUILD_RUSTFLAGS",
        "RUSTFLAGS",
        "RUSTC_WRAPPER",
        "RUSTC_WORKSPACE_WRAPPER",
        "LLVM_PROFILE_FILE",
        "OUT_DIR",
        "TARGET",
        "HOST",
    ];
    PREFIXES.iter().any(|prefix| name.starts_with(prefix)) || NAMES.contains(&name)
}

fn variable(name: &str) -> Result<String, String> {
    env::var(name).map_err(|_| format!("cargo did not set {name}"))
}

/// The 128-bit FNV-1a hash: names the library's place in the user's cache, where its bytes are compared in full.
fn fnv1a(bytes: &[u8]) -> u128 {
    bytes.iter().fold(0x6c62_272e_07bb_0142_62b8_2175_6295_c58d, |hash, &byte| {
        (hash ^ u128::from(byte)).wrapping_mul(0x0000_0000_0100_0000_0000_0000_0000_013b)
    })
}
