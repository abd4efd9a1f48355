//! What the program started, and is not in the capture.

use memprof_capture::file::Fact;
use memprof_capture::file::facts::NotRecorded;

use crate::formatting::size_units::{counted, seconds};

/// The sentences about it. `cpu_us`: microseconds of processor time of the program and its children.
pub fn sentences(what: &NotRecorded, cpu_us: u64) -> Vec<String> {
    let mut sentences = Vec::new();
    sentences.extend(allocators(what.allocators));
    if what.children > 0 {
        let (were, them) = if what.children == 1 { ("was", "it") } else { ("were", "them") };
        let count = counted(what.children.into(), "process");
        let cpu = |us: u64| seconds(us as f64 / 1e6);
        let work = if is_much(what.children_cpu_us, cpu_us) {
            format!(", and used {} of {} CPU", cpu(what.children_cpu_us), cpu(cpu_us))
        } else {
            String::new()
        };
        sentences.push(format!("{count} {were} started and not recorded{work}; --follow-fork records {them}"));
    }
    if !what.programs.is_empty() {
        let all: u64 = what.programs.iter().map(|&(_, count)| u64::from(count)).sum();
        let reasons: Vec<String> = match what.programs[..] {
            [(reason, _)] => vec![reason.in_words().to_owned()],
            _ => what.programs.iter().map(|(reason, count)| format!("{count} {}", reason.in_words())).collect(),
        };
        sentences.push(format!("{} could not be recorded: {}", counted(all, "program"), reasons.join(", ")));
    }
    sentences
}

fn allocators(count: u32) -> Option<String> {
    let (that, its) = match count {
        0 => return None,
        1 => ("an allocator that the program brings along", "its"),
        _ => ("allocators that the program brings along", "their"),
    };
    Some(format!("{that} could not be hooked: {its} blocks are not in the capture"))
}

/// Why figures of a capture say nothing, if so.
pub(crate) fn blindness(facts: &[Fact], has_events: bool) -> Option<String> {
    let unhooked = facts.iter().find_map(|fact| match fact {
        Fact::NotRecorded(what) => allocators(what.allocators),
        _ => None,
    });
    unhooked.or_else(|| (!has_events).then(|| "nothing was recorded".to_owned()))
}

/// Whether so much of the work was done by children that a report without them says little.
const fn is_much(children_us: u64, all_us: u64) -> bool {
    const LEAST_US: u64 = 200_000;
    children_us >= LEAST_US && children_us.saturating_mul(4) >= all_us
}

pub(crate) fn notes(facts: &[Fact], cpu_us: u64) -> impl Iterator<Item = String> + '_ {
    let all = facts.iter().filter_map(|fact| if let Fact::NotRecorded(what) = fact { Some(what) } else { None });
    all.flat_map(move |what| sentences(what, cpu_us)).map(|sentence| {
        let mut letters = sentence.chars();
        let first = letters.next().into_iter().flat_map(char::to_uppercase);
        format!("{}{}.", first.collect::<String>(), letters.as_str())
    })
}

#[cfg(test)]
mod tests {
    use memprof_channel::not_followed::NotFollowed;

    use super::*;

    fn said(children: u32, children_cpu_us: u64, programs: &[(NotFollowed, u32)]) -> Vec<String> {
        sentences(&NotRecorded { children, children_cpu_us, programs: programs.to_vec(), allocators: 0 }, 4_000_000)
    }

    #[test]
    fn sentences_say_what_and_why() {
        assert_eq!(said(1, 0, &[]), ["1 process was started and not recorded; --follow-fork records it"]);
        assert_eq!(
            said(3, 3_500_000, &[]),
            ["3 processes were started and not recorded, and used 3.500 s of 4.000 s CPU; --follow-fork records them"]
        );
        assert_eq!(said(0, 0, &[(NotFollowed::Static, 1)]), ["1 program could not be recorded: statically linked"]);
        assert_eq!(
            said(0, 0, &[(NotFollowed::OutOfReach, 2), (NotFollowed::Static, 1)]),
            ["3 programs could not be recorded: 2 run as another user, in a container or in another root directory, \
                 1 statically linked"]
        );
        assert_eq!(said(0, 0, &[]), [""; 0]);
        let unhooked = NotRecorded { allocators: 1, ..NotRecorded::default() };
        let sentence =
            "an allocator that the program brings along could not be hooked: its blocks are not in the capture";
        assert_eq!(sentences(&unhooked, 0), [sentence]);
        assert_eq!(blindness(&[Fact::NotRecorded(unhooked)], true).as_deref(), Some(sentence));
        assert_eq!(blindness(&[], true), None);
        assert_eq!(blindness(&[], false).as_deref(), Some("nothing was recorded"));
    }
}
