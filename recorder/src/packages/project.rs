//! Projects that are installed so that they can be worked on (`pip install --editable`): their files stay where they
//! are, and the metadata in the environment says where.

use serde::Deserialize;

use super::reading::Reading;
use super::site_folder::SiteFolder;

/// The folders of projects, and the names of their distributions.
#[derive(Debug, Default)]
pub(super) struct Projects(Vec<(String, String)>);

impl Projects {
    /// Those that are installed in these folders.
    pub(super) fn of(sites: &[SiteFolder], reading: &mut Reading) -> Self {
        let mut projects = Vec::new();
        for distribution in sites.iter().flat_map(SiteFolder::distributions) {
            let direct_url = distribution.direct_url(reading);
            if let Some(folder) = direct_url.as_deref().and_then(editable_folder)
                && let Some(name) = distribution.full_name(reading)
            {
                projects.push((folder, name));
            }
        }
        Self(projects)
    }

    /// The distribution of the project that a file is below; of one within another, the inner one.
    pub(super) fn name(&self, file: &str) -> Option<&str> {
        let is_below = |folder: &str| file.strip_prefix(folder).is_some_and(|rest| rest.starts_with('/'));
        let around = self.0.iter().filter(|(folder, _)| is_below(folder));
        around.max_by_key(|(folder, _)| folder.len()).map(|(_, name)| name.as_str())
    }
}

/// What is read of `direct_url.json`.
#[derive(Deserialize)]
struct DirectUrl {
    url: String,
    #[serde(default)]
    dir_info: DirInfo,
}

#[derive(Default, Deserialize)]
struct DirInfo {
    #[serde(default)]
    editable: bool,
}

/// The folder of a project that is worked on, by what `direct_url.json` says.
pub(super) fn editable_folder(direct_url: &[u8]) -> Option<String> {
    let DirectUrl { url, dir_info } = serde_json::from_slice(direct_url).ok()?;
    let path = url.strip_prefix("file://")?;
    let path = unescaped(path.strip_prefix("localhost").unwrap_or(path))?;
    let path = path.trim_end_matches('/');
    (dir_info.editable && path.starts_with('/')).then(|| path.to_owned())
}

/// What a path in a URL means: `%20` is a space.
fn unescaped(path: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(path.len());
    let mut pieces = path.split('%');
    bytes.extend_from_slice(pieces.next()?.as_bytes());
    for piece in pieces {
        let (digits, rest) = piece.split_at_checked(2)?;
        // `from_str_radix` takes a sign.
        let are_digits = digits.bytes().all(|digit| digit.is_ascii_hexdigit());
        bytes.push(u8::from_str_radix(digits, 16).ok().filter(|_| are_digits)?);
        bytes.extend_from_slice(rest.as_bytes());
    }
    String::from_utf8(bytes).ok()
}
