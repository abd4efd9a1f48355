//! What a file is that is to be executed.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;

pub use memprof_channel::executable::Executable;
use memprof_channel::executable::{HEAD_BYTES, classify};

/// Examines a file.
pub fn inspect(path: &Path) -> io::Result<Executable> {
    let file = File::open(path)?;
    let mut head = [0; HEAD_BYTES];
    let length = read_at_most(&file, &mut head, 0)?;
    Ok(classify(
        &head[..length],
        |offset, bytes| matches!(read_at_most(&file, bytes, offset), Ok(n) if n == bytes.len()),
    ))
}

fn read_at_most(file: &File, bytes: &mut [u8], offset: u64) -> io::Result<usize> {
    let mut done = 0;
    while done < bytes.len() {
        match file.read_at(&mut bytes[done..], offset + done as u64) {
            Ok(0) => break,
            Ok(read) => done += read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(done)
}
