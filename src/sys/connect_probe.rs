//! Proof by connecting: a connection to a socket file arrives at the socket that is bound to it.

use std::ffi::CStr;
use std::os::fd::{AsRawFd, OwnedFd};

use super::address::{autobind, peer, same_name};
use super::errno::KeepErrno;
use super::passed_fds::reject_connection;
use super::socket::{BACKLOG, accept_at_once, begin_listening, connect, open_at_once, set_nonblocking};
use crate::cause::Cause;

/// True if a connection to the file at a path arrives at the socket. The socket listens afterwards, and its waiting
/// clients have been rejected, so that the caller has to close it.
pub(super) fn connects_to(file: &CStr, socket: &OwnedFd) -> Result<bool, Cause> {
    let _keep = KeepErrno::new();
    set_nonblocking(socket.as_raw_fd(), true)?;
    begin_listening(socket, BACKLOG)?;
    let client = open_at_once(true, None)?;
    // The client's name tells this connection from others of the process.
    autobind(&client)?;
    while let Ok(waiting) = accept_at_once(socket.as_raw_fd(), true) {
        reject_connection(waiting);
    }
    if connect(&client, file.to_bytes()).is_err() {
        return Ok(false);
    }
    let mut arrived = false;
    while let Ok(waiting) = accept_at_once(socket.as_raw_fd(), true) {
        let of_this_process = peer(waiting.as_raw_fd()).is_some_and(|peer| peer.pid as u32 == std::process::id());
        arrived |= of_this_process && same_name(&client, &waiting);
        reject_connection(waiting);
    }
    Ok(arrived)
}

#[cfg(test)]
mod tests {
    use std::ffi::CString;
    use std::fs;
    use std::os::unix::ffi::OsStrExt;
    use std::path::Path;

    use socket2::{Domain, SockAddr, Socket, Type};

    use super::super::dir_entry::DirEntry;
    use super::*;

    fn bound(path: &Path) -> Socket {
        let socket = Socket::new(Domain::UNIX, Type::SEQPACKET, None).unwrap();
        socket.bind(&SockAddr::unix(path).unwrap()).unwrap();
        socket
    }

    #[test]
    fn a_connection_arrives_only_at_the_socket_of_the_file() {
        let dir = tempfile::tempdir().unwrap();
        let [path, other, moved] = ["drpc.sock", "other", "moved"].map(|name| dir.path().join(name));
        let open = |path: &Path| {
            DirEntry::of(&CString::new(path.as_os_str().as_bytes()).unwrap()).unwrap().open_path().unwrap()
        };
        let (socket, live): (OwnedFd, _) = (bound(&path).into(), bound(&other));
        live.listen(1).unwrap();
        let file = open(&path);
        fs::rename(&path, &moved).unwrap();
        fs::rename(&other, &path).unwrap();
        // The same while other clients wait to be accepted.
        for waiting in 0..3 {
            for _ in 0..waiting {
                let client = Socket::new(Domain::UNIX, Type::SEQPACKET, None).unwrap();
                client.connect(&SockAddr::unix(&moved).unwrap()).unwrap();
            }
            assert_eq!(connects_to(file.path().unwrap().as_c_str(), &socket), Ok(true));
            assert_eq!(connects_to(open(&path).path().unwrap().as_c_str(), &socket), Ok(false));
            live.accept().unwrap();
        }
        let _dead = bound(&other);
        assert_eq!(connects_to(open(&other).path().unwrap().as_c_str(), &socket), Ok(false));
    }
}
