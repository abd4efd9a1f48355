//! The symbols that a module exports, found as the loader finds them: by hash tables in its memory (System V gABI,
//! chapter 5, "Hash Table", and DT_GNU_HASH, which binutils define).

use core::ffi::CStr;

use object::elf::{
    DT_GNU_HASH, DT_HASH, DT_NULL, DT_STRTAB, DT_SYMTAB, Dyn64, GnuHashHeader, HashHeader, SHN_UNDEF, gnu_hash, hash,
};
use object::{NativeEndian, U32, U64};

use super::{ENDIAN, Image, Segments, SymbolEntry};

type Word = U32<NativeEndian>;

/// What a module exports.
#[derive(Clone, Copy)]
pub struct Exports<'a> {
    image: Image<'a>,
    symbols: usize,
    names: usize,
    by_name: HashTable,
}

/// The address of a table that leads from names to symbols.
#[derive(Clone, Copy)]
enum HashTable {
    Gnu(usize),
    SystemV(usize),
}

impl<'a> Exports<'a> {
    /// Those of a module with these program headers; nothing where it has no table of them.
    pub fn of(image: Image<'a>, segments: Segments<'_>) -> Option<Self> {
        let (mut symbols, mut names, mut gnu, mut system_v) = (None, None, None, None);
        let section = segments.dynamic()?;
        let count = section.len() / size_of::<Dyn64<NativeEndian>>();
        let entries = image.records::<Dyn64<NativeEndian>>(image.loaded(section.start), count)?;
        for entry in entries.iter().take_while(|entry| entry.d_tag.get(ENDIAN) != DT_NULL) {
            let value = entry.d_val.get(ENDIAN) as usize;
            // The loader makes addresses of most of them; what is below the module is not one yet.
            let address = Some(if value < image.bias() { image.loaded(value) } else { value });
            match entry.d_tag.get(ENDIAN) {
                DT_HASH => system_v = address,
                DT_STRTAB => names = address,
                DT_SYMTAB => symbols = address,
                DT_GNU_HASH => gnu = address,
                _ => {}
            }
        }
        let by_name = gnu.map(HashTable::Gnu).or(system_v.map(HashTable::SystemV))?;
        Some(Self { image, symbols: symbols?, names: names?, by_name })
    }

    /// The address of a function or object; nothing if the module does not define it.
    pub fn find(&self, name: &CStr) -> Option<usize> {
        let symbol = match self.by_name {
            HashTable::Gnu(table) => self.find_by_gnu_hash(table, name),
            HashTable::SystemV(table) => self.find_by_hash(table, name),
        };
        Some(self.image.loaded(symbol?.st_value.get(ENDIAN) as usize))
    }

    /// The symbol of this number, if it is defined under this name.
    fn symbol(&self, index: u32, name: &CStr) -> Option<&'a SymbolEntry> {
        let address = self.symbols.checked_add(index as usize * size_of::<SymbolEntry>())?;
        let symbol = self.image.record::<SymbolEntry>(address)?;
        let name = name.to_bytes_with_nul();
        let its_name =
            self.image.records::<u8>(self.names.checked_add(symbol.st_name.get(ENDIAN) as usize)?, name.len())?;
        (symbol.st_shndx.get(ENDIAN) != SHN_UNDEF && its_name == name).then_some(symbol)
    }

    /// The word of this number after an address.
    fn word(&self, address: usize, index: u32) -> Option<u32> {
        let address = address.checked_add(index as usize * size_of::<Word>())?;
        Some(self.image.record::<Word>(address)?.get(ENDIAN))
    }

    /// By the four words of a header, a filter, buckets, and chains.
    fn find_by_gnu_hash(&self, table: usize, name: &CStr) -> Option<&'a SymbolEntry> {
        let hash = gnu_hash(name.to_bytes());
        let header = self.image.record::<GnuHashHeader<NativeEndian>>(table)?;
        let (buckets, first) = (header.bucket_count.get(ENDIAN), header.symbol_base.get(ENDIAN));
        let filter = table + size_of_val(header);
        let filters = self.image.records::<U64<NativeEndian>>(filter, header.bloom_count.get(ENDIAN) as usize)?;
        let bits = filters.get((hash as usize / 64).checked_rem(filters.len())?)?.get(ENDIAN);
        let other = hash.checked_shr(header.bloom_shift.get(ENDIAN))?;
        if bits >> (hash % 64) & bits >> (other % 64) & 1 == 0 {
            return None;
        }
        let bucket = filter + size_of_val(filters);
        let chains = bucket + buckets as usize * size_of::<Word>();
        let mut index = self.word(bucket, hash.checked_rem(buckets)?)?;
        loop {
            let chain = self.word(chains, index.checked_sub(first)?)?;
            if chain | 1 == hash | 1
                && let Some(symbol) = self.symbol(index, name)
            {
                return Some(symbol);
            }
            if chain & 1 != 0 {
                return None;
            }
            index = index.checked_add(1)?;
        }
    }

    /// By two words, buckets, and chains, of which there is one for each symbol.
    fn find_by_hash(&self, table: usize, name: &CStr) -> Option<&'a SymbolEntry> {
        let header = self.image.record::<HashHeader<NativeEndian>>(table)?;
        let buckets = header.bucket_count.get(ENDIAN);
        let bucket = table + size_of_val(header);
        let chains = bucket + buckets as usize * size_of::<Word>();
        let mut index = self.word(bucket, hash(name.to_bytes()).checked_rem(buckets)?)?;
        // A damaged chain may be a circle.
        for _ in 0..header.chain_count.get(ENDIAN) {
            if index == 0 {
                return None;
            }
            if let Some(symbol) = self.symbol(index, name) {
                return Some(symbol);
            }
            index = self.word(chains, index)?;
        }
        None
    }
}
