//! Which package each file of a program belongs to: the installed distribution whose metadata lists it.
//!
//! Metadata is in folders of the environment, and these are on the machine where the program was recorded; so they are
//! read there, by the recorder, when the program has ended. The outcome goes into the capture. What paths alone say
//! ([`package_paths`]) is not looked up.
//!
//! - [`packages_of`]: the whole of it.
//! - `folders`: which folder that installers fill a file is below.
//! - `site_folder`: what is installed there. `claims`: who lists which file.
//! - `listings`, `project`: the files of metadata. `reading`: how much of them is read.

mod claims;
mod folders;
mod listings;
mod names;
mod project;
mod reading;
mod site_folder;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use memprof_capture::file::package_paths::{self, BelowSite};
use memprof_capture::file::{FilePackage, PackagedFile};
use rustc_hash::FxHashSet;

use folders::{Folders, Holder, SiteId};
use project::Projects;
use reading::Reading;

/// The longest path that the kernel takes.
const LONGEST_PATH: usize = 4096;
/// Programs have thousands of files; a program that makes up names for code has no end of them.
const MOST_FILES: usize = 1 << 16;

/// Folders of the system, in which nothing is installed but below a folder that is called `dist-packages` or
/// `site-packages`.
const SYSTEM_FOLDERS: [&str; 5] = ["/usr/lib/", "/usr/lib64/", "/usr/libexec/", "/lib/", "/lib64/"];

/// The files of Python functions.
#[derive(Debug, Default)]
pub struct PythonFiles(FxHashSet<String>);

impl PythonFiles {
    /// Notes the file of a code object. Whether it can be in a package is asked at the end, once for each file.
    pub fn note(&mut self, file: &str) {
        if is_path(file) && self.0.len() < MOST_FILES && !self.0.contains(file) {
            self.0.insert(file.to_owned());
        }
    }

    /// All of them, in any order.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(String::as_str)
    }
}

/// Whether it is the whole path of a file.
fn is_path(file: &str) -> bool {
    file.starts_with('/') && file.len() <= LONGEST_PATH
}

/// Whether metadata could say something about a file.
fn may_be_packaged(file: &str) -> bool {
    let is_elsewhere = || !SYSTEM_FOLDERS.iter().any(|folder| file.starts_with(folder));
    is_path(file) && !package_paths::is_standard_library(file) && (is_elsewhere() || BelowSite::of(file).is_some())
}

/// The packages of files of Python functions and of modules, in the order of their paths. Those of no package are left
/// out. `executable` is what was started: the virtual environment is found by it.
pub fn packages_of<'a>(files: impl Iterator<Item = &'a str>, executable: &Path) -> Vec<PackagedFile> {
    let files: BTreeSet<&str> = files.filter(|file| may_be_packaged(file)).collect();
    if files.is_empty() {
        return Vec::new();
    }
    // Metadata may be damaged in more ways than anybody thought of. Whatever happens, the recording is to be finished.
    catch_unwind(AssertUnwindSafe(|| look_up(&files, executable))).unwrap_or_default()
}

fn look_up(files: &BTreeSet<&str>, executable: &Path) -> Vec<PackagedFile> {
    let (mut folders, mut reading) = (Folders::default(), Reading::default());
    let mut packages: BTreeMap<&str, FilePackage> = BTreeMap::new();
    let mut installed: BTreeMap<SiteId, Vec<&str>> = BTreeMap::new();
    for &file in files {
        match folders.holder(file) {
            Some(Holder::Site(site)) => installed.entry(site).or_default().push(file),
            Some(Holder::StandardLibrary) => {
                packages.insert(file, FilePackage::StandardLibrary);
            }
            None => {}
        }
    }
    for (site, files) in installed {
        for (file, name) in folders.site(site).owners(&files, &mut reading) {
            packages.insert(file, FilePackage::Distribution(name));
        }
    }
    // What no folder of packages has may be that of a project that is worked on.
    let is_left = |file: &&&str| !packages.contains_key(**file) && BelowSite::of(file).is_none();
    let left: Vec<&str> = files.iter().filter(is_left).copied().collect();
    if !left.is_empty() {
        folders.ask_virtual_environment(executable);
        let projects = Projects::of(folders.sites(), &mut reading);
        let of_projects = left.into_iter().filter_map(|file| Some((file, projects.name(file)?.to_owned())));
        packages.extend(of_projects.map(|(file, name)| (file, FilePackage::Distribution(name))));
    }
    let packaged = packages.into_iter();
    packaged.map(|(file, package)| PackagedFile { file: file.to_owned(), package }).collect()
}
