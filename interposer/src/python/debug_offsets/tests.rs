use super::*;
use crate::python::versions;

/// What an interpreter of this version could tell: each field in a place of its own.
fn told(table: &Table) -> [u64; WORDS] {
    let mut words = [0; WORDS];
    words[0] = COOKIE;
    words[VERSION] = (3 << 8 | u64::from(table.minor)) << 16 | 0x05f0;
    let Table { interpreter, state, frame, code, object: of, .. } = table;
    let pairs = [
        (interpreter.bytes, 194_968),
        (interpreter.states, 7344),
        (state.bytes, 320),
        (state.next, 8),
        (state.interpreter, 16),
        (state.frame, 72),
        (state.thread, 152),
        (state.chunk, 232),
        (frame.bytes, 80),
        (frame.code, 0),
        (frame.previous, 8),
        (frame.instruction, 56),
        (frame.owner, 70),
        (frame.locals, 72),
        (code.bytes, 208),
        (code.first_line, 68),
        (code.file, 112),
        (code.name, 120),
        (code.qualified_name, 128),
        (code.line_table, 136),
        (code.bytecode, 200),
        (of.header, object::HEADER),
        (of.class, object::TYPE),
        (of.type_name, object::TYPE_NAME),
        (of.type_flags, object::TYPE_FLAGS),
        (of.dict_keys, object::DICT_KEYS),
        (of.dict_values, object::DICT_VALUES),
        (of.size, object::SIZE),
        (of.bytes, object::BYTES),
        (of.text_state, object::TEXT_STATE),
        (of.text_length, object::TEXT_LENGTH),
        (of.ascii_header, 40),
    ];
    for (at, value) in pairs {
        assert_eq!(words[at], 0, "word {at} is told twice");
        words[at] = value as u64;
    }
    if let Some(at) = state.base_frame {
        words[at] = 80;
    }
    if let Value::At(at) = table.cached_keys {
        words[at] = 888;
    }
    words
}

/// The words that are read of a table, beyond those that say what it is.
fn read_words(table: &Table) -> Vec<usize> {
    let words = told(table);
    let code = table.frame.code;
    (FREE_THREADED + 1..WORDS).filter(|&at| words[at] != 0 || at == code).collect()
}

#[test]
fn fields_are_where_the_interpreter_says() {
    for table in versions::tables() {
        let layout = table.read(&told(table)).expect("it makes sense");
        assert_eq!(layout.top, Top::Field(72));
        assert_eq!(layout.base_frame, table.state.base_frame.map(|_| 80));
        assert_eq!((layout.state_next, layout.state_interpreter, layout.state_thread), (8, 16, 152));
        assert_eq!((layout.state_chunk, layout.interpreter_states), (Some(232), 7344));
        assert_eq!((layout.interpreter_bytes, layout.code_basic_size), (Some(194_968), 200));
        assert_eq!((layout.frame_code, layout.frame_previous, layout.frame_locals), (0, 8, 72));
        assert_eq!(layout.instruction, Instruction::Pointer { offset: 56, bytecode: 200 });
        assert_eq!((layout.frame_owner, layout.code_first_line, layout.code_file), (Some(70), 68, 112));
        assert_eq!((layout.code_name, layout.code_qualified_name), (120, Some(128)));
        assert_eq!((layout.code_line_table, layout.ascii_header, layout.compact_header), (136, 40, 56));
    }
}

#[test]
fn a_field_may_move() {
    for table in versions::tables() {
        let mut words = told(table);
        words[table.state.bytes] += 16;
        words[table.state.frame] += 16;
        words[table.frame.owner] += 1;
        let layout = table.read(&words).expect("it makes sense");
        assert_eq!((layout.top, layout.frame_owner), (Top::Field(88), Some(71)));
    }
}

#[test]
fn nothing_is_read_that_says_it_is_something_else() {
    for table in versions::tables() {
        let damaged = |at: usize, value: u64| {
            let mut words = told(table);
            words[at] = value;
            table.read(&words).is_none()
        };
        assert!(damaged(0, 0) && damaged(0, u64::from_le_bytes(*b"xdebugpz")));
        assert!(damaged(FREE_THREADED, 1));
        for version in [0, 0x030c_00f0, 0x0310_00f0, 0x040d_00f0, u64::MAX] {
            assert!(damaged(VERSION, version));
        }
        assert!(table.read(&[0; WORDS]).is_none() && table.read(&[u64::MAX; WORDS]).is_none());
    }
}

#[test]
fn no_word_may_be_nonsense() {
    for table in versions::tables() {
        for at in read_words(table) {
            for nonsense in [3, 1 << 40, u64::MAX - 6, u64::MAX] {
                let mut words = told(table);
                words[at] = nonsense;
                // Bytes stand anywhere.
                let is_byte = at == table.frame.owner || at == table.code.bytecode;
                if !is_byte || nonsense != 3 {
                    assert_eq!(table.read(&words), None, "3.{}, word {at}: {nonsense}", table.minor);
                }
            }
        }
    }
}

/// A table that has a word more or less than is known, from any place on.
#[test]
fn words_that_have_moved_are_no_layout() {
    for table in versions::tables() {
        let (first, last) = (3, read_words(table).into_iter().max().unwrap());
        for from in first..=table.object.text_length {
            let mut longer = told(table);
            longer.copy_within(from..last + 1, from + 1);
            assert_eq!(table.read(&longer), None, "3.{}, a word more at {from}", table.minor);
            let mut shorter = told(table);
            shorter.copy_within(from + 1..last + 2, from);
            assert_eq!(table.read(&shorter), None, "3.{}, a word less at {from}", table.minor);
        }
    }
}

#[test]
fn no_field_lies_over_another() {
    for table in versions::tables() {
        for (at, over) in [
            (table.state.next, table.state.interpreter),
            (table.frame.previous, table.frame.code),
            (table.frame.owner, table.frame.instruction),
            (table.code.name, table.code.file),
        ] {
            let mut words = told(table);
            words[at] = words[over];
            assert_eq!(table.read(&words), None, "3.{}, words {at} and {over}", table.minor);
        }
    }
}
