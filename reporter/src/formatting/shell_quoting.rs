//! A command line as a shell would take it.

/// Joins the arguments with blanks, quoting those that need it.
#[must_use]
pub fn join_quoted(arguments: &[String]) -> String {
    let quoted: Vec<String> = arguments.iter().map(|argument| quote(argument)).collect();
    quoted.join(" ")
}

fn quote(argument: &str) -> String {
    let plain = |c: char| c.is_alphanumeric() || "_-./=:,+@%".contains(c);
    if !argument.is_empty() && argument.chars().all(plain) {
        return argument.to_owned();
    }
    format!("'{}'", argument.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::join_quoted;

    #[test]
    fn only_what_a_shell_would_change_is_quoted() {
        let arguments = ["python3", "-c", "print('a b')", "", "--out=x/y.bin", "$HOME"].map(str::to_owned);
        assert_eq!(join_quoted(&arguments), r"python3 -c 'print('\''a b'\'')' '' --out=x/y.bin '$HOME'");
    }
}
