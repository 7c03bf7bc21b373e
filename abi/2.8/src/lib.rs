//! The C library for daemons written to DAOS 2.6 and 2.8: the exported functions with the signatures of that line, and the
//! line's differences from others. The functions common to all lines come from `drpc_abi`.
#![expect(non_camel_case_types, reason = "the names of C")]

pub mod connection;
pub mod drpc_progress;
pub mod drpc_types;
pub mod library;
pub mod managed;

use std::mem::offset_of;

use ::drpc::Framing;
use ::drpc::der::{self, Release};
use ::drpc::framing::datagram;
use ::drpc::modules::names::Names;
use drpc_abi::Abi;
use drpc_abi::abi::{Head, Yielder, drpc_handler_t, unixcomm};

use crate::connection::drpc;

/// The line.
pub struct V2_8;

// SAFETY: the fields are those of `Head`, with one more behind them; the assertions below compare the offsets.
unsafe impl Abi for V2_8 {
    type Context = drpc;

    const RELEASE: Release = Release::V2_8;
    const NAMES: Names = Names::V2_8;
    const FRAMING: Framing = Framing::Chunked;
    const CLIENT_FRAMING: Option<Framing> = None;
    const DATAGRAM: usize = datagram::MAX_2_6;
    const RECORD: usize = drpc_types::UNIXCOMM_MAXMSGSIZE;
    const SOCKET_MODE: Option<u32> = Some(0o600);
    const LISTENER_BROKEN: i32 = der::DER_MISC;
    const ACCEPT_FAILED: Option<i32> = None;

    fn context(comm: *mut unixcomm, handler: drpc_handler_t, yielder: Yielder) -> drpc {
        drpc { comm, sequence: 0, ref_count: 1, handler, r#yield: yielder }
    }

    unsafe fn yielder(context: *mut drpc) -> Yielder {
        // SAFETY: the caller's promise.
        unsafe { (*context).r#yield }
    }
}

const _: () = {
    assert!(offset_of!(drpc, comm) == offset_of!(Head, comm));
    assert!(offset_of!(drpc, sequence) == offset_of!(Head, sequence));
    assert!(offset_of!(drpc, ref_count) == offset_of!(Head, ref_count));
    assert!(offset_of!(drpc, handler) == offset_of!(Head, handler));
};
