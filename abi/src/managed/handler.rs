//! Handlers written in C, as modules of the Rust server.

use std::cell::Cell;
use std::ffi::c_void;

use ::drpc::der::Release;
use ::drpc::{Cause, Module, Phase, Request};

use super::call_block::{CallBlock, SpareBlock, drpc_session};
use crate::boundary::{self, Subject};
use crate::drpc_pb_c::{Drpc__Call, Drpc__Response};
use crate::message;
use crate::protobuf_c::Heap;

/// The function that serves a module.
pub(crate) type Function = unsafe extern "C" fn(
    session: *mut drpc_session,
    call: *mut Drpc__Call,
    resp: *mut Drpc__Response,
    arg: *mut c_void,
);

/// A module served by a function of the program.
#[derive(Clone, Copy)]
pub(crate) struct Handler {
    pub(crate) module: i32,
    pub(crate) function: Function,
    pub(crate) arg: *mut c_void,
    pub(crate) concurrent: bool,
    pub(crate) release: Release,
}

// SAFETY: `arg` is only ever passed back to the program, which has promised that any thread may run the function.
unsafe impl Send for Handler {}
// SAFETY: as above.
unsafe impl Sync for Handler {}

/// A handler at work.
pub(crate) struct Served {
    pub(crate) handler: Handler,
    pub(crate) spare: SpareBlock,
}

impl Module for Served {
    fn id(&self) -> i32 {
        self.handler.module
    }

    fn concurrent(&self) -> bool {
        self.handler.concurrent
    }

    fn serve(&self, request: Request) {
        if let Err(cause) = self.run(request) {
            boundary::report(Phase::Serve, Subject::Nothing, cause);
        }
    }
}

impl Served {
    /// Runs the function; what it leaves in the response is the answer, unless it has taken the request.
    fn run(&self, request: Request) -> Result<(), Cause> {
        let Handler { function, arg, release, .. } = self.handler;
        let taken = Cell::new(false);
        let mut response = Drpc__Response { sequence: request.call().sequence, ..Drpc__Response::empty() };
        let response = &raw mut response;
        let block = CallBlock::begin(&self.spare, request, release, &taken)?;
        // SAFETY: the program gave the function for this purpose, with this argument. The session is the first field
        // of the block. Both messages stay until the function has returned: one that takes the request promises not
        // to use the call once it has answered.
        unsafe { function(block.cast(), CallBlock::call(block), response, arg) };
        let answered = match taken.get() {
            true => Ok(()),
            false => {
                // SAFETY: nobody has taken the request, and the response is still ours.
                let answered = unsafe {
                    let answered = CallBlock::answer(block, response);
                    CallBlock::end(block);
                    answered
                };
                self.spare.put(block);
                answered
            }
        };
        // SAFETY: what the function has put there is from malloc, and it does not keep it.
        unsafe { message::clear(response, Heap::SYSTEM) };
        match answered {
            // The function's fault. That a session has ended is told by the server, where it happens.
            Err(cause @ Cause::Invalid(_)) => Err(cause),
            _ => Ok(()),
        }
    }
}
