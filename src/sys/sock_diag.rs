//! Queries to the kernel about the file that a socket is bound to (sock_diag(7)).

use std::os::fd::{AsRawFd, OwnedFd};
use std::{mem, ptr};

use super::descriptor;
use super::errno::{self, KeepErrno, check};
use super::file::{FileId, status_of};
use crate::cause::Cause;

/// The type of requests and answers about sockets of one family.
const SOCK_DIAG_BY_FAMILY: u16 = 20;
/// The flag that asks for the file.
const UDIAG_SHOW_VFS: u32 = 0x2;
/// The attribute that contains the file.
const UNIX_DIAG_VFS: u16 = 1;
/// The offset of the attributes: after the message header, and the part of an answer that every socket has.
const ATTRIBUTES_AT: usize = 16 + 16;

/// A query about one socket. (The kernel's `nlmsghdr` and `unix_diag_req`.)
#[repr(C)]
struct Request {
    len: u32,
    kind: u16,
    flags: u16,
    sequence: u32,
    port: u32,
    family: u8,
    protocol: u8,
    padding: u16,
    states: u32,
    inode: u32,
    show: u32,
    cookie: [u32; 2],
}

/// The file of a socket, as the kernel numbers it.
#[derive(Debug, PartialEq, Eq)]
struct BoundFile {
    inode: u32,
    device: u32,
}

/// A netlink socket for queries; none where the kernel cannot be asked.
#[derive(Debug)]
pub(super) struct SockDiag(Option<OwnedFd>);

impl SockDiag {
    /// Opens the netlink socket. Only a lack of descriptors or of memory is an error.
    pub(super) fn open() -> Result<Self, Cause> {
        let kind = libc::SOCK_RAW | libc::SOCK_CLOEXEC;
        // SAFETY: the function takes numbers only, and makes a descriptor.
        match unsafe { descriptor::owned(libc::socket(libc::AF_NETLINK, kind, libc::NETLINK_SOCK_DIAG)) } {
            Ok(kernel) => Ok(Self(Some(kernel))),
            Err(cause) if is_shortage(cause) => Err(cause),
            Err(_) => Ok(Self(None)),
        }
    }

    /// Says whether the socket is bound to the file. `None` where the kernel does not tell, or where its answer is not
    /// enough: some file systems show programs another device.
    pub(super) fn is_bound_to(&self, socket: &OwnedFd, file: FileId) -> Result<Option<bool>, Cause> {
        let _keep = KeepErrno::new();
        let bound = match self.0.as_ref().map(|kernel| query(kernel, socket)) {
            Some(Ok(Some(bound))) => bound,
            Some(Err(cause)) if is_shortage(cause) => return Err(cause),
            _ => return Ok(None),
        };
        Ok(bound.is(file))
    }
}

/// True for a lack of descriptors or of memory, which says nothing about the question.
pub(super) fn is_shortage(cause: Cause) -> bool {
    matches!(cause, Cause::Os(libc::EMFILE | libc::ENFILE | libc::ENOMEM | libc::ENOBUFS))
}

fn query(kernel: &OwnedFd, socket: &OwnedFd) -> Result<Option<BoundFile>, Cause> {
    let request = Request::for_socket(status_of(socket)?.st_ino as u32, cookie(socket)?);
    // A message without an address goes to the kernel, which has answered when the call returns.
    // SAFETY: the pointer and the length describe `request`, which has no padding of the compiler's.
    let sent = unsafe { libc::send(kernel.as_raw_fd(), (&raw const request).cast(), size_of::<Request>(), 0) };
    if sent < 0 {
        return Err(errno::last());
    }
    let mut room = [0u8; 512];
    // SAFETY: the address is plain data, for which zero means "none".
    let mut from = unsafe { mem::zeroed::<libc::sockaddr_nl>() };
    let mut len = size_of::<libc::sockaddr_nl>() as libc::socklen_t;
    let (into, address) = (room.as_mut_ptr().cast(), ptr::from_mut(&mut from).cast());
    // SAFETY: the pointers and lengths describe `room` and `from`, which any bytes make valid.
    let read = unsafe { libc::recvfrom(kernel.as_raw_fd(), into, room.len(), libc::MSG_DONTWAIT, address, &mut len) };
    let read = usize::try_from(read).map_err(|_| errno::last())?;
    // Zero is the number of the kernel. Another process has another one.
    Ok(room.get(..read).filter(|_| from.nl_pid == 0).and_then(BoundFile::parse))
}

/// The cookie of a socket: a number that no other socket has, or has had.
fn cookie(socket: &OwnedFd) -> Result<u64, Cause> {
    let mut cookie = 0u64;
    let mut len = size_of::<u64>() as libc::socklen_t;
    let into = (&raw mut cookie).cast();
    // SAFETY: the pointers describe `cookie`, which any bytes make valid, and its length.
    check(unsafe { libc::getsockopt(socket.as_raw_fd(), libc::SOL_SOCKET, libc::SO_COOKIE, into, &mut len) })?;
    Ok(cookie)
}

impl Request {
    fn for_socket(inode: u32, cookie: u64) -> Self {
        Self {
            len: size_of::<Self>() as u32,
            kind: SOCK_DIAG_BY_FAMILY,
            flags: libc::NLM_F_REQUEST as u16,
            sequence: 0,
            port: 0,
            family: libc::AF_UNIX as u8,
            protocol: 0,
            padding: 0,
            states: u32::MAX,
            inode,
            show: UDIAG_SHOW_VFS,
            cookie: [cookie as u32, (cookie >> 32) as u32],
        }
    }
}

impl BoundFile {
    fn is(&self, file: FileId) -> Option<bool> {
        // The kernel tells half of the inode's number.
        if self.inode != file.inode as u32 {
            return Some(false);
        }
        // Twelve bits and twenty, as the kernel has them.
        let same = (self.device >> 20, self.device & 0xf_ffff) == (libc::major(file.device), libc::minor(file.device));
        (same && file.inode <= u32::MAX.into()).then_some(true)
    }

    fn parse(answer: &[u8]) -> Option<Self> {
        if u16_at(answer, 4)? != SOCK_DIAG_BY_FAMILY {
            return None;
        }
        let mut at = ATTRIBUTES_AT;
        loop {
            if u16_at(answer, at + 2)? == UNIX_DIAG_VFS {
                return Some(Self { inode: u32_at(answer, at + 4)?, device: u32_at(answer, at + 8)? });
            }
            // No attribute is shorter than its header.
            at += usize::from(u16_at(answer, at)?).max(4).next_multiple_of(4);
        }
    }
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    bytes.get(at..)?.first_chunk().map(|bytes| u16::from_ne_bytes(*bytes))
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..)?.first_chunk().map(|bytes| u32::from_ne_bytes(*bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_of_a_number_proves_no_more_than_that() {
        let bound = BoundFile { inode: 7, device: 8 << 20 | 1 };
        let is = |inode, major| bound.is(FileId { device: libc::makedev(major, 1), inode, is_socket: true });
        assert_eq!([is(7, 8), is(7, 9), is(6, 8)], [Some(true), None, Some(false)]);
        assert_eq!([is(1 << 32 | 7, 8), is(1 << 32 | 6, 8)], [None, Some(false)]);
    }

    /// An answer without attributes, and one whose first attribute is another, and ends early.
    #[test]
    fn an_answer_may_have_other_attributes_or_none() {
        let mut answer = vec![0; ATTRIBUTES_AT];
        answer[4] = SOCK_DIAG_BY_FAMILY as u8;
        assert_eq!(BoundFile::parse(&answer), None);
        for part in [&[5u16, 9][..], &[7, 0], &[12, UNIX_DIAG_VFS], &[3, 0], &[4, 0]] {
            answer.extend(part.iter().flat_map(|half| half.to_ne_bytes()));
        }
        let (inode, device) = (u32_at(&answer, ATTRIBUTES_AT + 12), u32_at(&answer, ATTRIBUTES_AT + 16));
        assert_eq!(BoundFile::parse(&answer), Some(BoundFile { inode: inode.unwrap(), device: device.unwrap() }));
        for len in 0..answer.len() {
            assert_eq!(BoundFile::parse(&answer[..len]), None);
        }
        answer[4] = 2;
        assert_eq!(BoundFile::parse(&answer), None);
    }
}
