//! The boundary to C: every exported function that can fail runs in here. The one place where an error becomes a
//! number, where a panic ends, and where a thread is kept from being cancelled.
//!
//! Closing a descriptor, waking a thread and waiting for one are points where that could happen, and it would end the
//! process. The functions in [`bare`] leave it to the body.

use std::cell::Cell;
use std::ffi::{CStr, OsStr, c_int};
use std::fmt;
use std::os::fd::RawFd;
use std::os::unix::ffi::OsStrExt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use ::drpc::bounded_text::BoundedText;
use ::drpc::der::{self, Release};
use ::drpc::{Cause, Phase, sys};

use crate::abi::Abi;
use crate::log::{self, Level};

/// What an error message is about.
#[derive(Clone, Copy)]
pub(crate) enum Subject<'a> {
    /// Nothing in particular.
    Nothing,
    /// A socket path.
    Path(&'a CStr),
    /// A socket: the path it is connected to, or its own and who is at the other end.
    Socket(RawFd),
}

impl fmt::Display for Subject<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Nothing => Ok(()),
            // The message says that it is empty.
            Self::Path(path) if path.is_empty() => Ok(()),
            Self::Path(path) => {
                write!(f, " {}", Path::new(OsStr::from_bytes(path.to_bytes())).display())
            }
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

/// What is being done and to what, for the message should it fail. A body refines it as it goes.
pub(crate) struct Site<'a> {
    phase: Cell<Phase>,
    subject: Cell<Subject<'a>>,
}

impl<'a> Site<'a> {
    pub(crate) fn phase(&self, phase: Phase) {
        self.phase.set(phase);
    }

    pub(crate) fn subject(&self, subject: Subject<'a>) {
        self.subject.set(subject);
    }

    /// Tells of a failure, and gives its number.
    #[cold]
    fn failed(&self, release: Release, cause: Cause) -> c_int {
        report(self.phase.get(), self.subject.get(), cause);
        sys::set_errno(cause.errno());
        cause.code(release)
    }
}

/// Runs the body of an exported function. An error is logged, kept for drpc_last_error, put into errno, and turned
/// into the release's (negative) number. The thread is not cancelled meanwhile.
pub(crate) fn run<'a, A: Abi, T>(phase: Phase, body: impl FnOnce(&Site<'a>) -> Result<T, Cause>) -> Result<T, c_int> {
    run_for(A::RELEASE, phase, body)
}

/// The same for a function that does not depend on the line: neither do the numbers of the errors it has.
pub(crate) fn common(phase: Phase, body: impl FnOnce() -> Result<(), Cause>) -> c_int {
    run_for(Release::V2_8, phase, |_| body()).err().unwrap_or(0)
}

/// The same for a function that returns a pointer, or NULL.
pub(crate) fn common_pointer<T>(phase: Phase, body: impl FnOnce() -> Result<*mut T, Cause>) -> *mut T {
    run_for(Release::V2_8, phase, |_| body()).unwrap_or(std::ptr::null_mut())
}

/// The same with the numbers of a release.
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

/// The same for a function that returns nothing but the number.
pub(crate) fn code<'a, A: Abi>(phase: Phase, body: impl FnOnce(&Site<'a>) -> Result<(), Cause>) -> c_int {
    run::<A, ()>(phase, body).err().unwrap_or(0)
}

/// The same for a function that returns a pointer, or NULL.
pub(crate) fn pointer<'a, A: Abi, T>(phase: Phase, body: impl FnOnce(&Site<'a>) -> Result<*mut T, Cause>) -> *mut T {
    run::<A, *mut T>(phase, body).unwrap_or(std::ptr::null_mut())
}

/// Reports that the caller gave no place for a result.
pub(crate) fn null_output<A: Abi>(phase: Phase) -> c_int {
    code::<A>(phase, |_| Err(Cause::Invalid("the place for the result is NULL")))
}

/// Runs what cannot fail but for a bug. The thread is not cancelled meanwhile.
pub(crate) fn infallible<T>(fallback: T, body: impl FnOnce() -> T) -> T {
    let _uncancelled = sys::CancelDisabled::new();
    bare::infallible(fallback, body)
}

/// The same for bodies that see to cancellation themselves, as a program's yield function may do other work in the thread
/// meanwhile, or that have no point where a thread could be cancelled, as they use nothing but memory.
pub(crate) mod bare {
    use super::*;

    #[inline]
    pub(crate) fn run_for<'a, T>(
        release: Release,
        phase: Phase,
        body: impl FnOnce(&Site<'a>) -> Result<T, Cause>,
    ) -> Result<T, c_int> {
        let site = Site { phase: Cell::new(phase), subject: Cell::new(Subject::Nothing) };
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
    let level = match cause {
        // Nothing has happened; not worth a line, nor finding out who has not sent anything.
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
    let text = match cause.hint(phase) {
        Some(hint) => BoundedText::new(format_args!("{phase}{subject}: {cause}: {hint}")),
        None if matches!(cause, Cause::Locked { .. }) => {
            BoundedText::new(format_args!("{phase}{subject}: {cause}{subject}.lock"))
        }
        None => BoundedText::new(format_args!("{phase}{subject}: {cause}")),
    };
    match phase {
        Phase::Accept | Phase::Receive | Phase::Reply | Phase::Respond => log::write_limited(level, &text),
        _ => log::write(level, &text),
    }
    // Last, as the program's log function may have called something that failed.
    keep(&text);
}

fn keep(text: &BoundedText) {
    let bytes = text.as_c_str().to_bytes_with_nul();
    sys::with_error_text(|kept| {
        if let Some(kept) = kept.get_mut(..bytes.len()) {
            kept.copy_from_slice(bytes);
        }
    });
}
