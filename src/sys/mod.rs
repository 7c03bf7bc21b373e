//! The only system calls of the library, through libc.
//!
//! They have the shape that the originals give them (flags 0, `accept` without an address, …), because test suites
//! replace these functions when they link. `unsafe` in the core stands only here.
#![cfg_attr(not(test), deny(clippy::disallowed_methods, clippy::disallowed_types, clippy::disallowed_macros))]

mod address;
mod buffer;
mod clock;
mod deadline;
mod descriptor;
mod environment;
mod epoll;
mod errno;
mod file;
mod fork;
mod futex;
mod guarded;
mod heap;
mod inherited;
mod maker;
mod malloc;
mod passed;
mod poll;
mod reach;
mod record;
mod sock_diag;
mod socket;
mod spin;
mod spot;
mod thread;
mod try_arc;
mod wake;

pub use address::{Credentials, PATH_MAX, SocketPath, is_trusted, own_path, peer, peer_path};
pub use buffer::{Layout, RECORD_ROOM, RecordBuffer, TEXT_ROOM, have_record, with_record, with_text};
pub use clock::nanoseconds;
pub use deadline::Deadline;
pub use environment::{secure_variable, write_stderr};
pub use epoll::{Epoll, Event, Events, Interest, Watch};
pub use errno::{KeepErrno, set_errno, write_errno};
pub use file::{DirectoryRoom, FileId, FileLock, FileStamp, file_behind, file_stamp, open_directory};
pub use fork::{forks, is_forked, process};
pub use futex::{sleep_while, wake_sleepers};
pub use heap::expect_much;
pub use inherited::{adopt_listener, handed_over, is_free_listener};
pub use maker::Owner;
pub use malloc::Malloc;
pub use passed::{Accepted, Ahead, turn_away};
pub use poll::{
    PollFd, is_nonblocking, ms_until, poll, poll_held, receive_timeout, send_timeout, wait_writable, whole_ms,
};
pub use record::{Peeked, Record, end_receiving, has_gone, peek, receive, receive_around, send, send_piece, shut_down};
pub use socket::{
    Unwaiting, accept, accept_at_once, close, connect, connect_within, copy_patience, is_socket, largest_datagram,
    listen, listen_as, open, open_at_once, put_in_place, set_nonblocking, set_timeout, take_ahead,
};
pub use spin::set_spin;
pub use spot::{HeldFile, Spot};
pub use thread::{BlockedSignals, Fd, Started, UncancelledCall, cpus, start_thread};

pub use try_arc::{Room, TryArc, out_of_memory, try_box, try_copy, try_copy_with_room};
pub use wake::{Signal, Timer};
