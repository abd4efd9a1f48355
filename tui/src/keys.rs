//! What keys and the mouse mean.

use ratatui::crossterm::event::{
    Event, KeyCode, KeyEvent, KeyEventKind, KeyModifiers, MouseButton, MouseEvent, MouseEventKind,
};

/// What is to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// To end.
    Quit,
    /// To stop, as Ctrl-Z does.
    Suspend,
    /// To draw again.
    Redraw,
    /// To go so many rows down, or up where negative.
    Move(isize),
    /// To go so many screens down.
    MovePages(isize),
    /// To go so many rows down without the cursor.
    Scroll(isize),
    /// To go to the first row.
    First,
    /// To go to the last row.
    Last,
    /// To open the row, or to go to what is below it.
    Open,
    /// To close the row, or to go to its caller.
    Close,
    /// To open or close the row, or to choose an entry of a list.
    Toggle,
    /// To open everything below the row.
    OpenAll,
    /// To close everything below the row.
    CloseAll,
    /// To go to the row at this line of the terminal, or to toggle it.
    Click(u16),
    /// To ask for a regular expression.
    Search,
    /// To go to the next match.
    NextMatch,
    /// To go to the one before.
    PreviousMatch,
    /// To show the next metric.
    Metric,
    /// To show the next view.
    View,
    /// To rank by the other quantity.
    Sort,
    /// To exchange callers and calls.
    Invert,
    /// To fold the frames of libraries, or all of them no longer.
    Fold,
    /// To unfold what is folded below the row, or to fold it again.
    Unfold,
    /// To show the source.
    Source,
    /// To list the threads.
    Threads,
    /// To list the keys.
    Help,
    /// To leave what is on top: a list, the prompt, the search.
    Leave,
    /// To append to the prompt.
    Type(char),
    /// To take the last character of the prompt away.
    Erase,
    /// To search for what the prompt has.
    Submit,
}

/// What reads the keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Focus {
    /// The tree or a list.
    Rows,
    /// The prompt.
    Prompt,
}

/// The keys as the help lists them.
pub(crate) const HELP: [(&str, &str); 18] = [
    ("up down j k", "go to another row"),
    ("right l, left h", "open or close it, go below or above"),
    ("Enter Space", "open or close it"),
    ("e, c", "open or close all below it"),
    ("PgUp PgDn", "go by a screen"),
    ("Home g, End G", "go to the first or the last row"),
    ("/", "search: a regular expression"),
    ("n, N", "go to the next match, or the one before"),
    ("m", "peak, leaks, total, temporary"),
    ("v", "Python and native frames, or one kind"),
    ("s", "by bytes or by allocations"),
    ("i", "callers below what they called"),
    ("f", "fold library frames, or show them all"),
    ("u", "show what is folded below the row"),
    ("o Tab", "source and figures of the row"),
    ("t", "one thread only"),
    ("Esc", "leave a list or the search"),
    ("q Ctrl-C", "quit"),
];

/// What an event asks for.
#[must_use]
pub fn action(focus: Focus, event: &Event) -> Option<Action> {
    match event {
        Event::Key(key) if key.kind != KeyEventKind::Release => match focus {
            Focus::Rows => of_key(*key),
            Focus::Prompt => of_prompt_key(*key),
        },
        Event::Mouse(mouse) => of_mouse(*mouse),
        Event::Resize(..) => Some(Action::Redraw),
        _ => None,
    }
}

fn of_control(key: KeyEvent) -> Option<Action> {
    match key.code {
        KeyCode::Char('c') => Some(Action::Quit),
        KeyCode::Char('z') => Some(Action::Suspend),
        KeyCode::Char('l') => Some(Action::Redraw),
        KeyCode::Char('d' | 'f') => Some(Action::MovePages(1)),
        KeyCode::Char('u' | 'b') => Some(Action::MovePages(-1)),
        KeyCode::Char('n') => Some(Action::Move(1)),
        KeyCode::Char('p') => Some(Action::Move(-1)),
        _ => None,
    }
}

fn of_key(key: KeyEvent) -> Option<Action> {
    if key.modifiers.contains(KeyModifiers::CONTROL) {
        return of_control(key);
    }
    Some(match key.code {
        KeyCode::Down | KeyCode::Char('j') => Action::Move(1),
        KeyCode::Up | KeyCode::Char('k') => Action::Move(-1),
        KeyCode::PageDown => Action::MovePages(1),
        KeyCode::PageUp => Action::MovePages(-1),
        KeyCode::Home | KeyCode::Char('g') => Action::First,
        KeyCode::End | KeyCode::Char('G') => Action::Last,
        KeyCode::Right | KeyCode::Char('l') => Action::Open,
        KeyCode::Left | KeyCode::Char('h') => Action::Close,
        KeyCode::Enter | KeyCode::Char(' ') => Action::Toggle,
        KeyCode::Char('e') => Action::OpenAll,
        KeyCode::Char('c') => Action::CloseAll,
        KeyCode::Char('/') => Action::Search,
        KeyCode::Char('n') => Action::NextMatch,
        KeyCode::Char('N' | 'p') => Action::PreviousMatch,
        KeyCode::Char('m') => Action::Metric,
        KeyCode::Char('v') => Action::View,
        KeyCode::Char('s') => Action::Sort,
        KeyCode::Char('i') => Action::Invert,
        KeyCode::Char('f') => Action::Fold,
        KeyCode::Char('u') => Action::Unfold,
        KeyCode::Char('o') | KeyCode::Tab => Action::Source,
        KeyCode::Char('t') => Action::Threads,
        KeyCode::Char('?') | KeyCode::F(1) => Action::Help,
        KeyCode::Esc => Action::Leave,
        KeyCode::Char('q') => Action::Quit,
        _ => return None,
    })
}

fn of_prompt_key(key: KeyEvent) -> Option<Action> {
    match key.code {
        KeyCode::Char('c') if key.modifiers.contains(KeyModifiers::CONTROL) => Some(Action::Quit),
        KeyCode::Char(_) if key.modifiers.intersects(KeyModifiers::CONTROL | KeyModifiers::ALT) => None,
        KeyCode::Char(c) => Some(Action::Type(c)),
        KeyCode::Backspace => Some(Action::Erase),
        KeyCode::Enter => Some(Action::Submit),
        KeyCode::Esc => Some(Action::Leave),
        _ => None,
    }
}

fn of_mouse(mouse: MouseEvent) -> Option<Action> {
    const ROWS: isize = 3;
    match mouse.kind {
        MouseEventKind::ScrollDown => Some(Action::Scroll(ROWS)),
        MouseEventKind::ScrollUp => Some(Action::Scroll(-ROWS)),
        MouseEventKind::Down(MouseButton::Left) => Some(Action::Click(mouse.row)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(focus: Focus, code: KeyCode, modifiers: KeyModifiers) -> Option<Action> {
        action(focus, &Event::Key(KeyEvent::new(code, modifiers)))
    }

    #[test]
    fn the_prompt_takes_letters_that_are_keys_elsewhere() {
        let none = KeyModifiers::NONE;
        assert_eq!(key(Focus::Rows, KeyCode::Char('q'), none), Some(Action::Quit));
        assert_eq!(key(Focus::Prompt, KeyCode::Char('q'), none), Some(Action::Type('q')));
        assert_eq!(key(Focus::Prompt, KeyCode::Char('G'), KeyModifiers::SHIFT), Some(Action::Type('G')));
        assert_eq!(key(Focus::Prompt, KeyCode::Enter, none), Some(Action::Submit));
        assert_eq!(key(Focus::Rows, KeyCode::Enter, none), Some(Action::Toggle));
    }

    #[test]
    fn control_c_ends_and_control_letters_are_no_letters() {
        let control = KeyModifiers::CONTROL;
        assert_eq!(key(Focus::Rows, KeyCode::Char('c'), control), Some(Action::Quit));
        assert_eq!(key(Focus::Prompt, KeyCode::Char('c'), control), Some(Action::Quit));
        assert_eq!(key(Focus::Rows, KeyCode::Char('m'), control), None);
        assert_eq!(key(Focus::Prompt, KeyCode::Char('a'), control), None);
    }

    #[test]
    fn a_key_that_is_let_go_does_nothing() {
        let released = KeyEvent::new_with_kind(KeyCode::Char('q'), KeyModifiers::NONE, KeyEventKind::Release);
        assert_eq!(action(Focus::Rows, &Event::Key(released)), None);
    }
}
