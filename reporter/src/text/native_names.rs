//! Shorter forms of native functions' names. Demangled names of C++ and Rust can be hundreds of characters long, most
//! of them template arguments and parameters. templates/page/common/names.js does the same.

/// What is written for arguments that are left out.
const LEFT_OUT: char = '…';
/// The one pair of parentheses that is a name.
const ANONYMOUS: &str = "(anonymous namespace)";

/// The name with its template arguments and parameters left out: `std::vector<…>::push_back(…)`.
pub(crate) fn without_arguments(name: &str) -> String {
    let mut out = String::new();
    // Closing brackets that are still to come, and what of the name is not read yet.
    let (mut open, mut rest) = (Vec::new(), name);
    // `<T as Trait>::method`: a bracket before any name encloses one.
    let mut enclosing = 0_usize;
    while let Some(c) = rest.chars().next() {
        let mut length = c.len_utf8();
        let operator = operator_length(rest, &out);
        if open.is_empty() && operator > 0 {
            length = operator;
            out.push_str(&rest[..length]);
        } else if open.is_empty() && rest.starts_with(ANONYMOUS) {
            length = ANONYMOUS.len();
            out.push_str(ANONYMOUS);
        } else if rest.starts_with("->") {
            length = 2;
            if open.is_empty() {
                out.push_str("->");
            }
        } else if open.is_empty() && c == '<' && out.chars().all(|before| before == '<') {
            enclosing += 1;
            out.push(c);
        } else if let Some(closing) = closing(c) {
            if open.is_empty() {
                out.push(c);
                if !rest[1..].starts_with(closing) {
                    out.push(LEFT_OUT);
                }
            }
            open.push(closing);
        } else if open.last() == Some(&c) {
            open.pop();
            if open.is_empty() {
                out.push(c);
            }
        } else if open.is_empty() {
            if c == '>' && enclosing > 0 {
                enclosing -= 1;
            }
            out.push(c);
        }
        rest = &rest[length..];
    }
    // Brackets that do not match are none.
    if open.is_empty() && enclosing == 0 { out } else { name.to_owned() }
}

const fn closing(c: char) -> Option<char> {
    match c {
        '<' => Some('>'),
        '(' => Some(')'),
        _ => None,
    }
}

/// The bytes of the brackets and signs that follow `operator` and belong to it: those of `operator()`, `operator<<`.
fn operator_length(rest: &str, before: &str) -> usize {
    const SIGNS: [&str; 11] = ["()", "<<=", ">>=", "<=>", "->*", "<<", ">>", "<=", ">=", "->", "<"];
    let Some(scope) = before.strip_suffix("operator") else { return 0 };
    if scope.ends_with(|c: char| c.is_alphanumeric() || c == '_') {
        return 0;
    }
    SIGNS.iter().chain(&[">"]).find(|signs| rest.starts_with(**signs)).map_or(0, |signs| signs.len())
}

/// The forms of a name, longest first: as it is, without arguments, without parameters and what comes after them.
pub(crate) fn forms(name: &str) -> [String; 3] {
    let short = without_arguments(name);
    let bare = match short.rfind("(…)").or_else(|| short.rfind("()")) {
        Some(at) if at > 0 && !short[..at].ends_with("operator") => short[..at].to_owned(),
        _ => short.clone(),
    };
    [name.to_owned(), short, bare]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_are_left_out() {
        for (name, short) in [
            ("malloc", "malloc"),
            ("libfoo.so.1+0x1234", "libfoo.so.1+0x1234"),
            ("std::vector<std::pair<int, A>, B>::push_back(std::pair<int, A>&&)", "std::vector<…>::push_back(…)"),
            ("f()", "f()"),
            ("(anonymous namespace)::run(int) const", "(anonymous namespace)::run(…) const"),
            ("A::operator()(int) const", "A::operator()(…) const"),
            ("std::operator<< <char>(std::ostream&)", "std::operator<< <…>(…)"),
            ("bool ns::operator<(A<int> const&, B)", "bool ns::operator<(…)"),
            ("Ptr<T>::operator->()", "Ptr<…>::operator->()"),
            ("my_operator<int>::run", "my_operator<…>::run"),
            ("<alloc::vec::Vec<T> as core::ops::Drop>::drop", "<alloc::vec::Vec<…> as core::ops::Drop>::drop"),
            ("call<fn(u8) -> u16>::{{closure}}", "call<…>::{{closure}}"),
            ("a < b", "a < b"),
        ] {
            assert_eq!(without_arguments(name), short);
        }
    }

    #[test]
    fn the_shortest_form_is_the_name_alone() {
        assert_eq!(forms("A<int>::f(int) const")[2], "A<…>::f");
        assert_eq!(forms("A::operator()")[2], "A::operator()");
        assert_eq!(forms("malloc"), ["malloc", "malloc", "malloc"]);
    }
}
