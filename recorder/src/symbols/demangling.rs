//! Names as the programmer wrote them.

use cpp_demangle::{DemangleOptions, ParseOptions, Symbol};

/// Longer names are cut: templates can make names of a megabyte, which no report can show.
const MAX_NAME_BYTES: usize = 4096;

/// The name that a linker's symbol represents.
pub fn demangled(symbol: &str) -> String {
    // Versions (`memcpy@@GLIBC_2.14`) are the linker's business.
    let symbol = match symbol.split_once('@') {
        Some((name, _)) if !name.is_empty() => name,
        _ => symbol,
    };
    shortened(rust_name(symbol).or_else(|| cpp_name(symbol)).unwrap_or_else(|| symbol.to_owned()))
}

fn rust_name(symbol: &str) -> Option<String> {
    // In this form without the hash that distinguishes what has the same name.
    Some(format!("{:#}", rustc_demangle::try_demangle(symbol).ok()?))
}

fn cpp_name(symbol: &str) -> Option<String> {
    // Anything else that the parser takes for a name is a type (`i` for `int`).
    if !symbol.starts_with("_Z") || symbol.len() > 4 * MAX_NAME_BYTES {
        return None;
    }
    // What recurses deeper than this is not written by people, and would take much stack.
    let parsed = Symbol::new_with_options(symbol, &ParseOptions::default().recursion_limit(96)).ok()?;
    parsed.demangle_with_options(&DemangleOptions::new().recursion_limit(192)).ok()
}

/// At most so many bytes of the name, cut between characters.
pub fn shortened(mut name: String) -> String {
    if name.len() > MAX_NAME_BYTES {
        let end = (0..=MAX_NAME_BYTES).rev().find(|&at| name.is_char_boundary(at)).unwrap_or(0);
        name.truncate(end);
        name.push('…');
    }
    name
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_three_languages() {
        for (symbol, name) in [
            ("malloc", "malloc"),
            ("memcpy@@GLIBC_2.14", "memcpy"),
            ("_ZN3foo3barEi", "foo::bar(int)"),
            ("_ZN4core3fmt5Write9write_fmt17h0123456789abcdefE", "core::fmt::Write::write_fmt"),
            ("_RNvCskwGfYPst2Cb_3foo16example_function", "foo::example_function"),
            ("_Znonsense", "_Znonsense"),
            ("i", "i"),
            ("@", "@"),
        ] {
            assert_eq!(demangled(symbol), name);
        }
    }

    #[test]
    fn endless_names_end() {
        assert!(demangled(&"ä".repeat(100_000)).len() <= MAX_NAME_BYTES + '…'.len_utf8());
        assert!(demangled(&format!("_Z{}", "N".repeat(100_000))).len() <= MAX_NAME_BYTES + '…'.len_utf8());
    }
}
