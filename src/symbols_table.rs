//! What `memprof symbolize` says: for each module how many of its frames have names, and where those come from.

use std::path::Path;

use memprof_recorder::symbols::SymbolSource;
use memprof_recorder::symbols::redo::NamedModule;
use memprof_reporter::size_units::{count, counted};

/// Columns of the two parts that are wrapped; with the numbers before them a line has 80.
const MODULE_WIDTH: usize = 24;
const SOURCE_WIDTH: usize = 38;

/// The table, and what was written.
pub fn text(capture: &Path, modules: &[NamedModule], written: Option<&Path>) -> String {
    let capture = capture.display();
    let mut text = String::new();
    if modules.is_empty() {
        text += &format!("{capture} has no native frames: there is nothing to name\n");
    } else {
        text += "  named  frames  module                   where the names come from\n";
        for module in modules {
            add(&mut text, module);
        }
        let (named, frames) = modules
            .iter()
            .fold((0, 0), |(named, frames), module| (named + module.named as u64, frames + module.frames as u64));
        text += &format!("{} of {} have names\n", count(named), counted(frames, "native frame"));
    }
    if let Some(path) = written {
        text += &format!("wrote {}\n", path.display());
    }
    text
}

fn add(text: &mut String, module: &NamedModule) {
    let path = module.path.as_deref();
    let name = path.map_or_else(
        || "code made at run time".to_owned(),
        |path| path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned(),
    );
    let names = wrapped(&name, MODULE_WIDTH);
    let sources = wrapped(&source(module), SOURCE_WIDTH);
    for line in 0..names.len().max(sources.len()) {
        let numbers = if line == 0 {
            format!("{:>7} {:>7}", count(module.named as u64), count(module.frames as u64))
        } else {
            " ".repeat(15)
        };
        let part = |lines: &[String]| lines.get(line).cloned().unwrap_or_default();
        let row = format!("{numbers}  {:MODULE_WIDTH$} {}", part(&names), part(&sources));
        *text += row.trim_end();
        text.push('\n');
    }
}

fn source(module: &NamedModule) -> String {
    let Some(path) = &module.path else {
        let found = if module.named > module.kept { "its map in /tmp" } else { "no map of it in /tmp" };
        return with_kept(module, found);
    };
    let is_own = |file: &str| path.as_path() == Path::new(file);
    let found = match &module.source {
        SymbolSource::DebugInformation(file) if is_own(file) => "its debugging information".to_owned(),
        SymbolSource::DebugInformation(file) => format!("the debugging information in {file}"),
        SymbolSource::SymbolTable(file) if is_own(file) => "its table of symbols".to_owned(),
        SymbolSource::SymbolTable(file) => format!("the table of symbols in {file}"),
        SymbolSource::OtherBuild(file) => format!("{file} is another build"),
        SymbolSource::Missing => format!("{} is not here", path.display()),
        SymbolSource::Unreadable(file, why) => format!("cannot read {file}: {why}"),
        SymbolSource::Nameless => "it has no names for these frames".to_owned(),
    };
    with_kept(module, &found)
}

fn with_kept(module: &NamedModule, found: &str) -> String {
    match module.kept {
        0 => found.to_owned(),
        all if all == module.named => format!("kept as they were: {found}"),
        some => format!("{found}; {} kept as they were", count(some as u64)),
    }
}

/// The text in lines of this width, broken between words where that is possible.
fn wrapped(text: &str, width: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split(' ') {
        let mut rest: Vec<char> = word.chars().filter(|letter| !letter.is_control()).collect();
        match lines.last_mut() {
            Some(line) if line.chars().count() + 1 + rest.len() <= width => {
                line.push(' ');
                line.extend(rest);
                continue;
            }
            // Where a word must be broken, it begins in the line that there is.
            Some(line) if rest.len() > width && line.chars().count() + 1 < width => {
                line.push(' ');
                let room = width - line.chars().count();
                line.extend(rest.drain(..room));
            }
            _ => {}
        }
        for part in rest.chunks(width) {
            lines.push(part.iter().collect());
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::PathBuf;

    #[test]
    fn the_table_has_80_columns() {
        let module = |path: Option<&str>, named, frames, source, kept| NamedModule {
            path: path.map(PathBuf::from),
            frames,
            named,
            source,
            kept,
        };
        let long = "/usr/lib/debug/.build-id/93/ac61ec5a8eb1396f9fbd350e3169a558528a40.debug";
        let modules = [
            module(Some("/usr/lib/libc.so.6"), 1200, 1234, SymbolSource::DebugInformation(long.to_owned()), 7),
            module(
                Some("/a/_multiarray_umath.cpython-311-x86_64-linux-gnu.so"),
                3,
                3,
                SymbolSource::OtherBuild("/a/b.so".to_owned()),
                3,
            ),
            module(None, 0, 7, SymbolSource::Missing, 0),
        ];
        let text = text(Path::new("x.bin"), &modules, Some(Path::new("y.bin")));
        assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
        let wanted = "  named  frames  module                   where the names come from
  1,200   1,234  libc.so.6                the debugging information in /usr/lib/
                                          debug/.build-id/93/ac61ec5a8eb1396f9fb
                                          d350e3169a558528a40.debug; 7 kept as
                                          they were
      3       3  _multiarray_umath.cpytho kept as they were: /a/b.so is another
                 n-311-x86_64-linux-gnu.s build
                 o
      0       7  code made at run time    no map of it in /tmp
1,203 of 1,244 native frames have names
wrote y.bin
";
        assert_eq!(text, wanted);
    }

    #[test]
    fn a_capture_without_native_frames() {
        let text = text(Path::new("x.bin"), &[], None);
        assert_eq!(text, "x.bin has no native frames: there is nothing to name\n");
    }
}
