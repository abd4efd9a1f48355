//! What the kernel lists of a process's mappings.

use std::fs;

/// The line of `/proc/PID/maps` (proc(5)) about the mapping that holds an address; nothing where there is none, or no
/// such process.
pub fn line_at(pid: u32, address: u64) -> Option<String> {
    let maps = fs::read_to_string(format!("/proc/{pid}/maps")).ok()?;
    maps.lines().find(|line| holds(line, address)).map(str::to_owned)
}

fn holds(line: &str, address: u64) -> bool {
    let bounds = line.split(' ').next().and_then(|range| range.split_once('-'));
    let bounds = bounds.map(|(start, end)| (u64::from_str_radix(start, 16), u64::from_str_radix(end, 16)));
    matches!(bounds, Some((Ok(start), Ok(end))) if (start..end).contains(&address))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mapping_ends_before_its_end() {
        let line = "7f52c8000000-7f52c8100000 rw-s 00001000 00:19 4711                       /dev/shm/a name (deleted)";
        assert!(holds(line, 0x7f52_c800_0000) && holds(line, 0x7f52_c80f_ffff));
        assert!(!holds(line, 0x7f52_c810_0000) && !holds("", 0));
        let here = a_mapping_ends_before_its_end as fn() as usize as u64;
        assert!(line_at(std::process::id(), here).is_some_and(|line| line.contains(" r-xp ")));
    }
}
