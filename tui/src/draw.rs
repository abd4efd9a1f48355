//! Draws the screen: a heading, the rows that fit, the details of one of them, a line for messages and keys.

use memprof_reporter::rows::Ranking;
use memprof_reporter::size_units::{count, counted, size};
use memprof_reporter::text::{harmless, keep_end, keep_start, text_width};
use memprof_reporter::tree::{CallId, GuideStyle, label, share};
use ratatui::Frame;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::text::{Line, Span};

use crate::frame_details::details;
use crate::keys::HELP;
use crate::screen::{Overlay, TreeScreen};
use crate::thread_menu::ThreadMenu;

/// The columns of a size, as of `1023.9 MiB`.
const SIZE_WIDTH: usize = 10;
/// The columns of a share.
const SHARE_WIDTH: usize = 6;
/// The columns that a call's name has at least.
const NAME_NEEDS: usize = 18;
/// Details are beside the tree where there are so many columns, and below it elsewhere.
const BESIDE: u16 = 100;
/// The least screen that anything can be shown on.
const SMALLEST: (u16, u16) = (20, 5);
const HINTS: [&str; 10] =
    ["q quit", "? help", "Enter open", "/ search", "o source", "m metric", "i invert", "v view", "s sort", "t threads"];

/// Draws the screen.
pub fn draw(screen: &mut TreeScreen, frame: &mut Frame) {
    let area = frame.area();
    if (area.width, area.height) < SMALLEST || area.height < SMALLEST.1 {
        frame.render_widget(Line::raw("too small"), area);
        return;
    }
    let buffer = frame.buffer_mut();
    let width = usize::from(area.width);
    let [first, second] = heading(screen, width);
    put(buffer, area, 0, Line::styled(first, screen.palette.heading()));
    put(buffer, area, 1, Line::raw(second));
    let body = Rect { y: 2, height: area.height - 3, ..area };
    put(buffer, area, area.height - 1, footer(screen, width));
    match &screen.overlay {
        Overlay::Help(_) => help(screen, buffer, body),
        Overlay::Threads(menu) => threads(screen, menu, buffer, body),
        Overlay::None | Overlay::Prompt(_) => tree_and_details(screen, buffer, body),
    }
    if screen.guide_style == GuideStyle::ASCII {
        for cell in buffer.content.iter_mut().filter(|cell| cell.symbol() == "…") {
            cell.set_symbol("~");
        }
    }
    if let Overlay::Prompt(text) = &screen.overlay {
        let column = (text_width(text) + 1).min(width - 1) as u16;
        frame.set_cursor_position((column, area.height - 1));
    }
}

fn put(buffer: &mut Buffer, area: Rect, line: u16, text: Line) {
    if line < area.height {
        buffer.set_line(area.x, area.y + line, &text, area.width);
    }
}

/// What ran and how it is shown, and how much there is.
fn heading(screen: &TreeScreen, width: usize) -> [String; 2] {
    let (metadata, options) = (screen.report.metadata(), &screen.options);
    let mut how = vec![options.view.kind.name()];
    how.extend((options.ranking == Ranking::Allocations).then_some("by allocations"));
    how.extend(options.inverted.then_some("inverted"));
    let how = how.join(", ");
    let command_width = width.saturating_sub(how.len() + 2);
    let command = keep_start(&harmless(&metadata.command_line), command_width);
    let gap = " ".repeat((width - how.len()).saturating_sub(text_width(&command)));
    let whole = screen.tree.get(CallId::ROOT).amount;
    let allocations = counted(whole.allocations, "allocation");
    let mut what = format!("{} {} in {allocations}", size(whole.bytes), options.metric.heading());
    for part in screen.thread.iter().chain([&metadata.selection]).filter(|part| !part.is_empty()) {
        what += &format!(", {}", harmless(part));
    }
    [format!("{command}{gap}{how}"), keep_start(&what, width)]
}

fn footer(screen: &TreeScreen, width: usize) -> Line<'static> {
    if let Overlay::Prompt(text) = &screen.overlay {
        // The end is where letters are added.
        let shown = keep_end(&harmless(text), width.saturating_sub(2));
        return Line::raw(format!("/{shown}"));
    }
    if let Some(message) = &screen.message {
        return Line::styled(keep_start(message, width), screen.palette.heading());
    }
    if let Some(search) = &screen.search {
        let whole = screen.tree.get(CallId::ROOT).amount;
        let share = share(screen.options.ranking, search.amount, whole);
        let text = match search.places {
            0 => format!("/{}: nothing", search.pattern()),
            places => {
                let places = counted(places, "place");
                format!(
                    "{places} with {} ({share}): n next, N before, Esc end   /{}",
                    size(search.amount.bytes),
                    search.pattern()
                )
            }
        };
        return Line::styled(keep_start(&harmless(&text), width), screen.palette.found());
    }
    let mut text = String::new();
    for hint in HINTS {
        if text.len() + 2 + hint.len() <= width {
            text = if text.is_empty() { hint.to_owned() } else { format!("{text}  {hint}") };
        }
    }
    Line::styled(text, screen.palette.faint())
}

fn tree_and_details(screen: &mut TreeScreen, buffer: &mut Buffer, body: Rect) {
    let (tree, pane) = match (screen.shows_source, body.width >= BESIDE) {
        (false, _) => (body, None),
        (true, true) => {
            let width = body.width * 2 / 5;
            let tree = Rect { width: body.width - width - 1, ..body };
            (tree, Some(Rect { x: tree.width + 1, width, ..body }))
        }
        (true, false) => {
            let height = body.height / 2;
            let tree = Rect { height: body.height - height, ..body };
            (tree, Some(Rect { y: tree.y + tree.height, height, ..body }))
        }
    };
    rows(screen, buffer, tree);
    let Some(pane) = pane else { return };
    let (lines, rule) = if pane.width == body.width {
        // A line of its own between the two.
        (Rect { y: pane.y + 1, height: pane.height.saturating_sub(1), ..pane }, true)
    } else {
        (pane, false)
    };
    let (across, down) = if screen.guide_style == GuideStyle::UNICODE { ("─", "│") } else { ("-", "|") };
    if rule {
        put(buffer, pane, 0, Line::styled(across.repeat(pane.width.into()), screen.palette.faint()));
    } else {
        for y in pane.y..pane.y + pane.height {
            buffer.set_string(pane.x - 1, y, down, screen.palette.faint());
        }
    }
    for (index, line) in (0..).zip(details(screen, lines.width.into(), lines.height.into())) {
        put(buffer, lines, index, line);
    }
}

fn rows(screen: &mut TreeScreen, buffer: &mut Buffer, area: Rect) {
    let lines = usize::from(area.height - 1);
    screen.fit(area.y + 1, lines);
    let whole = screen.tree.get(CallId::ROOT).amount;
    let allocations_width = count(whole.allocations).len().max("Allocs".len());
    let head = format!("{:>SIZE_WIDTH$} {:>SHARE_WIDTH$} {:>allocations_width$} Call", "Bytes", "Share", "Allocs");
    put(buffer, area, 0, Line::styled(head, screen.palette.faint()));
    let figures_width = SIZE_WIDTH + SHARE_WIDTH + allocations_width + 3;
    let room = usize::from(area.width).saturating_sub(figures_width);
    let mut guides = screen.rows.guides(&screen.tree, screen.top);
    let (opened, closed) = if screen.guide_style == GuideStyle::UNICODE { ("▾ ", "▸ ") } else { ("- ", "+ ") };
    for (line, row) in (1..).zip(screen.top..screen.rows.len().min(screen.top + lines)) {
        let (row_at, is_cursor) = (screen.rows.get(row), row == screen.cursor);
        guides.step(row_at.joint);
        let call = screen.tree.get(row_at.call);
        let share = share(screen.options.ranking, call.amount, whole);
        let figures = format!(
            "{:>SIZE_WIDTH$} {share:>SHARE_WIDTH$} {:>allocations_width$} ",
            size(call.amount.bytes),
            count(call.amount.allocations),
        );
        let prefix = guides.prefix(row_at.joint, screen.guide_style, room.saturating_sub(NAME_NEEDS + opened.len()));
        let marker = match (call.has_children(), screen.rows.is_open(&screen.tree, row)) {
            (false, _) => "  ",
            (true, true) => opened,
            (true, false) => closed,
        };
        let name_room = room.saturating_sub(text_width(&prefix) + text_width(marker));
        let mut name = label(screen.report, call.what, screen.options.inverted, name_room);
        if is_cursor {
            name += &" ".repeat(name_room.saturating_sub(text_width(&name)));
        }
        let share = share_of(screen, call.amount, whole);
        let is_found = screen.search.as_ref().is_some_and(|search| search.matches(&screen.tree, row_at.call));
        let name_style = if is_found { screen.palette.found() } else { Style::new() };
        let mut text = Line::from(vec![
            Span::styled(figures, screen.palette.share(share)),
            Span::styled(prefix, screen.palette.faint()),
            Span::raw(marker),
            Span::styled(name, name_style),
        ]);
        if is_cursor {
            text = text.patch_style(screen.palette.cursor());
        }
        put(buffer, area, line, text);
    }
}

fn share_of(screen: &TreeScreen, part: memprof_replay::slots::Amount, whole: memprof_replay::slots::Amount) -> f64 {
    let size = |amount| screen.options.ranking.key(amount).0;
    if size(whole) == 0 { 0.0 } else { size(part) as f64 / size(whole) as f64 }
}

fn help(screen: &mut TreeScreen, buffer: &mut Buffer, area: Rect) {
    put(buffer, area, 0, Line::styled("Keys (Esc goes back)", screen.palette.heading()));
    let lines = usize::from(area.height).saturating_sub(1);
    let Overlay::Help(top) = &mut screen.overlay else { return };
    *top = (*top).min(HELP.len().saturating_sub(lines));
    let keys_width = HELP.map(|(keys, _)| keys.len()).into_iter().max().unwrap_or(0);
    for (line, (keys, what)) in (1..).zip(HELP.into_iter().skip(*top).take(lines)) {
        let text = format!("  {keys:<keys_width$}  {what}");
        put(buffer, area, line, Line::raw(keep_start(&text, area.width.into())));
    }
}

fn threads(screen: &TreeScreen, menu: &ThreadMenu, buffer: &mut Buffer, area: Rect) {
    put(buffer, area, 0, Line::styled("Threads (Enter shows one alone, Esc goes back)", screen.palette.heading()));
    let lines = usize::from(area.height).saturating_sub(1).max(1);
    let top = (menu.cursor + 1).saturating_sub(lines);
    let all = ("all threads".to_owned(), screen.report.total(screen.options.metric));
    let entries = std::iter::once(&all).chain(&menu.threads).enumerate().skip(top).take(lines);
    for (line, (index, (name, amount))) in (1..).zip(entries) {
        let text = format!("{:>SIZE_WIDTH$}  {}", size(amount.bytes), harmless(name));
        let text = keep_start(&text, area.width.into());
        let style = if index == menu.cursor { screen.palette.cursor() } else { Style::new() };
        put(buffer, area, line, Line::styled(text, style));
    }
}
