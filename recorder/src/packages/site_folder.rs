//! A folder that installers fill: what is installed there, by the metadata beside it.

use std::path::{Path, PathBuf};

use memchr::memmem::Finder;
use memprof_capture::file::package_paths::top_level_name;
use rustc_hash::{FxHashMap, FxHashSet};

use super::claims::{Claims, Owner};
use super::listings::{LARGEST_TEXT, Listing};
use super::names::{is_name, name_in, normalized};
use super::reading::Reading;

/// Files that tools put there when they make an environment, and that no distribution lists.
const OF_NOBODY: [&str; 3] = ["_virtualenv.py", "sitecustomize.py", "usercustomize.py"];

/// A folder with distributions.
#[derive(Debug)]
pub(super) struct SiteFolder {
    path: PathBuf,
    distributions: Vec<Distribution>,
}

/// What is installed, by its metadata.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Distribution {
    /// The folder or file of its metadata, which is called after it: `numpy-1.26.4.dist-info`.
    metadata: PathBuf,
    form: Form,
    /// Its name in the name of that folder, normalized.
    name: String,
}

/// What metadata comes as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    DistInfo,
    EggInfo,
}

impl Distribution {
    /// What an entry of a folder is the metadata of, by its name.
    pub(super) fn of_entry(folder: &Path, entry: &str) -> Option<Self> {
        let (name, form) = match entry.strip_suffix(".dist-info") {
            Some(name) => (name, Form::DistInfo),
            None => (entry.strip_suffix(".egg-info")?, Form::EggInfo),
        };
        let name = normalized(name.split('-').next().unwrap_or(name));
        Some(Self { metadata: folder.join(entry), form, name })
    }

    fn listing(&self, reading: &mut Reading) -> Listing {
        match self.form {
            Form::DistInfo => Listing::of_dist_info(&self.metadata, reading),
            Form::EggInfo => Listing::of_egg_info(&self.metadata, reading),
        }
    }

    /// Its name as it writes it itself, or else as its folder is called.
    pub(super) fn full_name(&self, reading: &mut Reading) -> Option<String> {
        let metadata = match self.form {
            Form::DistInfo => reading.read(&self.metadata.join("METADATA"), LARGEST_TEXT),
            // distutils made one file of it.
            Form::EggInfo => [self.metadata.join("PKG-INFO"), self.metadata.clone()]
                .iter()
                .find_map(|path| reading.read(path, LARGEST_TEXT)),
        };
        let own = metadata.as_deref().and_then(name_in);
        own.or(Some(self.name.as_str()).filter(|name| is_name(name))).map(str::to_owned)
    }

    /// What an installer says about where it comes from ([PEP 610](https://peps.python.org/pep-0610/)).
    pub(super) fn direct_url(&self, reading: &mut Reading) -> Option<Vec<u8>> {
        match self.form {
            Form::DistInfo => reading.read(&self.metadata.join("direct_url.json"), LARGEST_TEXT),
            Form::EggInfo => None,
        }
    }
}

impl SiteFolder {
    /// A folder in which these are installed.
    pub(super) fn new(path: PathBuf, distributions: Vec<Distribution>) -> Self {
        let mut distributions = distributions;
        distributions.sort_by(|one, other| one.metadata.cmp(&other.metadata));
        Self { path, distributions }
    }

    /// What is installed there.
    pub(super) fn distributions(&self) -> &[Distribution] {
        &self.distributions
    }

    /// The names of the distributions that have these files, which are below the folder.
    ///
    /// First, the distributions are asked that have the name by which the files are imported. Only where that does not
    /// show whose a file is, all others are asked.
    pub(super) fn owners<'a>(&self, files: &[&'a str], reading: &mut Reading) -> Vec<(&'a str, String)> {
        let below = self.path.as_os_str().len() + 1;
        let relative =
            |file: &&'a str| file.get(below..).filter(|path| !OF_NOBODY.contains(path)).map(|it| (*file, it));
        let files: Vec<(&str, &str)> = files.iter().filter_map(relative).collect();
        let wanted: Vec<&str> = files.iter().map(|&(_, relative)| relative).collect();
        let mut claims = Claims::of(&wanted);
        let names: FxHashSet<String> = wanted.iter().map(|file| normalized(top_level_name(file))).collect();
        let (called_so, others): (Vec<_>, Vec<_>) =
            self.owned().partition(|(_, distribution)| names.contains(&distribution.name));
        for (owner, distribution) in called_so {
            distribution.claim(owner, &distribution.listing(reading), &mut claims);
        }
        let open: Vec<&str> = wanted.iter().copied().filter(|file| !claims.is_claimed(file)).collect();
        self.ask_others(others, open, &mut claims, reading);
        let mut full_names: FxHashMap<usize, Option<String>> = FxHashMap::default();
        let named = files.into_iter().filter_map(|(file, relative)| {
            let Owner(number) = claims.owner(relative)?;
            let name = full_names.entry(number).or_insert_with(|| self.distributions[number].full_name(reading));
            Some((file, name.clone()?))
        });
        named.collect()
    }

    /// Goes through distributions until each of the files that are open is in the list of one.
    fn ask_others(
        &self,
        others: Vec<(Owner, &Distribution)>,
        open: Vec<&str>,
        claims: &mut Claims<'_>,
        reading: &mut Reading,
    ) {
        let mut open = open;
        let names: FxHashSet<String> = open.iter().map(|file| normalized(top_level_name(file))).collect();
        let literally: FxHashSet<&str> = open.iter().map(|file| top_level_name(file)).collect();
        let finders: Vec<Finder<'_>> = literally.into_iter().map(Finder::new).collect();
        // `yaml` is that of PyYAML: likely ones first.
        let mut others = others;
        others.sort_by_key(|(_, it)| !names.iter().any(|name| it.name.contains(name.as_str())));
        for (owner, distribution) in others {
            if open.is_empty() {
                return;
            }
            let listing = distribution.listing(reading);
            if listing.may_name(&finders) {
                distribution.claim(owner, &listing, claims);
                open.retain(|file| !claims.is_listed(file));
            }
        }
    }

    /// The distributions, each with who has its files: where one has metadata of two versions, that is one owner.
    fn owned(&self) -> impl Iterator<Item = (Owner, &Distribution)> {
        let mut first: FxHashMap<&str, usize> = FxHashMap::default();
        self.distributions.iter().enumerate().map(move |(number, distribution)| {
            (Owner(*first.entry(&distribution.name).or_insert(number)), distribution)
        })
    }
}

impl Distribution {
    fn claim(&self, owner: Owner, listing: &Listing, claims: &mut Claims<'_>) {
        listing.paths(claims.by(owner));
        for name in listing.top_level_names() {
            claims.add_top_level(owner, name);
        }
        if *listing == Listing::NameOnly {
            claims.add_top_level(owner, &self.name);
        }
    }
}
