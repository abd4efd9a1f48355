//! What the operating system says, for people.

use std::io;

/// The error in words, without the number that Rust adds: `No space left on device`.
#[must_use]
pub fn in_words(error: &io::Error) -> String {
    let text = error.to_string();
    match text.split_once(" (os error ") {
        Some((words, _)) => words.to_owned(),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_is_no_number() {
        assert_eq!(in_words(&io::Error::from_raw_os_error(28)), "No space left on device");
        assert_eq!(in_words(&io::Error::other("a plain text")), "a plain text");
    }
}
