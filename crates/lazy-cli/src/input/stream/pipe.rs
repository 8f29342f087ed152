//! Pipes whose reads end when a signal comes.

use std::fs::File;
use std::io::{self, IsTerminal, Read, stdin};
use std::os::fd::AsFd;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};

use crate::stop;

/// The size of the pipe in bytes, the largest that Linux grants without privileges. A large pipe
/// lets both ends work at the same time.
const PIPE: usize = 1 << 20;

/// The longest time that a read waits before it checks for signals.
const PATIENCE: Duration = Duration::from_millis(100);

/// A pipe whose reads end when a signal comes.
#[derive(Debug)]
pub(super) struct Pipe {
    file: File,
}

impl Pipe {
    pub(super) fn new(file: File) -> Pipe {
        // A file has no pipe size, and a pipe may stay smaller: neither is an error.
        let _ = rustix::pipe::fcntl_setpipe_size(&file, PIPE);
        Pipe { file }
    }

    /// Opens standard input without the buffer of the standard library.
    pub(super) fn of_standard_input() -> io::Result<Pipe> {
        if stdin().is_terminal() {
            let problem = "it is a terminal; pipe .npy records into it";
            return Err(io::Error::other(problem));
        }
        Ok(Pipe::new(File::from(stdin().as_fd().try_clone_to_owned()?)))
    }
}

impl Read for Pipe {
    /// Waits for bytes or a signal.
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let patience = Timespec::try_from(PATIENCE).map_err(io::Error::other)?;
        loop {
            if stop::is_asked_for() {
                return Err(io::Error::other("stopped by a signal"));
            }
            let mut fds = [PollFd::new(&self.file, PollFlags::IN)];
            match poll(&mut fds, Some(&patience)) {
                Ok(0) | Err(rustix::io::Errno::INTR) => {}
                Ok(_) => return self.file.read(buffer),
                Err(error) => return Err(error.into()),
            }
        }
    }
}
