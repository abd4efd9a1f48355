//! Text in GitHub's Markdown, whatever characters it has.

use crate::text::harmless;

/// A code span for a cell of a table.
pub(crate) fn code(text: &str) -> String {
    let text = harmless(text).replace('|', "\\|");
    if text.is_empty() {
        return text;
    }
    // As many backticks as nowhere inside, and blanks (which are not shown) where the text itself begins or ends with
    // one.
    let longest = text.split(|c| c != '`').map(str::len).max().unwrap_or(0);
    let fence = "`".repeat(longest + 1);
    let blank = if text.starts_with('`') || text.ends_with('`') { " " } else { "" };
    format!("{fence}{blank}{text}{blank}{fence}")
}

/// Text of which no character means anything in Markdown.
pub(crate) fn plain(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in harmless(text).chars() {
        match c {
            '<' => out.push_str("&lt;"),
            '&' => out.push_str("&amp;"),
            '\\' | '`' | '*' | '_' | '{' | '}' | '[' | ']' | '(' | ')' | '#' | '|' | '~' | '@' => {
                out.push('\\');
                out.push(c);
            }
            _ => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn code_is_shown_as_it_is() {
        assert_eq!(code("__init__ (a.py)"), "`__init__ (a.py)`");
        assert_eq!(code("a|b\nc"), "`a\\|b\\nc`");
        assert_eq!(code("a`b``c"), "```a`b``c```");
        assert_eq!(code("`"), "`` ` ``");
        assert_eq!(code(""), "");
    }

    #[test]
    fn plain_text_has_no_markup() {
        assert_eq!(plain("<b> & __x__ | [y](z) @me"), "&lt;b> &amp; \\_\\_x\\_\\_ \\| \\[y\\]\\(z\\) \\@me");
    }
}
