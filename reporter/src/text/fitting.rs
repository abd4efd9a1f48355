//! Makes texts fit a number of columns: paths lose their beginnings, names their ends, numbers nothing.

use std::borrow::Cow;

use unicode_width::UnicodeWidthChar;

use super::native_names;

const ELLIPSIS: char = '…';
/// A path keeps at least so much of its end while the function's name can still give way.
const PATH_KEEPS: usize = 14;

/// The columns that a character fills on a terminal: two for East Asian wide ones and emoji, none for what combines.
/// One by one, as terminals do: few join sequences of emoji into one.
fn char_width(c: char) -> usize {
    c.width().unwrap_or(0)
}

/// The columns that a text fills.
#[must_use]
pub fn text_width(text: &str) -> usize {
    text.chars().map(char_width).sum()
}

/// Whether a character would move the cursor, begin a line, or turn around the text that follows.
fn is_harmful(c: char) -> bool {
    let turns_text =
        matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    turns_text || c.is_control() || matches!(c, '\u{2028}' | '\u{2029}' | '\u{feff}')
}

/// Control characters in names, those for the direction of text included, are printed as escapes.
#[must_use]
pub fn harmless(text: &str) -> Cow<'_, str> {
    if !text.contains(is_harmful) {
        return Cow::Borrowed(text);
    }
    let mut out = String::new();
    for c in text.chars() {
        if is_harmful(c) { out.extend(c.escape_default()) } else { out.push(c) }
    }
    Cow::Owned(out)
}

/// The end of a text, in at most `room` columns.
#[must_use]
pub fn keep_end(text: &str, room: usize) -> String {
    if text_width(text) <= room {
        return text.to_owned();
    }
    let mut used = 1;
    let kept = text.char_indices().rev().take_while(|&(_, c)| {
        used += char_width(c);
        used <= room
    });
    let start = kept.last().map_or(text.len(), |(at, _)| at);
    // What combines with a character that is left out.
    let end = text[start..].trim_start_matches(|c| char_width(c) == 0);
    format!("{ELLIPSIS}{end}")
}

/// The beginning of a text, in at most `room` columns.
#[must_use]
pub fn keep_start(text: &str, room: usize) -> String {
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

    /// What is around function and file: ` (`, `:`, the line, `)`.
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

/// Breaks a text at blanks into lines of at most `width` columns, and words that are longer wherever a line is full.
#[must_use]
pub fn wrap(text: &str, width: usize) -> Vec<String> {
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
                lines.extend(pieces(&word, width));
                used = lines.last().map_or(0, |line| text_width(line));
            }
        }
    }
    lines
}

/// A word in pieces of at most `width` columns; one piece of an empty one.
fn pieces(word: &str, width: usize) -> Vec<String> {
    let (mut pieces, mut used) = (vec![String::new()], 0);
    for c in word.chars() {
        if used + char_width(c) > width {
            pieces.push(String::new());
            used = 0;
        }
        used += char_width(c);
        if let Some(piece) = pieces.last_mut() {
            piece.push(c);
        }
    }
    pieces
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
    fn what_turns_text_around_or_ends_a_line_is_shown_as_an_escape() {
        assert_eq!(harmless("a\u{202e}b\u{2066}c\u{2028}d\u{9b}e"), "a\\u{202e}b\\u{2066}c\\u{2028}d\\u{9b}e");
        assert_eq!(harmless("données 表 e\u{301}"), "données 表 e\u{301}");
    }

    #[test]
    fn wide_and_combining_characters_count_as_terminals_count_them() {
        for (text, width) in
            [("表", 2), ("e\u{301}", 1), ("क\u{94d}", 1), ("\u{64b}", 0), ("ｱ", 1), ("Ａ", 2), ("🙂", 2)]
        {
            assert_eq!(text_width(text), width, "{text}");
        }
        assert_eq!(keep_end("表e\u{301}xyz", 4), "…xyz");
    }

    #[test]
    fn a_word_without_blanks_is_broken() {
        assert_eq!(wrap("run /srv/a/very/long/path now", 10), ["run", "/srv/a/ver", "y/long/pat", "h now"]);
        assert_eq!(wrap("", 10), [""]);
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
