//! The rows of a chunk of a table, and where they belong.

use super::allowance::Allowance;
use super::format::ChunkHeader;
use super::varint;

/// How many functions a list of [`FrameSymbols`] holds: rows within rows, whose number is in no chunk's header.
pub(super) fn functions_in(mut payload: &[u8]) -> Option<usize> {
    let mut functions = 0_usize;
    for _row in 0..varint::take(&mut payload)? {
        let _frame = varint::take(&mut payload)?;
        for _function in 0..varint::take(&mut payload)? {
            for _text in ["name", "file"] {
                let bytes = usize::try_from(varint::take(&mut payload)?).ok()?;
                payload = payload.get(bytes..)?;
            }
            let _line = varint::take(&mut payload)?;
            functions += 1;
        }
    }
    Some(functions)
}

/// Puts rows where the chunk says. Rows that were lost in between stay `None`.
pub(super) fn place<T: Clone>(
    table: &mut Vec<Option<T>>,
    header: &ChunkHeader,
    rows: Vec<T>,
    allowance: &mut Allowance,
) -> Option<()> {
    // More than this has no place in a u32, and would be damage.
    let first = usize::try_from(u32::try_from(header.first).ok()?).ok()?;
    if rows.len() != header.rows as usize {
        return None;
    }
    let end = first + rows.len();
    if table.len() < end {
        allowance.take(end - table.len(), size_of::<Option<T>>())?;
        table.resize(end, None);
    }
    for (slot, row) in table[first..].iter_mut().zip(rows) {
        *slot = Some(row);
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use super::super::tables::{FrameSymbols, Function};
    use super::*;
    use memprof_channel::ids::FrameId;

    #[test]
    fn functions_are_counted_as_they_are_read() {
        let function = |name: &str| Function { name: name.repeat(200), file: "f".to_owned(), line: 70_000 };
        let symbols = [
            FrameSymbols { frame: FrameId(300), functions: vec![function("a"), function("")] },
            FrameSymbols { frame: FrameId(1), functions: Vec::new() },
            FrameSymbols { frame: FrameId(2), functions: vec![function("b")] },
        ];
        let payload = postcard::to_stdvec(&symbols[..]).unwrap();
        assert_eq!(functions_in(&payload), Some(3));
        assert_eq!(functions_in(&payload[..payload.len() - 1]), None);
    }
}
