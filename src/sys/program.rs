//! The program that a process runs, for texts about peers (proc(5)).

use std::fmt;
use std::io::Write;
use std::os::fd::AsRawFd;

use super::descriptor;
use super::errno::KeepErrno;
use super::thread::CancelDisabled;

/// The longest name that the kernel keeps of a thread, without the line break behind it.
const MAX: usize = 15;

/// The name of a program, up to 15 bytes of it; empty where the system does not tell.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Program {
    bytes: [u8; MAX],
    len: u8,
}

impl Program {
    /// The first bytes of a name, up to the line break.
    fn new(name: &[u8]) -> Self {
        let name = name.split(|byte| *byte == b'\n').next().unwrap_or_default();
        let mut this = Self::default();
        for (to, from) in this.bytes.iter_mut().zip(name) {
            *to = *from;
            this.len += 1;
        }
        this
    }

    /// The bytes of the name, which the process has chosen.
    pub fn as_bytes(&self) -> &[u8] {
        self.bytes.get(..self.len.into()).unwrap_or_default()
    }

    /// True where the system does not tell the name.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }
}

/// The name in printable characters. A process may give itself any name.
impl fmt::Display for Program {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.bytes.get(..self.len.into()).unwrap_or_default().escape_ascii())
    }
}

/// The program that a process runs. Takes no memory, and does not wait.
pub fn program_of(pid: i32) -> Program {
    if pid <= 0 {
        return Program::default();
    }
    read_name(pid).unwrap_or_default()
}

fn read_name(pid: i32) -> Option<Program> {
    let (_keep, _uncancelled) = (KeepErrno::new(), CancelDisabled::new());
    let mut path = [0; "/proc//comm".len() + 10 + 1];
    // The rest of the array stays zero, and ends the path.
    write!(path.as_mut_slice(), "/proc/{pid}/comm").ok()?;
    let mut name = [0; MAX + 1];
    // SAFETY: the path is a C string; the function makes a descriptor.
    let file = unsafe {
        descriptor::owned(libc::openat(libc::AT_FDCWD, path.as_ptr().cast(), libc::O_RDONLY | libc::O_CLOEXEC))
    }
    .ok()?;
    // SAFETY: the pointer and the length describe `name`.
    let len = unsafe { libc::read(file.as_raw_fd(), name.as_mut_ptr().cast(), name.len()) };
    drop(file);
    name.get(..usize::try_from(len).ok()?).map(Program::new)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_has_a_name() {
        let own = i32::try_from(std::process::id()).unwrap();
        let expected = std::fs::read_to_string("/proc/self/comm").unwrap();
        assert_eq!(program_of(own).to_string(), expected.trim_end());
        assert!(program_of(0).is_empty());
        assert!(program_of(-1).is_empty());
        assert!(program_of(i32::MAX).is_empty());
    }

    #[test]
    fn a_name_is_printable_and_short() {
        assert_eq!(Program::new(b"a b\x1b[2J\xff\"\n").to_string(), "a b\\x1b[2J\\xff\\\"");
        assert_eq!(Program::new(b"0123456789abcdefgh").to_string(), "0123456789abcde");
        assert!(Program::new(b"").is_empty());
    }
}
