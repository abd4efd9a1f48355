//! Keeps the names that were found, so that the next recording of the same files need not look them up again: a file for
//! each build id, in a folder of the user's own. What is damaged, or not the user's, is as good as not there.

use std::cell::Cell;
use std::fs;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use memprof_capture::file::Function;
use memprof_capture::file::whole_file::{Existing, WholeFile};
use rustc_hash::FxHashMap;
use serde::{Deserialize, Serialize};

use super::resolve::{Named, Origin};
use crate::own_limits;
use crate::user_folder::UserFolder;

/// The first bytes of a file. The last one counts changes: of the format, and of how names are found.
const MAGIC: [u8; 8] = *b"mpnames\x02";
/// The magic, and the checksum of what follows.
const HEAD_BYTES: usize = MAGIC.len() + 4;
/// No file becomes larger; one that would begins again.
const MAX_FILE_BYTES: u64 = 8 << 20;
/// When all files together are larger than this, the oldest ones go.
const MAX_FOLDER_BYTES: u64 = 64 << 20;

/// The folder.
#[derive(Debug)]
pub struct Cache {
    folder: UserFolder,
    is_changed: Cell<bool>,
}

/// What a file holds. Files and names occur many times.
#[derive(Serialize, Deserialize)]
struct Stored {
    key: String,
    texts: Vec<String>,
    addresses: Vec<StoredAddress>,
}

#[derive(Serialize, Deserialize)]
struct StoredAddress {
    address: u64,
    origin: Origin,
    functions: Vec<StoredFunction>,
}

/// Numbers of texts, and a line.
#[derive(Serialize, Deserialize)]
struct StoredFunction {
    name: u32,
    file: u32,
    line: u32,
}

impl Cache {
    /// The cache in the user's folder for such things.
    pub fn in_folder(base: &Path) -> Self {
        Self { folder: UserFolder::new(base, "memprof", "symbols"), is_changed: Cell::new(false) }
    }

    /// The names that are known of this build from the files that the key describes.
    pub fn load(&self, build_id: &[u8], key: &str) -> FxHashMap<u64, Named> {
        let stored = self.read(build_id).filter(|stored| stored.key == key);
        stored.and_then(into_names).unwrap_or_default()
    }

    fn read(&self, build_id: &[u8]) -> Option<Stored> {
        let (mut file, size) = self.folder.open(&file_name(build_id))?;
        if size > MAX_FILE_BYTES {
            return None;
        }
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes).ok()?;
        let (head, payload) = bytes.split_first_chunk::<HEAD_BYTES>()?;
        let is_whole = *head == head_of(payload);
        is_whole.then(|| postcard::from_bytes(payload).ok())?
    }

    /// Keeps these names, in place of all that is known of this build. If they have become too many, only those of the
    /// addresses that were `asked` for. If that cannot be done, nothing is lost but time.
    pub fn store(&self, build_id: &[u8], key: &str, names: &FxHashMap<u64, Named>, asked: &[u64]) {
        let encoded = |names: &mut dyn Iterator<Item = (u64, &Named)>| {
            let payload = postcard::to_stdvec(&to_stored(key, names)).ok()?;
            (payload.len() as u64 + HEAD_BYTES as u64 <= MAX_FILE_BYTES).then_some(payload)
        };
        let all = encoded(&mut names.iter().map(|(&address, named)| (address, named)));
        let payload = all.or_else(|| {
            encoded(&mut asked.iter().filter_map(|address| names.get(address).map(|named| (*address, named))))
        });
        let Some(payload) = payload.filter(|_| self.folder.make()) else { return };
        let path = self.folder.path().join(file_name(build_id));
        if own_limits::without_file_size_limit(|| write(&path, &payload)).is_ok() {
            self.is_changed.set(true);
        }
    }

    /// Removes the oldest files if there is too much, once everything is stored.
    pub fn tidy(&self) {
        if self.is_changed.take() {
            remove_oldest(self.folder.path(), MAX_FOLDER_BYTES);
        }
    }
}

fn file_name(build_id: &[u8]) -> String {
    build_id.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn head_of(payload: &[u8]) -> [u8; HEAD_BYTES] {
    let mut head = [0; HEAD_BYTES];
    head[..MAGIC.len()].copy_from_slice(&MAGIC);
    head[MAGIC.len()..].copy_from_slice(&crc32fast::hash(payload).to_le_bytes());
    head
}

fn write(path: &Path, payload: &[u8]) -> io::Result<()> {
    let whole = WholeFile::begin_private(path, 0o600)?;
    whole.file().write_all(&head_of(payload))?;
    whole.file().write_all(payload)?;
    whole.finish(Existing::Replace)
}

fn remove_oldest(folder: &Path, limit: u64) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    let mut files: Vec<(SystemTime, u64, PathBuf)> = entries
        .flatten()
        .filter_map(|entry| {
            let metadata = entry.metadata().ok().filter(fs::Metadata::is_file)?;
            Some((metadata.modified().ok()?, metadata.len(), entry.path()))
        })
        .collect();
    let mut bytes: u64 = files.iter().map(|(_, bytes, _)| bytes).sum();
    if bytes <= limit {
        return;
    }
    files.sort();
    for (_, size, path) in files {
        // Some room for the next ones.
        if bytes <= limit / 4 * 3 {
            break;
        }
        if fs::remove_file(&path).is_ok() {
            bytes -= size;
        }
    }
}

fn to_stored<'n>(key: &str, names: impl Iterator<Item = (u64, &'n Named)>) -> Stored {
    let mut numbers: FxHashMap<&'n str, u32> = FxHashMap::default();
    let mut texts = Vec::new();
    let mut number = |text: &'n str| {
        *numbers.entry(text).or_insert_with(|| {
            texts.push(str::to_owned(text));
            texts.len() as u32 - 1
        })
    };
    let mut addresses: Vec<StoredAddress> = names
        .map(|(address, named)| {
            let functions = named.functions.iter().map(|function| StoredFunction {
                name: number(&function.name),
                file: number(&function.file),
                line: function.line,
            });
            StoredAddress { address, origin: named.origin, functions: functions.collect() }
        })
        .collect();
    addresses.sort_unstable_by_key(|stored| stored.address);
    Stored { key: key.to_owned(), texts, addresses }
}

fn into_names(stored: Stored) -> Option<FxHashMap<u64, Named>> {
    let text = |number: u32| stored.texts.get(number as usize).cloned();
    let mut names = FxHashMap::default();
    for StoredAddress { address, origin, functions } in &stored.addresses {
        let functions: Option<Vec<Function>> = functions
            .iter()
            .map(|function| {
                Some(Function { name: text(function.name)?, file: text(function.file)?, line: function.line })
            })
            .collect();
        names.insert(*address, Named { functions: functions?, origin: *origin });
    }
    Some(names)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::File;
    use std::os::unix::fs::{MetadataExt, PermissionsExt};
    use std::time::Duration;

    const ID: &[u8] = &[0xab, 0x01];

    fn some_names() -> FxHashMap<u64, Named> {
        let function = |name: &str| Function { name: name.to_owned(), file: "/a.c".to_owned(), line: 7 };
        let functions = vec![function("f"), function("g")];
        let known = Named { functions, origin: Origin::DebugInformation };
        [(0x1000, known), (0x2000, Named::nothing())].into_iter().collect()
    }

    fn path_in(base: &tempfile::TempDir) -> PathBuf {
        base.path().join("memprof/symbols/ab01")
    }

    fn filled() -> (tempfile::TempDir, Cache) {
        let base = tempfile::tempdir().unwrap();
        let cache = Cache::in_folder(base.path());
        assert!(cache.load(ID, "key").is_empty());
        cache.store(ID, "key", &some_names(), &[]);
        (base, cache)
    }

    #[test]
    fn what_is_stored_is_found_under_the_same_key_only() {
        let (base, cache) = filled();
        assert_eq!(cache.load(ID, "key"), some_names());
        assert!(cache.load(ID, "another key").is_empty());
        assert!(cache.load(&[0xab, 0x02], "key").is_empty());
        let path = path_in(&base);
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o600);
        assert_eq!(fs::metadata(path.parent().unwrap()).unwrap().mode() & 0o777, 0o700);
        assert_eq!(fs::read_dir(path.parent().unwrap()).unwrap().count(), 1);
    }

    #[test]
    fn a_file_that_has_become_too_large_begins_anew() {
        let (_base, cache) = filled();
        let mut names = some_names();
        for address in 0..5000 {
            let function = Function { name: format!("{address:02000}"), file: String::new(), line: 0 };
            names.insert(address, Named { functions: vec![function], origin: Origin::ModuleTable });
        }
        cache.store(ID, "key", &names, &[0x1000, 7]);
        let known = cache.load(ID, "key");
        assert_eq!(known.len(), 2);
        assert_eq!(known[&7], names[&7]);
    }

    #[test]
    fn damage_is_as_good_as_nothing_and_is_written_over() {
        let (base, cache) = filled();
        let path = path_in(&base);
        let whole = fs::read(&path).unwrap();
        for at in 0..whole.len() {
            let mut damaged = whole.clone();
            damaged[at] ^= 0x41;
            fs::write(&path, &damaged).unwrap();
            assert!(cache.load(ID, "key").is_empty(), "byte {at}");
            fs::write(&path, &whole[..at]).unwrap();
            assert!(cache.load(ID, "key").is_empty(), "cut at {at}");
        }
        cache.store(ID, "key", &some_names(), &[]);
        assert_eq!(cache.load(ID, "key"), some_names());
    }

    #[test]
    fn what_others_can_write_to_is_not_used() {
        let (base, cache) = filled();
        let ours = base.path().join("memprof");
        for path in [path_in(&base), ours.join("symbols"), ours, base.path().to_owned()] {
            let mode = fs::metadata(&path).unwrap().permissions();
            fs::set_permissions(&path, fs::Permissions::from_mode(0o777)).unwrap();
            assert!(cache.load(ID, "key").is_empty(), "{}", path.display());
            fs::set_permissions(&path, mode).unwrap();
            assert!(!cache.load(ID, "key").is_empty());
        }
        fs::remove_file(path_in(&base)).unwrap();
        std::os::unix::fs::symlink("/dev/zero", path_in(&base)).unwrap();
        assert!(cache.load(ID, "key").is_empty());
    }

    #[test]
    fn the_oldest_go_when_there_is_too_much() {
        let folder = tempfile::tempdir().unwrap();
        let now = SystemTime::now();
        for age in 0..8_u64 {
            let path = folder.path().join(age.to_string());
            fs::write(&path, [0; 100]).unwrap();
            File::options().append(true).open(path).unwrap().set_modified(now - Duration::from_secs(age)).unwrap();
        }
        remove_oldest(folder.path(), 800);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 8);
        remove_oldest(folder.path(), 400);
        let mut left: Vec<_> = fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        left.sort();
        assert_eq!(left, ["0", "1", "2"]);
    }
}
