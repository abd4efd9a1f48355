//! Writes the seeds of all targets to a folder: `cargo run -p memprof-damage --example seeds -- fuzz/corpus`.

use std::path::{Path, PathBuf};
use std::{env, fs, io};

use memprof_damage::seeds;

fn write(folder: &Path, target: &str, seeds: &[Vec<u8>]) -> io::Result<()> {
    let folder = folder.join(target);
    fs::create_dir_all(&folder)?;
    for (number, seed) in seeds.iter().enumerate() {
        fs::write(folder.join(format!("seed-{number}")), seed)?;
    }
    Ok(())
}

fn main() -> io::Result<()> {
    let folder = env::args_os().nth(1).map(PathBuf::from);
    let folder = folder.ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "give a folder to write to"))?;
    write(&folder, "capture_reader", &seeds::captures()?)?;
    write(&folder, "column_decoder", &seeds::columns())?;
    write(&folder, "channel_records", &[seeds::channel()])?;
    write(&folder, "line_tables", &seeds::line_tables())?;
    write(&folder, "symbols", &seeds::symbols()?)
}
