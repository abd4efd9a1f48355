//! The call tree as a terminal application, on a terminal that is none: screens that were looked at (golden/), and what
//! keys do.

// The captures of the reporter's own tests, and how these compare texts.
#[path = "../../reporter/tests/reports/capture_builder/mod.rs"]
mod capture_builder;
#[path = "../../reporter/tests/reports/family_run/mod.rs"]
mod family_run;
#[path = "../../reporter/tests/reports/golden_text/mod.rs"]
mod golden_text;
#[path = "../../reporter/tests/reports/native_run/mod.rs"]
mod native_run;
#[path = "../../reporter/tests/reports/tree_run/mod.rs"]
mod tree_run;

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;

use capture_builder::CaptureBuilder;
use family_run::family_run;
use golden_text::assert_golden;
use memprof_channel::allocator::Allocator::Malloc;
use memprof_reporter::report::Report;
use memprof_reporter::text::TextStyle;
use memprof_tui::keys::action;
use memprof_tui::{Outcome, TreeScreen, draw};
use native_run::native_run;
use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::crossterm::event::{Event, KeyCode, KeyEvent, KeyModifiers, MouseEvent, MouseEventKind};
use ratatui::style::{Color, Modifier};
use tree_run::{options, tree_run, tree_run_of};

/// A screen and the terminal that it is drawn to.
struct Session<'a> {
    screen: TreeScreen<'a>,
    terminal: Terminal<TestBackend>,
}

impl<'a> Session<'a> {
    fn new(report: &'a mut Report, (width, height): (u16, u16)) -> Self {
        let screen = TreeScreen::new(report, options(), &TextStyle::new(80, true));
        let terminal = Terminal::new(TestBackend::new(width, height)).expect("memory can be drawn to");
        let mut session = Self { screen, terminal };
        session.draw();
        session
    }

    fn draw(&mut self) {
        self.terminal.draw(|frame| draw(&mut self.screen, frame)).expect("memory can be drawn to");
    }

    fn press(&mut self, code: KeyCode) -> Outcome {
        self.send(Event::Key(KeyEvent::new(code, KeyModifiers::NONE)))
    }

    fn send(&mut self, event: Event) -> Outcome {
        let action = action(self.screen.focus(), &event);
        let outcome = action.map_or(Outcome::Continue, |action| self.screen.act(action));
        self.draw();
        outcome
    }

    fn keys(&mut self, keys: &str) -> &mut Self {
        for c in keys.chars() {
            self.press(if c == '\n' { KeyCode::Enter } else { KeyCode::Char(c) });
        }
        self
    }

    fn lines(&self) -> Vec<String> {
        let buffer = self.terminal.backend().buffer();
        let rows = buffer.content.chunks(buffer.area.width.into());
        rows.map(|row| row.iter().map(|cell| cell.symbol()).collect::<String>().trim_end().to_owned()).collect()
    }

    fn text(&self) -> String {
        self.lines().join("\n") + "\n"
    }

    /// The line under the cursor.
    fn cursor(&self) -> String {
        let buffer = self.terminal.backend().buffer();
        let is_cursor = |line: &usize| {
            let cell = &buffer.content[line * usize::from(buffer.area.width)];
            cell.modifier.contains(Modifier::REVERSED)
        };
        let lines = self.lines();
        let line = (0..lines.len()).find(is_cursor).expect("the cursor is on the screen");
        lines[line].clone()
    }

    fn has(&self, text: &str) -> bool {
        self.text().contains(text)
    }
}

#[test]
fn screens_of_several_sizes() {
    for size in [(60, 12), (80, 24), (120, 40)] {
        let mut report = tree_run().report();
        let mut session = Session::new(&mut report, size);
        let mut screens = session.text();
        screens += &session.keys("o/walk\nn").text();
        screens += &session.keys("ims").text();
        screens += &session.keys("?").text();
        screens += &session.keys(" t").text();
        assert_golden(&format!("tree-screen-{}x{}.txt", size.0, size.1), &screens);
    }
}

#[test]
fn the_hot_path_is_open_and_the_cursor_at_its_end() {
    let mut report = tree_run().report();
    let mut session = Session::new(&mut report, (80, 24));
    assert!(session.cursor().contains("convert"), "{}", session.text());
    session.keys("gc");
    assert!(session.cursor().contains("▸ all") && !session.has("<module>"), "{}", session.text());
}

#[test]
fn arrows_open_and_close() {
    let mut report = tree_run().report();
    let mut session = Session::new(&mut report, (80, 24));
    session.keys("gcl");
    assert!(session.has("├ ▸ <module>") && session.has("└ ▸ _bootstrap"), "{}", session.text());
    session.keys("l");
    assert!(session.cursor().contains("tracks.py:40"), "{}", session.text());
    session.keys("h");
    assert!(session.cursor().contains("all") && session.has("└ ▸ _bootstrap"), "{}", session.text());
    session.keys("h");
    assert!(!session.has("_bootstrap"), "{}", session.text());
    session.keys("e");
    assert!(session.has("convert") && session.has("▾ walk"), "{}", session.text());
    session.keys("G");
    assert!(session.cursor().contains("work"), "{}", session.text());
}

#[test]
fn a_search_shows_what_was_folded_and_goes_around() {
    let mut report = tree_run().report();
    let mut session = Session::new(&mut report, (100, 20));
    session.keys("g/^_load_unlocked\n");
    assert!(session.cursor().contains("_load_unlocked (<frozen importlib"), "{}", session.text());
    assert!(session.has("1 place with 4.0 MiB (7.0%)"), "{}", session.text());
    // The way to the next match leads through this one.
    session.keys("n");
    let second = session.cursor();
    assert!(second.contains("▸ _load_unlocked"), "{}", session.text());
    session.keys("n");
    assert!(session.cursor().contains("▾ _load_unlocked"), "there are two: {}", session.text());
    session.keys("N");
    assert_eq!(session.cursor(), second);
    session.press(KeyCode::Esc);
    assert!(!session.has("_load_unlocked") && session.has("import frames hidden"), "{}", session.text());
}

#[test]
fn all_matches_are_visited_in_either_direction_and_orientation() {
    let mut report = tree_run().report();
    for invert in ["", "i"] {
        let mut session = Session::new(&mut report, (120, 60));
        session.keys(invert).keys("gce/LAB|label|conv\n");
        let mut visited = vec![session.cursor()];
        loop {
            session.keys("n");
            if session.cursor() == visited[0] {
                break;
            }
            visited.push(session.cursor());
            assert!(visited.len() <= 21, "{visited:#?}");
        }
        assert_eq!(visited.len(), 21, "convert and 20 lines of label: {visited:#?}");
        for expected in visited.iter().rev() {
            session.keys("N");
            assert_eq!(&session.cursor(), expected);
        }
    }
}

#[test]
fn what_is_no_regular_expression_is_said() {
    let mut report = tree_run().report();
    let mut session = Session::new(&mut report, (80, 12));
    session.keys("/(\n");
    assert!(session.has("this is no regular expression: unclosed group"), "{}", session.text());
    session.keys("/nowhere\n");
    assert!(session.has("/nowhere: nothing"), "{}", session.text());
    session.keys("n");
    assert!(session.has("/nowhere: nothing"), "{}", session.text());
}

#[test]
fn changes_of_metric_and_order_keep_what_is_open() {
    let mut report = tree_run().report();
    let mut session = Session::new(&mut report, (80, 24));
    let before = session.text();
    session.keys("s");
    assert!(session.has("by allocations") && session.cursor().contains("convert"), "{}", session.text());
    session.keys("sm");
    // What was freed is no leak.
    assert!(session.has("51.0 MiB not freed at the end") && !session.has("_bootstrap"), "{}", session.text());
    session.keys("m");
    assert!(session.has("57.0 MiB allocated in total"), "{}", session.text());
    // Nothing is temporary: there is only a root. Yet what was open is not forgotten.
    session.keys("m");
    assert!(session.has("0 B freed at once") && session.cursor().contains("all"), "{}", session.text());
    session.keys("m");
    assert_eq!(session.text(), before);
}

#[test]
fn views_go_around_where_there_are_native_stacks() {
    let mut report = native_run().report();
    let mut session = Session::new(&mut report, (120, 30));
    session.keys("g");
    let hybrid = session.text();
    assert!(session.keys("v").has(" python\n"), "{}", session.text());
    assert!(session.keys("v").has(" native\n"), "{}", session.text());
    assert_eq!(session.keys("v").lines()[..2], hybrid.lines().collect::<Vec<_>>()[..2]);
    let mut report = tree_run().report();
    let mut session = Session::new(&mut report, (80, 24));
    assert!(session.keys("v").has("no native stacks"), "{}", session.text());
}

#[test]
fn folds_can_be_opened_one_by_one_or_all() {
    let mut report = tree_run().report();
    let mut session = Session::new(&mut report, (80, 24));
    session.keys("hhhu");
    assert!(session.has("_read (") && session.has("[3 import frames hidden]") || !session.has("[2 frames hidden]"));
    let mut report = tree_run().report();
    let mut session = Session::new(&mut report, (80, 24));
    session.keys("ge");
    assert!(session.has("[2 frames hidden]"), "{}", session.text());
    session.keys("fe");
    assert!(!session.has("hidden]") && session.has("_read ("), "{}", session.text());
    session.keys("fe");
    assert!(session.has("[2 frames hidden]"), "{}", session.text());
}

#[test]
fn one_thread_can_be_looked_at_alone() {
    let mut report = tree_run().report();
    let mut session = Session::new(&mut report, (80, 24));
    session.keys("t");
    assert!(session.has("all threads") && session.has("worker (4712)"), "{}", session.text());
    session.keys("jj\n");
    assert!(session.has("2.0 MiB live at the peak in 1 allocation, worker (4712)"), "{}", session.text());
    assert!(!session.has("main"), "{}", session.text());
    session.keys("tg\n");
    assert!(session.has("57.0 MiB live at the peak"), "{}", session.text());
}

#[test]
fn processes_stand_above_what_they_did() {
    let mut report = family_run().report();
    let mut session = Session::new(&mut report, (100, 30));
    session.keys("gcl");
    assert!(session.has("▸ process 4711"), "{}", session.text());
}

#[test]
fn the_source_pane_shows_the_line() {
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let path = folder.path().join("app.py");
    let source: String = (1..=60).map(|line| format!("\tvalue_{line} = {line}\n")).collect();
    fs::write(&path, source).expect("a file can be written");
    fs::set_permissions(&path, Permissions::from_mode(0o644)).expect("a mode can be set");
    let mut builder = tree_run_of(path.to_str().expect("the name is UTF-8"));
    // The file is older than a recording that begins in the far future.
    builder.header.start_unix_ns = u64::MAX / 2;
    let mut report = builder.report();
    let mut session = Session::new(&mut report, (120, 20));
    session.keys("o");
    assert!(session.has(">20     value_20 = 20") && session.has(" 19     value_19 = 19"), "{}", session.text());
    session.keys("gj");
    assert!(session.has(">40     value_40 = 40"), "{}", session.text());
    session.press(KeyCode::Tab);
    assert!(!session.has("value_40"), "{}", session.text());
}

#[test]
fn the_wheel_scrolls_and_a_click_goes_to_a_row() {
    let mut report = tree_run().report();
    let mut session = Session::new(&mut report, (80, 12));
    session.keys("ge");
    let mouse = |kind, row| Event::Mouse(MouseEvent { kind, column: 20, row, modifiers: KeyModifiers::NONE });
    session.send(mouse(MouseEventKind::ScrollDown, 5));
    assert!(!session.has("▾ all"), "{}", session.text());
    session.send(mouse(MouseEventKind::ScrollUp, 5));
    assert!(session.has("▾ all"), "{}", session.text());
    session.send(mouse(MouseEventKind::Down(ratatui::crossterm::event::MouseButton::Left), 4));
    assert!(session.cursor().contains("tracks.py:40"), "{}", session.text());
    session.send(mouse(MouseEventKind::Down(ratatui::crossterm::event::MouseButton::Left), 4));
    assert!(session.cursor().contains("▸ <module>"), "a second click closes: {}", session.text());
    session.send(mouse(MouseEventKind::Down(ratatui::crossterm::event::MouseButton::Left), 0));
    assert!(session.cursor().contains("▸ <module>"), "{}", session.text());
}

#[test]
fn it_can_be_resized_to_any_size() {
    let mut report = tree_run().report();
    let mut session = Session::new(&mut report, (80, 24));
    for (width, height) in [(60, 12), (1, 1), (240, 100), (20, 5), (19, 50), (100, 3), (61, 13), (30, 6)] {
        for keys in ["", "o", "?", "q", "t", "h", "/x"] {
            session.terminal.backend_mut().resize(width, height);
            session.terminal.autoresize().expect("memory can be resized");
            session.keys(keys);
        }
        session.press(KeyCode::Esc);
    }
}

#[test]
fn keys_that_end_it() {
    let mut report = tree_run().report();
    let mut session = Session::new(&mut report, (80, 24));
    assert_eq!(session.press(KeyCode::Char('q')), Outcome::Quit);
    let control = |c| Event::Key(KeyEvent::new(KeyCode::Char(c), KeyModifiers::CONTROL));
    assert_eq!(session.send(control('c')), Outcome::Quit);
    assert_eq!(session.send(control('z')), Outcome::Suspend);
    session.keys("/");
    assert_eq!(session.send(control('c')), Outcome::Quit);
}

#[test]
fn without_colours_there_are_none() {
    let mut report = tree_run().report();
    let (mut screen, backend) = (
        TreeScreen::new(&mut report, options(), &TextStyle::new(80, false).with_unicode(false)),
        TestBackend::new(80, 24),
    );
    let mut terminal = Terminal::new(backend).expect("memory can be drawn to");
    terminal.draw(|frame| draw(&mut screen, frame)).expect("memory can be drawn to");
    let cells = &terminal.backend().buffer().content;
    assert!(cells.iter().all(|cell| cell.fg == Color::Reset && cell.bg == Color::Reset));
    assert!(cells.iter().all(|cell| cell.symbol().is_ascii()), "ASCII only");
}

#[test]
fn a_tree_of_many_rows_can_be_opened_and_scrolled() {
    let mut builder = CaptureBuilder::new();
    let frames = [("even", "/srv/deep.py", 1), ("odd", "/srv/deep.py", 2)];
    let site = builder.deep_site(&frames, 100_000, Malloc);
    builder.allocate(0x10, 4096, site);
    let mut report = builder.report();
    let mut session = Session::new(&mut report, (80, 24));
    assert!(session.cursor().contains("odd"), "the hot path goes to the end: {}", session.text());
    session.keys("gceGg");
    session.keys("/odd\nn");
    assert!(session.cursor().contains("odd"), "{}", session.text());
}
