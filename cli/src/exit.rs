//! Exit codes, and failures that lead to them.

use std::fmt;
use std::io;
use std::process::ExitCode;

use drpc::{Cause, Phase};

use crate::diagnosis;
use crate::processes::Process;

/// The exit code of the program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// All is well.
    Good = 0,
    /// The arguments are wrong: also an unknown method or field, or a dangerous method without `--yes`.
    Usage = 2,
    /// No connection could be made.
    CannotConnect = 3,
    /// The server did not answer in time, or closed the connection instead.
    NoAnswer = 4,
    /// The server answered with another dRPC status than `SUCCESS`.
    Status = 5,
    /// The body of the answer has the code of a failure.
    Der = 6,
    /// The answer, or the input, is not understood.
    NotUnderstood = 7,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

/// A failure: the exit code, and one sentence for stderr, which may be empty.
#[derive(Clone, Debug)]
pub struct Failure {
    /// The exit code.
    pub exit: Exit,
    /// What went wrong, the cause, and a cure.
    pub text: String,
}

impl Failure {
    /// A failure with this exit code.
    pub fn new(exit: Exit, text: impl fmt::Display) -> Self {
        Self { exit, text: text.to_string() }
    }

    /// Wrong arguments.
    pub fn usage(text: impl fmt::Display) -> Self {
        Self::new(Exit::Usage, text)
    }

    /// Bytes that make no sense.
    pub fn not_understood(text: impl fmt::Display) -> Self {
        Self::new(Exit::NotUnderstood, text)
    }
}

impl Failure {
    /// A failure of the library. Where a process has not answered that is stopped, say, this is said, too.
    pub fn of_silence(error: drpc::Error) -> Self {
        let process = error.silent_pid().and_then(|pid| Process::of(pid.try_into().ok()?));
        let mut failure = Self::from(error);
        if let Some(process) = process.filter(Process::is_held) {
            let cure = diagnosis::cure_of(Some(&process));
            failure.text += &format!(": pid {} is {}: {cure}", process.pid, process.state_name());
        }
        failure
    }
}

impl From<drpc::Error> for Failure {
    fn from(error: drpc::Error) -> Self {
        let exit = match (error.phase(), error.cause()) {
            (Phase::Connect, _) => Exit::CannotConnect,
            (Phase::Reply, Cause::TooBig { .. }) => Exit::NotUnderstood,
            (_, Cause::TooBig { .. } | Cause::Invalid(_)) => Exit::Usage,
            (
                _,
                Cause::Malformed
                | Cause::Header(_)
                | Cause::Truncated { .. }
                | Cause::OtherFraming { .. }
                | Cause::Unclear
                | Cause::UnexpectedReply { .. },
            ) => Exit::NotUnderstood,
            _ => Exit::NoAnswer,
        };
        // A path that begins with a zero byte is written as the user wrote it.
        Self::new(exit, error.to_string().replace('\0', "@"))
    }
}

/// A failure to write output. A reader that has gone, as `head` does, is none to speak of.
impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::BrokenPipe => Self::new(Exit::Good, ""),
            _ => Self::usage(error),
        }
    }
}
