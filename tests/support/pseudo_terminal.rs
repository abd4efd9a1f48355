//! Terminals for programs that want to be on one.

use std::os::fd::{FromRawFd, OwnedFd};
use std::ptr;

/// Opens one of 24 lines and 80 columns: the user's side, and the program's.
pub fn open() -> (OwnedFd, OwnedFd) {
    let (mut master, mut slave) = (0, 0);
    let size = libc::winsize { ws_row: 24, ws_col: 80, ws_xpixel: 0, ws_ypixel: 0 };
    let (name, modes) = (ptr::null_mut(), ptr::null());
    // SAFETY: openpty fills the two descriptors, which nobody else owns, or fails.
    unsafe {
        assert_eq!(libc::openpty(&raw mut master, &raw mut slave, name, modes, &raw const size), 0);
        // Or the program would hold the user's side, too, and what other tests start would hold both.
        assert_eq!(libc::fcntl(master, libc::F_SETFD, libc::FD_CLOEXEC), 0);
        assert_eq!(libc::fcntl(slave, libc::F_SETFD, libc::FD_CLOEXEC), 0);
        (OwnedFd::from_raw_fd(master), OwnedFd::from_raw_fd(slave))
    }
}
