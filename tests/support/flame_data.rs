//! The data of the flame graph page: whole stacks with their own values.

use std::collections::BTreeMap;
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

/// Everything that was allocated right at the end of each stack (root first), over the whole run.
#[track_caller]
pub fn stacks(capture: &Path) -> BTreeMap<Vec<Frame>, Amount> {
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
    let (parents, frames) = (column("nodes", "parent"), column("nodes", "frame"));
    let (bytes, allocations) = (column("nodes", "total_bytes"), column("nodes", "total_allocations"));
    let mut stacks = BTreeMap::new();
    for node in 1..frames.len() {
        let amount = Amount { allocations: allocations[node], bytes: bytes[node] };
        if amount == Amount::default() {
            continue;
        }
        let (mut stack, mut at) = (Vec::new(), node);
        while at > 0 {
            let frame = frames[at] as usize;
            stack.push((text(files[frame]), lines[frame], text(functions[frame])));
            at -= parents[at] as usize;
        }
        stack.reverse();
        stacks.insert(stack, amount);
    }
    stacks
}
