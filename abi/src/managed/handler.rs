//! The program's handlers, as modules of the Rust server.

use std::cell::Cell;
use std::ffi::c_void;

use ::drpc::der::Release;
use ::drpc::{Cause, Module, Phase, Request};

use super::call_block::{CallBlock, SpareBlock, drpc_session};
use crate::boundary::{self, Subject};
use crate::drpc_pb_c::{Drpc__Call, Drpc__Response};
use crate::message;
use crate::protobuf_c::Heap;

/// The program's function that serves a module.
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

// SAFETY: `arg` is only passed back to the program, which has promised that any thread may run the function.
unsafe impl Send for Handler {}
// SAFETY: as above.
unsafe impl Sync for Handler {}

/// A handler as a module of the server, with a spare block.
pub(crate) struct Served {
    pub(crate) handler: Handler,
    pub(crate) spare: SpareBlock<CallBlock>,
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
    /// Runs the function. Its response is the answer, unless the function has taken the request.
    fn run(&self, request: Request) -> Result<(), Cause> {
        let Handler { function, arg, release, .. } = self.handler;
        let taken = Cell::new(false);
        let mut response = Drpc__Response { sequence: request.call().sequence, ..Drpc__Response::empty() };
        let response = &raw mut response;
        let block = CallBlock::begin(&self.spare, request, release, response, &taken)?;
        // SAFETY: the program gave the function for this purpose, with this argument. The session is the first field
        // of the block. Both messages stay until the function has returned: one that takes the request promises not
        // to use the call once it has answered.
        unsafe { function(block.cast(), CallBlock::call(block), response, arg) };
        let answered = match taken.get() {
            true => Ok(()),
            false => {
                // SAFETY: the request has not been taken, so that block and response are still owned here.
                let answered = unsafe {
                    let answered = CallBlock::answer_giving(block, response);
                    CallBlock::end(block);
                    answered
                };
                self.spare.put(block);
                answered
            }
        };
        // SAFETY: everything in the response comes from malloc, and the function does not keep it.
        unsafe { message::clear(response, Heap::SYSTEM) };
        match answered {
            // The function's own error. The server itself reports the end of a session.
            Err(cause @ Cause::Invalid(_)) => Err(cause),
            _ => Ok(()),
        }
    }
}
