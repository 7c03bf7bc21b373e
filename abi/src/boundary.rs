//! The boundary to C: every exported function that can fail runs in here. In `abi/`, here alone an error becomes a
//! number, a panic ends, and a thread is kept from being cancelled.
//!
//! Closing a descriptor, waking a thread and waiting for one are cancellation points. A cancellation there would end
//! the process. In [`bare`] the body itself prevents that.

use std::cell::Cell;
use std::ffi::{CStr, OsStr, c_int};
use std::fmt;
use std::os::fd::RawFd;
use std::os::unix::ffi::OsStrExt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use ::drpc::bounded_text::BoundedText;
use ::drpc::der::{self, Release};
use ::drpc::explanation::{Api, Explanation};
use ::drpc::log_field::Value;
use ::drpc::{Answer, Cause, Overdue, Phase, sys};

use crate::abi::Abi;
use crate::log::{self, Level};
use crate::settings;

/// The subject of an error message.
#[derive(Clone, Copy)]
pub(crate) enum Subject<'a> {
    /// No subject.
    Nothing,
    /// A socket path.
    Path(&'a Path),
    /// A socket: the path it is connected to, or its own path and its peer.
    Socket(RawFd),
}

impl<'a> Subject<'a> {
    /// A socket path as C has it.
    pub(crate) fn of_path(path: &'a CStr) -> Self {
        Self::Path(Path::new(OsStr::from_bytes(path.to_bytes())))
    }
}

impl fmt::Display for Subject<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Nothing => Ok(()),
            // The error message says that the path is empty.
            Self::Path(path) if path.as_os_str().is_empty() => Ok(()),
            Self::Path(path) => write!(f, " {}", path.display()),
            Self::Socket(fd) => {
                if let Some(done) = sys::peer_path(fd, |path| write!(f, " {}", shown(path))) {
                    return done;
                }
                if let Some(done) = sys::local_path(fd, |path| write!(f, " {}", shown(path))) {
                    done?;
                }
                match sys::peer(fd) {
                    Some(peer) => write!(f, " ({peer})"),
                    None => Ok(()),
                }
            }
        }
    }
}

/// The path of a socket, which its peer may have chosen.
fn shown(path: &Path) -> Value<'_> {
    Value(path.as_os_str().as_bytes())
}

impl Subject<'_> {
    /// Calls `use_path` with the path that may be looked at; an empty one if there is none.
    fn with_path<T>(self, phase: Phase, use_path: impl Fn(&Path) -> T) -> T {
        match self {
            Self::Path(path) => use_path(path),
            Self::Socket(fd) if phase == Phase::Connect => {
                sys::peer_path(fd, &use_path).unwrap_or_else(|| use_path(Path::new("")))
            }
            Self::Nothing | Self::Socket(_) => use_path(Path::new("")),
        }
    }

    /// Explains a failure of the plain API.
    fn explain(self, phase: Phase, cause: Cause) -> Explanation {
        self.with_path(phase, |path| match (phase, cause) {
            // Only a server that does not accept is waited for.
            (Phase::Connect, Cause::TimedOut) => {
                let waited = if let Self::Path(_) = self { settings::connect_timeout() } else { None };
                Explanation::timed_out(Api::Plain, path, Some(Cause::Os(libc::EAGAIN))).after(waited)
            }
            _ => Explanation::new(Api::Plain, phase, path, cause).with_message_limit(settings::max_message()),
        })
    }
}

/// The failure of an exported function.
pub(crate) enum Failure {
    /// A failure that is explained by its cause, and the phase and the subject of the function.
    Cause(Cause),
    /// A failure that the core has explained.
    Explained(Explanation),
}

impl Failure {
    pub(crate) fn cause(&self) -> Cause {
        match self {
            Self::Cause(cause) => *cause,
            Self::Explained(explanation) => explanation.cause(),
        }
    }
}

impl From<Cause> for Failure {
    fn from(cause: Cause) -> Self {
        Self::Cause(cause)
    }
}

/// The socket is known to the caller.
impl From<::drpc::Error> for Failure {
    #[cold]
    fn from(error: ::drpc::Error) -> Self {
        Self::Explained(error.explanation().in_c())
    }
}

/// The current phase and subject of an exported function, for the message of an error. The body refines both as it
/// goes.
pub(crate) struct Site<'a> {
    phase: Cell<Phase>,
    subject: Cell<Subject<'a>>,
    overdue: Cell<Option<Overdue>>,
    framing_origin: Cell<FramingOrigin>,
}

/// Where the framing of a call comes from.
#[derive(Clone, Copy)]
pub(crate) enum FramingOrigin {
    /// It was set in the context before.
    Context,
    /// It is the process's: the choice of its user, or the line's.
    Process,
    /// It was found out, or is to be.
    Detection,
}

impl<'a> Site<'a> {
    pub(crate) fn phase(&self, phase: Phase) {
        self.phase.set(phase);
    }

    pub(crate) fn subject(&self, subject: Subject<'a>) {
        self.subject.set(subject);
    }

    pub(crate) fn current_phase(&self) -> Phase {
        self.phase.get()
    }

    /// Notes a call that has timed out, if one has, for the message.
    pub(crate) fn overdue(&self, phase: Phase, overdue: Option<Overdue>) {
        if overdue.is_some() {
            self.phase.set(phase);
            self.overdue.set(overdue);
        }
    }

    /// Notes where the framing comes from.
    pub(crate) fn set_framing_origin(&self, origin: FramingOrigin) {
        self.framing_origin.set(origin);
    }

    pub(crate) fn framing_origin(&self) -> FramingOrigin {
        self.framing_origin.get()
    }

    /// Reports an error and returns its number.
    #[cold]
    fn failed(&self, release: Release, failure: impl Into<Failure>) -> c_int {
        let failure = failure.into();
        let (subject, cause) = (self.subject.get(), failure.cause());
        match failure {
            Failure::Cause(cause) => report_of(self.phase.get(), subject, cause, self.overdue.get()),
            Failure::Explained(explanation) => report_explained(subject, &explanation),
        }
        sys::set_errno(cause.errno());
        cause.code(release)
    }
}

/// Runs the body of an exported function, uncancelled. An error is logged, kept for drpc_last_error, stored in errno,
/// and turned into the release's negative number.
pub(crate) fn run<'a, A: Abi, T>(phase: Phase, body: impl FnOnce(&Site<'a>) -> Result<T, Cause>) -> Result<T, c_int> {
    run_for(A::RELEASE, phase, body)
}

/// Runs the body of a function that does not depend on the line. Its errors have the same numbers in every line.
pub(crate) fn common(phase: Phase, body: impl FnOnce() -> Result<(), Cause>) -> c_int {
    run_for(Release::V2_8, phase, |_| body()).err().unwrap_or(0)
}

/// Runs the body of a function that returns a pointer; NULL after an error.
pub(crate) fn common_pointer<T>(phase: Phase, body: impl FnOnce() -> Result<*mut T, Cause>) -> *mut T {
    run_for(Release::V2_8, phase, |_| body()).unwrap_or(std::ptr::null_mut())
}

/// Runs the body of an exported function with the error numbers of a release.
pub(crate) fn run_for<'a, T, E: Into<Failure>>(
    release: Release,
    phase: Phase,
    body: impl FnOnce(&Site<'a>) -> Result<T, E>,
) -> Result<T, c_int> {
    let _uncancelled = sys::CancelDisabled::new();
    bare::run_for(release, phase, body)
}

#[cold]
fn panicked(phase: Phase) -> c_int {
    let text = BoundedText::new(format_args!("{phase}: internal error, a bug in libdrpc"));
    log::print(Level::Error, format_args!("{text}"));
    keep(&text);
    -der::DER_MISC
}

/// Runs the body of a function that returns 0 or an error number.
pub(crate) fn code<'a, A: Abi>(phase: Phase, body: impl FnOnce(&Site<'a>) -> Result<(), Cause>) -> c_int {
    run::<A, ()>(phase, body).err().unwrap_or(0)
}

/// Runs the body of a function that returns a pointer; NULL after an error.
pub(crate) fn pointer<'a, A: Abi, T>(phase: Phase, body: impl FnOnce(&Site<'a>) -> Result<*mut T, Cause>) -> *mut T {
    run::<A, *mut T>(phase, body).unwrap_or(std::ptr::null_mut())
}

/// Reports that the output pointer of a function is NULL.
pub(crate) fn null_output<A: Abi>(phase: Phase) -> c_int {
    code::<A>(phase, |_| Err(Cause::Invalid("the place for the result is NULL")))
}

/// Runs a body that fails only through a bug, uncancelled; the fallback is returned after a panic.
pub(crate) fn infallible<T>(fallback: T, body: impl FnOnce() -> T) -> T {
    let _uncancelled = sys::CancelDisabled::new();
    bare::infallible(fallback, body)
}

/// The functions above without protection from cancellation. For bodies that run a yield function, which may do other
/// work in the thread, or that use memory only and have no cancellation point.
pub(crate) mod bare {
    use super::*;

    #[inline]
    pub(crate) fn run_for<'a, T, E: Into<Failure>>(
        release: Release,
        phase: Phase,
        body: impl FnOnce(&Site<'a>) -> Result<T, E>,
    ) -> Result<T, c_int> {
        let site = Site {
            phase: Cell::new(phase),
            subject: Cell::new(Subject::Nothing),
            overdue: Cell::new(None),
            framing_origin: Cell::new(FramingOrigin::Context),
        };
        let run = || body(&site).map_err(|failure| site.failed(release, failure));
        catch_unwind(AssertUnwindSafe(run)).unwrap_or_else(|_| Err(panicked(phase)))
    }

    #[inline]
    pub(crate) fn run<'a, A: Abi, T>(
        phase: Phase,
        body: impl FnOnce(&Site<'a>) -> Result<T, Cause>,
    ) -> Result<T, c_int> {
        run_for(A::RELEASE, phase, body)
    }

    #[inline]
    pub(crate) fn code<'a, A: Abi>(phase: Phase, body: impl FnOnce(&Site<'a>) -> Result<(), Cause>) -> c_int {
        run::<A, ()>(phase, body).err().unwrap_or(0)
    }

    #[inline]
    pub(crate) fn infallible<T>(fallback: T, body: impl FnOnce() -> T) -> T {
        catch_unwind(AssertUnwindSafe(body)).unwrap_or(fallback)
    }
}

/// Explains an error, keeps its text for drpc_last_error and logs it.
#[cold]
pub(crate) fn report(phase: Phase, subject: Subject<'_>, cause: Cause) {
    report_of(phase, subject, cause, None);
}

/// The same for a call that may have timed out.
fn report_of(phase: Phase, subject: Subject<'_>, cause: Cause, overdue: Option<Overdue>) {
    // Nothing has happened, so that neither a log line nor a look at the peer is worth its time.
    if cause.is_would_block() || phase == Phase::Progress && matches!(cause, Cause::Os(libc::EINTR) | Cause::TimedOut) {
        return keep(&BoundedText::new(format_args!("{phase}: {cause}")));
    }
    report_explained(subject, &subject.explain(phase, cause).naming(overdue));
}

/// Keeps an error's text for drpc_last_error and logs it.
#[cold]
fn report_explained(subject: Subject<'_>, explanation: &Explanation) {
    let (phase, cause) = (explanation.phase(), explanation.cause());
    let level = match cause {
        Cause::Closed => Level::Info,
        Cause::Probe(_) => Level::Debug,
        _ => Level::Error,
    };
    let text =
        subject.with_path(phase, |path| BoundedText::new(format_args!("{phase}{subject}: {}", explanation.text(path))));
    match phase {
        Phase::Accept | Phase::Receive | Phase::Reply | Phase::Respond => {
            log::print_limited(level, format_args!("{text}"));
        }
        _ => log::print(level, format_args!("{text}")),
    }
    // The text is kept last, because the program's log function may itself cause an error.
    keep(&text);
}

/// Keeps the text of an answer other than SUCCESS for drpc_last_error.
#[cold]
pub(crate) fn keep_answer(subject: Subject<'_>, answer: Answer) {
    keep(&BoundedText::new(format_args!("{}{subject}: {answer}", Phase::Reply)));
}

/// Keeps the text of an error of the core for drpc_last_error.
#[cold]
pub(crate) fn keep_error(error: &::drpc::Error) {
    let (explanation, path) = (error.explanation().in_c(), error.socket());
    keep(&BoundedText::new(format_args!("{}{}: {}", explanation.phase(), Subject::Path(path), explanation.text(path))));
}

fn keep(text: &BoundedText) {
    let bytes = text.as_c_str().to_bytes_with_nul();
    sys::with_error_text(|kept| {
        if let Some(kept) = kept.get_mut(..bytes.len()) {
            kept.copy_from_slice(bytes);
        }
    });
}
