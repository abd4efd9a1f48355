//! The data of the flame graph page: whole stacks with their own values.

use std::collections::HashMap;
use std::path::Path;
use std::process::Command;

use serde_json::Value;

use super::memprof::{Finished, memprof};
use super::pythons;
use super::table::Amount;

/// A frame: file, line, function.
pub type Frame = (String, u64, String);

/// Unpacks the page's data element, as the page itself does: base64, gzip, JSON.
const UNPACK: &str = "\
import base64, gzip, re, sys
page = open(sys.argv[1], encoding='utf-8').read()
data = re.search(r'id=\"memprof-data\">([^<]*)<', page).group(1)
sys.stdout.buffer.write(gzip.decompress(base64.b64decode(data)))
";

/// The tree of stacks.
pub struct FlameTree {
    /// The number of each frame that occurs.
    frames: HashMap<Frame, u64>,
    /// By parent and frame: the node, and what was allocated right there over the whole run. The root is node 0.
    nodes: HashMap<(usize, u64), (usize, Amount)>,
}

impl FlameTree {
    /// What was allocated right at the end of a stack (root first), if it occurs.
    pub fn own(&self, stack: &[Frame]) -> Option<Amount> {
        let mut found = (0, Amount::default());
        for frame in stack {
            found = *self.nodes.get(&(found.0, *self.frames.get(frame)?))?;
        }
        Some(found.1)
    }
}

/// The tree in the flame graph of a capture.
#[track_caller]
pub fn flame_tree(capture: &Path) -> FlameTree {
    let page = capture.with_extension("html");
    Finished::of(memprof(["flamegraph", "-f", "-o"]).arg(&page).arg(capture)).succeeds();
    let unpacked = Finished::of(Command::new(&pythons::any().path).args(["-c", UNPACK]).arg(page)).succeeds();
    let data: Value = serde_json::from_str(&unpacked.stdout()).expect("the page's data is JSON");
    let column = |table: &str, name: &str| -> Vec<u64> {
        let column = data[table][name].as_array().unwrap_or_else(|| panic!("no column {table}.{name}"));
        column.iter().map(|value| value.as_u64().expect("a number")).collect()
    };
    let text = |index: u64| data["strings"][index as usize].as_str().expect("a text").to_owned();
    let (functions, files, lines) = (column("frames", "function"), column("frames", "file"), column("frames", "line"));
    let places = functions.iter().zip(files).zip(lines);
    let frames =
        (0..).zip(places).map(|(index, ((&function, file), line))| ((text(file), line, text(function)), index));
    let (parents, frame_of) = (column("nodes", "parent"), column("nodes", "frame"));
    let (bytes, allocations) = (column("nodes", "total_bytes"), column("nodes", "total_allocations"));
    let nodes = (1..parents.len()).map(|node| {
        let amount = Amount { allocations: allocations[node], bytes: bytes[node] };
        // The column says how far before the node its parent is.
        ((node - parents[node] as usize, frame_of[node]), (node, amount))
    });
    FlameTree { frames: frames.collect(), nodes: nodes.collect() }
}
