//! Made-up environments, and what is found in them.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use memprof_capture::file::{FilePackage, PackagedFile};
use proptest::prelude::*;
use tempfile::TempDir;

use super::claims::{Claims, Owner};
use super::listings::first_fields;
use super::names::{is_name, name_in, normalized};
use super::project::editable_folder;
use super::{PythonFiles, packages_of};

/// An environment: a folder with `lib/python3.11/site-packages`.
struct Environment {
    root: TempDir,
}

impl Environment {
    fn new() -> Self {
        Self { root: tempfile::tempdir().unwrap() }
    }

    fn path(&self, path: &str) -> PathBuf {
        self.root.path().join(path)
    }

    fn site(&self, path: &str) -> String {
        self.path("lib/python3.11/site-packages").join(path).to_str().unwrap().to_owned()
    }

    fn write(&self, path: impl AsRef<Path>, content: impl AsRef<[u8]>) -> &Self {
        let path = self.root.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
        self
    }

    /// A distribution whose `RECORD` lists these.
    fn wheel(&self, folder: &str, name: &str, files: &[&str]) -> &Self {
        let record: String = files.iter().map(|file| format!("{file},sha256=x,1\n")).collect();
        self.write(self.site(&format!("{folder}.dist-info/RECORD")), record);
        self.write(
            self.site(&format!("{folder}.dist-info/METADATA")),
            format!("Metadata-Version: 2.1\nName: {name}\n\nText\n"),
        )
    }

    /// The packages of files, by what comes after the site folder or else the root.
    fn packages(&self, files: &[String]) -> BTreeMap<String, String> {
        self.packages_with(files, Path::new("/usr/bin/python3"))
    }

    fn packages_with(&self, files: &[String], executable: &Path) -> BTreeMap<String, String> {
        let found = packages_of(files.iter().map(String::as_str), executable);
        let short = |file: &str| {
            let site = file.strip_prefix(&self.site(""));
            let root = || file.strip_prefix(self.root.path().to_str().unwrap()).unwrap();
            site.unwrap_or_else(root).to_owned()
        };
        let named = found.into_iter().map(|PackagedFile { file, package }| match package {
            FilePackage::Distribution(name) => (short(&file), name),
            FilePackage::StandardLibrary => (short(&file), "<standard library>".to_owned()),
        });
        named.collect()
    }

    /// The packages of files of the site folder.
    fn of_site(&self, files: &[&str]) -> BTreeMap<String, String> {
        self.packages(&files.iter().map(|file| self.site(file)).collect::<Vec<_>>())
    }
}

fn expected(packages: &[(&str, &str)]) -> BTreeMap<String, String> {
    packages.iter().map(|&(file, name)| (file.to_owned(), name.to_owned())).collect()
}

#[test]
fn a_file_is_its_distribution_s_whatever_that_is_called() {
    let environment = Environment::new();
    environment
        .wheel("numpy-2.1.0", "numpy", &["numpy/__init__.py", "numpy/core/a.so", "numpy.libs/libblas-1f.so"])
        .wheel("pyyaml-6.0", "PyYAML", &["yaml/__init__.py", "_yaml/__init__.py", "yaml/_yaml.cpython-311.so"])
        .wheel("six-1.16.0", "six", &["six.py", "../../../bin/six"])
        .wheel("two_words-1", "Two.Words", &["two_words/a.py"]);
    let files = [
        "numpy/__init__.py",
        "numpy/core/a.so",
        "numpy.libs/libblas-1f.so",
        "yaml/__init__.py",
        "yaml/_yaml.cpython-311.so",
        "six.py",
        "two_words/a.py",
        "nobody/a.py",
        "nobody.py",
    ];
    let numpy = [files[0], files[1], files[2]].map(|file| (file, "numpy"));
    let others = [(files[3], "PyYAML"), (files[4], "PyYAML"), (files[5], "six"), (files[6], "Two.Words")];
    assert_eq!(environment.of_site(&files), expected(&[&numpy[..], &others].concat()));
}

#[test]
fn what_was_made_later_is_that_of_the_files_beside_it() {
    let environment = Environment::new();
    environment.wheel("gen-1", "gen", &["gen/__init__.py", "gen/deep/a.py"]);
    let files = ["gen/_version.py", "gen/deep/made.py", "gen/made/later.py"];
    assert_eq!(environment.of_site(&files), expected(&files.map(|file| (file, "gen"))));
}

#[test]
fn distributions_share_a_name_and_the_folder_of_it() {
    let environment = Environment::new();
    environment
        .wheel("ns_one-1", "ns-one", &["ns/one/a.py", "ns/one.py"])
        .wheel("ns_two-1", "ns-two", &["ns/two/a.py"])
        // Called as what is imported, and not the only one to have it.
        .wheel("zope-5", "zope", &["zope/__init__.py"])
        .wheel("zope.event-5", "zope.event", &["zope/event/__init__.py"]);
    let files = [
        ("ns/one/a.py", "ns-one"),
        ("ns/one/made.py", "ns-one"),
        ("ns/one.py", "ns-one"),
        ("ns/two/a.py", "ns-two"),
        ("zope/__init__.py", "zope"),
        ("zope/event/__init__.py", "zope.event"),
    ];
    let mut asked: Vec<&str> = files.iter().map(|(file, _)| *file).collect();
    // It may be anybody's.
    asked.push("ns/made.py");
    assert_eq!(environment.of_site(&asked), expected(&files));
}

#[test]
fn older_metadata_does_as_well() {
    let environment = Environment::new();
    let eggs = |path: &str| environment.site(path);
    environment
        .write(eggs("listed-1-py3.11.egg-info/PKG-INFO"), "Name: Listed\n")
        .write(eggs("listed-1-py3.11.egg-info/installed-files.txt"), "PKG-INFO\n../lst/__init__.py\n../../../bin/x\n")
        .write(eggs("tops-1.egg-info/PKG-INFO"), "Metadata-Version: 1.0\r\nname:  Tops \r\n\r\n")
        .write(eggs("tops-1.egg-info/top_level.txt"), "first\nsecond\n")
        .write(eggs("alone-1.2.egg-info"), "Metadata-Version: 1.1\nName: Alone\nVersion: 1.2\n")
        // Debian's have no RECORD.
        .write(eggs("debian-1.dist-info/METADATA"), "Name: debian\n")
        .write(eggs("debian-1.dist-info/top_level.txt"), "deb\n")
        .write(eggs("shared_a-1.egg-info/top_level.txt"), "shared\n")
        .write(eggs("shared_b-1.egg-info/top_level.txt"), "shared\n");
    let files = ["lst/__init__.py", "first/a.py", "second.py", "alone.py", "deb/x.py", "shared/a.py"];
    let names = ["Listed", "Tops", "Tops", "Alone", "debian"];
    let expected: BTreeMap<String, String> =
        files.iter().zip(names).map(|(file, name)| ((*file).to_owned(), name.to_owned())).collect();
    assert_eq!(environment.of_site(&files), expected);
}

#[test]
fn any_folder_of_the_path_may_have_distributions() {
    let environment = Environment::new();
    environment
        .write("target/thing/__init__.py", "")
        .write("target/thing/sub/__init__.py", "")
        .write("target/Thing-1.dist-info/RECORD", "thing/__init__.py,,\nthing/sub/__init__.py,,\n")
        .write("target/Thing-1.dist-info/METADATA", "Name: Thing\n")
        .write("app/main.py", "")
        .write("cpython/Lib/os.py", "")
        .write("cpython/Lib/site.py", "")
        .write("cpython/Lib/encodings/__init__.py", "")
        .write("cpython/Lib/json/decoder.py", "");
    let files = ["target/thing/sub/__init__.py", "target/stranger.py", "app/main.py", "cpython/Lib/json/decoder.py"];
    let files = files.map(|file| environment.path(file).to_str().unwrap().to_owned());
    assert_eq!(
        environment.packages(&files),
        expected(&[("/target/thing/sub/__init__.py", "Thing"), ("/cpython/Lib/json/decoder.py", "<standard library>")])
    );
}

#[test]
fn a_project_that_is_worked_on_is_a_distribution() {
    let environment = Environment::new();
    let url = |path: &str, editable| {
        let path = environment.path(path).to_str().unwrap().replace(' ', "%20");
        format!(r#"{{"dir_info": {{"editable": {editable}}}, "url": "file://{path}"}}"#)
    };
    environment
        .wheel("mine-1", "mine", &["__editable___mine_finder.py"])
        .write(environment.site("mine-1.dist-info/direct_url.json"), url("my project", true))
        .wheel("inner-1", "inner", &[])
        .write(environment.site("inner-1.dist-info/direct_url.json"), url("my project/inner/", true))
        .wheel("copied-1", "copied", &["copied.py"])
        .write(environment.site("copied-1.dist-info/direct_url.json"), url("copied", false))
        // As setuptools leaves it where the sources are.
        .write("old/src/Old.egg-info/PKG-INFO", "Name: Old\n")
        .write("old/src/Old.egg-info/top_level.txt", "old\n")
        .write("pyvenv.cfg", "");
    let files = ["my project/src/a.py", "my project/inner/b.py", "my projects/a.py", "copied/a.py", "old/src/old/a.py"];
    let files = files.map(|file| environment.path(file).to_str().unwrap().to_owned());
    let names = expected(&[
        ("/my project/src/a.py", "mine"),
        ("/my project/inner/b.py", "inner"),
        ("/old/src/old/a.py", "Old"),
    ]);
    // Known by the interpreter of the environment, or by another file in it.
    assert_eq!(environment.packages_with(&files, &environment.path("bin/python")), names);
    let with_copied: Vec<String> = files.iter().cloned().chain([environment.site("copied.py")]).collect();
    let mut with_copied = environment.packages(&with_copied);
    assert_eq!(with_copied.remove("copied.py").as_deref(), Some("copied"));
    assert_eq!(with_copied, names);
    assert_eq!(environment.packages(&files), expected(&[("/old/src/old/a.py", "Old")]));
}

#[test]
fn hostile_metadata_does_no_harm() {
    let environment = Environment::new();
    let path = |path: &str| environment.site(path);
    environment
        .wheel("good-1", "good", &["good/a.py"])
        .write(path("binary-1.dist-info/RECORD"), [0xff, 0, b'"', 0xfe, b'\n', b','].repeat(1000))
        .write(path("binary-1.dist-info/METADATA"), [0xff; 100])
        .wheel("nameless-1", "../../etc/\u{1b}[31m", &["nameless/a.py"])
        .write(path("-1.dist-info/RECORD"), "odd/a.py,,\n")
        .write(path(".dist-info"), "")
        .write(path(".egg-info/top_level.txt"), "\n")
        .write(path("pipe-1.dist-info/METADATA"), "Name: pipe\n")
        .write(path("json-1.dist-info/direct_url.json"), "[".repeat(10_000));
    let pipe = std::ffi::CString::new(path("pipe-1.dist-info/RECORD")).unwrap();
    // SAFETY: the path is a text with an end.
    assert_eq!(unsafe { libc::mkfifo(pipe.as_ptr(), 0o600) }, 0);
    symlink("/dev/zero", path("device-1.egg-info")).unwrap();
    fs::create_dir(path("loop-1.dist-info")).unwrap();
    symlink("RECORD", path("loop-1.dist-info/RECORD")).unwrap();
    let files =
        ["good/a.py", "binary/a.py", "nameless/a.py", "odd/a.py", "pipe/a.py", "device/a.py", "loop/a.py", "json/a.py"];
    let found = environment.of_site(&files);
    // Where metadata says nothing that makes sense, the name of its folder does.
    let names = [("good/a.py", "good"), ("nameless/a.py", "nameless"), ("pipe/a.py", "pipe")];
    let by_folder = [("device/a.py", "device"), ("loop/a.py", "loop"), ("json/a.py", "json")];
    assert_eq!(found, expected(&[&names[..], &by_folder].concat()));
}

#[test]
fn names_of_files_that_are_none_are_not_looked_for() {
    let mut files = PythonFiles::default();
    let long = format!("/{}", "x".repeat(1 << 13));
    for file in ["<string>", "relative.py", "", &long, "/app/main.py", "/app/main.py", "/usr/lib/python3.11/os.py"] {
        files.note(file);
    }
    let kept: BTreeSet<&str> = files.iter().collect();
    assert_eq!(kept, BTreeSet::from(["/app/main.py", "/usr/lib/python3.11/os.py"]));
    let may_be = |file| super::may_be_packaged(file);
    assert!(may_be("/app/main.py") && may_be("/usr/lib/python3/dist-packages/six.py"));
    assert!(!["/usr/lib/python3.11/os.py", "/usr/lib/x.so", "relative.py"].into_iter().any(may_be));
    for odd in ["//", "/", "/..", "/site-packages/", "/\0/a.py", "/dev/null/a.py", "/proc/self/mem/x.py"] {
        assert_eq!(packages_of([odd].into_iter(), Path::new("")), [], "{odd:?}");
    }
}

#[test]
fn names_are_those_of_distributions() {
    assert_eq!(normalized("Two._-Words.X"), "two-words-x");
    for name in ["a", "A1", "zope.interface", "a_b-c"] {
        assert!(is_name(name), "{name}");
    }
    for text in ["", "-", "a-", ".a", "a b", "a/b", "ä", &"x".repeat(201)] {
        assert!(!is_name(text), "{text}");
    }
    assert_eq!(name_in(b"Version: 1\r\nNAME: x\r\nName: y\r\n"), Some("x"));
    assert_eq!(name_in(b"Version: 1\n\nName: in the text\n"), None);
    assert_eq!(name_in(b"Name:\n"), None);
}

#[test]
fn the_folder_of_a_project_comes_from_its_url() {
    let folder = |url: &str, rest: &str| editable_folder(format!(r#"{{"url": "{url}"{rest}}}"#).as_bytes());
    let editable = r#", "dir_info": {"editable": true}"#;
    assert_eq!(folder("file:///a%20b/%C3%A4/", editable).as_deref(), Some("/a b/ä"));
    assert_eq!(folder("file://localhost/a", editable).as_deref(), Some("/a"));
    for url in ["https://x/y", "file://", "file:///", "file:///%", "file:///%+1", "file:///%ff", "a"] {
        assert_eq!(folder(url, editable), None, "{url}");
    }
    assert_eq!(folder("file:///a", ""), None);
    assert_eq!(folder("file:///a", r#", "dir_info": {}"#), None);
}

fn paths() -> impl Strategy<Value = String> {
    prop::collection::vec(prop::sample::select(vec!["a", "b", "c", "d.py"]), 1..4).prop_map(|parts| parts.join("/"))
}

proptest! {
    /// The oracle is a library for such tables.
    #[test]
    fn first_fields_are_what_csv_says(text in "[a,\"\r\n]{0,40}") {
        let mut reader = csv::ReaderBuilder::new().has_headers(false).flexible(true).from_reader(text.as_bytes());
        let first = reader.byte_records().map(|record| record.unwrap()[0].to_vec());
        let records: Vec<_> = first.filter(|field| !field.is_empty()).collect();
        let mut found = Vec::new();
        first_fields(text.as_bytes(), |field| found.push(field.into_owned()));
        prop_assert_eq!(found, records);
    }

    #[test]
    fn any_table_is_read(text: Vec<u8>) {
        let mut fields = 0;
        first_fields(&text, |_| fields += 1);
        prop_assert!(fields <= text.len());
    }

    /// Against the rule, said with lists.
    #[test]
    fn a_file_is_that_of_who_lists_it_or_what_is_nearest(
        wanted in prop::collection::btree_set(paths(), 0..6),
        lists in prop::collection::vec(prop::collection::vec(paths(), 0..8), 0..4),
    ) {
        let wanted: Vec<&str> = wanted.iter().map(String::as_str).collect();
        let mut claims = Claims::of(&wanted);
        for (number, list) in lists.iter().enumerate() {
            let mut claim = claims.by(Owner(number));
            list.iter().for_each(|path| claim(path));
        }
        let who = |is_theirs: &dyn Fn(&String) -> bool| -> Vec<usize> {
            (0..lists.len()).filter(|&number| lists[number].iter().any(is_theirs)).collect()
        };
        for file in wanted {
            let listing = who(&|path| path == file);
            let mut folder = file;
            let mut around = Vec::new();
            while let Some((outer, _)) = folder.rsplit_once('/').filter(|_| around.is_empty()) {
                folder = outer;
                around = who(&|path| path.starts_with(&format!("{folder}/")));
            }
            let expected = match (&listing[..], &around[..]) {
                ([first, ..], _) => Some(Owner(*first)),
                ([], [one]) => Some(Owner(*one)),
                _ => None,
            };
            prop_assert_eq!(claims.owner(file), expected, "{}", file);
            prop_assert_eq!(claims.is_listed(file), !listing.is_empty());
        }
    }
}
