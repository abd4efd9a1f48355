//! What descriptors refer to.

use core::ffi::c_int;
use core::mem::MaybeUninit;

use memprof_channel::kept_errno::KeptErrno;
use memprof_channel::record::{Mapped, MappedFile};

/// What is mapped of a descriptor, from an offset on. Makes a system call. Out of its caller's way, for the answer
/// takes 144 bytes of the stack.
#[inline(never)]
pub fn mapped_of(fd: c_int, offset: u64, is_shared: bool) -> Mapped {
    let _errno = KeptErrno::new();
    let mut status = MaybeUninit::<libc::stat>::zeroed();
    // SAFETY: fills the structure, which is valid all zero, and which on these machines is the kernel's own.
    let status = unsafe {
        if libc::syscall(libc::SYS_fstat, fd, status.as_mut_ptr()) != 0 {
            return Mapped::Something;
        }
        status.assume_init_ref()
    };
    match status.st_mode & libc::S_IFMT {
        libc::S_IFREG => Mapped::File(MappedFile { device: status.st_dev, inode: status.st_ino, offset, is_shared }),
        // What is mapped of /dev/zero is fresh memory.
        libc::S_IFCHR if status.st_rdev == libc::makedev(1, 5) => Mapped::Memory,
        _ => Mapped::Something,
    }
}

#[cfg(test)]
mod tests {
    use std::fs::{self, File};
    use std::io;
    use std::os::fd::{AsRawFd, FromRawFd};
    use std::os::unix::fs::MetadataExt;

    use super::*;

    #[test]
    fn files_are_identified_by_device_and_inode() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let known = fs::metadata(file.path()).unwrap();
        let expected = MappedFile { device: known.dev(), inode: known.ino(), offset: 8192, is_shared: true };
        assert_eq!(mapped_of(file.as_raw_fd(), 8192, true), Mapped::File(expected));
        let again = File::open(file.path()).unwrap();
        let expected = MappedFile { offset: 0, is_shared: false, ..expected };
        assert_eq!(mapped_of(again.as_raw_fd(), 0, false), Mapped::File(expected));

        // SAFETY: the name is a C string, and the descriptor a new one.
        let in_memory = unsafe { File::from_raw_fd(libc::memfd_create(c"x".as_ptr(), libc::MFD_CLOEXEC)) };
        assert!(matches!(mapped_of(in_memory.as_raw_fd(), 0, true), Mapped::File(other) if other.inode != known.ino()));
    }

    #[test]
    fn what_is_no_file() {
        let of = |path: &str| mapped_of(File::open(path).unwrap().as_raw_fd(), 0, true);
        assert_eq!(of("/dev/zero"), Mapped::Memory);
        assert_eq!((of("/dev/null"), of("/")), (Mapped::Something, Mapped::Something));
        let (pipe, _other) = io::pipe().unwrap();
        assert_eq!(mapped_of(pipe.as_raw_fd(), 0, false), Mapped::Something);
    }

    #[test]
    fn no_descriptor_and_no_trace_in_errno() {
        // SAFETY: errno is this thread's own.
        unsafe { *libc::__errno_location() = 4711 };
        assert_eq!(mapped_of(-1, 0, false), Mapped::Something);
        // SAFETY: as above.
        assert_eq!(unsafe { *libc::__errno_location() }, 4711);
    }
}
