//! Names of distributions.

/// How a name is compared with others ([the packaging
/// guide](https://packaging.python.org/en/latest/specifications/name-normalization/)): in small letters, with one
/// hyphen for each run of `-`, `_` and `.`.
pub(super) fn normalized(name: &str) -> String {
    let mut normalized = String::with_capacity(name.len());
    for c in name.chars() {
        match c {
            '-' | '_' | '.' if normalized.ends_with('-') => {}
            '-' | '_' | '.' => normalized.push('-'),
            _ => normalized.extend(c.to_lowercase()),
        }
    }
    normalized
}

/// The longest name that is taken for one.
const LONGEST: usize = 200;

/// Whether a text is the name of a distribution: letters, digits, and between these `-`, `_` and `.`.
pub(super) fn is_name(text: &str) -> bool {
    let ends_well = |c: Option<char>| c.is_some_and(|c| c.is_ascii_alphanumeric());
    text.len() <= LONGEST
        && ends_well(text.chars().next())
        && ends_well(text.chars().next_back())
        && text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.'))
}

/// The name that `METADATA` or `PKG-INFO` gives, in its headers.
pub(super) fn name_in(metadata: &[u8]) -> Option<&str> {
    let headers = metadata.split(|&byte| byte == b'\n').map(<[u8]>::trim_ascii_end).take_while(|line| !line.is_empty());
    let value = headers.filter_map(|line| {
        let (field, value) = line.split_at_checked(b"name:".len())?;
        field.eq_ignore_ascii_case(b"name:").then_some(value)
    });
    let name = std::str::from_utf8(value.into_iter().next()?).ok()?.trim();
    is_name(name).then_some(name)
}
