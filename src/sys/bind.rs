//! Binding a socket to a path, and giving its file a mode and an owner.

use std::os::fd::{AsRawFd, OwnedFd};

use super::address::{self, ADDRESS_LEN, with_address};
use super::dir_entry::{DirEntry, SocketFile};
use super::errno::KeepErrno;
use super::file_owner::{self, Owner};
use super::socket::{BACKLOG, begin_listening};
use crate::cause::Cause;

/// Binds the socket and listens. A failure leaves no file behind. The mode, where one is given, is that of the socket
/// file whatever the umask.
pub fn listen(socket: &OwnedFd, path: &[u8], mode: Option<libc::mode_t>) -> Result<(), Cause> {
    let address = address::from_path(path)?;
    if let Some(mode) = mode {
        let entry = bind_file(socket, &address, mode, Owner::default())?;
        return begin_listening(socket, libc::SOMAXCONN).inspect_err(|_| entry.remove_file_of(socket));
    }
    with_address(libc::bind, socket.as_raw_fd(), (&address, ADDRESS_LEN))?;
    begin_listening(socket, libc::SOMAXCONN).inspect_err(|_| {
        let _keep = KeepErrno::new();
        if let Ok(entry) = DirEntry::of(address::path_in(&address)) {
            entry.remove_file_of(socket);
        }
    })
}

/// Binds the socket, whose mode has to be `mode`, for an owner, and listens.
///
/// The file has its mode and its owner from the first moment, with two exceptions. The umask takes away from the mode,
/// and the owner may not be allowed to make the file. Both are corrected before a client can connect.
pub fn listen_as(socket: &OwnedFd, path: &[u8], mode: libc::mode_t, owner: Owner) -> Result<SocketFile, Cause> {
    let address = address::from_path(path)?;
    let entry = bind_file(socket, &address, mode, owner)?;
    let file = entry.file_of(socket).and_then(|file| begin_listening(socket, BACKLOG).map(|()| file));
    let file = file.inspect_err(|_| entry.remove_file_of(socket))?;
    Ok(entry.into_socket_file(file))
}

/// Binds the socket, and sets the mode and the owner of its file where they differ.
fn bind_file<'a>(
    socket: &OwnedFd,
    address: &'a libc::sockaddr_un,
    mode: libc::mode_t,
    owner: Owner,
) -> Result<DirEntry<'a>, Cause> {
    let entry = DirEntry::of_socket(address::path_in(address), owner)?;
    file_owner::create_as(owner, || with_address(libc::bind, socket.as_raw_fd(), (address, ADDRESS_LEN)))?;
    entry.set_mode_and_owner(socket, mode, owner).inspect_err(|_| entry.remove_file_of(socket))?;
    Ok(entry)
}
