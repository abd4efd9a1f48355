//! Comma-separated values, for spreadsheets and data frames (RFC 4180).

use std::io;

/// Writes records below the names of their fields. Each has a text for each name.
///
/// # Errors
/// What `out` answers to a write.
pub(crate) fn write_records(
    names: &[impl AsRef<[u8]>],
    records: impl Iterator<Item = Vec<String>>,
    out: &mut impl io::Write,
) -> io::Result<()> {
    let mut csv = csv::WriterBuilder::new().terminator(csv::Terminator::CRLF).from_writer(out);
    csv.write_record(names).map_err(of_writer)?;
    for record in records {
        csv.write_record(record).map_err(of_writer)?;
    }
    csv.flush()
}

/// What the writer below answered, as it did: who has seen enough of a report, or has no room for it, is distinguished
/// by that.
fn of_writer(error: csv::Error) -> io::Error {
    match error.into_kind() {
        csv::ErrorKind::Io(error) => error,
        other => io::Error::other(format!("{other:?}")),
    }
}
