//! The options that say how text looks, the same for all reports that print some.

use std::env;
use std::io::{self, IsTerminal};

use memprof_reporter::text::TextStyle;

const DEFAULT_WIDTH: usize = 80;

/// How text looks.
#[derive(Clone, Copy, Debug, clap::Args)]
#[command(next_help_heading = "Text")]
pub struct TextArgs {
    /// Columns to fill (60 to 240), instead of those of the terminal
    #[arg(long, value_name = "COLUMNS")]
    width: Option<usize>,
    /// No bold text and no colours, as with NO_COLOR; FORCE_COLOR asks for them in a pipe, too
    #[arg(long)]
    no_color: bool,
    /// No characters but those of ASCII, apart from names; so it is where the locale is not UTF-8
    #[arg(long)]
    no_unicode: bool,
}

impl TextArgs {
    /// For standard output: as wide as asked, as `COLUMNS` says, or as the terminal is; bold text and colours on a
    /// terminal.
    pub fn style(self) -> TextStyle {
        let terminal = io::stdout().is_terminal();
        let columns = || env::var("COLUMNS").ok()?.parse().ok();
        let width = self.width.or_else(columns).or_else(|| terminal.then(terminal_width)?).unwrap_or(DEFAULT_WIDTH);
        TextStyle::new(width, !self.no_color && has_colour(terminal)).with_unicode(!self.no_unicode && has_unicode())
    }
}

/// A variable, if it is set to anything.
fn variable(name: &str) -> Option<String> {
    env::var_os(name).filter(|value| !value.is_empty()).map(|value| value.to_string_lossy().into_owned())
}

/// The conventions of <https://no-color.org> and <https://force-color.org>; the former wins.
fn has_colour(terminal: bool) -> bool {
    let forced = variable("FORCE_COLOR").is_some_and(|value| value != "0");
    let is_dumb = variable("TERM").is_some_and(|terminal| terminal == "dumb");
    variable("NO_COLOR").is_none() && (forced || (terminal && !is_dumb))
}

/// Whether the locale is UTF-8. Where none is set, as in most containers, nearly everything shows UTF-8.
fn has_unicode() -> bool {
    let locale = ["LC_ALL", "LC_CTYPE", "LANG"].into_iter().find_map(variable);
    locale.is_none_or(|locale| {
        let locale = locale.to_ascii_lowercase();
        locale.contains("utf-8") || locale.contains("utf8")
    })
}

fn terminal_width() -> Option<usize> {
    let mut size = libc::winsize { ws_row: 0, ws_col: 0, ws_xpixel: 0, ws_ypixel: 0 };
    // SAFETY: TIOCGWINSZ fills the winsize that it is given, and nothing else.
    let answer = unsafe { libc::ioctl(libc::STDOUT_FILENO, libc::TIOCGWINSZ, &raw mut size) };
    (answer == 0 && size.ws_col > 0).then_some(usize::from(size.ws_col))
}
