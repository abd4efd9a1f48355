//! An ELF file as far as names are concerned: its identity, its sections, where it says that more is to be found.

use std::borrow::Cow;
use std::path::PathBuf;

use object::elf::SHF_EXECINSTR;
use object::{CompressionFormat, Object, ObjectSection, SectionFlags, SectionIndex};

/// No section is unpacked to more than this: what a damaged or hostile file says about its size is not trusted.
const MAX_UNPACKED_BYTES: u64 = 1 << 30;
/// Nor to more than so many times its size in the file, and a little: what compilers write becomes 3 to 30 times as large.
const MAX_UNPACKED_RATIO: u64 = 256;

/// An ELF file in memory.
pub struct ElfImage<'d> {
    file: object::File<'d>,
    bytes: usize,
}

impl<'d> ElfImage<'d> {
    /// Reads the headers; why not, where that fails.
    pub fn parse(data: &'d [u8]) -> Result<Self, String> {
        let file = object::File::parse(data).map_err(|error| format!("it is no ELF file ({error})"))?;
        Ok(Self { file, bytes: data.len() })
    }

    /// Its size.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Its build id; empty where it has none.
    pub fn build_id(&self) -> &'d [u8] {
        self.file.build_id().ok().flatten().unwrap_or_default()
    }

    /// Whether it has debugging information of its own.
    pub fn has_debug_information(&self) -> bool {
        [".debug_info", ".zdebug_info"].into_iter().any(|name| {
            // Where the information has been moved to another file, the section may be left without content.
            self.file
                .section_by_name(name)
                .is_some_and(|section| section.file_range().is_some_and(|(_, size)| size > 0))
        })
    }

    /// Whether that information is compressed.
    pub fn is_packed(&self) -> bool {
        let section = self.file.section_by_name(".debug_info");
        let range = section.and_then(|section| section.compressed_file_range().ok());
        range.is_some_and(|range| range.format != CompressionFormat::None)
    }

    /// Whether it has a full symbol table.
    pub fn has_symbol_table(&self) -> bool {
        self.file.symbols().next().is_some()
    }

    /// The content of a section, unpacked if necessary; empty where there is none, or none that can be read.
    pub fn section(&self, name: &str) -> Cow<'d, [u8]> {
        let Some(section) = self.file.section_by_name(name) else { return Cow::Borrowed(&[]) };
        let Ok(data) = section.compressed_data() else { return Cow::Borrowed(&[]) };
        if data.format == CompressionFormat::None {
            return Cow::Borrowed(data.data);
        }
        let believable = (data.data.len() as u64 * MAX_UNPACKED_RATIO + (1 << 20)).min(MAX_UNPACKED_BYTES);
        if data.uncompressed_size > believable { Cow::Borrowed(&[]) } else { data.decompress().unwrap_or_default() }
    }

    /// The file of debugging information that belongs to this one: its name, and the checksum of its content.
    pub fn debug_link(&self) -> Option<(PathBuf, u32)> {
        let (name, checksum) = self.file.gnu_debuglink().ok()??;
        Some((path(name), checksum))
    }

    /// The file that holds what this debugging information shares with others: its path, and its build id.
    pub fn alternative_link(&self) -> Option<(PathBuf, &'d [u8])> {
        let (name, build_id) = self.file.gnu_debugaltlink().ok()??;
        Some((path(name), build_id))
    }

    /// All it knows, for the tables of symbols.
    pub fn object(&self) -> &object::File<'d> {
        &self.file
    }

    /// The addresses of a section, if it holds code.
    pub fn code_section(&self, index: SectionIndex) -> Option<std::ops::Range<u64>> {
        let section = self.file.section_by_index(index).ok()?;
        let SectionFlags::Elf { sh_flags, .. } = section.flags() else { return None };
        let is_code = sh_flags.contains(SHF_EXECINSTR);
        is_code.then(|| section.address()..section.address().saturating_add(section.size()))
    }

    /// Whether numbers in it have their lowest byte first.
    pub fn is_little_endian(&self) -> bool {
        self.file.is_little_endian()
    }
}

fn path(name: &[u8]) -> PathBuf {
    use std::os::unix::ffi::OsStrExt;
    PathBuf::from(std::ffi::OsStr::from_bytes(name))
}
