//! The name of a program, as the kernel tells it for a process.

use std::fmt::{self, Write as _};
use std::io::Write as _;
use std::os::fd::AsRawFd;

use super::descriptor;
use super::errno::KeepErrno;
use super::thread::CancelDisabled;

/// The longest name that the kernel keeps.
const LONGEST: usize = 15;

/// The name of the program that a process runs. It is shown in printable ASCII, as the process may have chosen it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Program {
    name: [u8; LONGEST],
    len: u8,
}

/// The program that a process runs now. `None` where there is no such process, or /proc does not tell.
pub fn program_of(pid: i32) -> Option<Program> {
    if pid <= 0 {
        return None;
    }
    let (_keep, _uncancelled) = (KeepErrno::new(), CancelDisabled::new());
    let mut path = [0u8; 32];
    // There is room for every number, and for a zero byte at the end.
    write!(&mut path[..31], "/proc/{pid}/comm").ok()?;
    let flags = libc::O_RDONLY | libc::O_CLOEXEC | libc::O_NOFOLLOW;
    // SAFETY: the path is a C string; the function makes a descriptor.
    let file = unsafe { descriptor::owned(libc::open(path.as_ptr().cast(), flags)) }.ok()?;
    let mut name = [0; LONGEST];
    // SAFETY: the pointer and the length describe `name`.
    let read = unsafe { libc::read(file.as_raw_fd(), name.as_mut_ptr().cast(), name.len()) };
    let read = usize::try_from(read).ok().and_then(|read| name.get(..read))?;
    let len = read.iter().position(|byte| *byte == b'\n').unwrap_or(read.len());
    Some(Program { name, len: u8::try_from(len).ok()? })
}

impl fmt::Display for Program {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = self.name.get(..self.len.into()).unwrap_or_default();
        name.escape_ascii().try_for_each(|byte| f.write_char(byte.into()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_of_this_program_is_known() {
        let expected = std::fs::read_to_string("/proc/self/comm").unwrap();
        let pid = i32::try_from(std::process::id()).unwrap();
        assert_eq!(program_of(pid).unwrap().to_string(), expected.trim_end());
        assert_eq!([0, -1, i32::MAX].map(program_of), [None; 3]);
    }

    #[test]
    fn a_name_cannot_forge_a_line() {
        let mut name = [0; LONGEST];
        name[..5].copy_from_slice(b"a\nb\x1b\xff");
        assert_eq!(Program { name, len: 5 }.to_string(), "a\\nb\\x1b\\xff");
    }
}
