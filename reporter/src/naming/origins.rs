//! Whose a native function is, by where its source lies: the program's, a dependency's or a standard library's.

use crate::naming::runtime_functions::file_name;

/// Whose a native function is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Origin {
    /// Nobody says where its source lies.
    #[default]
    Unknown = 0,
    /// The program's, or that of a library that is none of the following.
    Program = 1,
    /// That of a crate that Cargo fetched from a registry or repository.
    Dependency = 2,
    /// That of the standard library of C++ or Rust.
    StandardLibrary = 3,
}

impl Origin {
    /// The origin of a function with this source, or, where that is not known, with this name and in this module.
    pub(crate) fn of(function: &str, source: Option<&str>, module: Option<&str>) -> Self {
        match source {
            Some(source) => Self::of_source(source),
            None if is_in_standard_namespace(function) => Self::StandardLibrary,
            None if module.is_some_and(|module| is_standard_module(file_name(module))) => Self::StandardLibrary,
            None => Self::Unknown,
        }
    }

    fn of_source(path: &str) -> Self {
        let parts: Vec<&str> = path.split(['/', '\\']).filter(|part| !matches!(*part, "" | ".")).collect();
        if is_rust_library(path, &parts) || is_cpp_library(&parts) {
            Self::StandardLibrary
        } else if is_fetched_crate(&parts) {
            Self::Dependency
        } else {
            Self::Program
        }
    }
}

/// Whether a name begins with a crate or namespace that nobody else may have: `<alloc::string::String>::push`. An
/// implementation of a trait for a type of the library may be the program's, and does not count.
fn is_in_standard_namespace(function: &str) -> bool {
    let path = function.strip_prefix('<').filter(|path| !path.contains(" as ")).unwrap_or(function);
    ["alloc::", "core::", "std::", "__gnu_cxx::"].iter().any(|root| path.starts_with(root))
}

/// The files of standard libraries, which come without debugging information as a rule.
fn is_standard_module(name: &str) -> bool {
    ["libstdc++.so", "libc++.so", "libc++abi.so"].iter().any(|start| name.starts_with(start))
        // `libstd-6b1a9e6b3c2f4d5e.so`, of programs that were built with `-C prefer-dynamic`.
        || name.strip_prefix("libstd-").and_then(|rest| rest.strip_suffix(".so")).is_some_and(is_hash)
}

/// Rust's standard library, and the crates that it is made of (hashbrown).
fn is_rust_library(path: &str, parts: &[&str]) -> bool {
    // What Rust's own builds call the crates that they fetch: since 1.77, and before. (Cargo has its folder in the home
    // of a user, or in `/usr/local`.)
    if path.starts_with("/rust/deps/") || path.starts_with("/cargo/registry/src/") {
        return true;
    }
    // A path that was cut to what is below the sources: `library/alloc/src/vec/mod.rs`.
    if let ["library", "alloc" | "core" | "std", "src", ..] = parts {
        return true;
    }
    parts.windows(3).any(|three| match three {
        // `/rustc/HASH/library/...` and, before 1.47, `/rustc/HASH/src/liballoc/...`
        ["rustc", hash, below] => is_hash(hash) && is_below_rust_sources(below),
        // The component rust-src: `.../lib/rustlib/src/rust/library/...`
        ["src", "rust", below] => parts.contains(&"rustlib") && is_below_rust_sources(below),
        // Distributions: `/usr/src/rustc-1.63.0/library/...`, and there `vendor/hashbrown/...`
        [sources, below, _] => {
            let version = sources.strip_prefix("rustc-").and_then(|rest| rest.chars().next());
            version.is_some_and(|first| first.is_ascii_digit()) && is_below_rust_sources(below)
        }
        _ => false,
    })
}

fn is_below_rust_sources(folder: &str) -> bool {
    matches!(folder, "library" | "vendor" | "src")
}

/// libstdc++ and libc++: their headers, wherever a toolchain has them, and their own sources.
fn is_cpp_library(parts: &[&str]) -> bool {
    let is_version = |name: &str| name == "v1" || name.starts_with(|c: char| c.is_ascii_digit());
    parts.windows(3).any(|three| match three {
        // `/usr/include/c++/12/bits/stl_vector.h`, `/opt/llvm/include/c++/v1/vector`
        ["include", "c++", version] => is_version(version),
        // `/usr/include/x86_64-linux-gnu/c++/12/bits/c++config.h`
        [_, "c++", version] => parts.contains(&"include") && is_version(version),
        // As they were built: `/build/gcc-12/src/libstdc++-v3/libsupc++/new_op.cc`, `/src/llvm/libcxx/src/string.cpp`
        ["libstdc++-v3", ..] | ["libcxx" | "libcxxabi", "include" | "src", _] => true,
        _ => false,
    })
}

/// `.../registry/src/index.crates.io-HASH/NAME-VERSION/...`, `.../git/checkouts/NAME-HASH/COMMIT/...` and, in Debian's
/// packages, `/usr/share/cargo/registry/NAME-VERSION/...`
fn is_fetched_crate(parts: &[&str]) -> bool {
    let ends_in_hash = |name: &str| name.rsplit_once('-').is_some_and(|(_, hash)| is_hash(hash));
    parts.windows(3).any(|three| match three {
        ["registry", "src", index] | ["git", "checkouts", index] => ends_in_hash(index),
        ["share", "cargo", "registry"] => true,
        _ => false,
    })
}

/// Sixteen hexadecimal digits or more: what Cargo and Rust distinguish versions of things by.
fn is_hash(text: &str) -> bool {
    text.len() >= 16 && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn all_are(origin: Origin, sources: &[&str]) {
        for source in sources {
            assert_eq!(Origin::of("work", Some(source), Some("/srv/app/server")), origin, "{source}");
        }
    }

    #[test]
    fn standard_libraries() {
        all_are(
            Origin::StandardLibrary,
            &[
                "/rustc/59807616e1fa2540724bfbac14d7976d7e4a3860/library/alloc/src/vec/mod.rs",
                "/rustc/59807616e1fa2540724bfbac14d7976d7e4a3860/src/liballoc/vec.rs",
                "/home/ada/.rustup/toolchains/stable/lib/rustlib/src/rust/library/core/src/option.rs",
                "/usr/lib/rustlib/src/rust/src/libcore/option.rs",
                "/usr/src/rustc-1.63.0/library/std/src/thread/mod.rs",
                "/usr/src/rustc-1.63.0/vendor/hashbrown/src/raw/mod.rs",
                "/build/rustc-1.78.0-src/library/alloc/src/boxed.rs",
                "library/alloc/src/raw_vec.rs",
                "/rust/deps/hashbrown-0.16.1/src/raw/alloc.rs",
                "/cargo/registry/src/github.com-1ecc6299db9ec823/hashbrown-0.12.3/src/raw/mod.rs",
                "/usr/include/c++/12/bits/stl_vector.h",
                "/usr/include/c++/12/memory",
                "/usr/lib/gcc/x86_64-linux-gnu/12/../../../../include/c++/12/bits/unique_ptr.h",
                "/usr/include/x86_64-linux-gnu/c++/12/bits/c++config.h",
                "/opt/conda/x86_64-conda-linux-gnu/include/c++/13.3.0/bits/hashtable.h",
                "/opt/llvm/include/c++/v1/__memory/allocate.h",
                "/build/gcc-12/x86_64-linux-gnu/libstdc++-v3/include/bits/basic_string.tcc",
                "../../../../src/libstdc++-v3/libsupc++/new_op.cc",
                "/build/llvm-project/libcxx/src/string.cpp",
            ],
        );
        for module in
            ["/usr/lib/x86_64-linux-gnu/libstdc++.so.6.0.30", "libc++.so.1", "/lib/libstd-6b1a9e6b3c2f4d5e.so"]
        {
            assert_eq!(Origin::of("work", None, Some(module)), Origin::StandardLibrary, "{module}");
        }
        for name in ["<alloc::string::String>::push", "alloc::fmt::format", "std::string::_M_mutate(unsigned long)"] {
            assert_eq!(Origin::of(name, None, Some("/srv/app/server")), Origin::StandardLibrary, "{name}");
        }
    }

    #[test]
    fn crates_that_cargo_fetched() {
        all_are(
            Origin::Dependency,
            &[
                "/home/ada/.cargo/registry/src/index.crates.io-6f17d22bba15001f/serde_json-1.0.120/src/de.rs",
                "/usr/local/cargo/registry/src/github.com-1ecc6299db9ec823/bytes-1.4.0/src/bytes_mut.rs",
                "C:\\Users\\ada\\.cargo\\registry\\src\\index.crates.io-6f17d22bba15001f\\bytes-1.4.0\\src\\lib.rs",
                "/home/ada/.cargo/git/checkouts/tokio-3a5f9c1d2b4e6f70/8a2f1c9/tokio/src/task.rs",
                "/usr/share/cargo/registry/memchr-2.5.0/src/lib.rs",
            ],
        );
    }

    #[test]
    fn everything_else_is_the_program_s() {
        all_are(
            Origin::Program,
            &[
                "/home/ada/app/src/main.rs",
                "src/main.rs",
                "/home/ada/app/library/alloc/src/lib.rs",
                "/home/ada/rustc/notes/library/main.rs",
                "/home/ada/rustc-plugin/library/main.rs",
                "/home/ada/app/include/c++/pool.h",
                "/home/ada/c++/12/tasks.cpp",
                "/home/ada/registry/src/store/index.rs",
                "/usr/include/boost/container/vector.hpp",
            ],
        );
        assert_eq!(Origin::of("alloc::work", Some("src/main.rs"), None), Origin::Program);
    }

    #[test]
    fn what_is_not_known_is_nobody_s() {
        for name in ["work", "allocate", "<alloc::vec::Vec<app::Row> as app::Size>::bytes"] {
            assert_eq!(Origin::of(name, None, Some("/srv/app/server")), Origin::Unknown, "{name}");
        }
        assert_eq!(Origin::of("work", None, Some("/srv/app/libstd-tools.so")), Origin::Unknown);
        assert_eq!(Origin::of("work", None, None), Origin::Unknown);
    }
}
