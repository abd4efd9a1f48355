//! As much of x86-64's instructions as is needed to move the first few of a function elsewhere: how long they are, and
//! what in them depends on where they are (Intel SDM volume 2, appendix A).
//!
//! What compilers hardly put at the beginning of a function is not known here (vector instructions with VEX and EVEX
//! prefixes, system instructions): a function that begins so is left alone.

/// An instruction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Instruction {
    /// How many bytes it has.
    pub length: usize,
    /// What of it depends on where it is.
    pub kind: Kind,
}

/// What of an instruction depends on where it is, and where execution goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Nothing.
    Plain,
    /// It does nothing, as what fills the space between functions.
    Padding,
    /// The four bytes at this offset are an address, relative to the next instruction.
    Relative { at: usize },
    /// Goes on at this distance from the next instruction.
    Jump(i32),
    /// Goes on there, if this condition (as in its encoding) holds.
    Branch { condition: u8, distance: i32 },
    /// Calls what is at this distance from the next instruction.
    Call(i32),
    /// Calls what an operand names.
    IndirectCall,
    /// What follows is not reached by it. It may have an address, too, as [`Kind::Relative`] has.
    End { relative: Option<usize> },
}

/// The first instruction of some code. Nothing if it is not known, or not there as a whole.
pub fn decode(code: &[u8]) -> Option<Instruction> {
    let mut reader = Reader { code, at: 0, relative: None };
    let (mut short, mut repeats) = (false, false);
    let mut opcode = reader.byte()?;
    loop {
        match opcode {
            0x66 => short = true,
            0xf2 | 0xf3 => repeats = true,
            // The lock prefix
            0xf0 => {}
            // Segments
            0x26 | 0x2e | 0x36 | 0x3e | 0x64 | 0x65 => {}
            _ => break,
        }
        opcode = reader.byte()?;
    }
    // A REX prefix is right before the opcode.
    let extended = opcode & 0xf0 == 0x40;
    let wide = extended && opcode & 8 != 0;
    if extended {
        opcode = reader.byte()?;
    }
    // An operand of 4 bytes, or of 2 with the prefix 66
    let word = if short && !wide { 2 } else { 4 };
    match opcode {
        0x0f => return two_bytes(reader, short || repeats),
        0x00..=0x3f => match opcode & 7 {
            0..=3 => reader.operand()?,
            4 => reader.skip(1)?,
            5 => reader.skip(word)?,
            _ => return None,
        },
        0x50..=0x5f | 0x91..=0x99 | 0x9c | 0x9d | 0xa4 | 0xa5 | 0xaa | 0xab | 0xc9 => {}
        0x63 | 0x84..=0x8b | 0x8d | 0xd0..=0xd3 => reader.operand()?,
        0x68 | 0xa9 => reader.skip(word)?,
        0x69 | 0x81 => reader.operand_and(word)?,
        0xc7 => {
            if reader.extension()? != 0 {
                return None;
            }
            reader.operand_and(word)?;
        }
        0x6a | 0xa8 | 0xb0..=0xb7 => reader.skip(1)?,
        0x6b | 0x80 | 0x83 | 0xc0 | 0xc1 => reader.operand_and(1)?,
        0xc6 => {
            if reader.extension()? != 0 {
                return None;
            }
            reader.operand_and(1)?;
        }
        0xb8..=0xbf => reader.skip(if wide { 8 } else { word })?,
        0xf6 if reader.extension()? < 2 => reader.operand_and(1)?,
        0xf7 if reader.extension()? < 2 => reader.operand_and(word)?,
        0xf6 | 0xf7 => reader.operand()?,
        0xfe if reader.extension()? < 2 => reader.operand()?,
        0xff => match reader.extension()? {
            // inc, dec, push
            0 | 1 | 6 => reader.operand()?,
            2 => {
                reader.operand()?;
                return Some(Instruction { length: reader.at, kind: Kind::IndirectCall });
            }
            // An indirect jump: all that there is of a function that another module has.
            4 => {
                reader.operand()?;
                return Some(Instruction { length: reader.at, kind: Kind::End { relative: reader.relative } });
            }
            _ => return None,
        },
        0x90 if !repeats && !extended => return Some(Instruction { length: reader.at, kind: Kind::Padding }),
        0x90 => {}
        0xcc => return Some(Instruction { length: reader.at, kind: Kind::Padding }),
        0x70..=0x7f if !short => {
            let distance = i32::from(reader.byte()?.cast_signed());
            return Some(Instruction { length: reader.at, kind: Kind::Branch { condition: opcode & 0xf, distance } });
        }
        0xc2 => {
            reader.skip(2)?;
            return Some(Instruction { length: reader.at, kind: Kind::End { relative: None } });
        }
        0xc3 => return Some(Instruction { length: reader.at, kind: Kind::End { relative: None } }),
        // With the prefix 66, processors disagree.
        0xe8 | 0xe9 if !short => {
            let distance = reader.distance()?;
            let kind = if opcode == 0xe8 { Kind::Call(distance) } else { Kind::Jump(distance) };
            return Some(Instruction { length: reader.at, kind });
        }
        0xeb if !short => {
            let distance = i32::from(reader.byte()?.cast_signed());
            return Some(Instruction { length: reader.at, kind: Kind::Jump(distance) });
        }
        _ => return None,
    }
    Some(Instruction { length: reader.at, kind: reader.kind() })
}

/// Whether a function that begins so does nothing but return.
pub fn only_returns(mut code: &[u8]) -> bool {
    const ENDBR64: &[u8] = b"\xf3\x0f\x1e\xfa";
    while let Some(found) = decode(code) {
        match found.kind {
            Kind::End { .. } => return code[found.length - 1] == 0xc3,
            Kind::Padding if code[0] != 0xcc => {}
            Kind::Plain if code.starts_with(ENDBR64) => {}
            _ => return false,
        }
        code = &code[found.length..];
    }
    false
}

/// An instruction that begins with 0f.
fn two_bytes(mut reader: Reader<'_>, has_prefix: bool) -> Option<Instruction> {
    let opcode = reader.byte()?;
    match opcode {
        0x1f => {
            reader.operand()?;
            return Some(Instruction { length: reader.at, kind: Kind::Padding });
        }
        // Moves of vectors, hints (endbr64 among them), conditional moves
        0x10..=0x1e | 0x28..=0x2f | 0x40..=0x4f | 0x51..=0x6f | 0x74..=0x76 | 0x7e | 0x7f => reader.operand()?,
        0x70..=0x73 | 0xa4 | 0xac | 0xba | 0xc2 | 0xc4..=0xc6 => reader.operand_and(1)?,
        0x80..=0x8f if !has_prefix => {
            let kind = Kind::Branch { condition: opcode & 0xf, distance: reader.distance()? };
            return Some(Instruction { length: reader.at, kind });
        }
        0xa2 | 0xc8..=0xcf => {}
        0x90..=0x9f
        | 0xa3
        | 0xa5
        | 0xab
        | 0xad
        | 0xaf
        | 0xb0
        | 0xb1
        | 0xb3
        | 0xb6..=0xb8
        | 0xbb..=0xc1
        | 0xd0..=0xfe => {
            reader.operand()?;
        }
        0x38 => {
            reader.skip(1)?;
            reader.operand()?;
        }
        0x3a => {
            reader.skip(1)?;
            reader.operand_and(1)?;
        }
        _ => return None,
    }
    Some(Instruction { length: reader.at, kind: reader.kind() })
}

struct Reader<'a> {
    code: &'a [u8],
    at: usize,
    /// Where the address of an operand is that is relative to the next instruction.
    relative: Option<usize>,
}

impl Reader<'_> {
    fn byte(&mut self) -> Option<u8> {
        let byte = *self.code.get(self.at)?;
        self.at += 1;
        Some(byte)
    }

    fn skip(&mut self, bytes: usize) -> Option<()> {
        self.at += bytes;
        (self.at <= self.code.len()).then_some(())
    }

    fn distance(&mut self) -> Option<i32> {
        let bytes = self.code.get(self.at..)?.first_chunk()?;
        self.at += 4;
        Some(i32::from_le_bytes(*bytes))
    }

    /// The part of the coming ModRM byte that distinguishes the instructions of one opcode.
    fn extension(&self) -> Option<u8> {
        Some(self.code.get(self.at)? >> 3 & 7)
    }

    /// A ModRM byte and what belongs to it.
    fn operand(&mut self) -> Option<()> {
        let modrm = self.byte()?;
        let (mode, register) = (modrm >> 6, modrm & 7);
        if mode == 3 {
            return Some(());
        }
        if register == 4 {
            let base = self.byte()? & 7;
            if mode == 0 && base == 5 {
                return self.skip(4);
            }
        } else if mode == 0 && register == 5 {
            self.relative = Some(self.at);
            return self.skip(4);
        }
        self.skip([0, 1, 4][usize::from(mode)])
    }

    fn operand_and(&mut self, bytes: usize) -> Option<()> {
        self.operand()?;
        self.skip(bytes)
    }

    fn kind(&self) -> Kind {
        self.relative.map_or(Kind::Plain, |at| Kind::Relative { at })
    }
}

#[cfg(test)]
mod tests {
    use iced_x86::{Decoder, DecoderOptions, FlowControl, Instruction as Known, Mnemonic};

    use super::*;
    use crate::elf::ObjectFile;

    #[test]
    fn beginnings_of_functions() {
        for (code, length, kind) in [
            (&b"\xf3\x0f\x1e\xfa"[..], 4, Kind::Plain),
            (b"\x41\x57", 2, Kind::Plain),
            (b"\x48\x8b\x05\x19\x1f\x3e\x01", 7, Kind::Relative { at: 3 }),
            (b"\x48\x81\x3d\x01\x02\x03\x04\x05\x06\x07\x08", 11, Kind::Relative { at: 3 }),
            (b"\x48\xb8\x01\x02\x03\x04\x05\x06\x07\x08", 10, Kind::Plain),
            (b"\x64\x48\x8b\x04\x25\x28\0\0\0", 9, Kind::Plain),
            (b"\x74\xfe", 2, Kind::Branch { condition: 4, distance: -2 }),
            (b"\x0f\x87\x10\0\0\0", 6, Kind::Branch { condition: 7, distance: 16 }),
            (b"\xe9\xff\xff\xff\xff", 5, Kind::Jump(-1)),
            (b"\xe8\x01\0\0\0", 5, Kind::Call(1)),
            (b"\x41\xff\xd3", 3, Kind::IndirectCall),
            (b"\xf0\x48\xff\x47\x08", 5, Kind::Plain),
            (b"\xff\xe0", 2, Kind::End { relative: None }),
            (b"\xff\x25\x01\x02\x03\x04", 6, Kind::End { relative: Some(2) }),
            (b"\xc3", 1, Kind::End { relative: None }),
            (b"\x66\x2e\x0f\x1f\x84\0\0\0\0\0", 10, Kind::Padding),
        ] {
            assert_eq!(decode(code), Some(Instruction { length, kind }), "{}", code.escape_ascii());
            assert_eq!(decode(&code[..code.len() - 1]), None, "{}", code.escape_ascii());
        }
        for unknown in [&b"\x0f\x05"[..], b"\xc5\xf8\x77", b"\x62\xf1\x7c\x48\x10\x07"] {
            assert_eq!(decode(unknown), None, "{}", unknown.escape_ascii());
        }
    }

    #[test]
    fn functions_that_only_return() {
        for code in [&b"\xc3"[..], b"\xf3\xc3", b"\xf3\x0f\x1e\xfa\xc3", b"\x90\xc3\x48"] {
            assert!(only_returns(code), "{}", code.escape_ascii());
        }
        for code in [&b"\xc2\x08\0"[..], b"\xff\xe0", b"\x31\xc0\xc3", b"\xe9\0\0\0\0", b"\xcc\xc3", b""] {
            assert!(!only_returns(code), "{}", code.escape_ascii());
        }
    }

    /// What is said of an instruction must be what a decoder says that knows all of them.
    fn assert_same(code: &[u8], found: Instruction, known: &Known) {
        let code = code[..known.len()].escape_ascii();
        assert_eq!(found.length, known.len(), "{code}");
        let next = known.next_ip();
        let distance = || i64::wrapping_sub(known.near_branch_target() as i64, next as i64);
        match found.kind {
            Kind::Plain | Kind::Padding => {
                assert!(!known.is_ip_rel_memory_operand(), "{code}");
                let goes_on = [FlowControl::Next, FlowControl::Interrupt];
                assert!(goes_on.contains(&known.flow_control()), "{code}");
                let does_nothing = [Mnemonic::Nop, Mnemonic::Int3].contains(&known.mnemonic());
                assert!(found.kind == Kind::Plain || does_nothing, "{code}");
            }
            Kind::Relative { .. } => assert!(known.is_ip_rel_memory_operand(), "{code}"),
            Kind::Jump(to) => {
                assert_eq!((known.flow_control(), distance()), (FlowControl::UnconditionalBranch, to.into()), "{code}");
            }
            Kind::Branch { distance: to, .. } => {
                assert_eq!((known.flow_control(), distance()), (FlowControl::ConditionalBranch, to.into()), "{code}");
            }
            Kind::Call(to) => assert_eq!((known.flow_control(), distance()), (FlowControl::Call, to.into()), "{code}"),
            Kind::IndirectCall => assert_eq!(known.flow_control(), FlowControl::IndirectCall, "{code}"),
            Kind::End { relative } => {
                assert_eq!(relative.is_some(), known.is_ip_rel_memory_operand(), "{code}");
                assert!([FlowControl::Return, FlowControl::IndirectBranch].contains(&known.flow_control()), "{code}");
            }
        }
    }

    #[test]
    fn all_code_of_the_test_program_is_read_right() {
        let file = ObjectFile::open(c"/proc/self/exe").unwrap();
        let (mut read, mut beginnings, mut unknown_beginnings) = (0, 0, 0);
        for (_, symbol) in file.functions(|_| true) {
            let Some(code) = file.code(symbol.address, symbol.size) else { continue };
            for known in
                Decoder::with_ip(64, code, 0, DecoderOptions::NONE).iter().take_while(|known| !known.is_invalid())
            {
                let rest = &code[known.ip() as usize..];
                let found = decode(rest);
                beginnings += usize::from(known.ip() == 0);
                unknown_beginnings += usize::from(known.ip() == 0 && found.is_none());
                if let Some(found) = found {
                    assert_same(rest, found, &known);
                    read += 1;
                }
            }
        }
        assert!(read > 100_000, "{read}");
        assert!(unknown_beginnings * 1000 < beginnings, "{unknown_beginnings} of {beginnings}");
    }
}
