//! Files of modules that may be gone when their names are looked up: plug-ins that are deleted once they are loaded,
//! what a packed application has unpacked for the time of its run. They are opened when a module becomes known, and
//! kept open.

use std::fs::{File, OpenOptions};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use memprof_capture::file::Module;
use rustc_hash::FxHashMap;

use super::mapped_file::MappedFile;
use crate::process_maps::line_at;

/// More files are not kept: a process has so many descriptors at least, and others need some.
const MOST: usize = 512;

/// Open files.
#[derive(Default)]
pub struct KeptFiles {
    /// By path and build id.
    files: FxHashMap<(String, Vec<u8>), File>,
    /// How many modules have been seen.
    seen: usize,
    /// Those of them that had no description yet.
    undescribed: Vec<usize>,
}

impl KeptFiles {
    /// Opens the files of those of all modules that have been described since the last call. They came from a process,
    /// which may have ended by now.
    pub fn keep_new(&mut self, pid: u32, modules: &[Option<Module>]) {
        let waiting = std::mem::take(&mut self.undescribed);
        for index in waiting.into_iter().chain(self.seen..modules.len()) {
            match &modules[index] {
                Some(module) => self.keep(pid, module),
                None => self.undescribed.push(index),
            }
        }
        self.seen = modules.len();
    }

    fn keep(&mut self, pid: u32, module: &Module) {
        let key = (module.path.clone(), module.build_id.clone());
        if self.files.len() >= MOST || !module.path.starts_with('/') || self.files.contains_key(&key) {
            return;
        }
        if let Some(file) = open(pid, module) {
            self.files.insert(key, file);
        }
    }

    /// The file that was kept for a module.
    pub fn mapped(&self, module: &Module) -> Option<MappedFile> {
        let file = self.files.get(&(module.path.clone(), module.build_id.clone()))?;
        MappedFile::of(file, Path::new(&module.path)).ok()
    }
}

fn open(pid: u32, module: &Module) -> Option<File> {
    // As the process sees it, which may have another root.
    let seen = PathBuf::from(format!("/proc/{pid}/root{}", module.path));
    let found = [seen, PathBuf::from(&module.path)].iter().find_map(|path| open_file(path));
    // Its name is gone already: the kernel still has it, for those whom it lets look.
    found.or_else(|| open_file(&mapping_of(pid, module.start)?))
}

fn open_file(path: &Path) -> Option<File> {
    let file = OpenOptions::new().read(true).custom_flags(libc::O_NONBLOCK).open(path).ok()?;
    file.metadata().is_ok_and(|metadata| metadata.is_file()).then_some(file)
}

/// What the kernel shows of the mapping that holds an address (proc(5), `map_files`).
fn mapping_of(pid: u32, address: u64) -> Option<PathBuf> {
    let line = line_at(pid, address)?;
    let range = line.split(' ').next()?;
    Some(PathBuf::from(format!("/proc/{pid}/map_files/{range}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_module_that_is_described_later_is_kept_then() {
        let module = |path: &Path| Module {
            path: path.to_str().unwrap().to_owned(),
            build_id: Vec::new(),
            bias: 0,
            start: 0,
            end: 1,
            is_interpreter: false,
        };
        let folder = tempfile::tempdir().unwrap();
        let [early, late] = ["early", "late"].map(|name| folder.path().join(name));
        for path in [&early, &late] {
            std::fs::write(path, "content").unwrap();
        }
        let mut files = KeptFiles::default();
        let pid = std::process::id();
        files.keep_new(pid, &[None, Some(module(&early))]);
        files.keep_new(pid, &[Some(module(&late)), Some(module(&early))]);
        drop(folder);
        assert!(files.mapped(&module(&early)).is_some() && files.mapped(&module(&late)).is_some());
    }
}
