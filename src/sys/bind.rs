//! Giving a socket its name, and its file a mode and an owner.

use std::os::fd::{AsRawFd, OwnedFd};

use super::address::{self, with_address};
use super::dir_entry::{DirEntry, SocketFile};
use super::errno::KeepErrno;
use super::file_owner::{self, Owner};
use super::socket::{BACKLOG, begin_listening};
use crate::cause::Cause;

/// Gives the socket a name and listens. When it fails, no file is left behind. The mode, where one is given, is that of the
/// socket file whatever the umask.
pub fn listen(socket: &OwnedFd, path: &[u8], mode: Option<libc::mode_t>) -> Result<(), Cause> {
    let address = address::from_path(path)?;
    if let Some(mode) = mode {
        let entry = bind_file(socket, &address, mode, Owner::default())?;
        return begin_listening(socket, libc::SOMAXCONN).inspect_err(|_| entry.remove_file_of(socket));
    }
    with_address(libc::bind, socket.as_raw_fd(), &address)?;
    begin_listening(socket, libc::SOMAXCONN).inspect_err(|_| {
        let _keep = KeepErrno::new();
        if let Ok(entry) = DirEntry::of(address::path_in(&address)) {
            entry.remove_file_of(socket);
        }
    })
}

/// The same with an owner. The file is as it is to be from its first moment, but for what the umask takes away, and for an
/// owner who may not make it: that is made good before anybody can connect. The mode has to be that of the socket.
pub fn listen_as(socket: &OwnedFd, path: &[u8], mode: libc::mode_t, owner: Owner) -> Result<SocketFile, Cause> {
    let address = address::from_path(path)?;
    let entry = bind_file(socket, &address, mode, owner)?;
    let file = entry.file_of(socket).and_then(|file| begin_listening(socket, BACKLOG).map(|()| file));
    let file = file.inspect_err(|_| entry.remove_file_of(socket))?;
    Ok(entry.into_socket_file(file))
}

/// Gives the socket a name whose file is as it is to be.
fn bind_file<'a>(
    socket: &OwnedFd,
    address: &'a libc::sockaddr_un,
    mode: libc::mode_t,
    owner: Owner,
) -> Result<DirEntry<'a>, Cause> {
    let entry = DirEntry::of_socket(address::path_in(address), owner)?;
    file_owner::create_as(owner, || with_address(libc::bind, socket.as_raw_fd(), address))?;
    entry.set_mode_and_owner(socket, mode, owner).inspect_err(|_| entry.remove_file_of(socket))?;
    Ok(entry)
}
