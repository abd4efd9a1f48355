//! Where a report goes that is text: standard output, be it a terminal, a file or a pipe that somebody closes.

use std::io::{self, BufWriter, IsTerminal, StdoutLock, Write};

use memprof_reporter::text::TextStyle;

use super::Failure;

const DEFAULT_WIDTH: usize = 80;

/// Writes a report to standard output. A reader that has seen enough (`| head`) is no failure.
pub(super) fn write(report: impl FnOnce(&mut BufWriter<StdoutLock>) -> io::Result<()>) -> Result<(), Failure> {
    let mut out = BufWriter::new(io::stdout().lock());
    match report(&mut out).and_then(|()| out.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(Failure::Stdout(error)),
        _ => Ok(()),
    }
}

/// How text looks there: as wide as asked, as `COLUMNS` says, or as the terminal is; bold headings on a terminal, unless
/// `NO_COLOR` is set.
pub(super) fn style(width: Option<usize>) -> TextStyle {
    let terminal = io::stdout().is_terminal();
    let columns = || std::env::var("COLUMNS").ok()?.parse().ok();
    let width = width.or_else(columns).or_else(|| terminal.then(terminal_width)?).unwrap_or(DEFAULT_WIDTH);
    let plain = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty())
        || std::env::var_os("TERM").is_some_and(|terminal| terminal == "dumb");
    TextStyle::new(width, terminal && !plain)
}

fn terminal_width() -> Option<usize> {
    let mut size = libc::winsize { ws_row: 0, ws_col: 0, ws_xpixel: 0, ws_ypixel: 0 };
    // SAFETY: TIOCGWINSZ fills the winsize that it is given, and nothing else.
    let answer = unsafe { libc::ioctl(libc::STDOUT_FILENO, libc::TIOCGWINSZ, &raw mut size) };
    (answer == 0 && size.ws_col > 0).then_some(usize::from(size.ws_col))
}
