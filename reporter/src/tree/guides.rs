//! The lines in front of the rows of a tree.
//!
//! A call that is the only one below its caller is right under it, without further indentation: stacks are long, and
//! most of their frames call one function. Indentation begins where a tree branches.

use crate::text::TextStyle;

/// The characters that guides are drawn with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GuideStyle {
    branch: &'static str,
    last: &'static str,
    passing: &'static str,
    left_out: &'static str,
    times: char,
}

impl GuideStyle {
    /// Box drawing characters.
    pub const UNICODE: Self = Self { branch: "├ ", last: "└ ", passing: "│ ", left_out: "… ", times: '×' };
    /// For terminals that have nothing else.
    pub const ASCII: Self = Self { branch: "+ ", last: "` ", passing: "| ", left_out: "~ ", times: 'x' };
}

impl GuideStyle {
    /// What a text is drawn with.
    #[must_use]
    pub const fn of(style: &TextStyle) -> Self {
        if style.unicode() { Self::UNICODE } else { Self::ASCII }
    }

    /// What comes before a number of repetitions.
    pub(crate) const fn times(self) -> char {
        self.times
    }
}

/// The columns of one level of indentation.
pub(crate) const LEVEL_WIDTH: usize = 2;

/// Where a row is among those around it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Joint {
    /// How often the tree has branched on the way to it.
    pub level: u32,
    /// Whether it is one of several below the same caller.
    pub branched: bool,
    /// Whether it is the last one.
    pub last: bool,
}

impl Joint {
    /// That of the root.
    pub const ROOT: Self = Self { level: 0, branched: false, last: true };

    /// That of a child, one of `children`.
    #[must_use]
    pub const fn below(self, index: usize, children: usize) -> Self {
        let branched = children > 1;
        Self { level: self.level + branched as u32, branched, last: index + 1 == children }
    }
}

/// The lines that pass the present row, by level.
#[derive(Clone, Debug, Default)]
pub struct Guides {
    passing: Vec<bool>,
}

impl Guides {
    /// Those of a row, from the joints of all rows above it in the tree and its own, the nearest first.
    #[must_use]
    pub fn at(path: impl Iterator<Item = Joint>) -> Self {
        let mut passing: Vec<bool> = path.filter(|joint| joint.branched).map(|joint| !joint.last).collect();
        passing.reverse();
        Self { passing }
    }

    /// Goes to the next row.
    pub fn step(&mut self, joint: Joint) {
        self.passing.truncate(joint.level as usize);
        if joint.branched {
            self.passing.truncate(joint.level as usize - 1);
            self.passing.push(!joint.last);
        }
    }

    /// What comes before the present row, in at most `room` columns: the outermost levels give way.
    #[must_use]
    pub fn prefix(&self, joint: Joint, style: GuideStyle, room: usize) -> String {
        let fitting = room / LEVEL_WIDTH;
        let mut out = String::new();
        let mut levels = &self.passing[..];
        if levels.len() > fitting {
            levels = &levels[levels.len() - fitting.saturating_sub(1)..];
            out.push_str(style.left_out);
        }
        for (index, passing) in levels.iter().enumerate() {
            let own = joint.branched && index + 1 == levels.len();
            out.push_str(match (own, passing) {
                (true, true) => style.branch,
                (true, false) => style.last,
                (false, true) => style.passing,
                (false, false) => "  ",
            });
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn draw(joints: &[Joint], room: usize) -> Vec<String> {
        let mut guides = Guides::default();
        let row = |joint: &Joint| {
            guides.step(*joint);
            guides.prefix(*joint, GuideStyle::UNICODE, room)
        };
        joints.iter().map(row).collect()
    }

    #[test]
    fn only_branches_are_indented() {
        let only = Joint::ROOT.below(0, 1);
        let (first, second) = (only.below(0, 2), only.below(1, 2));
        let below_first = first.below(0, 1);
        let inner = [below_first.below(0, 3), below_first.below(1, 3), below_first.below(2, 3)];
        let rows = [Joint::ROOT, only, first, below_first, inner[0], inner[1], inner[2], second, second.below(0, 1)];
        assert_eq!(draw(&rows, 40), ["", "", "├ ", "│ ", "│ ├ ", "│ ├ ", "│ └ ", "└ ", "  "]);
        assert_eq!(draw(&rows[..5], 2), ["", "", "├ ", "│ ", "… "]);
    }

    #[test]
    fn guides_can_begin_at_any_row() {
        let outer = Joint::ROOT.below(0, 2);
        let inner = outer.below(0, 1).below(1, 2);
        let mut walked = Guides::default();
        for joint in [Joint::ROOT, outer, outer.below(0, 1), outer.below(0, 1).below(0, 2), inner] {
            walked.step(joint);
        }
        let begun = Guides::at([inner, outer.below(0, 1), outer, Joint::ROOT].into_iter());
        assert_eq!(begun.passing, walked.passing);
    }

    #[test]
    fn the_innermost_levels_stay_when_room_is_short() {
        let mut joint = Joint::ROOT;
        let mut guides = Guides::default();
        for _ in 0..50 {
            joint = joint.below(0, 2);
            guides.step(joint);
        }
        assert_eq!(guides.prefix(joint, GuideStyle::ASCII, 8), "~ | | + ");
    }
}
