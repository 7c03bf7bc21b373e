//! The library's only system calls, through libc.
//!
//! Test suites replace these functions when they link. So the arguments are those of the originals: flags 0, `accept`
//! without an address, … In the core, `unsafe` stands only here.
#![cfg_attr(not(test), deny(clippy::disallowed_methods, clippy::disallowed_types, clippy::disallowed_macros))]

mod address;
mod bind;
mod bound_file;
mod buffer;
mod clock;
mod connect_probe;
mod deadline;
mod descriptor;
mod dir_entry;
mod environment;
mod epoll;
mod errno;
mod file;
mod file_lock;
mod file_owner;
mod fork;
mod futex;
mod heap;
mod inherited;
mod malloc;
mod only_thread;
mod passed_fds;
mod path_fault;
mod placement;
mod poll;
mod proc;
mod processors;
mod program;
mod record;
mod sock_diag;
mod socket;
mod spin;
mod thread;
mod trusted_path;
mod try_arc;
mod wait_place;
mod waker;
#[cfg(feature = "tokio")]
mod watched;

pub use address::{Credentials, PATH_MAX, SocketPath, is_trusted, local_path, peer, peer_path};
pub use bind::{listen, listen_as};
pub use buffer::{
    RECORD_ROOM, RecordBuffer, RecordLayout, TEXT_ROOM, ensure_record_buffer, with_detail_text, with_error_text,
    with_record_buffer,
};
pub use clock::{ms_after, nanoseconds, whole_ms};
pub use deadline::Deadline;
pub use descriptor::descriptor_limit;
pub use dir_entry::{DirEntry, EntryFile, SocketFile};
pub use environment::{StderrFile, secure_variable, stderr_file, write_stderr};
pub use epoll::{Epoll, Event, Events, Interest, Watch};
pub use errno::{KeepErrno, set_errno, write_errno};
pub use file::{DirectoryRoom, FileId, FileStamp, file_behind, file_stamp, open_directory};
pub use file_lock::FileLock;
pub use file_owner::Owner;
pub use fork::{forks, is_forked, process};
pub use futex::{sleep_while, wake_sleepers};
pub use heap::{advise_huge_pages, give_pages_back, offer_pages};
pub use inherited::{adopt_listener, inherited_fds, is_free_listener, is_free_listener_of_any_type};
pub use malloc::Malloc;
pub use only_thread::is_only_thread;
pub use passed_fds::{Accepted, Listener, NextRecord, reject_connection};
pub use path_fault::{
    Attempt, Component, Listener as PathListener, Obstacle, Right, Status as PathStatus, find_obstacle,
};
pub use placement::is_slow_record;
pub(crate) use poll::poll_uncancelled;
pub use poll::{PollFd, is_nonblocking, ms_until, poll, poll_looking, receive_timeout, send_timeout, wait_writable};
pub use program::{Program, program_of};
pub use record::{
    Peeked, Record, has_gone, peek, receive, receive_scattered, send, send_piece, shut_down, shutdown_read,
};
pub use socket::{
    NonblockingGuard, accept, accept_at_once, close, connect, connect_within, copy_timeouts, grow_send_buffer,
    is_socket, largest_datagram, open, open_at_once, replace_fd, set_nonblocking, set_timeout, socket_pair,
};
pub use spin::{SpinSetting, set_spin};
pub(crate) use spin::{look_or_sleep, may_look};
pub use thread::{BlockedSignals, CancelDisabled, SocketRef, Started, cpus, start_thread};
pub use trusted_path::trusted_file;
pub use try_arc::{TryArc, UninitArc, out_of_memory, try_box, try_copy, try_copy_with_room};
pub use waker::{Timer, Waker};
#[cfg(feature = "tokio")]
pub(crate) use watched::Watched;

/// Keeps tests apart that change what a process has only once, or depend on it: its dumpable flag, and copies of its
/// descriptors in children and in threads with tables of their own.
#[cfg(test)]
fn alone_in_process() -> std::sync::MutexGuard<'static, ()> {
    static TURN: std::sync::Mutex<()> = std::sync::Mutex::new(());
    TURN.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}
