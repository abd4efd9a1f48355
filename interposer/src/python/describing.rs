//! What is emitted about a code object: its names, and the way from its instructions to lines.

use memprof_channel::code::CodePrefix;

use super::codes::CodeNumber;
use super::descriptions::Descriptions;
use super::interpreter::Interpreter;
use super::sources::Source;
use super::text::{push_bytes, push_utf8};
use crate::memory::{MappedVec, OutOfMemory};

/// Describes a code object, to be emitted later. Returns its number. Nothing if it is none, or cannot be read.
///
/// # Safety
/// `code` is null or an object that may be read in this way, with all that it refers to.
#[cold]
#[inline(never)]
pub unsafe fn describe<S: Source>(
    source: &S,
    interpreter: &Interpreter,
    code: usize,
    descriptions: &mut Descriptions,
) -> Result<Option<CodeNumber>, OutOfMemory> {
    let layout = &interpreter.layout;
    if code == 0 {
        return Ok(None);
    }
    // SAFETY: every object has a type.
    let class: Option<usize> = unsafe { source.read(code.wrapping_add(layout.object.class())) };
    if class != Some(interpreter.code_type) {
        return Ok(None);
    }
    if let Some(number) = descriptions.number_of(code) {
        return Ok(Some(number));
    }
    let mut parts = MappedVec::new();
    let mut lengths = [0; 4];
    let fields = [
        layout.code_name,
        layout.code_qualified_name.unwrap_or(layout.code_name),
        layout.code_file,
        layout.code_line_table,
    ];
    for (index, (field, length)) in fields.into_iter().zip(&mut lengths).enumerate() {
        let before = parts.len();
        // SAFETY: a code object keeps its names and its table alive. All are immutable.
        let was_read = unsafe {
            let Some(part) = source.read(code.wrapping_add(field)) else { return Ok(None) };
            match index {
                3 => push_bytes(source, layout, part, &mut parts)?,
                _ => push_utf8(source, layout, part, usize::MAX, &mut parts)?,
            }
        };
        if !was_read {
            return Ok(None);
        }
        *length = parts.len() - before;
    }
    // SAFETY: it is an `int` in every code object.
    let first_line = unsafe { source.read::<u32>(code.wrapping_add(layout.code_first_line)) };
    let Some(first_line) = first_line.map(u32::cast_signed) else { return Ok(None) };
    let prefix = CodePrefix::new(first_line.max(0) as u32, layout.line_table_format);
    let number = interpreter.codes.next_number();
    let [name, qualified, file, _] = lengths;
    let (name, rest) = parts.split_at(name);
    let (qualified, rest) = rest.split_at(qualified);
    let (file, line_table) = rest.split_at(file);
    let length = |part: &[u8]| (part.len() as u32).to_le_bytes();
    let pieces: [&[u8]; 9] = [
        prefix.as_bytes(),
        &length(name),
        name,
        &length(qualified),
        qualified,
        &length(file),
        file,
        &length(line_table),
        line_table,
    ];
    descriptions.push(code, number, &pieces)?;
    Ok(Some(number))
}
