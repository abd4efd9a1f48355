//! The terminal that the application runs on: taken over, read, drawn to, and restored whatever happens.

use std::env;
use std::io::{self, IsTerminal};
use std::process;
use std::sync::Arc;
use std::sync::atomic::{AtomicI32, Ordering};
use std::thread;
use std::time::Duration;

use ratatui::crossterm::event::{self, DisableMouseCapture, EnableMouseCapture, Event};
use ratatui::crossterm::execute;
use signal_hook::consts::{SIGHUP, SIGINT, SIGSTOP, SIGTERM};
use signal_hook::iterator::Signals;
use signal_hook::low_level::{emulate_default_handler, raise};

use crate::draw::draw;
use crate::keys::action;
use crate::screen::{Outcome, TreeScreen};

/// How long a signal may go unnoticed.
const POLL_INTERVAL: Duration = Duration::from_millis(250);
/// How long the screen may take to end after a signal.
const PATIENCE: Duration = Duration::from_secs(2);
/// No signal.
const NONE: i32 = 0;

/// Whether there is a terminal at both ends that can move its cursor.
#[must_use]
pub fn is_there() -> bool {
    let is_able = env::var_os("TERM").is_some_and(|terminal| !terminal.is_empty() && terminal != "dumb");
    is_able && io::stdin().is_terminal() && io::stdout().is_terminal()
}

/// Shows the tree until the user has seen enough. A signal that ends the process does so once the terminal is restored.
///
/// # Errors
/// When the terminal cannot be read or written, or is there no more. It is restored even so.
pub fn run(screen: &mut TreeScreen) -> io::Result<()> {
    let ended_by = watch_signals()?;
    watch_terminal()?;
    loop {
        let outcome = show(screen, &ended_by)?;
        match (ended_by.load(Ordering::Relaxed), outcome) {
            // What Ctrl-Z does elsewhere; whoever continues the process gets the screen back.
            (NONE, Outcome::Suspend) => raise(SIGSTOP)?,
            (NONE, Outcome::Quit | Outcome::Continue) => return Ok(()),
            (signal, _) => emulate_default_handler(signal)?,
        }
    }
}

/// The signal that asks the process to end, once there is one.
fn watch_signals() -> io::Result<Arc<AtomicI32>> {
    let ended_by = Arc::new(AtomicI32::new(NONE));
    let mut signals = Signals::new([SIGINT, SIGTERM, SIGHUP])?;
    let seen = Arc::clone(&ended_by);
    thread::Builder::new().spawn(move || {
        if let Some(signal) = signals.forever().next() {
            seen.store(signal, Ordering::Relaxed);
            // A terminal that is gone may keep its reader busy for ever.
            thread::sleep(PATIENCE);
            drop(TerminalGuard);
            let _ = emulate_default_handler(signal);
        }
    })?;
    Ok(ended_by)
}

/// Ends the process some time after its terminal has gone, if it does not end by itself. Between a poll of the terminal
/// and a call of crossterm there is always a moment: if the terminal goes then, crossterm reads for ever.
fn watch_terminal() -> io::Result<()> {
    thread::Builder::new().spawn(|| {
        while wait_for(0, -1).is_ok() {}
        thread::sleep(PATIENCE);
        drop(TerminalGuard);
        process::exit(1);
    })?;
    Ok(())
}

/// Takes the terminal until something else is to be done than to draw.
fn show(screen: &mut TreeScreen, ended_by: &AtomicI32) -> io::Result<Outcome> {
    // This also has panics restore the terminal before they say what went wrong.
    let mut terminal = ratatui::try_init()?;
    let _guard = TerminalGuard;
    execute!(io::stdout(), EnableMouseCapture)?;
    loop {
        terminal.draw(|frame| draw(screen, frame))?;
        let mut next = loop {
            match next_event(POLL_INTERVAL)? {
                Some(event) => break Some(event),
                None if ended_by.load(Ordering::Relaxed) != NONE => return Ok(Outcome::Quit),
                None => {}
            }
        };
        // What has arrived by now is done before the next picture is drawn.
        while let Some(event) = next {
            let outcome = action(screen.focus(), &event).map_or(Outcome::Continue, |action| screen.act(action));
            if outcome != Outcome::Continue {
                return Ok(outcome);
            }
            next = next_event(Duration::ZERO)?;
        }
    }
}

/// The next event, if one comes in time.
fn next_event(timeout: Duration) -> io::Result<Option<Event>> {
    // crossterm reads on and on at the end of a terminal, so that it must not be asked there.
    wait_for_input(Duration::ZERO)?;
    if !event::poll(Duration::ZERO)? {
        wait_for_input(timeout)?;
        if !event::poll(Duration::ZERO)? {
            return Ok(None);
        }
    }
    event::read().map(Some)
}

/// Waits until there is something to read, a signal comes, or the time is over.
///
/// # Errors
/// When the terminal has been hung up.
fn wait_for_input(timeout: Duration) -> io::Result<()> {
    wait_for(libc::POLLIN, i32::try_from(timeout.as_millis()).unwrap_or(i32::MAX))
}

/// Waits for events of the terminal, a signal or the end of `timeout` milliseconds (never, for -1).
fn wait_for(events: libc::c_short, timeout: libc::c_int) -> io::Result<()> {
    let mut stdin = libc::pollfd { fd: libc::STDIN_FILENO, events, revents: 0 };
    // SAFETY: poll reads and writes the one entry that it is given.
    if unsafe { libc::poll(&raw mut stdin, 1, timeout) } < 0 {
        let error = io::Error::last_os_error();
        return if error.kind() == io::ErrorKind::Interrupted { Ok(()) } else { Err(error) };
    }
    if stdin.revents & (libc::POLLHUP | libc::POLLERR | libc::POLLNVAL) != 0 {
        return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "it has been closed"));
    }
    Ok(())
}

/// Restores the terminal when it goes out of scope: also on an error or a panic.
struct TerminalGuard;

impl Drop for TerminalGuard {
    fn drop(&mut self) {
        let _ = execute!(io::stdout(), DisableMouseCapture);
        ratatui::restore();
    }
}
