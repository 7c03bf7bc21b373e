//! The identity of the file that a socket is bound to, as the kernel tells it (SIOCUNIXFILE).

use std::os::fd::{AsRawFd, OwnedFd};

use super::descriptor;
use super::errno::KeepErrno;
use super::file::{FileId, status_of};
use super::sock_diag::is_shortage;
use crate::cause::Cause;

/// The request for the file: from Linux 4.14 on, for a process with CAP_NET_ADMIN.
const SIOCUNIXFILE: u32 = 0x89E0;

/// The file that a socket is bound to; `None` where the kernel does not open it for this process.
pub(super) fn bound_file(socket: &OwnedFd) -> Result<Option<FileId>, Cause> {
    let _keep = KeepErrno::new();
    // SAFETY: the request takes no argument, and makes a descriptor.
    match unsafe { descriptor::owned(libc::ioctl(socket.as_raw_fd(), SIOCUNIXFILE as _)) } {
        Ok(file) => Ok(Some(FileId::of(&status_of(&file)?))),
        Err(cause) if is_shortage(cause) => Err(cause),
        Err(_) => Ok(None),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixDatagram;

    use super::super::file::file_behind;
    use super::*;
    use crate::stable_path::c_string;

    /// Without CAP_NET_ADMIN the kernel opens none.
    #[test]
    fn the_file_is_the_one_that_was_bound() {
        let dir = tempfile::tempdir().unwrap();
        let [path, moved] = ["drpc.sock", "moved"].map(|name| dir.path().join(name));
        let behind = |path: &std::path::Path| file_behind(&c_string(path.as_os_str().as_encoded_bytes()).unwrap());
        let socket = OwnedFd::from(UnixDatagram::bind(&path).unwrap());
        std::fs::rename(&path, &moved).unwrap();
        let _other = UnixDatagram::bind(&path).unwrap();
        let file = bound_file(&socket).unwrap();
        assert!(file.is_none() || file == behind(&moved));
        assert_eq!(bound_file(&UnixDatagram::unbound().unwrap().into()), Ok(None));
    }
}
