//! What is on the screen, and what each action does to it.

use memprof_replay::metric::Metric;
use memprof_reporter::flame_tree::FlameTree;
use memprof_reporter::places::Places;
use memprof_reporter::report::Report;
use memprof_reporter::rows::Ranking;
use memprof_reporter::size_units::count;
use memprof_reporter::source_lines::SourceLines;
use memprof_reporter::text::TextStyle;
use memprof_reporter::tree::{CallId, CallTree, Folding, GuideStyle, Memory, TreeOptions, What};
use memprof_reporter::view::{View, ViewKind};

use crate::keys::{Action, Focus};
use crate::opened_rows::OpenedRows;
use crate::palette::Palette;
use crate::search::Search;
use crate::thread_menu::{ThreadMenu, slots_of};

/// More rows than this are not opened at once.
const MOST_OPENED: usize = 1_000_000;

/// What lies over the tree.
pub(crate) enum Overlay {
    None,
    /// The keys, from this one on.
    Help(usize),
    Threads(ThreadMenu),
    /// The prompt with what was typed.
    Prompt(String),
}

/// What whoever runs the screen is to do after an action.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// To draw, and to go on.
    Continue,
    /// To stop the process until it is continued.
    Suspend,
    /// To end.
    Quit,
}

/// The call tree of a report on a terminal.
pub struct TreeScreen<'a> {
    pub(crate) report: &'a mut Report,
    pub(crate) options: TreeOptions,
    stacks: FlameTree,
    pub(crate) tree: CallTree,
    pub(crate) rows: OpenedRows,
    /// The row that keys are about.
    pub(crate) cursor: usize,
    /// What the user has opened, if the tree has been made again since: the present one may have lost calls of it, for
    /// which a metric has nothing.
    opened: Option<(CallTree, OpenedRows, usize)>,
    /// The first row that is drawn.
    pub(crate) top: usize,
    /// The lines that rows had when the screen was last drawn, and the first of them.
    pub(crate) lines: (u16, usize),
    pub(crate) overlay: Overlay,
    pub(crate) search: Option<Search>,
    /// The one thread that is shown.
    pub(crate) thread: Option<String>,
    pub(crate) message: Option<String>,
    pub(crate) shows_source: bool,
    pub(crate) sources: SourceLines,
    pub(crate) guide_style: GuideStyle,
    pub(crate) palette: Palette,
    /// What is folded unless the user wants to see everything.
    folding: Folding,
}

impl<'a> TreeScreen<'a> {
    /// The tree with its hot path open, in this style. The width is the terminal's own.
    #[must_use]
    pub fn new(report: &'a mut Report, options: TreeOptions, style: &TextStyle) -> Self {
        let stacks = options.stacks(report, None);
        let mut tree = options.tree_of(&stacks, report, Memory::Whole, |_| false);
        let mut rows = OpenedRows::closed();
        let cursor = rows.open_hot_path(&mut tree, report.places());
        let sources = report.source_lines();
        let folding = options.folding.clone();
        Self {
            report,
            options,
            stacks,
            tree,
            rows,
            cursor,
            opened: None,
            top: 0,
            lines: (0, 1),
            overlay: Overlay::None,
            search: None,
            thread: None,
            message: None,
            shows_source: false,
            sources,
            guide_style: GuideStyle::of(style),
            palette: Palette::new(style.emphasis()),
            folding,
        }
    }

    /// What reads the keys now.
    #[must_use]
    pub const fn focus(&self) -> Focus {
        match self.overlay {
            Overlay::Prompt(_) => Focus::Prompt,
            Overlay::None | Overlay::Help(_) | Overlay::Threads(_) => Focus::Rows,
        }
    }

    /// Does what was asked for.
    pub fn act(&mut self, action: Action) -> Outcome {
        match action {
            Action::Quit => return Outcome::Quit,
            Action::Suspend => return Outcome::Suspend,
            Action::Redraw => return Outcome::Continue,
            _ => {}
        }
        self.message = None;
        match &mut self.overlay {
            Overlay::None => self.act_on_tree(action),
            Overlay::Help(top) => match action {
                Action::Move(rows) | Action::Scroll(rows) => *top = top.saturating_add_signed(rows),
                Action::MovePages(pages) => *top = top.saturating_add_signed(pages * self.lines.1 as isize),
                _ => self.overlay = Overlay::None,
            },
            Overlay::Threads(_) => self.act_on_threads(action),
            Overlay::Prompt(_) => self.act_on_prompt(action),
        }
        Outcome::Continue
    }

    fn act_on_tree(&mut self, action: Action) {
        if !matches!(action, Action::Metric | Action::Sort | Action::View | Action::Source | Action::Help) {
            self.opened = None;
        }
        match action {
            Action::Move(rows) => self.go_to(self.cursor.saturating_add_signed(rows)),
            Action::MovePages(pages) => {
                let page = self.lines.1.saturating_sub(1).max(1) as isize;
                self.go_to(self.cursor.saturating_add_signed(pages * page));
            }
            Action::Scroll(rows) => self.scroll(rows),
            Action::First => self.go_to(0),
            Action::Last => self.go_to(self.rows.len() - 1),
            Action::Open if self.rows.is_open(&self.tree, self.cursor) => self.go_to(self.cursor + 1),
            Action::Open => self.rows.open(&mut self.tree, self.report.places(), self.cursor),
            Action::Close if self.rows.is_open(&self.tree, self.cursor) => self.rows.close(&self.tree, self.cursor),
            Action::Close => self.go_to(self.rows.parent(&self.tree, self.cursor)),
            Action::Toggle => self.toggle(),
            Action::OpenAll => self.open_all(),
            Action::CloseAll => self.rows.close(&self.tree, self.cursor),
            Action::Click(line) => self.click(line),
            Action::Search => self.overlay = Overlay::Prompt(String::new()),
            Action::NextMatch => self.find(Search::after),
            Action::PreviousMatch => self.find(Search::before),
            Action::Metric => self.next_metric(),
            Action::View => self.next_view(),
            Action::Sort => {
                self.options.ranking = match self.options.ranking {
                    Ranking::Bytes => Ranking::Allocations,
                    Ranking::Allocations => Ranking::Bytes,
                };
                self.grow_again();
            }
            Action::Invert => {
                self.options.inverted = !self.options.inverted;
                self.grow_anew();
            }
            Action::Fold => self.fold(),
            Action::Unfold => self.unfold(),
            Action::Source => self.shows_source = !self.shows_source,
            Action::Threads => {
                let menu = ThreadMenu::of(self.report, self.options.metric, self.thread.as_deref());
                self.overlay = Overlay::Threads(menu);
            }
            Action::Help => self.overlay = Overlay::Help(0),
            Action::Leave => self.end_search(),
            Action::Quit | Action::Suspend | Action::Redraw | Action::Type(_) | Action::Erase | Action::Submit => {}
        }
    }

    fn act_on_threads(&mut self, action: Action) {
        let Overlay::Threads(menu) = &mut self.overlay else { return };
        match action {
            Action::Move(entries) | Action::Scroll(entries) => menu.move_by(entries),
            Action::MovePages(pages) => menu.move_by(pages * 10),
            Action::First => menu.move_by(isize::MIN),
            Action::Last => menu.move_by(isize::MAX),
            Action::Toggle | Action::Open => {
                self.thread = menu.chosen();
                self.overlay = Overlay::None;
                self.gather_stacks();
            }
            Action::Leave | Action::Threads | Action::Close => self.overlay = Overlay::None,
            _ => {}
        }
    }

    fn act_on_prompt(&mut self, action: Action) {
        let Overlay::Prompt(text) = &mut self.overlay else { return };
        match action {
            Action::Type(c) => text.push(c),
            Action::Erase if text.is_empty() => self.overlay = Overlay::None,
            Action::Erase => drop(text.pop()),
            Action::Submit => {
                let text = std::mem::take(text);
                self.overlay = Overlay::None;
                if text.is_empty() {
                    self.end_search();
                } else {
                    self.start_search(&text);
                }
            }
            Action::Leave => self.overlay = Overlay::None,
            _ => {}
        }
    }

    fn go_to(&mut self, row: usize) {
        self.cursor = row.min(self.rows.len() - 1);
    }

    fn scroll(&mut self, rows: isize) {
        let last = self.rows.len().saturating_sub(self.lines.1);
        self.top = self.top.saturating_add_signed(rows).min(last);
        // The cursor stays on the screen.
        self.cursor = self.cursor.clamp(self.top, (self.top + self.lines.1.max(1) - 1).min(self.rows.len() - 1));
    }

    fn toggle(&mut self) {
        if self.rows.is_open(&self.tree, self.cursor) {
            self.rows.close(&self.tree, self.cursor);
        } else {
            self.rows.open(&mut self.tree, self.report.places(), self.cursor);
        }
    }

    fn open_all(&mut self) {
        if !self.rows.open_all(&mut self.tree, self.report.places(), self.cursor, MOST_OPENED) {
            self.message = Some(format!("{} rows are open; the others stay closed", count(MOST_OPENED as u64)));
        }
    }

    fn click(&mut self, line: u16) {
        let (first, count) = self.lines;
        let Some(offset) = line.checked_sub(first).map(usize::from).filter(|&offset| offset < count) else { return };
        let row = self.top + offset;
        if row == self.cursor {
            self.toggle();
        } else if row < self.rows.len() {
            self.cursor = row;
        }
    }

    fn next_metric(&mut self) {
        let at = Metric::ALL.iter().position(|&metric| metric == self.options.metric).unwrap_or(0);
        self.options.metric = Metric::ALL[(at + 1) % Metric::ALL.len()];
        self.grow_again();
    }

    fn next_view(&mut self) {
        if !self.report.metadata().native_stacks {
            self.message = Some("there are no native stacks: record without --no-native".to_owned());
            return;
        }
        let kind = match self.options.view.kind {
            ViewKind::Hybrid => ViewKind::Python,
            ViewKind::Python => ViewKind::Native,
            ViewKind::Native => ViewKind::Hybrid,
        };
        self.options.view = View { kind, ..self.options.view };
        self.gather_stacks();
    }

    fn fold(&mut self) {
        self.options.folding = match (&self.options.folding, &self.folding) {
            (Folding::Libraries(_), _) => Folding::Nothing,
            (Folding::Nothing, Folding::Nothing) => Folding::Libraries(Default::default()),
            (Folding::Nothing, folding) => folding.clone(),
        };
        self.grow_again();
    }

    fn unfold(&mut self) {
        let is_fold = |call| matches!(self.tree.get(call).what, What::Hidden { .. });
        let row =
            if is_fold(self.rows.call(self.cursor)) { self.rows.parent(&self.tree, self.cursor) } else { self.cursor };
        let call = self.rows.call(row);
        let unfolded = !self.tree.is_unfolded(call);
        self.rows.close(&self.tree, row);
        self.tree.set_unfolded(call, unfolded);
        self.rows.open(&mut self.tree, self.report.places(), row);
        self.cursor = row;
    }

    fn start_search(&mut self, pattern: &str) {
        match Search::of(pattern, &self.tree, self.report.places()) {
            Err(reason) => self.message = Some(reason),
            Ok(search) => {
                self.search = Some(search);
                self.grow_again();
                self.find(Search::after);
            }
        }
    }

    fn end_search(&mut self) {
        if self.search.take().is_some() {
            self.grow_again();
        }
    }

    fn find(&mut self, next: impl Fn(&Search, &mut CallTree, &Places, CallId) -> Option<CallId>) {
        let Some(search) = &self.search else {
            self.message = Some("nothing was searched for: press /".to_owned());
            return;
        };
        let from = self.rows.call(self.cursor);
        if let Some(found) = next(search, &mut self.tree, self.report.places(), from) {
            self.cursor = self.rows.reveal(&mut self.tree, self.report.places(), found);
        }
    }

    /// After a change of view or thread.
    fn gather_stacks(&mut self) {
        let slots = self.thread.as_deref().map(|thread| slots_of(self.report, Some(thread)));
        self.stacks = self.options.stacks(self.report, slots.as_deref());
        self.grow_again();
    }

    /// The tree as options and search want it now.
    fn grown(&mut self) -> CallTree {
        let is_found = |place| self.search.as_ref().is_some_and(|search| search.matches_place(place));
        let tree = self.options.tree_of(&self.stacks, self.report, Memory::Whole, is_found);
        if let Some(search) = &self.search {
            // The expression was well formed before.
            self.search = Search::of(search.pattern(), &tree, self.report.places()).ok();
        }
        tree
    }

    /// Makes the tree again, open where it was.
    fn grow_again(&mut self) {
        let tree = self.grown();
        let old_tree = std::mem::replace(&mut self.tree, tree);
        let old_rows = std::mem::replace(&mut self.rows, OpenedRows::closed());
        let (old_tree, old_rows, old_cursor) = self.opened.take().unwrap_or((old_tree, old_rows, self.cursor));
        let (rows, cursor) = old_rows.carried_over(&old_tree, &mut self.tree, self.report.places(), old_cursor);
        (self.rows, self.cursor) = (rows, cursor);
        self.opened = Some((old_tree, old_rows, old_cursor));
    }

    /// Makes a tree of other calls, with its hot path open.
    fn grow_anew(&mut self) {
        self.tree = self.grown();
        self.rows = OpenedRows::closed();
        self.cursor = self.rows.open_hot_path(&mut self.tree, self.report.places());
        self.top = 0;
    }

    /// Brings the cursor into so many lines, of which the first one is this line of the terminal.
    pub(crate) fn fit(&mut self, first: u16, lines: usize) {
        self.lines = (first, lines);
        let lines = lines.max(1);
        self.top = self.top.clamp((self.cursor + 1).saturating_sub(lines), self.cursor);
        // No empty lines below the last row while there are rows above.
        self.top = self.top.min(self.rows.len().saturating_sub(lines));
    }
}
