use super::*;
use crate::python::versions;

/// A version's table, in a build with the lock or in a free-threaded one.
#[derive(Clone, Copy)]
struct Variant {
    table: &'static Table,
    free: Option<FreeThreadingWords>,
}

/// All builds that can be read.
fn variants() -> impl Iterator<Item = Variant> {
    let of = |table: &'static Table| {
        let free = table.free_threading.map(|free| Variant { table, free: Some(free) });
        [Some(Variant { table, free: None }), free].into_iter().flatten()
    };
    versions::tables().flat_map(of)
}

impl Variant {
    fn read(self, words: &[u64; WORDS]) -> Option<Layout> {
        self.table.read(words)
    }

    fn object(self) -> ObjectLayout {
        self.free.map_or(ObjectLayout::WITH_LOCK, |free| free.object)
    }
}

/// What an interpreter of this build could state: each field in a place of its own.
fn words_of(variant: Variant) -> [u64; WORDS] {
    let (table, object) = (variant.table, variant.object());
    let mut words = [0; WORDS];
    words[FREE_THREADED] = u64::from(variant.free.is_some());
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
        (frame.owner, 68),
        (frame.locals, 72),
        (code.bytes, 208),
        (code.first_line, 68),
        (code.file, 112),
        (code.name, 120),
        (code.qualified_name, 128),
        (code.line_table, 136),
        (code.bytecode, 200),
        (of.header, object.header),
        (of.class, object.class()),
        (of.type_name, object.type_name()),
        (of.type_flags, object.type_flags()),
        (of.dict_keys, object.dict_keys()),
        (of.dict_values, object.dict_values()),
        (of.size, object.size()),
        (of.bytes, object.bytes()),
        (of.text_state, object.text_state()),
        (of.text_length, object.text_length()),
        (of.ascii_header, object.text_state() + 8),
    ];
    let free = variant.free.map(|free| {
        [(free.runtime_bytes, 300_000), (free.runtime_ending, 800), (free.state_previous, 0), (free.state_flags, 32)]
    });
    let copies = variant.free.and_then(|free| free.copies);
    let copies = copies.map(|copies| [(copies.frame, 64), (copies.code, 192)]);
    for (at, value) in pairs.into_iter().chain(free.into_iter().flatten()).chain(copies.into_iter().flatten()) {
        assert_eq!(words[at], 0, "word {at} is given twice");
        words[at] = value as u64;
    }
    if let Some(at) = state.base_frame {
        words[at] = 80;
    }
    if let Value::At(at) = table.cached_keys {
        words[at] = object.header as u64 + 872;
    }
    words
}

/// The words that are read of a build, beyond those that say what it is.
fn read_words(variant: Variant) -> Vec<usize> {
    let words = words_of(variant);
    let zero = [Some(variant.table.frame.code), variant.free.map(|free| free.state_previous)];
    (FREE_THREADED + 1..WORDS).filter(|&at| words[at] != 0 || zero.contains(&Some(at))).collect()
}

#[test]
fn fields_are_where_the_interpreter_says() {
    for variant in variants() {
        let table = variant.table;
        let layout = variant.read(&words_of(variant)).expect("it makes sense");
        assert_eq!(layout.top, Top::Field(72));
        assert_eq!(layout.base_frame, table.state.base_frame.map(|_| 80));
        assert_eq!((layout.state_next, layout.state_interpreter, layout.state_thread), (8, 16, 152));
        assert_eq!((layout.state_chunk, layout.interpreter_states), (Some(232), 7344));
        assert_eq!((layout.interpreter_bytes, layout.code_basic_size), (Some(194_968), 200));
        assert_eq!((layout.frame_code, layout.frame_previous, layout.frame_locals), (0, 8, 72));
        assert_eq!(layout.instruction, Instruction::Pointer { offset: 56, bytecode: 200 });
        assert_eq!((layout.frame_owner, layout.code_first_line, layout.code_file), (Some(68), 68, 112));
        assert_eq!((layout.object, layout.free_threading.is_some()), (variant.object(), variant.free.is_some()));
        if let Some(free) = layout.free_threading {
            assert_eq!((free.runtime_ending, free.state_previous, free.state_flags), (800, 0, 32));
            assert!(free.state_attachment > 32 && free.active & free.going == 0);
            let expected = variant.free.and_then(|free| free.copies).map(|_| CopyFields { frame: 64, code: 192 });
            assert_eq!(free.copies, expected);
        }
        assert_eq!((layout.code_name, layout.code_qualified_name), (120, Some(128)));
        let ascii_header = variant.object().text_state() + 8;
        assert_eq!((layout.code_line_table, layout.ascii_header), (136, ascii_header));
        assert_eq!(layout.compact_header, ascii_header + 16);
    }
}

#[test]
fn a_field_may_move() {
    for variant in variants() {
        let table = variant.table;
        let mut words = words_of(variant);
        words[table.state.bytes] += 16;
        words[table.state.frame] += 16;
        words[table.frame.owner] += 1;
        let layout = variant.read(&words).expect("it makes sense");
        assert_eq!((layout.top, layout.frame_owner), (Top::Field(88), Some(69)));
    }
}

#[test]
fn nothing_is_read_that_says_it_is_something_else() {
    for variant in variants() {
        let damaged = |at: usize, value: u64| {
            let mut words = words_of(variant);
            words[at] = value;
            variant.read(&words).is_none()
        };
        assert!(damaged(0, 0) && damaged(0, u64::from_le_bytes(*b"xdebugpz")));
        // Of the other kind, or of none: objects are laid out differently.
        assert!(damaged(FREE_THREADED, u64::from(variant.free.is_none())) && damaged(FREE_THREADED, 2));
        for version in [0, 0x030c_00f0, 0x0310_00f0, 0x040d_00f0, u64::MAX] {
            assert!(damaged(VERSION, version));
        }
        assert!(variant.read(&[0; WORDS]).is_none() && variant.read(&[u64::MAX; WORDS]).is_none());
    }
}

#[test]
fn no_word_may_be_nonsense() {
    for variant in variants() {
        let table = variant.table;
        for at in read_words(variant) {
            for nonsense in [3, 1 << 40, u64::MAX - 6, u64::MAX] {
                let mut words = words_of(variant);
                words[at] = nonsense;
                // Bytes may be anywhere.
                let is_byte = at == table.frame.owner || at == table.code.bytecode;
                if !is_byte || nonsense != 3 {
                    assert_eq!(variant.read(&words), None, "3.{}, word {at}: {nonsense}", table.minor);
                }
            }
        }
    }
}

/// A table that has a word more or less than is known, from any place on.
#[test]
fn words_that_have_moved_are_no_layout() {
    for variant in variants() {
        let table = variant.table;
        let (first, last) = (3, read_words(variant).into_iter().max().unwrap());
        for from in first..=table.object.text_length {
            let mut longer = words_of(variant);
            longer.copy_within(from..last + 1, from + 1);
            assert_eq!(variant.read(&longer), None, "3.{}, a word more at {from}", table.minor);
            let mut shorter = words_of(variant);
            shorter.copy_within(from + 1..last + 2, from);
            assert_eq!(variant.read(&shorter), None, "3.{}, a word less at {from}", table.minor);
        }
    }
}

#[test]
fn no_field_lies_over_another() {
    for variant in variants() {
        let table = variant.table;
        for (at, over) in [
            (table.state.next, table.state.interpreter),
            (table.frame.previous, table.frame.code),
            (table.frame.owner, table.frame.instruction),
            (table.code.name, table.code.file),
        ] {
            let mut words = words_of(variant);
            words[at] = words[over];
            assert_eq!(variant.read(&words), None, "3.{}, words {at} and {over}", table.minor);
        }
    }
}

/// What a free-threaded 3.13.15 states, which no machine has that does not build it.
#[test]
fn what_3_13_states_without_the_lock() {
    #[rustfmt::skip]
    const OFFSETS: [u64; 73] = [
        COOKIE, 0x030d_0ff0, 1,
        328_384, 608, 632,
        215_616, 7272, 7264, 7344, 7400, 7664, 7648, 7656, 16, 7760, 0, 7784, 7776,
        312, 0, 8, 16, 72, 152, 160, 232, 32,
        80, 8, 0, 56, 72, 70,
        224, 128, 136, 144, 152, 84, 68, 112, 120, 216,
        32, 24,
        432, 40, 104, 184,
        48, 40, 32,
        56, 40, 32,
        64, 48, 56,
        40, 32,
        48, 32, 40,
        56, 32, 48,
        80, 48, 32, 56,
        248, 200,
    ];
    let mut words = [0; WORDS];
    words[..OFFSETS.len()].copy_from_slice(&OFFSETS);
    let table = versions::tables().find(|table| table.minor == 13).expect("it is known");
    let layout = table.read(&words).expect("it makes sense");
    assert_eq!((layout.object.header, layout.object.dict_before, layout.object.text_kind), (32, 8, 2));
    assert_eq!((layout.frame_locals, layout.frame_owner, layout.reference_tags), (72, Some(70), 0));
    assert_eq!(layout.instruction, Instruction::Pointer { offset: 56, bytecode: 216 });
    assert_eq!(layout.attributes, Attributes::Inline { cached_keys: 896 });
    let free = FreeThreading {
        runtime_ending: 608,
        state_previous: 0,
        state_flags: 32,
        active: 1 << 4,
        going: 0b111 << 6,
        state_attachment: 40,
        copies: None,
    };
    assert_eq!(layout.free_threading, Some(free));
}
