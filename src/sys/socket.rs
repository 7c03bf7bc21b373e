//! Sockets: making and connecting them, accepting connections, and their options.

use std::ffi::c_int;
use std::mem;
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::os::unix::net::UnixStream;
use std::ptr;
use std::sync::atomic::{AtomicI32, Ordering};
use std::time::{Duration, Instant};

use super::address::{self, with_address};
use super::deadline;
use super::descriptor;
use super::errno::{KeepErrno, check};
use super::poll;
use super::thread::CancelDisabled;
use crate::cause::Cause;

/// A new SEQPACKET socket, which is closed at exec. The mode of its file, where one is given, is set before the socket
/// gets a name.
pub fn open(nonblocking: bool, mode: Option<libc::mode_t>) -> Result<OwnedFd, Cause> {
    // SAFETY: the function takes numbers only, and makes a descriptor.
    let socket = unsafe { descriptor::owned(libc::socket(libc::AF_UNIX, libc::SOCK_SEQPACKET, 0)) }?;
    let fd = socket.as_raw_fd();
    set_close_on_exec(fd)?;
    set_nonblocking(fd, nonblocking)?;
    refuse_descriptors(fd);
    if let Some(mode) = mode {
        // SAFETY: the function takes numbers only.
        check(unsafe { libc::fchmod(fd, mode) })?;
    }
    Ok(socket)
}

/// The same, closed at exec from the first moment, so that a program started just then by another thread does not
/// inherit the socket. The C functions of the originals use [`open`], as their system calls are pinned.
pub fn open_at_once(nonblocking: bool, mode: Option<libc::mode_t>) -> Result<OwnedFd, Cause> {
    let kind = libc::SOCK_SEQPACKET | type_flags(nonblocking);
    // SAFETY: the function takes numbers only, and makes a descriptor.
    let socket = unsafe { descriptor::owned(libc::socket(libc::AF_UNIX, kind, 0)) }?;
    refuse_descriptors(socket.as_raw_fd());
    if let Some(mode) = mode {
        // SAFETY: the function takes numbers only.
        check(unsafe { libc::fchmod(socket.as_raw_fd(), mode) })?;
    }
    Ok(socket)
}

/// Two sockets that are connected to each other.
pub fn socket_pair() -> Result<(OwnedFd, OwnedFd), Cause> {
    let (one, other) = UnixStream::pair().map_err(|error| Cause::Os(error.raw_os_error().unwrap_or(libc::EIO)))?;
    Ok((one.into(), other.into()))
}

/// The option by which descriptors can be sent to a socket.
pub(super) const SO_PASSRIGHTS: c_int = 83;

/// Has a socket, and those accepted from it, refuse descriptors, where the kernel can do that.
pub(super) fn refuse_descriptors(fd: RawFd) {
    set_option(fd, SO_PASSRIGHTS, 0);
}

/// The flags of a socket from its first moment on.
fn type_flags(nonblocking: bool) -> c_int {
    libc::SOCK_CLOEXEC | if nonblocking { libc::SOCK_NONBLOCK } else { 0 }
}

/// Connects the socket. After a signal the call is repeated: the peer has not seen anything yet.
pub fn connect(socket: &OwnedFd, path: &[u8]) -> Result<(), Cause> {
    let _uncancelled = CancelDisabled::new();
    let (address, len) = address::of_server(path)?;
    loop {
        match with_address(libc::connect, socket.as_raw_fd(), (&address, len)) {
            Err(Cause::Os(libc::EINTR)) => {}
            Err(Cause::Os(libc::EAGAIN)) => return Err(poll::would_block(socket.as_raw_fd(), libc::SO_SNDTIMEO)),
            done => return done,
        }
    }
}

/// The same, with a limit on the wait for a server that has too many other clients to accept.
pub fn connect_within(socket: &OwnedFd, path: &[u8], limit: Duration) -> Result<(), Cause> {
    let _uncancelled = CancelDisabled::new();
    let (fd, (address, len)) = (socket.as_raw_fd(), address::of_server(path)?);
    let began = Instant::now();
    loop {
        let left = limit.saturating_sub(began.elapsed());
        if left.is_zero() {
            return Err(Cause::TimedOut);
        }
        set_timeval(fd, libc::SO_SNDTIMEO, &timeval(left))?;
        match with_address(libc::connect, fd, (&address, len)) {
            Err(Cause::Os(libc::EINTR)) => {}
            Err(Cause::Os(libc::EAGAIN)) => return Err(Cause::TimedOut),
            done => break done?,
        }
    }
    // The timeout was for connecting only.
    set_timeval(fd, libc::SO_SNDTIMEO, &timeval(Duration::ZERO))
}

/// The number of clients that may wait to be accepted by a managed server; others wait in `connect`. A client waits for
/// those before it, some milliseconds when they are as many as this.
pub(super) const BACKLOG: c_int = 512;

pub(super) fn begin_listening(socket: &OwnedFd, backlog: c_int) -> Result<(), Cause> {
    // SAFETY: the function takes numbers only.
    check(unsafe { libc::listen(socket.as_raw_fd(), backlog) }).map(drop)
}

/// Accepts the next connection, which is closed at exec.
pub fn accept(listener: RawFd) -> Result<OwnedFd, Cause> {
    let _uncancelled = CancelDisabled::new();
    let socket = loop {
        // SAFETY: no address is asked for, which the null pointers say; the function makes a descriptor.
        match unsafe { descriptor::owned(libc::accept(listener, ptr::null_mut(), ptr::null_mut())) } {
            Err(Cause::Os(libc::EINTR)) => {}
            done => break done?,
        }
    };
    set_close_on_exec(socket.as_raw_fd())?;
    Ok(socket)
}

/// The same, closed at exec from the first moment, as with [`open_at_once`].
pub fn accept_at_once(listener: RawFd, nonblocking: bool) -> Result<OwnedFd, Cause> {
    let _uncancelled = CancelDisabled::new();
    loop {
        // SAFETY: no address is asked for, which the null pointers say; the function makes a descriptor.
        let made = unsafe {
            descriptor::owned(libc::accept4(listener, ptr::null_mut(), ptr::null_mut(), type_flags(nonblocking)))
        };
        match made {
            Err(Cause::Os(libc::EINTR)) => {}
            done => return done,
        }
    }
}

/// Has the descriptor closed at exec.
pub(super) fn set_close_on_exec(fd: RawFd) -> Result<(), Cause> {
    // SAFETY: F_SETFD takes a number.
    check(unsafe { libc::fcntl(fd, libc::F_SETFD, libc::FD_CLOEXEC) }).map(drop)
}

/// Makes the descriptor non-blocking, or blocking.
pub fn set_nonblocking(fd: RawFd, nonblocking: bool) -> Result<(), Cause> {
    let _keep = KeepErrno::new();
    let flags = if nonblocking { libc::O_NONBLOCK } else { 0 };
    // SAFETY: F_SETFL takes a number.
    check(unsafe { libc::fcntl(fd, libc::F_SETFL, flags) }).map(drop)
}

/// A guard under which a socket is non-blocking.
#[derive(Debug)]
pub struct NonblockingGuard {
    fd: RawFd,
    before: c_int,
}

impl NonblockingGuard {
    /// Makes the socket non-blocking.
    pub fn new(fd: RawFd) -> Result<Self, Cause> {
        // SAFETY: F_GETFL takes no argument, and F_SETFL a number.
        unsafe {
            let before = check(libc::fcntl(fd, libc::F_GETFL))?;
            check(libc::fcntl(fd, libc::F_SETFL, before | libc::O_NONBLOCK))?;
            Ok(Self { fd, before })
        }
    }
}

impl Drop for NonblockingGuard {
    fn drop(&mut self) {
        let _keep = KeepErrno::new();
        // SAFETY: F_SETFL takes a number.
        unsafe { libc::fcntl(self.fd, libc::F_SETFL, self.before) };
    }
}

/// Sets the longest wait of a send or receive, see [`Deadline`](super::Deadline); zero removes the limit.
pub fn set_timeout(fd: RawFd, timeout: Duration) -> Result<(), Cause> {
    deadline::timeouts_exist();
    let time = timeval(timeout);
    set_timeval(fd, libc::SO_RCVTIMEO, &time)?;
    set_timeval(fd, libc::SO_SNDTIMEO, &time)
}

fn timeval(limit: Duration) -> libc::timeval {
    libc::timeval {
        tv_sec: libc::time_t::try_from(limit.as_secs()).unwrap_or(libc::time_t::MAX),
        // Rounded up, as zero would mean no limit.
        tv_usec: limit.subsec_nanos().div_ceil(1000).min(999_999).into(),
    }
}

fn set_timeval(fd: RawFd, option: c_int, time: &libc::timeval) -> Result<(), Cause> {
    let len = mem::size_of::<libc::timeval>() as libc::socklen_t;
    // SAFETY: the pointer and the length describe `time`.
    check(unsafe { libc::setsockopt(fd, libc::SOL_SOCKET, option, (&raw const *time).cast(), len) }).map(drop)
}

/// Gives a socket the timeouts of another one, and makes it non-blocking, or blocking, as that one is.
pub fn copy_timeouts(from: RawFd, to: &OwnedFd) -> Result<(), Cause> {
    // SAFETY: F_GETFL takes no argument, and F_SETFL a number.
    unsafe {
        let status = check(libc::fcntl(from, libc::F_GETFL))?;
        check(libc::fcntl(to.as_raw_fd(), libc::F_SETFL, status))?;
    }
    for option in [libc::SO_RCVTIMEO, libc::SO_SNDTIMEO] {
        set_timeval(to.as_raw_fd(), option, &poll::timeval(from, option)?)?;
    }
    Ok(())
}

/// Puts a socket in the place of the one under a number, which is closed.
pub fn replace_fd(fd: RawFd, socket: OwnedFd) -> Result<(), Cause> {
    let _keep = KeepErrno::new();
    // The socket is closed before errno is restored.
    let socket = socket;
    // SAFETY: F_GETFD takes no argument, and dup3 takes numbers.
    unsafe {
        let closing = check(libc::fcntl(fd, libc::F_GETFD))? & libc::FD_CLOEXEC != 0;
        let flags = if closing { libc::O_CLOEXEC } else { 0 };
        loop {
            match check(libc::dup3(socket.as_raw_fd(), fd, flags)) {
                Err(Cause::Os(libc::EINTR)) => {}
                done => return done.map(drop),
            }
        }
    }
}

/// The largest record that the socket takes when no other is on its way: its send buffer less the part that the kernel
/// keeps for itself (unix(7)).
pub fn largest_datagram(fd: RawFd) -> usize {
    const OVERHEAD: usize = 32;
    let size = option(fd, libc::SO_SNDBUF);
    // Where the size is unknown, a send finds out the limit.
    size.map_or(usize::MAX, |size| usize::try_from(size).unwrap_or(0).saturating_sub(OVERHEAD))
}

/// True for a socket of the kernel; false where the program's own functions stand in for the system calls.
pub fn is_socket(fd: RawFd) -> bool {
    option(fd, libc::SO_TYPE).is_ok()
}

/// Grows the send buffer to hold some full records, so that the two ends need not take turns with each record. Where
/// the system does not allow that, they take turns.
pub fn grow_send_buffer(fd: RawFd) {
    const WANTED: c_int = 512 << 10;
    // The size that the kernel reports afterwards: twice as much, or the most that the system allows. A socket of that
    // size is left alone.
    static REACHED: AtomicI32 = AtomicI32::new(2 * WANTED);
    let _keep = KeepErrno::new();
    if option(fd, libc::SO_SNDBUF).is_ok_and(|now| now < REACHED.load(Ordering::Relaxed)) {
        set_option(fd, libc::SO_SNDBUF, WANTED);
        if let Ok(now) = option(fd, libc::SO_SNDBUF) {
            REACHED.store(now, Ordering::Relaxed);
        }
    }
}

/// The value of a socket option that is a number.
pub(super) fn option(fd: RawFd, option: c_int) -> Result<c_int, Cause> {
    let _keep = KeepErrno::new();
    let mut value: c_int = 0;
    let mut len = mem::size_of::<c_int>() as libc::socklen_t;
    // SAFETY: the pointers describe `value`, which any bytes make valid, and its length.
    let rc = unsafe { libc::getsockopt(fd, libc::SOL_SOCKET, option, (&raw mut value).cast(), &mut len) };
    check(rc).map(|_| value)
}

/// Sets a socket option that is a number, if that is possible.
pub(super) fn set_option(fd: RawFd, option: c_int, value: c_int) {
    let _keep = KeepErrno::new();
    let len = mem::size_of::<c_int>() as libc::socklen_t;
    // SAFETY: the pointer and the length describe `value`.
    unsafe { libc::setsockopt(fd, libc::SOL_SOCKET, option, (&raw const value).cast(), len) };
}

/// Closes a descriptor that no `OwnedFd` owns. A failed close is never repeated: on Linux the descriptor is closed
/// whatever the result.
pub fn close(fd: RawFd) -> Result<(), Cause> {
    let (_keep, _uncancelled) = (KeepErrno::new(), CancelDisabled::new());
    // SAFETY: the function takes a number only. The caller answers for other users of the descriptor.
    check(unsafe { libc::close(fd) }).map(drop)
}
