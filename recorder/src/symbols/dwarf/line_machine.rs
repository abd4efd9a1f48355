//! Runs a line program (DWARF 5, section 6.2): the rows of a table of addresses, files and lines, one after the other.
//!
//! gimli can do that too, and knows all columns. This knows the three that count, in a third of the time; and line
//! programs are most of what it takes to name frames.

use gimli::{EndianSlice, Error, LineProgramHeader, Reader as _, ReaderOffset, Result, RunTimeEndian, constants};

use super::Reader;

/// The machine, in the state of the last row.
pub struct LineMachine<'h, 'd> {
    header: &'h LineProgramHeader<Reader<'d>>,
    program: EndianSlice<'d, RunTimeEndian>,
    opcode_base: u8,
    line_base: i8,
    line_range: u8,
    instruction_bytes: u64,
    /// Where the row begins to hold.
    pub address: u64,
    /// The number of its file.
    pub file: u64,
    /// Its line. What does not fit is damage.
    pub line: u64,
    /// Whether it only says where the sequence of rows ends.
    pub is_end: bool,
}

impl<'h, 'd> LineMachine<'h, 'd> {
    /// Before the first row of a program.
    pub fn of(header: &'h LineProgramHeader<Reader<'d>>) -> Self {
        Self {
            header,
            program: header.raw_program_buf(),
            opcode_base: header.opcode_base(),
            line_base: header.line_base(),
            line_range: header.line_range().max(1),
            instruction_bytes: u64::from(header.minimum_instruction_length()),
            address: 0,
            file: 1,
            line: 1,
            is_end: false,
        }
    }

    /// Goes to the next row. False after the last one.
    pub fn next_row(&mut self) -> Result<bool> {
        if self.is_end {
            (self.address, self.file, self.line, self.is_end) = (0, 1, 1, false);
        }
        while !self.program.is_empty() {
            let opcode = self.program.read_u8()?;
            let is_row = if opcode >= self.opcode_base {
                let both = opcode - self.opcode_base;
                self.advance(u64::from(both / self.line_range));
                self.add_lines(i64::from(self.line_base) + i64::from(both % self.line_range));
                true
            } else if opcode == 0 {
                self.extended()?
            } else {
                self.standard(constants::DwLns(opcode))?
            };
            if is_row {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn advance(&mut self, instructions: u64) {
        // Of machines whose instructions hold several operations, none is left.
        self.address = self.address.wrapping_add(instructions.wrapping_mul(self.instruction_bytes));
    }

    fn add_lines(&mut self, lines: i64) {
        self.line = self.line.wrapping_add_signed(lines);
    }

    /// Whether it makes a row.
    fn standard(&mut self, opcode: constants::DwLns) -> Result<bool> {
        match opcode {
            constants::DW_LNS_copy => return Ok(true),
            constants::DW_LNS_advance_pc => {
                let instructions = self.program.read_uleb128()?;
                self.advance(instructions);
            }
            constants::DW_LNS_advance_line => {
                let lines = self.program.read_sleb128()?;
                self.add_lines(lines);
            }
            constants::DW_LNS_set_file => self.file = self.program.read_uleb128()?,
            constants::DW_LNS_set_column | constants::DW_LNS_set_isa => self.program.skip_leb128()?,
            constants::DW_LNS_const_add_pc => self.advance(u64::from((255 - self.opcode_base) / self.line_range)),
            constants::DW_LNS_fixed_advance_pc => {
                let bytes = self.program.read_u16()?;
                self.address = self.address.wrapping_add(u64::from(bytes));
            }
            constants::DW_LNS_negate_stmt
            | constants::DW_LNS_set_basic_block
            | constants::DW_LNS_set_prologue_end
            | constants::DW_LNS_set_epilogue_begin => {}
            constants::DwLns(unknown) => {
                let operands = self.header.standard_opcode_lengths().slice().get(usize::from(unknown) - 1);
                for _ in 0..*operands.unwrap_or(&0) {
                    self.program.skip_leb128()?;
                }
            }
        }
        Ok(false)
    }

    /// Whether it makes a row.
    fn extended(&mut self) -> Result<bool> {
        let bytes = self.program.read_uleb128().and_then(usize::from_u64)?;
        let mut rest = self.program.split(bytes)?;
        if rest.is_empty() {
            return Err(Error::UnexpectedEof(rest.offset_id()));
        }
        match constants::DwLne(rest.read_u8()?) {
            constants::DW_LNE_end_sequence => {
                self.is_end = true;
                return Ok(true);
            }
            constants::DW_LNE_set_address => self.address = rest.read_address(self.header.address_size())?,
            _ => {}
        }
        Ok(false)
    }
}
