//! From ES modules to one classic script.
//!
//! Each module becomes a function that is called once, after those of the modules that it imports, and returns what it
//! exports. So names of one module are in nobody's way, as the language has it, and nothing has to be understood of a
//! module but its lines that begin with `import` or `export`. What is not understood of those is an error: it names
//! the line.

use std::collections::{BTreeSet, HashMap};
use std::fmt;
use std::io;

/// What holds the exports of all modules. No module may have the name.
const EXPORTS: &str = "$exports";

/// Why a page cannot be put together: the file, the line (from 1), and what is wrong there.
#[derive(Debug, PartialEq, Eq)]
pub struct Fault {
    file: String,
    line: usize,
    message: String,
}

impl fmt::Display for Fault {
    fn fmt(&self, out: &mut fmt::Formatter) -> fmt::Result {
        write!(out, "{}:{}: {}", self.file, self.line, self.message)
    }
}

/// The script that does what the module `start` does. Paths are relative to the folder of all modules; `read` has their
/// content.
pub fn assemble(start: &str, read: impl FnMut(&str) -> io::Result<String>) -> Result<String, Fault> {
    let mut assembly = Assembly {
        read,
        exports: HashMap::new(),
        begun: Vec::new(),
        script: format!("'use strict';\nconst {EXPORTS} = {{}};\n"),
    };
    assembly.add(start, &|message| Fault { file: start.to_owned(), line: 1, message })?;
    Ok(assembly.script)
}

struct Assembly<Read> {
    read: Read,
    /// What the modules export that are in the script.
    exports: HashMap<String, BTreeSet<String>>,
    /// The modules whose imports are being added, each imported by the one before.
    begun: Vec<String>,
    script: String,
}

impl<Read: FnMut(&str) -> io::Result<String>> Assembly<Read> {
    /// Adds a module after those that it imports, unless it is there already. `fault` blames who imports it.
    fn add(&mut self, path: &str, fault: &dyn Fn(String) -> Fault) -> Result<(), Fault> {
        if self.exports.contains_key(path) {
            return Ok(());
        }
        if let Some(first) = self.begun.iter().position(|begun| begun == path) {
            let circle: Vec<&str> = self.begun[first..].iter().map(String::as_str).chain([path]).collect();
            return Err(fault(format!("imports go round in a circle: {}", circle.join(" → "))));
        }
        let source = (self.read)(path).map_err(|error| fault(format!("{path} cannot be read: {error}")))?;
        self.begun.push(path.to_owned());
        let module = Module::parse(path, &source)?;
        for import in &module.imports {
            let fault = |message| Fault { file: path.to_owned(), line: import.line, message };
            self.add(&import.from, &fault)?;
            if let Some(name) = import.names.iter().find(|name| !self.exports[&import.from].contains(*name)) {
                return Err(fault(format!("{} does not export {name}", import.from)));
            }
        }
        self.begun.pop();
        let exports = module.exports.iter().map(String::as_str).collect::<Vec<_>>().join(", ");
        self.script
            .push_str(&format!("{EXPORTS}['{path}'] = (() => {{\n{}return {{ {exports} }};\n}})();\n", module.body));
        self.exports.insert(path.to_owned(), module.exports);
        Ok(())
    }
}

struct Import {
    line: usize,
    names: Vec<String>,
    /// The path of the module from the folder of all modules.
    from: String,
}

struct Module {
    imports: Vec<Import>,
    exports: BTreeSet<String>,
    /// What the function of the module does.
    body: String,
}

impl Module {
    fn parse(path: &str, source: &str) -> Result<Self, Fault> {
        let mut module = Self { imports: Vec::new(), exports: BTreeSet::new(), body: String::new() };
        let mut is_comment = false;
        let mut has_code = false;
        let mut lines = (1..).zip(source.lines());
        while let Some((line, text)) = lines.next() {
            let fault = |message: &str| Err(Fault { file: path.to_owned(), line, message: message.to_owned() });
            let trimmed = text.trim();
            // Comments are for who reads the modules: with them, an empty page would be a third larger.
            if is_comment {
                is_comment = !trimmed.contains("*/");
                if !is_comment && !trimmed.ends_with("*/") {
                    return fault("code after a comment of several lines");
                }
                continue;
            }
            let mut text = text;
            let mut trimmed = trimmed;
            while trimmed.starts_with("/*") {
                let Some((_, code)) = trimmed.split_once("*/") else {
                    is_comment = true;
                    break;
                };
                text = code;
                trimmed = code.trim();
            }
            if is_comment {
                continue;
            }
            if trimmed.is_empty() || trimmed.starts_with("//") {
                continue;
            }
            if trimmed.matches('`').count() % 2 == 1 {
                return fault("a text over several lines: what looks like a comment in it would be lost");
            }
            if text.contains(EXPORTS) {
                return fault("the name belongs to the script that is made of the modules");
            }
            if has_word_before(text, "import", &['(', '.']) {
                return fault("modules are imported at the top of the file, by `import { name } from './file.js';`");
            }
            let is_import = begins_with_word(trimmed, "import");
            if (is_import || begins_with_word(trimmed, "export")) && trimmed.len() != text.trim_end().len() {
                return fault("imports and exports begin their line");
            }
            if is_import {
                if has_code {
                    return fault("imports come before all else");
                }
                let mut statement = trimmed.to_owned();
                while !statement.ends_with(';') {
                    let Some((_, more)) = lines.next() else { return fault("the import has no end") };
                    statement.push(' ');
                    statement.push_str(more.trim());
                }
                let Some((names, from)) = parse_import(&statement) else {
                    return fault("not of the form `import { name, other } from './file.js';`");
                };
                let Some(from) = resolve(path, from) else {
                    return fault("the imported file is not below the folder of the page");
                };
                module.body.push_str(&format!("const {{ {} }} = {EXPORTS}['{from}'];\n", names.join(", ")));
                module.imports.push(Import { line, names, from });
                continue;
            }
            has_code = true;
            let code = match trimmed.strip_prefix("export ") {
                Some(declaration) => {
                    let Some(name) = declared_name(declaration) else {
                        return fault(
                            "only `function`, `async function`, `class` and `const` with one name are exported",
                        );
                    };
                    if !module.exports.insert(name.to_owned()) {
                        return fault("exported twice");
                    }
                    declaration
                }
                None => text,
            };
            module.body.push_str(code);
            module.body.push('\n');
        }
        Ok(module)
    }
}

fn is_part_of_name(character: char) -> bool {
    character.is_alphanumeric() || character == '_' || character == '$'
}

fn is_name(text: &str) -> bool {
    text.starts_with(|first: char| is_part_of_name(first) && !first.is_numeric()) && text.chars().all(is_part_of_name)
}

fn begins_with_word(text: &str, word: &str) -> bool {
    text.strip_prefix(word).is_some_and(|rest| !rest.starts_with(is_part_of_name))
}

/// Whether a text has a word, not as the end of another one or as a property, that is followed by one of these signs.
fn has_word_before(text: &str, word: &str, signs: &[char]) -> bool {
    text.match_indices(word).any(|(at, _)| {
        !text[..at].ends_with(|before| is_part_of_name(before) || before == '.')
            && text[at + word.len()..].trim_start().starts_with(signs)
    })
}

/// The names and the path of `import { name, other } from './file.js';`.
fn parse_import(statement: &str) -> Option<(Vec<String>, &str)> {
    let (names, from) = statement.strip_prefix("import {")?.split_once('}')?;
    let from = from.trim().strip_prefix("from '")?.strip_suffix("';")?;
    let names = names.trim().trim_end_matches(',').split(',').map(|name| name.trim().to_owned()).collect::<Vec<_>>();
    names.iter().all(|name| is_name(name)).then_some((names, from))
}

/// Where a module is that is imported as `from` by another one; nothing for what is no file of the page.
fn resolve(importer: &str, from: &str) -> Option<String> {
    if !from.starts_with("./") && !from.starts_with("../") {
        return None;
    }
    let mut folders: Vec<&str> = importer.split('/').collect();
    folders.pop();
    for part in from.split('/') {
        match part {
            "." => {}
            ".." => drop(folders.pop()?),
            part => folders.push(part),
        }
    }
    Some(folders.join("/"))
}

/// The one name of a declaration, if it may be exported: a name that is given another value later would be stale.
fn declared_name(declaration: &str) -> Option<&str> {
    let kinds = ["async function ", "function ", "class ", "const "];
    let rest = kinds.iter().find_map(|kind| declaration.strip_prefix(kind))?;
    let name = &rest[..rest.find(|character| !is_part_of_name(character)).unwrap_or(rest.len())];
    is_name(name).then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn assembled(modules: &[(&str, &str)]) -> Result<String, String> {
        let read = |path: &str| {
            let found = modules.iter().find(|(name, _)| *name == path);
            found.map(|(_, source)| (*source).to_owned()).ok_or_else(|| io::Error::other("no such module"))
        };
        assemble("main.js", read).map_err(|fault| fault.to_string())
    }

    fn fault(modules: &[(&str, &str)]) -> String {
        assembled(modules).expect_err("the modules have a fault")
    }

    fn fault_of(main: &str) -> String {
        fault(&[("main.js", main), ("a.js", "export const a = 1;\n")])
    }

    #[test]
    fn modules_follow_what_they_import() {
        let script = assembled(&[
            (
                "main.js",
                "// Begins.\nimport { sum } from './sums/sum.js';\nimport { one } from './one.js';\n\nsum(one);\n",
            ),
            ("sums/sum.js", "import { one } from '../one.js';\nexport function sum(x) {\n  return x + one;\n}\n"),
            ("one.js", "const kept = 1;\nexport const one = kept;\n"),
        ]);
        let expected = "'use strict';
const $exports = {};
$exports['one.js'] = (() => {
const kept = 1;
const one = kept;
return { one };
})();
$exports['sums/sum.js'] = (() => {
const { one } = $exports['one.js'];
function sum(x) {
  return x + one;
}
return { sum };
})();
$exports['main.js'] = (() => {
const { sum } = $exports['sums/sum.js'];
const { one } = $exports['one.js'];
sum(one);
return {  };
})();
";
        assert_eq!(script.as_deref(), Ok(expected));
    }

    #[test]
    fn all_that_may_be_exported_is() {
        let module =
            "export async function a() {}\nexport function b() {}\nexport class C {}\nexport const d$_1 = 1;\n";
        let main = "import {\n  a, b,\n  C,\n  d$_1,\n} from './module.js';\na(b, C, d$_1);\n";
        let script = assembled(&[("main.js", main), ("module.js", module)]).expect("all is well");
        assert!(script.contains("return { C, a, b, d$_1 };"), "{script}");
        assert!(script.contains("const { a, b, C, d$_1 } = $exports['module.js'];"), "{script}");
        assert!(script.contains("\nasync function a() {}\nfunction b() {}\nclass C {}\nconst d$_1 = 1;\n"), "{script}");
    }

    #[test]
    fn comments_are_left_out() {
        let main = "/* one */\n/**\n * import { a } from './nowhere.js';\n */\nconst x = '/* text */'; // said\n  // indented\n\
            /** @type {Y} */ (x).y = 1;\n/* two\n*/\n";
        let script = assembled(&[("main.js", main)]).expect("all is well");
        assert!(script.contains("=> {\nconst x = '/* text */'; // said\n (x).y = 1;\nreturn"), "{script}");
    }

    #[test]
    fn other_forms_of_imports_are_faults() {
        for import in [
            "import { a as b } from './a.js';",
            "import a from './a.js';",
            "import * as a from './a.js';",
            "import './a.js';",
            "import { a } from \"./a.js\";",
            "import { } from './a.js';",
            "import { a } from './a.js' with { type: 'json' };",
        ] {
            let found = fault_of(&format!("\n{import}\n"));
            assert_eq!(found, "main.js:2: not of the form `import { name, other } from './file.js';`", "{import}");
        }
        for path in ["a.js", "../a.js", "/a.js", "https://example.org/a.js"] {
            let found = fault_of(&format!("import {{ a }} from '{path}';\n"));
            assert_eq!(found, "main.js:1: the imported file is not below the folder of the page", "{path}");
        }
        assert_eq!(fault_of("import { a }\n  from './a.js'\n"), "main.js:1: the import has no end");
        assert_eq!(
            fault_of("\nconst x = 1;\nimport { a } from './a.js';\n"),
            "main.js:3: imports come before all else"
        );
        for later in
            ["const a = await import('./a.js');", "import('./a.js');", "f(import.meta.url);", "x = import (y);"]
        {
            let found = fault_of(&format!("const x = 1;\n{later}\n"));
            assert!(found.starts_with("main.js:2: modules are imported at the top of the file"), "{later}: {found}");
        }
    }

    #[test]
    fn other_forms_of_exports_are_faults() {
        for export in [
            "export default function a() {}",
            "export { a };",
            "export * from './a.js';",
            "export let a = 1;",
            "export var a = 1;",
            "export const { a } = b;",
            "export function* a() {}",
        ] {
            let found = fault_of(&format!("const b = 1;\n{export}\n"));
            assert!(
                found.starts_with("main.js:2: only `function`, `async function`, `class` and `const`"),
                "{export}: {found}"
            );
        }
        assert_eq!(fault_of("export const a = 1;\nexport function a() {}\n"), "main.js:2: exported twice");
    }

    #[test]
    fn what_would_be_overlooked_is_a_fault() {
        for line in ["import { a } from './a.js';", "export const a = 1;"] {
            assert_eq!(fault_of(&format!("  {line}\n")), "main.js:1: imports and exports begin their line", "{line}");
        }
        assert_eq!(fault_of("/* a\n */ const x = 1;\n"), "main.js:2: code after a comment of several lines");
        let text = "main.js:1: a text over several lines: what looks like a comment in it would be lost";
        assert_eq!(fault_of("const x = `a ${b} `c` d\n// text`;\n"), text);
        let name = "main.js:1: the name belongs to the script that is made of the modules";
        assert_eq!(fault_of("const $exports = 1;\n"), name);
    }

    #[test]
    fn names_and_files_that_are_not_there_are_faults() {
        assert_eq!(fault_of("\nimport { a, b } from './a.js';\n"), "main.js:2: a.js does not export b");
        assert_eq!(fault_of("import { a } from './b.js';\n"), "main.js:1: b.js cannot be read: no such module");
        assert_eq!(fault(&[]), "main.js:1: main.js cannot be read: no such module");
    }

    #[test]
    fn circles_are_faults() {
        let found = fault(&[
            ("main.js", "import { a } from './a.js';\n"),
            ("a.js", "import { b } from './b.js';\nexport const a = 1;\n"),
            ("b.js", "// B.\nimport { a } from './a.js';\nexport const b = 1;\n"),
        ]);
        assert_eq!(found, "b.js:2: imports go round in a circle: a.js → b.js → a.js");
    }

    #[test]
    fn words_that_only_look_alike_are_left_alone() {
        let main =
            "const imports = 'import';\nimportant(page.import(1), reimport(2), exporter);\nfunction exported() {}\n";
        let script = assembled(&[("main.js", main)]).expect("all is well");
        assert!(script.contains(main), "{script}");
    }
}
