//! The documentation: every page can be found, its links lead somewhere, and the commands in it are memprof's.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Component, Path, PathBuf};

use crate::support::memprof::{Finished, memprof};

/// A text in Markdown.
struct Page {
    /// From the workspace's folder on, as `docs/run.md`.
    path: PathBuf,
    text: String,
}

impl Page {
    fn read(path: PathBuf) -> Self {
        let text = fs::read_to_string(workspace().join(&path));
        Self { text: text.unwrap_or_else(|error| panic!("cannot read {}: {error}", path.display())), path }
    }

    fn prose(&self) -> String {
        parts(&self.text).0
    }

    /// The targets of links and pictures: `docs/run.md`, `metrics.md#views`, `https://...`.
    fn links(&self) -> Vec<String> {
        let prose = without_code_spans(&self.prose());
        let ends = prose.split("](").skip(1);
        ends.map(|rest| rest.split_once(')').expect("a link ends").0.to_owned()).collect()
    }

    /// The relative links, as paths from the workspace's folder on, and what follows `#`.
    fn relative_links(&self) -> Vec<(PathBuf, Option<String>)> {
        let mut links = Vec::new();
        for link in self.links().iter().filter(|link| !link.contains("://")) {
            let (path, heading) = match link.split_once('#') {
                Some((path, heading)) => (path, Some(heading.to_owned())),
                None => (link.as_str(), None),
            };
            let target = match path {
                "" => self.path.clone(),
                _ => plain(&self.path.parent().expect("a page is a file").join(path)),
            };
            links.push((target, heading));
        }
        links
    }

    /// The names by which links find the headings, as GitHub makes them.
    fn anchors(&self) -> BTreeSet<String> {
        let prose = self.prose();
        let mut seen = BTreeMap::<String, usize>::new();
        let mut anchors = BTreeSet::new();
        for heading in prose.lines().filter(|line| line.starts_with('#')) {
            let name = anchor(heading.trim_start_matches('#').trim());
            let before = seen.entry(name.clone()).or_default();
            anchors.insert(if *before == 0 { name } else { format!("{name}-{before}") });
            *before += 1;
        }
        anchors
    }

    /// What is to be typed, a command each: blocks of code with their continued lines as one, and code in the text.
    fn commands(&self) -> Vec<String> {
        let (prose, code) = parts(&self.text);
        let mut commands = code.replace("\n ", " ").lines().map(str::to_owned).collect::<Vec<_>>();
        commands.extend(prose.split('`').skip(1).step_by(2).map(|span| span.replace('\n', " ")));
        commands.iter().flat_map(|line| line.split(" && ")).map(str::to_owned).collect()
    }
}

fn workspace() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The pages of docs/.
fn docs() -> Vec<Page> {
    let files = fs::read_dir(workspace().join("docs")).expect("docs/ can be read").flatten();
    let names = files.map(|file| file.file_name()).filter(|name| Path::new(name).extension() == Some("md".as_ref()));
    names.map(|name| Page::read(Path::new("docs").join(name))).collect()
}

/// All that somebody reads who is no contributor yet.
fn pages() -> Vec<Page> {
    let others = ["README.md", "CONTRIBUTING.md", "benches/README.md"];
    docs().into_iter().chain(others.map(|path| Page::read(path.into()))).collect()
}

/// The text outside of blocks of code, and these.
fn parts(text: &str) -> (String, String) {
    let (mut prose, mut code) = (String::new(), String::new());
    let mut in_code = false;
    for line in text.lines() {
        if line.starts_with("```") {
            in_code = !in_code;
            continue;
        }
        let part = if in_code { &mut code } else { &mut prose };
        part.push_str(line);
        part.push('\n');
    }
    assert!(!in_code, "a block of code has no end");
    (prose, code)
}

fn without_code_spans(prose: &str) -> String {
    prose.split('`').step_by(2).collect()
}

fn anchor(heading: &str) -> String {
    let kept = heading.chars().filter(|&letter| letter.is_alphanumeric() || " -_".contains(letter));
    kept.map(|letter| if letter == ' ' { '-' } else { letter }).collect::<String>().to_lowercase()
}

/// The path without `.` and `..`.
fn plain(path: &Path) -> PathBuf {
    let mut plain = PathBuf::new();
    for component in path.components() {
        match component {
            Component::ParentDir => assert!(plain.pop(), "{} leaves the workspace", path.display()),
            Component::CurDir => {}
            other => plain.push(other),
        }
    }
    plain
}

#[test]
fn every_page_is_in_the_index() {
    let index = Page::read("docs/README.md".into());
    let listed = index.relative_links().into_iter().map(|(path, _)| path).collect::<BTreeSet<_>>();
    let missing = docs().into_iter().map(|page| page.path).filter(|path| *path != index.path && !listed.contains(path));
    assert_eq!(missing.collect::<Vec<_>>(), Vec::<PathBuf>::new(), "docs/README.md does not lead to them");
    let readme = Page::read("README.md".into());
    assert!(
        readme.relative_links().iter().any(|(path, _)| *path == index.path),
        "README.md does not lead to the index"
    );
}

#[test]
fn every_page_says_first_what_it_answers() {
    for page in docs() {
        let mut lines = page.text.lines();
        let path = page.path.display();
        assert!(lines.next().is_some_and(|line| line.starts_with("# ")), "{path} does not begin with its heading");
        assert_eq!(lines.next(), Some(""), "{path}: an empty line follows the heading");
        let first = lines.next().unwrap_or_default();
        assert!(first.starts_with(char::is_alphabetic), "{path} begins with no sentence: {first}");
    }
}

#[test]
fn relative_links_lead_to_files_and_headings() {
    let mut broken = Vec::new();
    for page in pages() {
        for (target, heading) in page.relative_links() {
            let file = workspace().join(&target);
            let found = match &heading {
                None => file.exists(),
                Some(heading) => file.is_file() && Page::read(target.clone()).anchors().contains(heading),
            };
            if !found {
                broken.push((page.path.clone(), target, heading));
            }
        }
    }
    assert_eq!(broken, Vec::new());
}

/// Every command of memprof that is named has such a subcommand, with all of the options.
#[test]
fn commands_and_their_options_exist() {
    let mut helps = BTreeMap::<String, String>::new();
    let mut unknown = Vec::new();
    let mut options_seen = 0;
    for page in pages() {
        for command in page.commands() {
            let Some((subcommand, arguments)) = call(&command) else { continue };
            let help = helps
                .entry(subcommand.to_owned())
                .or_insert_with(|| Finished::of(&mut memprof([subcommand, "--help"])).succeeds().stdout());
            let (named, known) = (options(arguments), options(help));
            options_seen += named.len();
            for option in named.difference(&known) {
                unknown.push((page.path.clone(), format!("memprof {subcommand} {option}")));
            }
        }
    }
    assert_eq!(unknown, Vec::new(), "the help does not list them");
    assert!(options_seen > 100, "only {options_seen} options were found: the pages are not read as they should be");
}

/// The subcommand and what follows it, if this calls memprof.
fn call(command: &str) -> Option<(&str, &str)> {
    let command = command.strip_prefix("- run: ").unwrap_or(command);
    let command = command.strip_prefix("target/release/").unwrap_or(command);
    let call = command.strip_prefix("memprof ")?.split(" # ").next()?;
    let (subcommand, arguments) = call.split_once(' ').unwrap_or((call, ""));
    subcommand.starts_with(|letter: char| letter.is_ascii_lowercase()).then_some((subcommand, arguments))
}

/// The long options in a text.
fn options(text: &str) -> BTreeSet<&str> {
    let starts = text.match_indices("--").map(|(start, _)| &text[start..]);
    let options = starts.map(|rest| {
        let end = rest.find(|letter: char| letter != '-' && !letter.is_ascii_lowercase()).unwrap_or(rest.len());
        &rest[..end]
    });
    options.filter(|option| option.len() > 2 && !option.starts_with("---")).collect()
}

#[test]
fn headings_become_anchors_as_on_github() {
    assert_eq!(anchor("The four metrics"), "the-four-metrics");
    assert_eq!(anchor("Allocators, `mmap` & what's_linked-in"), "allocators-mmap--whats_linked-in");
    let page =
        Page { path: "page.md".into(), text: "# Same\n```\n# not this\n```\n## Same\n[x](#same-1) `[y](z)`\n".into() };
    assert_eq!(page.anchors().into_iter().collect::<Vec<_>>(), ["same", "same-1"]);
    assert_eq!(page.relative_links(), [(PathBuf::from("page.md"), Some("same-1".to_owned()))]);
}
