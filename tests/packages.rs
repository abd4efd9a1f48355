//! What is installed in a virtual environment, and worked on there, is known by the names of distributions, in every
//! kind of capture.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use memprof_capture::file::{CaptureReader, FilePackage};
use memprof_reporter::packages::Packages;
use memprof_reporter::places::Places;
use tempfile::TempDir;

use crate::support::memprof::{Finished, memprof};
use crate::support::pythons::{self, Python};
use crate::support::recording::{Recorded, Recording};
use crate::support::table::{Row, table};

/// A virtual environment with two distributions, none of which is called as it is imported, one more that is worked on,
/// and a program that uses all.
struct Environment {
    root: TempDir,
    python: Python,
}

const MIB: u64 = 1 << 20;

impl Environment {
    fn new(python: &Python) -> Self {
        let root = tempfile::tempdir().expect("a temporary folder can be made");
        let folder = root.path().join("venv");
        let made = Command::new(&python.path).args(["-m", "venv", "--without-pip"]).arg(&folder).output();
        let made = made.expect("Python runs");
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        let python = Python { path: folder.join("bin/python3"), ..python.clone() };
        let environment = Self { root, python };
        let site = environment.site();
        environment.install(&site, "first_dist-1.0", "First.Dist", "one.py", 1, "");
        environment.install(&site, "second-2.0", "second", "shared/two.py", 2, "");
        let project = environment.root.path().join("project");
        let url = format!(r#"{{"url": "file://{}", "dir_info": {{"editable": true}}}}"#, project.display());
        environment.install(&site, "third-3.0", "third", "three_finder.py", 0, &url);
        environment.write(&project.join("src/three.py"), &module(3));
        environment.write(&site.join("third.pth"), &format!("{}\n", project.join("src").display()));
        environment.write(
            &environment.root.path().join("app/main.py"),
            "import os, signal, sys\n\
             import one, three\n\
             kept = [one.make(), three.make(), bytearray(4 << 20)]\n\
             child = os.fork() if 'fork' in sys.argv else 0\n\
             if not child:\n    \
                 import shared.two\n    \
                 kept.append(shared.two.make())\n\
             if child: os.waitpid(child, 0)\n\
             if 'kill' in sys.argv and child: os.kill(os.getpid(), signal.SIGKILL)\n",
        );
        environment
    }

    fn site(&self) -> PathBuf {
        let question = "import sysconfig; print(sysconfig.get_path('purelib'))";
        let output = Command::new(&self.python.path).args(["-c", question]).output().expect("Python runs");
        PathBuf::from(String::from_utf8(output.stdout).expect("it is text").trim_end())
    }

    fn write(&self, path: &Path, content: &str) {
        fs::create_dir_all(path.parent().expect("it has a folder")).expect("folders can be made");
        fs::write(path, content).expect("it can be written");
    }

    /// A distribution with one file, which allocates so many MiB.
    fn install(&self, site: &Path, folder: &str, name: &str, file: &str, mib: u64, direct_url: &str) {
        let metadata = site.join(format!("{folder}.dist-info"));
        self.write(&metadata.join("METADATA"), &format!("Metadata-Version: 2.1\nName: {name}\nVersion: 1\n"));
        self.write(&metadata.join("RECORD"), &format!("{file},,\n{folder}.dist-info/METADATA,,\n"));
        self.write(&metadata.join("direct_url.json"), direct_url);
        self.write(&site.join(file), &module(mib));
    }

    fn recording(&self) -> Recording {
        Recording::of_file(&self.python, &self.root.path().join("app/main.py")).with_objects_of(&self.python)
    }
}

fn module(mib: u64) -> String {
    format!("def make():\n    return bytearray({mib} << 20)\n")
}

/// MiB of all that was allocated, by package; what has less than one is left out.
fn mib_by_package(capture: &Path) -> BTreeMap<String, u64> {
    let reader = CaptureReader::open(capture).expect("it can be opened");
    let places = Places::resolve(reader.tables());
    let packages = Packages::of(reader.tables(), &places);
    let place = |place| (places.function(place), places.file(place), u64::from(places.line(place)));
    let by_place: BTreeMap<_, _> = places.ids().map(|id| (place(id), packages.name(id))).collect();
    let mut sums: BTreeMap<String, u64> = BTreeMap::new();
    // What an allocator maps for itself appears under the line that happened to need it.
    let is_asked_for = |row: &&Row| row.bytes >= MIB && row.allocator != "mmap";
    for row in table(capture, "--total").iter().filter(is_asked_for) {
        let package = by_place[&(row.function.as_str(), row.file.as_str(), row.line)];
        *sums.entry(package.to_owned()).or_default() += row.bytes / MIB;
    }
    // What Python reserves for itself is of no concern.
    sums.retain(|name, _| ["First.Dist", "second", "third", "<program>"].contains(&name.as_str()));
    sums
}

fn expected() -> BTreeMap<String, u64> {
    let sums = [("First.Dist", 1), ("second", 2), ("third", 3), ("<program>", 4)];
    sums.into_iter().map(|(name, mib)| (name.to_owned(), mib)).collect()
}

/// The names of the distributions that a capture has files of.
fn distributions(capture: &Path) -> Vec<String> {
    let reader = CaptureReader::open(capture).expect("it can be opened");
    let names = reader.tables().packages.values().filter_map(|package| match package {
        FilePackage::Distribution(name) => Some(name.clone()),
        FilePackage::StandardLibrary => None,
    });
    let mut names: Vec<String> = names.collect();
    names.sort();
    names
}

#[test]
fn every_python_s_memory_is_that_of_its_distributions() {
    for python in pythons::all() {
        eprintln!("{python}");
        let recorded = Environment::new(python).recording().run().succeeds();
        assert_eq!(mib_by_package(&recorded.capture()), expected());
        assert_eq!(distributions(&recorded.capture()), ["First.Dist", "second", "third"]);
    }
}

#[test]
fn a_family_that_is_killed_has_them_in_events_and_in_sums() {
    let environment = Environment::new(pythons::any());
    for option in ["--no-native", "--aggregate"] {
        let recording = environment.recording().option("--follow-fork").option(option);
        let recorded = recording.argument("fork").argument("kill").run().ends_with(128 + libc::SIGKILL);
        assert_eq!(mib_by_package(&recorded.capture()), expected(), "{option}");
    }
}

#[test]
fn captures_that_are_made_of_others_keep_them() {
    let environment = Environment::new(pythons::any());
    let recorded: Recorded = environment.recording().run().succeeds();
    let capture = recorded.capture();
    let make = |arguments: &[&str], captures: &[&Path], name: &str| {
        let out = recorded.folder().join(name);
        Finished::of(memprof(arguments).args(captures).arg("-o").arg(&out)).succeeds();
        out
    };
    // The metadata is gone by then.
    fs::remove_dir_all(environment.site()).expect("it can be removed");
    for made in [
        make(&["trim"], &[&capture], "part.bin"),
        make(&["aggregate"], &[&capture], "sums.bin"),
        make(&["symbolize"], &[&capture], "named.bin"),
    ] {
        assert_eq!(mib_by_package(&made), expected(), "{}", made.display());
        assert_eq!(distributions(&made), distributions(&capture));
    }
    let merged = make(&["merge"], &[&capture, &capture], "merged.bin");
    let twice: BTreeMap<String, u64> = expected().into_iter().map(|(name, mib)| (name, 2 * mib)).collect();
    assert_eq!(mib_by_package(&merged), twice);
}
