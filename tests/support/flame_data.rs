//! The data of the flame graph page: whole stacks with their own values, in any view.

use std::collections::HashMap;
use std::path::Path;
use std::process::Command;

use serde_json::Value;

#[path = "../../reporter/tests/reports/page_columns/mod.rs"]
mod page_columns;

use super::memprof::{Finished, memprof};
use super::pythons;
use super::table::Amount;

/// Unpacks the page's data element, as the page itself does: base64, gzip.
const UNPACK: &str = "\
import base64, gzip, re, sys
page = open(sys.argv[1], encoding='utf-8').read()
data = re.search(r'id=\"memprof-data\">([^<]*)<', page).group(1)
sys.stdout.buffer.write(gzip.decompress(base64.b64decode(data)))
";

/// What a frame is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// A line of a Python function.
    Python,
    /// A function of native code.
    Native,
    /// A function of the interpreter, or what starts processes and threads.
    Runtime,
    /// A name in angle brackets, or an allocator.
    Special,
    /// The evaluation loop that runs the Python frames which follow it.
    Loop,
}

impl Kind {
    fn from_number(number: u64) -> Self {
        match number {
            0 => Self::Python,
            1 => Self::Native,
            2 => Self::Runtime,
            3 => Self::Special,
            4 => Self::Loop,
            _ => panic!("no kind of frames has the number {number}"),
        }
    }
}

/// Which frames of the stacks are looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum View {
    /// All that were recorded.
    Full,
    /// Python's and native ones, without the interpreter's own.
    Hybrid,
    /// Python's alone.
    Python,
    /// All but Python's.
    Native,
}

impl View {
    /// Whether it has a frame of this kind that the page shows in these of its views.
    fn shows(self, kind: Kind, shown: u64) -> bool {
        const HYBRID: u64 = 1;
        const PYTHON: u64 = 4;
        const NATIVE: u64 = 8;
        match self {
            // The rest says, in a view that shows nothing of a stack, that there is nothing.
            Self::Full => kind == Kind::Python || shown & NATIVE != 0,
            Self::Hybrid => shown & HYBRID != 0,
            Self::Python => shown & PYTHON != 0,
            Self::Native => shown & NATIVE != 0,
        }
    }

    /// As `--view` has it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Full => panic!("it is no view of the command line"),
            Self::Hybrid => "hybrid",
            Self::Python => "python",
            Self::Native => "native",
        }
    }
}

/// A frame.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Frame {
    pub kind: Kind,
    pub file: String,
    pub line: u64,
    pub function: String,
}

impl Frame {
    /// A Python frame.
    pub fn python(file: &str, line: u64, function: &str) -> Self {
        Self { kind: Kind::Python, file: file.to_owned(), line, function: function.to_owned() }
    }

    /// A native frame.
    pub fn native(file: &str, line: u64, function: &str) -> Self {
        Self { kind: Kind::Native, file: file.to_owned(), line, function: function.to_owned() }
    }
}

/// A stack, root first, with what was allocated right at its end over the whole run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stack {
    pub frames: Vec<Frame>,
    pub own: Amount,
    /// Which views of the page have the frame.
    shown: Vec<u64>,
}

impl Stack {
    /// The frames of a view.
    pub fn view(&self, view: View) -> Vec<Frame> {
        self.with_views()
            .filter(|(frame, shown)| view.shows(frame.kind, *shown))
            .map(|(frame, _)| frame.clone())
            .collect()
    }

    /// All frames, and whether the view has them.
    pub fn marked(&self, view: View) -> impl Iterator<Item = (&Frame, bool)> {
        self.with_views().map(move |(frame, shown)| (frame, view.shows(frame.kind, shown)))
    }

    fn with_views(&self) -> impl Iterator<Item = (&Frame, u64)> {
        self.frames.iter().zip(self.shown.iter().copied())
    }
}

/// The tree of stacks, or a view of it. The root is node 0.
pub struct FlameTree {
    frames: Vec<Frame>,
    shown: Vec<u64>,
    /// The first frame of those that are the same: there may be one for each view.
    number_of: HashMap<Frame, usize>,
    nodes: Vec<Node>,
    children: HashMap<(usize, usize), usize>,
}

struct Node {
    parent: usize,
    /// Means nothing for the root.
    frame: usize,
    /// What was allocated right there.
    own: Amount,
}

impl FlameTree {
    fn new(frames: Vec<Frame>, shown: Vec<u64>) -> Self {
        let mut number_of = HashMap::new();
        for (number, frame) in frames.iter().enumerate() {
            number_of.entry(frame.clone()).or_insert(number);
        }
        let root = Node { parent: 0, frame: usize::MAX, own: Amount::default() };
        Self { frames, shown, number_of, nodes: vec![root], children: HashMap::new() }
    }

    fn child(&mut self, parent: usize, frame: usize) -> usize {
        let next = self.nodes.len();
        let node = *self.children.entry((parent, frame)).or_insert(next);
        if node == next {
            self.nodes.push(Node { parent, frame, own: Amount::default() });
        }
        node
    }

    /// What is left of the tree when frames are hidden: what was allocated there belongs to the nearest caller that is
    /// seen.
    pub fn view(&self, view: View) -> Self {
        let mut seen = Self::new(self.frames.clone(), self.shown.clone());
        // Parents come before their children.
        let mut node_of = vec![0; self.nodes.len()];
        for (index, node) in self.nodes.iter().enumerate().skip(1) {
            let parent = node_of[node.parent];
            let is_shown = view.shows(self.frames[node.frame].kind, self.shown[node.frame]);
            node_of[index] =
                if is_shown { seen.child(parent, self.number_of[&self.frames[node.frame]]) } else { parent };
            seen.nodes[node_of[index]].own += node.own;
        }
        seen
    }

    /// What was allocated right at the end of a stack (root first), if it occurs.
    pub fn own(&self, stack: &[Frame]) -> Option<Amount> {
        let mut found = 0;
        for frame in stack {
            found = *self.children.get(&(found, *self.number_of.get(frame)?))?;
        }
        Some(self.nodes[found].own)
    }

    /// All stacks at whose end something was allocated.
    pub fn stacks(&self) -> Vec<Stack> {
        self.stacks_where(|node| node.own != Amount::default())
    }

    /// Those of them that end in this frame.
    pub fn stacks_at(&self, leaf: &Frame) -> Vec<Stack> {
        let is_leaf = |node: &Node| node.frame != usize::MAX && self.frames[node.frame] == *leaf;
        self.stacks_where(|node| node.own != Amount::default() && is_leaf(node))
    }

    /// All stacks at whose end exactly this was allocated.
    pub fn stacks_with(&self, own: Amount) -> Vec<Stack> {
        self.stacks_where(|node| node.own == own)
    }

    fn stacks_where(&self, condition: impl Fn(&Node) -> bool) -> Vec<Stack> {
        self.nodes.iter().filter(|node| condition(node)).map(|node| self.stack(node)).collect()
    }

    fn stack(&self, end: &Node) -> Stack {
        let (mut numbers, mut node) = (Vec::new(), end);
        while node.frame != usize::MAX {
            numbers.push(node.frame);
            node = &self.nodes[node.parent];
        }
        numbers.reverse();
        let frames = numbers.iter().map(|&number| self.frames[number].clone()).collect();
        let shown = numbers.iter().map(|&number| self.shown[number]).collect();
        Stack { frames, shown, own: end.own }
    }
}

/// The tree in the flame graph of a capture: all frames.
#[track_caller]
pub fn flame_tree(capture: &Path) -> FlameTree {
    let page = capture.with_extension("html");
    Finished::of(memprof(["flamegraph", "-f", "-o"]).arg(&page).arg(capture)).succeeds();
    tree_of(&page_data(&page))
}

/// What the data element of a flame graph page holds.
#[track_caller]
pub fn page_data(page: &Path) -> Value {
    let unpacked = Finished::of(Command::new(&pythons::any().path).args(["-c", UNPACK]).arg(page)).succeeds();
    page_columns::read(unpacked.stdout_bytes())
}

/// The tree in the data of a page.
#[track_caller]
pub fn tree_of(data: &Value) -> FlameTree {
    let column = |table: &str, name: &str| -> Vec<u64> {
        let column = data[table][name].as_array().unwrap_or_else(|| panic!("no column {table}.{name}"));
        column.iter().map(|value| value.as_u64().expect("a number")).collect()
    };
    let text = |index: u64| data["strings"][index as usize].as_str().expect("a text").to_owned();
    let (functions, files, lines) = (column("frames", "function"), column("frames", "file"), column("frames", "line"));
    let kinds = column("frames", "kind");
    let frames = (0..functions.len()).map(|index| Frame {
        kind: Kind::from_number(kinds[index]),
        file: text(files[index]),
        line: lines[index],
        function: text(functions[index]),
    });
    let mut tree = FlameTree::new(frames.collect(), column("frames", "shown"));
    let (parents, frame_of) = (column("nodes", "parent"), column("nodes", "frame"));
    let (bytes, allocations) = (column("nodes", "total_bytes"), column("nodes", "total_allocations"));
    for node in 1..parents.len() {
        let found = tree.child(parents[node] as usize, frame_of[node] as usize);
        assert_eq!(found, node, "two children of one node are the same");
        tree.nodes[node].own = Amount { allocations: allocations[node], bytes: bytes[node] };
    }
    tree
}
