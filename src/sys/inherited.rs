//! Listening sockets that the process was started with.

use std::ops::Range;
use std::os::fd::{FromRawFd, OwnedFd, RawFd};
use std::sync::atomic::{AtomicU64, Ordering};

use super::socket;
use crate::cause::Cause;

/// The descriptors below 64 that have been adopted, one bit each.
static ADOPTED: AtomicU64 = AtomicU64::new(0);

/// The first descriptor that a service manager passes to a process.
const FIRST: RawFd = 3;

/// The `count` descriptors that a service manager has passed, as far as they can be adopted.
pub fn inherited_fds(count: u64) -> Range<RawFd> {
    let most = u64::from(u64::BITS) - FIRST as u64;
    FIRST..FIRST + count.min(most) as RawFd
}

/// True while the descriptor is a listening AF_UNIX socket of type SEQPACKET, and has not been adopted.
pub fn is_free_listener(fd: RawFd) -> bool {
    is_free(fd) && is_listener(fd) == Ok(true)
}

/// The same for a socket of any type.
pub fn is_free_listener_of_any_type(fd: RawFd) -> bool {
    is_free(fd) && is_unix_listener(fd) == Ok(true)
}

fn is_free(fd: RawFd) -> bool {
    bit(fd).is_some_and(|bit| ADOPTED.load(Ordering::Relaxed) & bit == 0)
}

fn bit(fd: RawFd) -> Option<u64> {
    u32::try_from(fd).ok().and_then(|fd| 1u64.checked_shl(fd))
}

fn is_listener(fd: RawFd) -> Result<bool, Cause> {
    Ok(is_unix_listener(fd)? && socket::option(fd, libc::SO_TYPE)? == libc::SOCK_SEQPACKET)
}

fn is_unix_listener(fd: RawFd) -> Result<bool, Cause> {
    Ok(socket::option(fd, libc::SO_DOMAIN)? == libc::AF_UNIX && socket::option(fd, libc::SO_ACCEPTCONN)? == 1)
}

/// Takes ownership of an inherited descriptor, once, if it is a listening AF_UNIX socket of type SEQPACKET. The
/// descriptor is closed at exec from then on.
///
/// The caller promises that nothing but this function takes ownership of it.
pub fn adopt_listener(fd: RawFd) -> Result<OwnedFd, Cause> {
    const NOT_ONE: Cause = Cause::Invalid("the inherited descriptor is no listening AF_UNIX socket of type SEQPACKET");
    match is_listener(fd) {
        Ok(true) => {}
        Ok(false) | Err(Cause::Os(libc::ENOTSOCK)) => return Err(NOT_ONE),
        Err(cause) => return Err(cause),
    }
    socket::set_close_on_exec(fd)?;
    socket::refuse_descriptors(fd);
    let bit = bit(fd).ok_or(NOT_ONE)?;
    if ADOPTED.fetch_or(bit, Ordering::Relaxed) & bit != 0 {
        return Err(Cause::Busy);
    }
    // SAFETY: the descriptor is open, as the calls above succeeded. It has no other owner: it was not adopted before,
    // and by the caller's promise nothing else owns it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

#[cfg(test)]
mod tests {
    use std::os::fd::{AsRawFd, IntoRawFd};

    use socket2::{Domain, SockAddr, Socket, Type};

    use super::*;

    #[test]
    fn only_a_listening_socket_is_adopted() {
        let dir = tempfile::tempdir().unwrap();
        let adopted = |kind: Type, listens: bool| {
            let socket = Socket::new(Domain::UNIX, kind, None).unwrap();
            socket.bind(&SockAddr::unix(dir.path().join(format!("{kind:?}{listens}"))).unwrap()).unwrap();
            if listens {
                socket.listen(1).unwrap();
            }
            socket.set_cloexec(false).unwrap();
            adopt_listener(socket.into_raw_fd())
        };
        assert!(adopted(Type::SEQPACKET, false).is_err());
        assert!(adopted(Type::STREAM, true).is_err());
        assert!(adopt_listener(std::fs::File::open("/dev/null").unwrap().into_raw_fd()).is_err());
        let socket = adopted(Type::SEQPACKET, true).unwrap();
        // SAFETY: F_GETFD takes no argument and changes nothing.
        assert_eq!(unsafe { libc::fcntl(socket.as_raw_fd(), libc::F_GETFD) }, libc::FD_CLOEXEC);
        assert_ne!(socket::option(socket.as_raw_fd(), socket::SO_PASSRIGHTS), Ok(1));
    }
}
