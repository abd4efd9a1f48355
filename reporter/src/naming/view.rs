//! Which frames a report shows. docs/metrics.md defines the views.

/// Whose frames are shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ViewKind {
    /// Python's and native code's, without the interpreter's own.
    #[default]
    Hybrid,
    /// Python's only.
    Python,
    /// Native code's only, the interpreter's included.
    Native,
}

impl ViewKind {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Hybrid, Self::Python, Self::Native];

    /// The name in the data of reports.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Hybrid => "hybrid",
            Self::Python => "python",
            Self::Native => "native",
        }
    }

    /// What a heading says about the places below it; nothing where that goes without saying.
    #[must_use]
    pub const fn heading(self) -> &'static str {
        match self {
            Self::Hybrid => "",
            Self::Python => ", by Python function",
            Self::Native => ", by native function",
        }
    }
}

/// Whose native functions are places: what memory is listed under in tables and rankings.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum PlacesOf {
    /// The program's own only.
    Program,
    /// The program's, and those of the crates that it depends on.
    #[default]
    Dependencies,
    /// Those of standard libraries and allocators, too.
    All,
}

impl PlacesOf {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Program, Self::Dependencies, Self::All];

    /// The name in the data of reports.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Program => "program",
            Self::Dependencies => "dependencies",
            Self::All => "all",
        }
    }
}

/// What the reader of a report asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct View {
    /// Whose frames are shown.
    pub kind: ViewKind,
    /// Whether the hybrid view has the interpreter's functions too. The native view has them anyway.
    pub show_runtime: bool,
    /// Whether the views with Python's frames have the import machinery's too.
    pub show_imports: bool,
    /// Whose native functions are places.
    pub places: PlacesOf,
}

impl View {
    /// A view that folds what it can.
    #[must_use]
    pub const fn of(kind: ViewKind) -> Self {
        Self { kind, show_runtime: false, show_imports: false, places: PlacesOf::Dependencies }
    }

    /// The same, with the frames of the import machinery.
    #[must_use]
    pub const fn with_imports(self) -> Self {
        Self { show_imports: true, ..self }
    }

    /// Whether what the place of a stack called in libraries is left out.
    pub(crate) fn leaves_libraries_out(self) -> bool {
        self.places != PlacesOf::All
    }

    /// The set that has this view only.
    #[must_use]
    pub const fn alone(self) -> Views {
        let either = match self {
            Self { kind: ViewKind::Hybrid, show_runtime: false, .. } => Views::HYBRID,
            Self { kind: ViewKind::Hybrid, show_runtime: true, .. } => Views::HYBRID_WITH_RUNTIME,
            Self { kind: ViewKind::Python, .. } => Views::PYTHON,
            Self { kind: ViewKind::Native, .. } => Views::NATIVE,
        };
        either.within(if self.show_imports { Views::WITH_IMPORTS } else { Views::WITHOUT_IMPORTS })
    }
}

/// A set of views: where a place is shown. The page has these bits too (templates/page/data/views.js). Of a view with
/// Python's frames there are two: with those of the import machinery (bits 0 to 2), and without (bits 4 to 6).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Views(u8);

impl Views {
    /// No view.
    pub const NONE: Self = Self(0);
    /// The two hybrid views without the interpreter's functions.
    pub const HYBRID: Self = Self(1 | 1 << 4);
    /// The two hybrid views with them.
    pub const HYBRID_WITH_RUNTIME: Self = Self(2 | 2 << 4);
    /// The two Python views.
    pub const PYTHON: Self = Self(4 | 4 << 4);
    /// The native view.
    pub const NATIVE: Self = Self(8);
    /// All hybrid views.
    pub const BOTH_HYBRID: Self = Self::HYBRID.with(Self::HYBRID_WITH_RUNTIME);
    /// All views.
    pub const ALL: Self = Self::BOTH_HYBRID.with(Self::PYTHON).with(Self::NATIVE);
    /// The views that have the import machinery, and the native one, which has no Python frames.
    pub const WITH_IMPORTS: Self = Self(0b0000_1111);
    /// The views that step over it, and the native one.
    pub const WITHOUT_IMPORTS: Self = Self(0b0111_1000);

    /// The views of either set.
    #[must_use]
    pub const fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// The views of both sets.
    #[must_use]
    pub const fn within(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    /// The views of this set that are not in the other one.
    #[must_use]
    pub const fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    /// Whether there is none.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Whether the sets have a view in common.
    #[must_use]
    pub const fn intersects(self, other: Self) -> bool {
        !self.within(other).is_empty()
    }

    /// The set as a number, for the page.
    #[must_use]
    pub const fn bits(self) -> u8 {
        self.0
    }
}
