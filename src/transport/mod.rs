//! The transport: whole messages over a socket, by the framing above and the system calls below.
//!
//! The record buffer of the thread is borrowed only for one system call and the copying around it, never while a caller's
//! code runs.

mod outbox;
mod receive;
mod send;

pub(crate) use outbox::{Body, Outbox, PushError, Senders};
pub use receive::{Received, SyncState, framing_of, receive, receive_record, receive_until};
pub(crate) use receive::{ReceivedRecord, expects_large, layout, read_record, whole_small_message};
pub use send::{SendHooks, send, send_one, send_some};
