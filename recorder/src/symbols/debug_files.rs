//! Separate files of debugging information: where they may be, and whether they belong to the module.

use std::path::{Component, Path, PathBuf};

use super::debuginfod;
use super::elf_image::ElfImage;
use super::mapped_file::MappedFile;
use super::options::Options;

/// Where distributions put them.
const SYSTEM_FOLDER: &str = "/usr/lib/debug";

/// A module, as far as it matters here.
#[derive(Clone, Copy)]
pub struct Wanted<'a> {
    /// The module's path in the recorded program's file system.
    pub path: &'a Path,
    /// Its build id; empty where it has none.
    pub build_id: &'a [u8],
    /// What its file says about the one with its debugging information: a name and a checksum.
    pub link: Option<(&'a Path, u32)>,
}

/// The file with a module's debugging information. `own` is the module's file.
pub fn find(wanted: Wanted<'_>, own: Option<&MappedFile>, options: &Options) -> Option<MappedFile> {
    let is_other = |file: &MappedFile| own.is_none_or(|own| !own.is_same_file(file));
    let by_build_id = by_build_id(wanted.build_id, options)
        .find_map(|path| take(&path, |image| image.build_id() == wanted.build_id).filter(is_other));
    by_build_id
        .or_else(|| {
            let (name, checksum) = wanted.link?;
            let belongs = |image: &ElfImage<'_>, data: &[u8]| {
                // To compare build ids is quicker than to read the whole file.
                match (wanted.build_id, image.build_id()) {
                    ([], _) | (_, []) => crc32fast::hash(data) == checksum,
                    (wanted, found) => wanted == found,
                }
            };
            by_link(name, wanted.path, options).find_map(|path| take_data(&path, belongs).filter(is_other))
        })
        .or_else(|| {
            let path = options.debuginfod.then(|| debuginfod::find(wanted.build_id)).flatten()?;
            take(&path, |image| image.build_id() == wanted.build_id)
        })
}

/// The file that holds what some debugging information shares with that of other modules.
/// `image` is that information, and `path` its file.
pub fn find_shared(path: &Path, image: &ElfImage<'_>, options: &Options) -> Option<MappedFile> {
    let (link, build_id) = image.alternative_link()?;
    let beside = if link.is_absolute() { options.in_sysroot(&link) } else { path.parent()?.join(&link) };
    let name = link.file_name().map(PathBuf::from);
    let in_folders = folders(options)
        .flat_map(|folder| name.iter().map(move |name| folder.join(".dwz").join(name)).collect::<Vec<_>>());
    std::iter::once(beside)
        .chain(in_folders)
        .chain(by_build_id(build_id, options))
        .find_map(|path| take(&path, |image| image.build_id() == build_id))
}

/// The folders of debugging information: the user's before the system's.
fn folders(options: &Options) -> impl Iterator<Item = PathBuf> {
    options.debug_paths.iter().cloned().chain([options.in_sysroot(Path::new(SYSTEM_FOLDER))])
}

fn by_build_id(build_id: &[u8], options: &Options) -> impl Iterator<Item = PathBuf> {
    let hex: String = build_id.iter().map(|byte| format!("{byte:02x}")).collect();
    let name = (hex.len() > 2).then(|| format!(".build-id/{}/{}.debug", &hex[..2], &hex[2..]));
    name.into_iter().flat_map(move |name| folders(options).map(move |folder| folder.join(&name)).collect::<Vec<_>>())
}

fn by_link(name: &Path, module: &Path, options: &Options) -> impl Iterator<Item = PathBuf> {
    // A name, not a path: what leads elsewhere is not followed.
    let name = name.file_name().map(PathBuf::from).filter(|file| file == name);
    let folder = module.parent().unwrap_or(Path::new("/")).to_owned();
    let own = options.in_sysroot(&folder);
    let below: PathBuf = folder.components().filter(|part| matches!(part, Component::Normal(_))).collect();
    name.into_iter().flat_map(move |name| {
        let beside = [own.join(&name), own.join(".debug").join(&name)];
        let elsewhere = folders(options).flat_map(|folder| [folder.join(&name), folder.join(&below).join(&name)]);
        beside.into_iter().chain(elsewhere).collect::<Vec<_>>()
    })
}

fn take(path: &Path, belongs: impl Fn(&ElfImage<'_>) -> bool) -> Option<MappedFile> {
    take_data(path, |image, _| belongs(image))
}

/// The file at this path, if it is an ELF file that belongs to the module and has something to say.
fn take_data(path: &Path, belongs: impl Fn(&ElfImage<'_>, &[u8]) -> bool) -> Option<MappedFile> {
    let file = MappedFile::open(path).ok()?;
    let image = ElfImage::parse(&file).ok()?;
    let is_good = (image.has_debug_information() || image.has_symbol_table()) && belongs(&image, &file);
    is_good.then_some(file)
}
