//! How far the replay of a large capture is, on the terminal of somebody who waits for it.

use std::env;
use std::io::{self, IsTerminal};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// What takes less is not worth a bar.
const PATIENCE: Duration = Duration::from_secs(1);

/// A bar on standard error, which is gone when this is dropped.
struct ReplayBar {
    bar: ProgressBar,
    started: Instant,
    shown: bool,
}

impl ReplayBar {
    fn advance(&mut self, events: u64) {
        self.bar.inc(events);
        if !self.shown && self.started.elapsed() >= PATIENCE {
            self.shown = true;
            self.bar.set_draw_target(ProgressDrawTarget::stderr());
        }
    }
}

impl Drop for ReplayBar {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}

/// What follows the replay of this many events: a bar after a second, if standard error is a terminal that can draw
/// one.
pub(super) fn watch(events: u64) -> Option<Box<dyn FnMut(u64)>> {
    if !io::stderr().is_terminal() || env::var_os("TERM").is_some_and(|terminal| terminal == "dumb") {
        return None;
    }
    let bar = ProgressBar::with_draw_target(Some(events), ProgressDrawTarget::hidden());
    let style = ProgressStyle::with_template("memprof: replaying [{bar:30}] {percent}%, {eta} left").ok()?;
    bar.set_style(style.progress_chars("=> "));
    let mut bar = ReplayBar { bar, started: Instant::now(), shown: false };
    Some(Box::new(move |events| bar.advance(events)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bar_appears_after_a_second_and_no_sooner() {
        let bar = ProgressBar::with_draw_target(Some(10), ProgressDrawTarget::hidden());
        let since = |milliseconds| Instant::now() - Duration::from_millis(milliseconds);
        let mut bar = ReplayBar { bar, started: since(500), shown: false };
        bar.advance(1);
        assert!(!bar.shown);
        bar.started = since(1500);
        bar.advance(2);
        assert!(bar.shown && bar.bar.position() == 3);
    }
}
