//! Which folder that installers fill a file is below. Each folder is asked once.

use std::fs;
use std::path::Path;

use memprof_capture::file::package_paths::BelowSite;
use rustc_hash::FxHashMap;

use super::site_folder::{Distribution, SiteFolder};

/// No more folders than this are asked.
const MOST_FOLDERS: usize = 1 << 13;
/// Of a folder, no more entries are read. Those of the largest environments have a tenth.
const MOST_ENTRIES: usize = 1 << 13;

/// What the folder of a standard library has, wherever it is: in an interpreter's source tree it is called `Lib`.
const STANDARD_LIBRARY: [&str; 3] = ["encodings", "os.py", "site.py"];

/// A [`SiteFolder`], by number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct SiteId(usize);

/// What holds a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Holder {
    /// A folder that installers fill.
    Site(SiteId),
    /// Python's standard library.
    StandardLibrary,
}

/// The folders that have been asked.
#[derive(Default)]
pub(super) struct Folders {
    /// By path: what holds the files there.
    holders: FxHashMap<String, Option<Holder>>,
    sites: Vec<SiteFolder>,
}

impl Folders {
    /// What holds a file: the folder around it that is called as those are that installers fill, or else the nearest
    /// one that has metadata in it. Nothing for most of a program's own files.
    pub(super) fn holder(&mut self, file: &str) -> Option<Holder> {
        if let Some(BelowSite { folder, .. }) = BelowSite::of(file) {
            return self.ask(folder);
        }
        let (mut passed, mut at) = (Vec::new(), file);
        let holder = loop {
            let Some((folder, _)) = at.rsplit_once('/').filter(|(folder, _)| !folder.is_empty()) else { break None };
            if let Some(&known) = self.holders.get(folder) {
                break known;
            }
            passed.push(folder);
            if let Some(holder) = self.find_out(folder) {
                break Some(holder);
            }
            at = folder;
        };
        for folder in passed {
            self.holders.insert(folder.to_owned(), holder);
        }
        holder
    }

    /// One of the folders that were found.
    pub(super) fn site(&self, site: SiteId) -> &SiteFolder {
        &self.sites[site.0]
    }

    /// All of them.
    pub(super) fn sites(&self) -> &[SiteFolder] {
        &self.sites
    }

    /// Asks the folder of the virtual environment that a program is in, if it is in one.
    pub(super) fn ask_virtual_environment(&mut self, executable: &Path) {
        let Some(root) = executable.parent().and_then(Path::parent) else { return };
        if !root.join("pyvenv.cfg").is_file() {
            return;
        }
        for entry in fs::read_dir(root.join("lib")).into_iter().flatten().flatten().take(MOST_ENTRIES) {
            if entry.file_name().as_encoded_bytes().starts_with(b"python")
                && let Some(folder) = entry.path().join("site-packages").to_str()
            {
                self.ask(folder);
            }
        }
    }

    /// What this folder is for the files in it; nothing if it is an ordinary one.
    fn ask(&mut self, folder: &str) -> Option<Holder> {
        if let Some(&known) = self.holders.get(folder) {
            return known;
        }
        let holder = self.find_out(folder);
        self.holders.insert(folder.to_owned(), holder);
        holder
    }

    fn find_out(&mut self, folder: &str) -> Option<Holder> {
        let path = Path::new(folder);
        // A package is in a folder of `sys.path`, and is not such a folder itself: this saves reading most folders.
        if self.holders.len() >= MOST_FOLDERS || path.join("__init__.py").is_file() {
            return None;
        }
        let (mut distributions, mut standard) = (Vec::new(), 0);
        for entry in fs::read_dir(path).ok()?.flatten().take(MOST_ENTRIES) {
            let name = entry.file_name();
            let Some(name) = name.to_str() else { continue };
            distributions.extend(Distribution::of_entry(path, name));
            standard += usize::from(STANDARD_LIBRARY.contains(&name));
        }
        if !distributions.is_empty() {
            self.sites.push(SiteFolder::new(path.to_owned(), distributions));
            return Some(Holder::Site(SiteId(self.sites.len() - 1)));
        }
        (standard == STANDARD_LIBRARY.len()).then_some(Holder::StandardLibrary)
    }
}
