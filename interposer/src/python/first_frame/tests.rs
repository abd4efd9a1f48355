use super::*;
use crate::python::versions;

const CODE: usize = 0x40;
const NAME: usize = 0x180;
const FILE: usize = 0x1c0;
const FRAME: usize = 0x200;
const ENTRY: usize = 0x280;
/// Types need not be there: their addresses are compared.
const TYPES: Types = Types { code: 0x1111, text: 0x2222 };

/// Memory with a frame that runs a code object with names, after an entry frame.
struct Memory {
    words: Vec<usize>,
    layout: Layout,
}

impl Memory {
    fn new() -> Self {
        let layout = versions::SAMPLE;
        let mut memory = Self { words: vec![0; 256], layout };
        let code = memory.address(CODE);
        let Instruction::Pointer { offset, bytecode } = layout.instruction else { unreachable!() };
        let pairs = [
            (CODE + layout.object.class(), TYPES.code),
            (CODE + layout.object.size(), 10),
            (CODE + layout.code_name, memory.address(NAME)),
            (CODE + layout.code_file, memory.address(FILE)),
            (NAME + layout.object.class(), TYPES.text),
            (FILE + layout.object.class(), TYPES.text),
            (FRAME + layout.frame_code, code),
            (FRAME + offset, code + bytecode + 6),
            (ENTRY + layout.frame_previous, memory.address(FRAME)),
        ];
        for (at, value) in pairs {
            memory.put(at, value);
        }
        let owner = ENTRY + layout.frame_owner.unwrap();
        memory.words[owner / 8] |= usize::from(OWNED_BY_INTERPRETER) << (owner % 8 * 8);
        memory
    }

    fn address(&self, at: usize) -> usize {
        self.words.as_ptr() as usize + at
    }

    fn put(&mut self, at: usize, value: usize) {
        self.words[at / 8] = value;
    }

    fn is_right(&self, top: usize, base: usize) -> Option<bool> {
        is_right_from(&self.layout, TYPES, top, base)
    }
}

#[test]
fn a_frame_that_runs_code_is_right() {
    let memory = Memory::new();
    for top in [FRAME, ENTRY] {
        assert_eq!(memory.is_right(memory.address(top), 0), Some(true));
    }
}

#[test]
fn without_a_frame_that_runs_code_nothing_is_known() {
    let memory = Memory::new();
    assert_eq!(memory.is_right(0, 0), None);
    assert_eq!(memory.is_right(memory.address(ENTRY), memory.address(FRAME)), None);
}

#[test]
fn tags_are_no_part_of_an_address() {
    let mut memory = Memory::new();
    let tagged = memory.address(CODE) | 0b01;
    memory.put(FRAME, tagged);
    assert_eq!(memory.is_right(memory.address(FRAME), 0), Some(false));
    memory.layout.reference_tags = 0b11;
    assert_eq!(memory.is_right(memory.address(FRAME), 0), Some(true));
}

#[test]
fn whatever_else_is_there_is_wrong() {
    let layout = versions::SAMPLE;
    for (at, value) in [
        (CODE + layout.object.class(), TYPES.text),
        (NAME + layout.object.class(), TYPES.code),
        (FILE + layout.object.class(), 0),
        (CODE + layout.code_name, 0),
        (CODE + layout.code_file, usize::MAX),
        (CODE + layout.object.size(), usize::MAX),
        (FRAME + layout.frame_code, 0),
        (FRAME + layout.frame_code, 1 << 46),
    ] {
        let mut memory = Memory::new();
        memory.put(at, value);
        assert_eq!(memory.is_right(memory.address(FRAME), 0), Some(false), "{at:#x}: {value:#x}");
    }
}

#[test]
fn instructions_lie_within_their_code() {
    let mut memory = Memory::new();
    let Instruction::Pointer { offset, bytecode } = memory.layout.instruction else { unreachable!() };
    let begin = memory.address(CODE) + bytecode;
    for (instruction, is_right) in
        [(begin - 2, false), (begin, true), (begin + 18, true), (begin + 20, false), (0, false)]
    {
        memory.put(FRAME + offset, instruction);
        assert_eq!(memory.is_right(memory.address(FRAME), 0), Some(is_right));
    }
}

#[test]
fn frames_that_are_not_there_or_lead_nowhere_are_wrong() {
    let mut memory = Memory::new();
    assert_eq!(memory.is_right(16, 0), Some(false));
    assert_eq!(memory.is_right(usize::MAX - 8, 0), Some(false));
    let entry = memory.address(ENTRY);
    memory.put(ENTRY + memory.layout.frame_previous, entry);
    assert_eq!(memory.is_right(entry, 0), Some(false), "they go round in circles");
}
