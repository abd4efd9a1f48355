//! Who lists which of the files that are wanted. Paths are as seen from the folder that all are installed in.

use rustc_hash::FxHashMap;

use memprof_capture::file::package_paths::top_level_name;

use super::names::normalized;

/// A distribution, by its place in a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Owner(pub usize);

/// Who has something there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Claim {
    #[default]
    Nobody,
    One(Owner),
    Several,
}

impl Claim {
    fn add(&mut self, owner: Owner) {
        *self = match *self {
            Self::Nobody => Self::One(owner),
            Self::One(known) if known == owner => Self::One(known),
            Self::One(_) | Self::Several => Self::Several,
        };
    }
}

/// The files that are wanted, and who lists them.
pub(super) struct Claims<'a> {
    /// Of two that list a file, the first.
    files: FxHashMap<&'a str, Option<Owner>>,
    /// The folders that the files are in.
    folders: FxHashMap<&'a str, Claim>,
    /// By normalized top-level name: who says no more than that.
    top_levels: FxHashMap<String, Claim>,
}

/// The folders that a path goes through, from the innermost on.
fn folders(path: &str) -> impl Iterator<Item = &str> {
    std::iter::successors(path.rsplit_once('/'), |(folder, _)| folder.rsplit_once('/')).map(|(folder, _)| folder)
}

impl<'a> Claims<'a> {
    /// Nobody has claimed these files yet.
    pub(super) fn of(files: &[&'a str]) -> Self {
        Self {
            files: files.iter().map(|&file| (file, None)).collect(),
            folders: files.iter().flat_map(|file| folders(file)).map(|folder| (folder, Claim::Nobody)).collect(),
            top_levels: files.iter().map(|file| (normalized(top_level_name(file)), Claim::Nobody)).collect(),
        }
    }

    /// Notes the files that a distribution lists: what is returned is to be called with each of them.
    pub(super) fn by(&mut self, owner: Owner) -> impl FnMut(&str) {
        let mut folder_before = String::new();
        move |path| {
            if let Some(known) = self.files.get_mut(path) {
                known.get_or_insert(owner);
            }
            // Lists are in order: most files are in the folder of the one before.
            let Some((folder, _)) = path.rsplit_once('/') else { return };
            if folder != folder_before {
                for folder in folders(path) {
                    if let Some(claim) = self.folders.get_mut(folder) {
                        claim.add(owner);
                    }
                }
                folder.clone_into(&mut folder_before);
            }
        }
    }

    /// Notes that a distribution has this top-level name, or shares it with others.
    pub(super) fn add_top_level(&mut self, owner: Owner, name: &str) {
        if let Some(claim) = self.top_levels.get_mut(&normalized(name)) {
            claim.add(owner);
        }
    }

    /// Whether a distribution lists the file.
    pub(super) fn is_listed(&self, file: &str) -> bool {
        self.files.get(file).is_some_and(Option::is_some)
    }

    /// Whether what has been read until now says who has the file, although nobody may list it: who alone lists files
    /// beside it, as of one that was made when the package was first used, or who has its top-level name and lists
    /// nothing.
    pub(super) fn is_claimed(&self, file: &str) -> bool {
        let beside = folders(file).next().and_then(|folder| self.folders.get(folder));
        self.is_listed(file) || matches!(beside, Some(Claim::One(_))) || self.of_top_level(file).is_some()
    }

    fn of_top_level(&self, file: &str) -> Option<Owner> {
        match self.top_levels.get(&normalized(top_level_name(file))) {
            Some(&Claim::One(owner)) => Some(owner),
            _ => None,
        }
    }

    /// Who has the file: who lists it, or else who alone lists files in the nearest folder around it that anybody lists
    /// files in, or else who alone has its top-level name.
    pub(super) fn owner(&self, file: &str) -> Option<Owner> {
        if let Some(&Some(owner)) = self.files.get(file) {
            return Some(owner);
        }
        let of_folders = folders(file).filter_map(|folder| self.folders.get(folder));
        match of_folders.copied().find(|claim| *claim != Claim::Nobody) {
            Some(Claim::One(owner)) => Some(owner),
            Some(_) => None,
            None => self.of_top_level(file),
        }
    }
}
