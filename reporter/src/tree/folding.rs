//! Which frames the tree folds: those of libraries and of Python's import machinery, as far as nobody asked for them.

use memprof_capture::file::package_paths::{BelowSite, is_below_python_library};

use crate::naming::places::{PlaceId, PlaceKind, Places};
use crate::naming::view::View;
use crate::reading::query::PathPattern;

/// How paths begin that belong to the system.
const SYSTEM_FOLDERS: [&str; 5] = ["/usr/lib/", "/usr/lib64/", "/usr/share/", "/lib/", "/lib64/"];
/// How the file names begin of modules that are frozen into the interpreter.
const FROZEN: &str = "<frozen ";

/// What the tree does with the frames of a place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    /// It shows them.
    Shown,
    /// It shows the one that was called from a shown frame, and folds those that this one calls.
    Library,
    /// It folds them all: they are between any module and what it imports or starts.
    Machinery,
}

/// Which frames to fold.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Folding {
    /// None.
    #[default]
    Nothing,
    /// Those in files and modules of libraries, as these patterns change what a library is.
    Libraries(Patterns),
}

/// What a user wants to see of libraries, and what not.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Patterns {
    /// Files and modules whose frames are shown, whatever else holds.
    pub show: Vec<PathPattern>,
    /// Files and modules that are treated as libraries, unless they are shown.
    pub hide: Vec<PathPattern>,
}

impl Folding {
    /// By place: what the tree does with its frames in a view.
    pub(crate) fn roles(&self, places: &Places, view: View) -> Vec<Role> {
        match self {
            Self::Nothing => vec![Role::Shown; places.len()],
            Self::Libraries(patterns) => places.ids().map(|place| patterns.role(places, place, view)).collect(),
        }
    }
}

impl Patterns {
    fn role(&self, places: &Places, place: PlaceId, view: View) -> Role {
        let kind = places.get(place).kind;
        let is_machinery = places.get(place).is_import_machinery();
        if matches!(kind, PlaceKind::Special | PlaceKind::Process) {
            return Role::Shown;
        }
        // Only views that were asked for show the interpreter's own functions.
        let is_runtime = matches!(kind, PlaceKind::Runtime | PlaceKind::Evaluation);
        let (file, module) = (places.file(place), places.module(place));
        let paths = || [Some(file), module].into_iter().flatten();
        let is_in = |patterns: &[PathPattern]| patterns.iter().any(|pattern| paths().any(|path| pattern.matches(path)));
        if is_in(&self.show) {
            Role::Shown
        } else if is_in(&self.hide) {
            Role::Library
        } else if is_machinery {
            if view.show_imports { Role::Shown } else { Role::Machinery }
        } else if !is_runtime && is_library(module.unwrap_or(file)) {
            Role::Library
        } else {
            Role::Shown
        }
    }
}

/// Whether a file or module belongs to Python, the system or an installed package.
fn is_library(path: &str) -> bool {
    path.starts_with(FROZEN)
        || SYSTEM_FOLDERS.iter().any(|start| path.starts_with(start))
        || BelowSite::of(path).is_some()
        || is_below_python_library(path)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::naming::view::Views;
    use memprof_capture::file::Tables;

    fn role(patterns: &Patterns, file: &str) -> Role {
        let mut places = Places::resolve(&Tables::default());
        let (function, file) = (places.intern("f"), places.intern(file));
        let place = places.python(function, file, 3);
        patterns.role(&places, place, View::default())
    }

    #[test]
    fn libraries_are_recognized_by_their_paths() {
        let default = Patterns::default();
        for file in [
            "/usr/lib/python3.11/json/decoder.py",
            "/home/ada/.pyenv/versions/3.11.7/lib/python3.11/random.py",
            "/opt/app/venv/lib/python3.13t/asyncio/events.py",
            "/srv/venv/lib64/python3.9/site-packages/pandas/io/parsers.py",
            "<frozen os>",
        ] {
            assert_eq!(role(&default, file), Role::Library, "{file}");
        }
        for file in [
            "/home/ada/lib/pythonic/app.py",
            "/home/ada/python3.11/app.py",
            "app.py",
            "<stdin>",
            "<string>",
            "/opt/lib/app.py",
        ] {
            assert_eq!(role(&default, file), Role::Shown, "{file}");
        }
    }

    #[test]
    fn import_machinery_is_folded_whole_unless_it_is_asked_for() {
        let mut places = Places::resolve(&Tables::default());
        let (function, file) = (places.intern("_find_and_load"), places.intern("<frozen importlib._bootstrap>"));
        let place = places.python(function, file, 1176);
        let with_imports = View::default().with_imports();
        assert_eq!(Patterns::default().role(&places, place, View::default()), Role::Machinery);
        assert_eq!(Patterns::default().role(&places, place, with_imports), Role::Shown);
        let hide = Patterns { show: Vec::new(), hide: vec!["*importlib*".parse().expect("a pattern")] };
        assert_eq!(hide.role(&places, place, with_imports), Role::Library);
    }

    #[test]
    fn patterns_win_and_showing_wins_over_hiding() {
        let pattern = |text: &str| text.parse().expect("the pattern is well formed");
        let patterns = Patterns { show: vec![pattern("pandas")], hide: vec![pattern("vendored"), pattern("io")] };
        assert_eq!(role(&patterns, "/usr/lib/python3/dist-packages/pandas/io/parsers.py"), Role::Shown);
        assert_eq!(role(&patterns, "/srv/app/vendored/six.py"), Role::Library);
        assert_eq!(role(&patterns, "/usr/lib/python3/dist-packages/numpy/core.py"), Role::Library);
        assert_eq!(role(&patterns, "/srv/app/main.py"), Role::Shown);
    }

    #[test]
    fn names_in_angle_brackets_are_never_folded() {
        let mut places = Places::resolve(&Tables::default());
        let marks =
            [places.special("<no Python stack>"), places.special_in("mmap", Views::PYTHON), places.new_thread()];
        for mark in marks {
            assert_eq!(Patterns::default().role(&places, mark, View::default()), Role::Shown);
        }
        assert_eq!(Folding::Nothing.roles(&places, View::default()).len(), places.len());
    }
}
