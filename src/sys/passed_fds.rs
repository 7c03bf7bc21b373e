//! Descriptors that a peer passes along with a record (SCM_RIGHTS), and how a socket with some is closed without waiting.
//! The library wants none.
//!
//! Receiving such a record, or closing a socket that holds one, closes the passed files. That takes as long as the peer
//! has chosen: a TCP socket lingers.
//!
//! From Linux 6.16 on a socket can refuse descriptors, so that the peer cannot send them. Before that, a server's
//! session peeks at each record of a peer that is not trusted before it receives the record. A socket with records in
//! it is closed by a thread that ends with the close: the files of a thread that ends do not linger.

use std::ffi::{c_int, c_long};
use std::mem::{self, ManuallyDrop};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, IntoRawFd, OwnedFd, RawFd};
use std::sync::atomic::{AtomicU32, Ordering};

use super::errno::{KeepErrno, check};
use super::futex::{sleep_while, wake_sleepers};
use super::record::shut_down;
use super::socket::{SO_PASSRIGHTS, option, set_option};
use super::thread::{BlockedSignals, start_thread};
use super::try_arc::TryArc;
use crate::cause::Cause;

/// The option by which a process descriptor comes with a record.
const SO_PASSPIDFD: c_int = 76;

/// The stack in bytes of a thread that only closes.
const STACK: usize = 256 << 10;

/// The next record of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NextRecord {
    /// None yet.
    Nothing,
    /// A record without descriptors, or the end.
    Plain,
    /// A record with descriptors.
    Descriptors,
}

/// An accepted connection, in whose records there may be descriptors.
#[derive(Debug)]
pub struct Accepted {
    socket: ManuallyDrop<OwnedFd>,
    /// True if each record is checked for descriptors before it is received.
    checks_records: bool,
}

impl Accepted {
    /// A connection with a peer that is trusted, or not, to pass no descriptors.
    pub fn new(socket: OwnedFd, trusted: bool) -> Self {
        let fd = socket.as_raw_fd();
        let checks_records = !trusted && option(fd, SO_PASSRIGHTS) != Ok(0);
        if checks_records {
            // Without these options nothing but descriptors comes with a record.
            for option in [libc::SO_PASSCRED, libc::SO_PASSSEC, SO_PASSPIDFD] {
                set_option(fd, option, 0);
            }
        }
        Self { socket: ManuallyDrop::new(socket), checks_records }
    }

    /// Peeks at the next record, which may be received only after [`NextRecord::Plain`]. A record that arrives after
    /// [`NextRecord::Nothing`] may contain descriptors.
    #[inline(always)]
    pub fn next_record(&self) -> NextRecord {
        if self.checks_records { peek_next(self.socket.as_raw_fd()) } else { NextRecord::Plain }
    }

    /// True if the socket holds a record, even an empty one.
    fn holds_records(&self) -> bool {
        let fd = self.socket.as_raw_fd();
        set_option(fd, libc::SO_PASSCRED, 1);
        let next = peek_next(fd);
        // The process that this one was forked from may use the socket still.
        set_option(fd, libc::SO_PASSCRED, 0);
        next == NextRecord::Descriptors
    }
}

impl AsFd for Accepted {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

impl Drop for Accepted {
    fn drop(&mut self) {
        let _keep = KeepErrno::new();
        let in_thread = self.checks_records && self.holds_records();
        // SAFETY: the socket is not used any more.
        let socket = unsafe { ManuallyDrop::take(&mut self.socket) };
        if in_thread {
            close_in_thread(socket);
        }
    }
}

/// A listening socket. Clients that wait to be accepted may have passed descriptors.
#[derive(Debug)]
pub struct Listener {
    socket: ManuallyDrop<OwnedFd>,
    /// True where descriptors may wait in the queue of clients.
    closes_in_thread: bool,
}

impl Listener {
    /// A listener that has refused descriptors from its birth, where the kernel can, or one that this process has inherited.
    pub fn new(socket: OwnedFd, inherited: bool) -> Self {
        let closes_in_thread = inherited || option(socket.as_raw_fd(), SO_PASSRIGHTS) != Ok(0);
        Self { socket: ManuallyDrop::new(socket), closes_in_thread }
    }

    /// The socket itself.
    pub fn socket(&self) -> &OwnedFd {
        &self.socket
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        let _keep = KeepErrno::new();
        // SAFETY: it is not used any more.
        let socket = unsafe { ManuallyDrop::take(&mut self.socket) };
        if self.closes_in_thread {
            close_in_thread(socket);
        }
    }
}

/// Ends a connection that has been accepted, and that nothing is done with.
pub fn reject_connection(socket: OwnedFd) {
    // No more records come. Those that are here may contain descriptors.
    shut_down(socket.as_raw_fd());
    drop(Accepted::new(socket, false));
}

/// Peeks at the next record without a buffer for descriptors. The kernel reports descriptors as truncated then.
#[cold]
fn peek_next(fd: RawFd) -> NextRecord {
    let _keep = KeepErrno::new();
    // SAFETY: msghdr is plain data for which zero means "none".
    let mut message = unsafe { mem::zeroed::<libc::msghdr>() };
    let (fd, flags) = (c_long::from(fd), c_long::from(libc::MSG_PEEK | libc::MSG_DONTWAIT));
    // The system call itself, as tests of programs replace libc's function.
    // SAFETY: `message` names no buffers, so that the call writes to nothing else.
    let mut peek = || check(unsafe { libc::syscall(libc::SYS_recvmsg, fd, &raw mut message, flags) } as c_int);
    // An error of the connection is reported once, before the records that are there still.
    match peek().or_else(|_| peek()) {
        Err(Cause::Os(libc::EAGAIN)) => NextRecord::Nothing,
        Ok(_) if message.msg_flags & libc::MSG_CTRUNC != 0 => NextRecord::Descriptors,
        _ => NextRecord::Plain,
    }
}

/// The progress of the two threads that close a socket: the one that wants to, and its helper.
type Step = AtomicU32;

const BEGUN: u32 = 0;
/// The helper has a table of descriptors of its own.
const UNSHARED: u32 = 1;
/// The helper closes the socket, and may wait.
const HANDED_OVER: u32 = 2;
/// The socket is closed everywhere but in the helper's table.
const CLOSED: u32 = 3;

/// Closes a socket without waiting for the files in it. A helper thread with a descriptor table of its own closes the
/// socket last, by ending. Without such a table the helper waits, and without a helper this thread does.
#[cold]
fn close_in_thread(socket: OwnedFd) {
    let Ok(step) = TryArc::new(Step::new(BEGUN)) else { return };
    let (theirs, fd) = (step.clone(), socket.as_raw_fd());
    let _blocked = BlockedSignals::new();
    if start_thread(c"drpc-close", Some(STACK), move || run_closer(&theirs, fd)).is_err() {
        return;
    }
    while step.load(Ordering::Acquire) == BEGUN {
        sleep_while(&step, BEGUN);
    }
    if step.load(Ordering::Acquire) == HANDED_OVER {
        // The helper owns the socket now.
        let _ = socket.into_raw_fd();
        return;
    }
    drop(socket);
    step.store(CLOSED, Ordering::Release);
    wake_sleepers(&step);
}

/// The work of the helper.
fn run_closer(step: &Step, fd: RawFd) {
    // SAFETY: the function takes a number only. Nothing else that the thread does from now on has to do with
    // descriptors.
    let unshared = unsafe { libc::unshare(libc::CLONE_FILES) } == 0;
    step.store(if unshared { UNSHARED } else { HANDED_OVER }, Ordering::Release);
    wake_sleepers(step);
    if !unshared {
        // SAFETY: the socket is open, and the other thread gives it up.
        drop(unsafe { OwnedFd::from_raw_fd(fd) });
        return;
    }
    while step.load(Ordering::Acquire) != CLOSED {
        sleep_while(step, UNSHARED);
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::mem::MaybeUninit;
    use std::net::{TcpListener, TcpStream};
    use std::time::Duration;

    use socket2::{Domain, SockAddr, Socket, Type};

    use super::super::record::{Peeked, peek};
    use super::super::socket::{accept_at_once, open_at_once};
    use super::*;

    fn pair() -> (Socket, OwnedFd) {
        let (theirs, ours) = Socket::pair(Domain::UNIX, Type::SEQPACKET, None).unwrap();
        (theirs, ours.into())
    }

    /// Sends a record with a descriptor.
    fn pass(to: &Socket, record: &[u8], file: &impl AsRawFd) -> Result<(), i32> {
        #[repr(C)]
        struct Control(libc::cmsghdr, RawFd);
        let len = size_of::<libc::cmsghdr>() + size_of::<RawFd>();
        let header = libc::cmsghdr { cmsg_len: len as _, cmsg_level: libc::SOL_SOCKET, cmsg_type: libc::SCM_RIGHTS };
        let mut control = Control(header, file.as_raw_fd());
        let mut part = libc::iovec { iov_base: record.as_ptr().cast_mut().cast(), iov_len: record.len() };
        // SAFETY: msghdr is plain data for which zero means "none"; the pointers and lengths describe live values.
        let rc = unsafe {
            let mut message = mem::zeroed::<libc::msghdr>();
            (message.msg_iov, message.msg_iovlen) = (&raw mut part, 1);
            (message.msg_control, message.msg_controllen) = ((&raw mut control).cast(), len as _);
            libc::sendmsg(to.as_raw_fd(), &message, libc::MSG_NOSIGNAL)
        };
        if rc < 0 { Err(std::io::Error::last_os_error().raw_os_error().unwrap()) } else { Ok(()) }
    }

    /// A connection whose last close waits for ten minutes, with its other end.
    fn lingering() -> (Socket, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let mut stream = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (other, _) = listener.accept().unwrap();
        stream.set_nonblocking(true).unwrap();
        while stream.write(&[0; 1 << 16]).is_ok() {}
        let socket = Socket::from(stream);
        socket.set_linger(Some(Duration::from_secs(600))).unwrap();
        (socket, other)
    }

    #[test]
    fn descriptors_are_refused_where_the_kernel_can() {
        let _alone = crate::sys::alone_in_process();
        let dir = tempfile::tempdir().unwrap();
        let address = SockAddr::unix(dir.path().join("drpc.sock")).unwrap();
        let listener = Socket::from(open_at_once(true, None).unwrap());
        if option(listener.as_raw_fd(), SO_PASSRIGHTS).is_err() {
            eprintln!("skipped: the kernel has no SO_PASSRIGHTS, which came with Linux 6.16");
            return;
        }
        listener.bind(&address).unwrap();
        listener.listen(1).unwrap();
        let client = Socket::from(open_at_once(false, None).unwrap());
        client.connect(&address).unwrap();
        // Refused before the connection is accepted, and after, and in the other direction.
        assert_eq!(pass(&client, b"x", &client), Err(libc::EPERM));
        let session = Socket::from(accept_at_once(listener.as_raw_fd(), true).unwrap());
        assert_eq!(pass(&client, b"x", &client), Err(libc::EPERM));
        assert_eq!(pass(&session, b"x", &client), Err(libc::EPERM));
        assert_eq!(client.send(b"x").unwrap(), 1);
        assert!(!Accepted::new(session.into(), false).checks_records);
    }

    #[test]
    fn a_record_with_descriptors_is_seen_before_it_is_taken() {
        let _alone = crate::sys::alone_in_process();
        for record in [&b"x"[..], b""] {
            let (theirs, ours) = pair();
            Socket::from(ours.try_clone().unwrap()).set_passcred(true).unwrap();
            let session = Accepted::new(ours, false);
            assert_eq!(session.next_record(), NextRecord::Nothing);
            theirs.send(b"before").unwrap();
            pass(&theirs, record, &theirs).unwrap();
            assert_eq!(session.next_record(), NextRecord::Plain);
            let ours = Socket::from(session.as_fd().try_clone_to_owned().unwrap());
            assert_eq!(ours.recv(&mut [MaybeUninit::uninit(); 9]).unwrap(), 6);
            assert_eq!([session.next_record(), session.next_record()], [NextRecord::Descriptors; 2]);
            drop(theirs);
            assert_eq!(ours.recv(&mut [MaybeUninit::uninit(); 9]).unwrap(), record.len());
            assert_eq!(session.next_record(), NextRecord::Plain);
        }
        // The records of a trusted peer are not checked.
        let (theirs, ours) = pair();
        pass(&theirs, b"x", &theirs).unwrap();
        assert_eq!(Accepted::new(ours, true).next_record(), NextRecord::Plain);
    }

    /// A peer that closes its end with something unread leaves an error, which is reported before its records.
    #[test]
    fn a_record_with_descriptors_is_seen_behind_an_error() {
        let _alone = crate::sys::alone_in_process();
        for dropped in [false, true] {
            let (theirs, ours) = pair();
            let session = Accepted::new(ours, false);
            Socket::from(session.as_fd().try_clone_to_owned().unwrap()).send(b"unread").unwrap();
            pass(&theirs, b"x", &std::fs::File::open("/dev/null").unwrap()).unwrap();
            drop(theirs);
            assert!(if dropped { session.holds_records() } else { session.next_record() == NextRecord::Descriptors });
        }
    }

    /// The same for files in a passed socket, and behind empty records.
    #[test]
    fn closing_does_not_wait_for_what_was_passed() {
        let _alone = crate::sys::alone_in_process();
        let (theirs, ours) = pair();
        let (nested, inner) = pair();
        let mut others = Vec::new();
        for to in [&theirs, &nested, &theirs] {
            let (file, other) = lingering();
            to.send(b"").unwrap();
            pass(to, b"x", &file).unwrap();
            others.push(other);
        }
        pass(&theirs, b"x", &inner).unwrap();
        drop((inner, nested));
        drop(Accepted::new(ours, false));
        // The peer sees the end once the helper has ended.
        while peek(theirs.as_raw_fd()) == Peeked::Nothing {
            std::thread::yield_now();
        }
        assert!(matches!(peek(theirs.as_raw_fd()), Peeked::End));
    }

    /// A client that waits to be accepted has passed a descriptor.
    #[test]
    fn closing_a_listener_does_not_wait_for_what_was_passed() {
        let _alone = crate::sys::alone_in_process();
        let dir = tempfile::tempdir().unwrap();
        let address = SockAddr::unix(dir.path().join("drpc.sock")).unwrap();
        let listener = Socket::new(Domain::UNIX, Type::SEQPACKET, None).unwrap();
        listener.bind(&address).unwrap();
        listener.listen(1).unwrap();
        let client = Socket::new(Domain::UNIX, Type::SEQPACKET, None).unwrap();
        client.connect(&address).unwrap();
        let (file, _other) = lingering();
        pass(&client, b"x", &file).unwrap();
        drop(file);
        drop(Listener::new(listener.into(), true));
        while peek(client.as_raw_fd()) == Peeked::Nothing {
            std::thread::yield_now();
        }
        assert!(matches!(peek(client.as_raw_fd()), Peeked::End));
    }

    /// A child of a fork closes what its parent goes on with.
    #[test]
    fn a_look_at_the_end_leaves_no_trace() {
        let _alone = crate::sys::alone_in_process();
        let (theirs, ours) = pair();
        let parents = Socket::from(ours.try_clone().unwrap());
        let session = Accepted::new(parents.try_clone().unwrap().into(), false);
        drop(Accepted::new(ours, false));
        theirs.send(b"x").unwrap();
        assert_eq!(session.next_record(), NextRecord::Plain);
        drop(Accepted::new(parents.into(), false));
        assert_eq!(session.next_record(), NextRecord::Plain);
    }

    #[test]
    fn a_socket_without_records_is_closed_at_once() {
        let _alone = crate::sys::alone_in_process();
        let (theirs, ours) = pair();
        assert!(!Accepted::new(ours, false).holds_records());
        assert_eq!(peek(theirs.as_raw_fd()), Peeked::End);
    }
}
