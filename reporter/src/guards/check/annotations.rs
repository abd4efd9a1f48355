//! Breaches as annotations of GitHub Actions: `::error file=app/db.py,line=12::...`, which appear at the lines of a
//! pull request (<https://docs.github.com/en/actions/reference/workflow-commands-for-github-actions>).

use std::io::{self, Write};
use std::path::Path;

use super::{Finding, Outcome, Site};
use crate::formatting::size_units::{counted, size};

/// Writes an annotation for each breach and site: at the site's innermost frame that lies in the workspace, with the
/// path from there; where none does, at no line.
///
/// # Errors
/// What `out` answers to a write.
pub fn write_annotations(outcome: &Outcome, workspace: &Path, out: &mut impl Write) -> io::Result<()> {
    for breach in outcome.breaches() {
        let title = property(&format!("memprof: {}", breach.limit_name()));
        let located = breach.sites.iter().filter_map(|site| Some((site, within(site, workspace)?)));
        let mut is_located = false;
        for (site, (path, line)) in located {
            is_located = true;
            let (path, message) = (property(&path), data(&message(breach, site)));
            writeln!(out, "::error file={path},line={line},title={title}::{message}")?;
        }
        if !is_located {
            writeln!(out, "::error title={title}::{}", data(&breach.sentence()))?;
        }
    }
    Ok(())
}

fn message(breach: &Finding, site: &Site) -> String {
    let amount = format!("{} in {}", size(site.amount.bytes), counted(site.amount.allocations, "allocation"));
    let place = site.frames.first().map(super::SiteFrame::label).unwrap_or_default();
    format!("{}. Of it {amount} ({}) from {place}", breach.sentence(), breach.share(site))
}

/// The innermost frame with a line in the workspace: its path from there.
fn within(site: &Site, workspace: &Path) -> Option<(String, u32)> {
    site.frames.iter().filter(|frame| frame.line > 0 && !frame.file.is_empty()).find_map(|frame| {
        let file = Path::new(&frame.file);
        let relative = if file.is_absolute() { file.strip_prefix(workspace).ok()? } else { file };
        // What looks like a path may be a name such as <string>.
        workspace.join(relative).is_file().then(|| (relative.to_string_lossy().into_owned(), frame.line))
    })
}

/// Text after the colons, on one line.
fn data(text: &str) -> String {
    text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

/// The value of a property.
fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}
