//! The file of a module, if the one that is found is the one that was loaded.

use std::io;
use std::path::PathBuf;

use memprof_capture::file::Module;
use memprof_capture::os_error::in_words;

use super::elf_image::ElfImage;
use super::kept_files::KeptFiles;
use super::mapped_file::MappedFile;
use super::options::Options;

/// What is at a module's path.
pub enum ModuleFile {
    /// The file that was loaded.
    Same(MappedFile),
    /// Another build.
    Other(PathBuf),
    /// Nothing.
    Missing,
    /// Something that cannot be read, for this reason.
    Unreadable(PathBuf, String),
}

impl ModuleFile {
    /// Looks for it, also among those that were kept. A module without a build id must be taken as it is.
    pub fn find(module: &Module, options: &Options, kept: &KeptFiles) -> Self {
        let found = Self::at_path(module, options);
        let is_build = |file: &MappedFile| ElfImage::parse(file).is_ok_and(|image| is_build(&image, &module.build_id));
        match found {
            Self::Same(_) | Self::Unreadable(..) => found,
            Self::Other(_) | Self::Missing => kept.mapped(module).filter(is_build).map_or(found, Self::Same),
        }
    }

    fn at_path(module: &Module, options: &Options) -> Self {
        let path = PathBuf::from(&module.path);
        if !path.is_absolute() {
            return Self::Missing;
        }
        let path = options.in_sysroot(&path);
        let file = match MappedFile::open(&path) {
            Ok(file) => file,
            Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
                return Self::Missing;
            }
            Err(error) => return Self::Unreadable(path, in_words(&error)),
        };
        match ElfImage::parse(&file).map(|image| is_build(&image, &module.build_id)) {
            Ok(true) => Self::Same(file),
            Ok(false) => Self::Other(path),
            Err(reason) => Self::Unreadable(path, reason),
        }
    }
}

/// Whether a file is this build, as far as one can know.
pub fn is_build(image: &ElfImage<'_>, build_id: &[u8]) -> bool {
    build_id.is_empty() || image.build_id() == build_id
}
