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
use ::drpc::{Answer, Cause, Overdue, Phase, sys};

use crate::abi::Abi;
use crate::log::{self, Level};

/// The subject of an error message.
#[derive(Clone, Copy)]
pub(crate) enum Subject<'a> {
    /// No subject.
    Nothing,
    /// A socket path.
    Path(&'a CStr),
    /// The same as the core has it.
    CorePath(&'a Path),
    /// A socket: the path it is connected to, or its own path and its peer.
    Socket(RawFd),
}

impl fmt::Display for Subject<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Nothing => Ok(()),
            // The error message says that the path is empty.
            Self::Path(path) if path.is_empty() => Ok(()),
            Self::Path(path) => {
                write!(f, " {}", Path::new(OsStr::from_bytes(path.to_bytes())).display())
            }
            Self::CorePath(path) => write!(f, " {}", path.display()),
            Self::Socket(fd) => {
                if let Some(done) = sys::peer_path(fd, |path| write!(f, " {}", path.display())) {
                    return done;
                }
                if let Some(done) = sys::local_path(fd, |path| write!(f, " {}", path.display())) {
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
    fn failed(&self, release: Release, cause: Cause) -> c_int {
        report_of(self.phase.get(), self.subject.get(), cause, self.overdue.get());
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
pub(crate) fn run_for<'a, T>(
    release: Release,
    phase: Phase,
    body: impl FnOnce(&Site<'a>) -> Result<T, Cause>,
) -> Result<T, c_int> {
    let _uncancelled = sys::CancelDisabled::new();
    bare::run_for(release, phase, body)
}

#[cold]
fn panicked(phase: Phase) -> c_int {
    let text = BoundedText::new(format_args!("{phase}: internal error, a bug in libdrpc"));
    log::write(Level::Error, &text);
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
    pub(crate) fn run_for<'a, T>(
        release: Release,
        phase: Phase,
        body: impl FnOnce(&Site<'a>) -> Result<T, Cause>,
    ) -> Result<T, c_int> {
        let site = Site {
            phase: Cell::new(phase),
            subject: Cell::new(Subject::Nothing),
            overdue: Cell::new(None),
            framing_origin: Cell::new(FramingOrigin::Context),
        };
        let run = || body(&site).map_err(|cause| site.failed(release, cause));
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

/// Keeps an error's text for drpc_last_error and logs it.
#[cold]
pub(crate) fn report(phase: Phase, subject: Subject<'_>, cause: Cause) {
    report_of(phase, subject, cause, None);
}

/// The same for a call that may have timed out.
fn report_of(phase: Phase, subject: Subject<'_>, cause: Cause, overdue: Option<Overdue>) {
    let level = match cause {
        // Nothing has happened, so that neither a log line nor a look at the peer is worth its time.
        Cause::Os(libc::EAGAIN | libc::EINTR) | Cause::TimedOut
            if cause.is_would_block() || phase == Phase::Progress =>
        {
            keep(&BoundedText::new(format_args!("{phase}: {cause}")));
            return;
        }
        Cause::Closed => Level::Info,
        Cause::Probe(_) => Level::Debug,
        _ => Level::Error,
    };
    let text = match (cause.hint(phase), overdue) {
        (_, Some(overdue)) => BoundedText::new(format_args!("{phase}{subject}: {cause}: {overdue}")),
        (Some(hint), None) => BoundedText::new(format_args!("{phase}{subject}: {cause}: {hint}")),
        (None, None) if matches!(cause, Cause::Locked { .. }) => {
            BoundedText::new(format_args!("{phase}{subject}: {cause}{subject}.lock"))
        }
        (None, None) => BoundedText::new(format_args!("{phase}{subject}: {cause}")),
    };
    match phase {
        Phase::Accept | Phase::Receive | Phase::Reply | Phase::Respond => log::write_limited(level, &text),
        _ => log::write(level, &text),
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
    keep(&BoundedText::new(format_args!("{error}")));
}

fn keep(text: &BoundedText) {
    let bytes = text.as_c_str().to_bytes_with_nul();
    sys::with_error_text(|kept| {
        if let Some(kept) = kept.get_mut(..bytes.len()) {
            kept.copy_from_slice(bytes);
        }
    });
}
