//! Makes texts fit a number of columns: paths lose their beginnings, names their ends, numbers nothing.

use std::borrow::Cow;

use super::native_names;

const ELLIPSIS: char = '…';
/// A path keeps at least so much of its end while the function's name can still give way.
const PATH_KEEPS: usize = 14;

/// The columns that a character fills on a terminal: two for East Asian wide ones and emoji, none for what combines.
fn char_width(c: char) -> usize {
    match c as u32 {
        0x300..=0x36f | 0x200b..=0x200f | 0xfe00..=0xfe0f => 0,
        0x1100..=0x115f
        | 0x2e80..=0xa4cf
        | 0xac00..=0xd7a3
        | 0xf900..=0xfaff
        | 0xfe30..=0xfe6f
        | 0xff00..=0xff60
        | 0xffe0..=0xffe6
        | 0x1f300..=0x1faff
        | 0x20000..=0x3fffd => 2,
        _ => 1,
    }
}

/// The columns that a text fills.
pub(crate) fn text_width(text: &str) -> usize {
    text.chars().map(char_width).sum()
}

/// Control characters in names would move the cursor; they are printed as escapes.
pub(crate) fn harmless(text: &str) -> Cow<'_, str> {
    if !text.contains(char::is_control) {
        return Cow::Borrowed(text);
    }
    let mut out = String::new();
    for c in text.chars() {
        if c.is_control() { out.extend(c.escape_default()) } else { out.push(c) }
    }
    Cow::Owned(out)
}

/// The end of a text, in at most `room` columns.
pub(crate) fn keep_end(text: &str, room: usize) -> String {
    if text_width(text) <= room {
        return text.to_owned();
    }
    let mut used = 1;
    let kept = text.char_indices().rev().take_while(|&(_, c)| {
        used += char_width(c);
        used <= room
    });
    let start = kept.last().map_or(text.len(), |(at, _)| at);
    format!("{ELLIPSIS}{}", &text[start..])
}

/// The beginning of a text, in at most `room` columns.
pub(crate) fn keep_start(text: &str, room: usize) -> String {
    if text_width(text) <= room {
        return text.to_owned();
    }
    let mut used = 1;
    let kept: String = text
        .chars()
        .take_while(|&c| {
            used += char_width(c);
            used <= room
        })
        .collect();
    format!("{kept}{ELLIPSIS}")
}

/// A place to be printed: `function (file:line)`.
pub(crate) struct Location {
    function: String,
    file: String,
    /// The line with the colon before it; empty where it is not known.
    line: String,
    is_native: bool,
}

impl Location {
    /// Of these; a place without a file is its name alone.
    pub(crate) fn new(function: &str, file: &str, line: u32) -> Self {
        let (function, file) = (harmless(function).into_owned(), harmless(file).into_owned());
        Self { function, file, line: format!(":{line}"), is_native: false }
    }

    /// Of a function as a whole.
    pub(crate) fn of_function(function: &str, file: &str) -> Self {
        Self { line: String::new(), ..Self::new(function, file, 0) }
    }

    /// Of a file, which gives way at its beginning.
    pub(crate) fn of_path(path: &str) -> Self {
        let file = harmless(path).into_owned();
        Self { function: String::new(), file, line: String::new(), is_native: false }
    }

    /// Of a native function, whose line may not be known (0).
    pub(crate) fn native(function: &str, file: &str, line: u32) -> Self {
        let location = Self { is_native: true, ..Self::new(function, file, line) };
        if line == 0 { Self { line: String::new(), ..location } } else { location }
    }

    /// The columns that it would like to fill.
    pub(crate) fn width(&self) -> usize {
        if self.is_path() {
            return text_width(&self.file);
        }
        let place = if self.file.is_empty() { 0 } else { text_width(&self.file) + self.frame_width() };
        text_width(&self.function) + place
    }

    fn is_path(&self) -> bool {
        self.function.is_empty() && self.line.is_empty()
    }

    /// What stands around function and file: ` (`, `:`, the line, `)`.
    fn frame_width(&self) -> usize {
        3 + self.line.len()
    }

    /// The function in at most `room` columns. A native one loses its arguments, then the scopes around it.
    fn fit_function(&self, room: usize) -> String {
        if !self.is_native {
            return keep_start(&self.function, room);
        }
        let forms = native_names::forms(&self.function);
        if let Some(form) = forms.iter().find(|form| text_width(form) <= room) {
            return form.clone();
        }
        let bare = &forms[2];
        let inner = bare.match_indices("::").map(|(at, _)| format!("{ELLIPSIS}{}", &bare[at..]));
        inner.into_iter().find(|form| text_width(form) <= room).unwrap_or_else(|| keep_end(bare, room))
    }

    /// The place in at most `room` columns: the path gives way first, then the function; the line never does.
    pub(crate) fn fit(&self, room: usize) -> String {
        if self.file.is_empty() {
            return self.fit_function(room);
        }
        if self.is_path() {
            return keep_end(&self.file, room);
        }
        let room = room.saturating_sub(self.frame_width());
        let path = text_width(&self.file);
        let for_function = room.saturating_sub(path.min(PATH_KEEPS)).max(1);
        let function = self.fit_function(for_function);
        let file = keep_end(&self.file, room.saturating_sub(text_width(&function)).max(1));
        format!("{function} ({file}{})", self.line)
    }
}

/// Whether a word is a unit, which stays on the line of its number.
fn is_unit(word: &str) -> bool {
    let word = word.trim_end_matches(|c: char| c.is_ascii_punctuation());
    matches!(word, "B" | "s") || (word.len() == 3 && word.ends_with("iB"))
}

/// Breaks a text at blanks into lines of at most `width` columns. A longer word has a line of its own.
pub(crate) fn wrap(text: &str, width: usize) -> Vec<String> {
    let text = harmless(text);
    let mut words: Vec<String> = Vec::new();
    for word in text.split(' ') {
        match words.last_mut() {
            Some(number) if is_unit(word) && number.ends_with(|c: char| c.is_ascii_digit()) => {
                number.push(' ');
                number.push_str(word);
            }
            _ => words.push(word.to_owned()),
        }
    }
    let mut lines: Vec<String> = Vec::new();
    let mut used = 0;
    for word in words {
        let word_width = text_width(&word);
        match lines.last_mut() {
            Some(line) if used + 1 + word_width <= width => {
                line.push(' ');
                line.push_str(&word);
                used += 1 + word_width;
            }
            _ => {
                lines.push(word);
                used = word_width;
            }
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_path_gives_way_before_the_function() {
        let place = Location::new("random_primes_sum", "/home/ada/project/examples/random_primes_sum.py", 12);
        assert_eq!(place.fit(80), "random_primes_sum (/home/ada/project/examples/random_primes_sum.py:12)");
        assert_eq!(place.fit(50), "random_primes_sum (…mples/random_primes_sum.py:12)");
        assert_eq!(place.fit(30), "random_pr… (…primes_sum.py:12)");
        assert_eq!(place.width(), 70);
    }

    #[test]
    fn a_native_name_loses_its_arguments_then_its_scopes() {
        let name = "geo::Index<std::pair<double, double>, 16>::insert(std::pair<double, double> const&, unsigned long)";
        let place = Location::native(name, "/srv/geo/src/index.hpp", 218);
        assert_eq!(place.fit(200), format!("{name} (/srv/geo/src/index.hpp:218)"));
        assert_eq!(place.fit(60), "geo::Index<…>::insert(…) (/srv/geo/src/index.hpp:218)");
        assert_eq!(place.fit(42), "geo::Index<…>::insert (…src/index.hpp:218)");
        assert_eq!(place.fit(32), "…::insert (…o/src/index.hpp:218)");
        assert_eq!(Location::native("inflate", "/lib/libz.so.1", 0).fit(60), "inflate (/lib/libz.so.1)");
        assert_eq!(Location::native("0x7f1200", "", 0).fit(60), "0x7f1200");
    }

    #[test]
    fn control_characters_do_not_reach_the_terminal() {
        assert_eq!(Location::new("f\u{1b}[2J", "a\nb.py", 3).fit(60), "f\\u{1b}[2J (a\\nb.py:3)");
    }

    #[test]
    fn a_unit_stays_with_its_number() {
        assert_eq!(wrap("arenas of 1 MiB, or more", 13), ["arenas of", "1 MiB, or", "more"]);
    }

    proptest! {
        #[test]
        fn a_place_fits_and_keeps_its_line(function in ".{1,40}", file in ".{1,80}", line: u32, room in 16..100_usize) {
            let text = Location::new(&function, &file, line).fit(room);
            let suffix = format!(":{line})");
            prop_assert!(text.ends_with(&suffix), "{}", text);
            prop_assert!(text_width(&text) <= room.max(17), "{} columns for {}: {}", text_width(&text), room, text);
        }

        #[test]
        fn a_native_place_fits(function in "[a-c<>():* ]{1,60}", file in ".{1,80}", line: u32, room in 16..100_usize) {
            let text = Location::native(&function, &file, line).fit(room);
            prop_assert!(text_width(&text) <= room.max(17), "{} columns for {}: {}", text_width(&text), room, text);
        }

        #[test]
        fn wrapping_loses_no_word(text in "[a-z]{1,8}( [a-z]{1,8}){0,20}", width in 10..40_usize) {
            let lines = wrap(&text, width);
            prop_assert!(lines.iter().all(|line| text_width(line) <= width));
            prop_assert_eq!(lines.join(" "), text);
        }
    }
}
