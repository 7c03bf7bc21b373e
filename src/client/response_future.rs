//! The future of a call: a submitted call whose completion wakes a task.

use std::fmt;
use std::future::Future;
use std::mem;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use super::handle::Handle;
use super::operation::Ticket;
use super::options::CallOptions;
use super::shared::Shared;
use crate::cause::Cause;
use crate::error::{Error, Phase};
use crate::protocol::message::Response;
use crate::sync::{Mutex, lock};
use crate::sys::{TryArc, try_box};

/// A call that [`Client::call_async`](crate::Client::call_async) makes, and its response. The future can be polled by any
/// executor, in any thread.
///
/// The call is made by the first poll. Dropping the future cancels the call: the connection stays, and a later reply is
/// dropped. In the child of a fork the result is [`Cause::Forked`](crate::Cause::Forked). The future keeps the client
/// connected until it is dropped.
#[must_use = "a future does nothing unless it is polled"]
pub struct ResponseFuture {
    client: TryArc<Handle>,
    stage: Stage,
}

enum Stage {
    /// The call has not been made.
    New(CallOptions, (i32, i32, Vec<u8>)),
    /// The call has been made.
    Submitted(Ticket, TryArc<Mutex<Slot>>),
    /// The result has been taken.
    Ended,
}

/// What a future shares with the completion of its call.
struct Slot {
    result: Option<Result<Response, Error>>,
    /// The task to be woken when there is a result.
    waker: Option<Waker>,
}

impl ResponseFuture {
    pub(super) fn new(client: TryArc<Handle>, options: CallOptions, call: (i32, i32, Vec<u8>)) -> Self {
        Self { client, stage: Stage::New(options, call) }
    }

    /// Makes the call.
    fn submit(&self, options: &CallOptions, call: (i32, i32, Vec<u8>), waker: &Waker) -> Result<Stage, Error> {
        self.client.start_for_call()?;
        let shared = &self.client.shared;
        let submit = || {
            let slot = TryArc::new(Mutex::new(Slot { result: None, waker: Some(waker.clone()) }))?;
            let done = try_box(completion(slot.clone()))?;
            Ok(Stage::Submitted(Shared::submit(shared, options, call, done)?, slot))
        };
        submit().map_err(|cause| shared.error((Phase::Call, cause)))
    }
}

/// Leaves the result of a call for its future. The task is woken with no lock held, as that runs the program's code.
fn completion(slot: TryArc<Mutex<Slot>>) -> impl FnOnce(Result<Response, Error>) + Send + 'static {
    move |result| {
        let waker = {
            let mut slot = lock(&slot);
            slot.result = Some(result);
            slot.waker.take()
        };
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}

/// The result of a call, if there is one. Otherwise the task is woken once there is.
fn take_result(slot: &Mutex<Slot>, waker: &Waker) -> Option<Result<Response, Error>> {
    // A waker is made and dropped by the program's code, and so with no lock held.
    let mut waker = Some(waker.clone());
    let mut slot = lock(slot);
    let result = slot.result.take();
    if result.is_none() {
        mem::swap(&mut slot.waker, &mut waker);
    }
    drop(slot);
    result
}

impl Future for ResponseFuture {
    type Output = Result<Response, Error>;

    /// Goes on with the call. A future whose result has been taken is pending for ever.
    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let stage = mem::replace(&mut self.stage, Stage::Ended);
        let shared = &self.client.shared;
        let stage = match stage {
            Stage::New(options, call) => self.submit(&options, call, context.waker()),
            // A thread that does not exist in this process may hold the lock.
            Stage::Submitted(..) if !shared.is_ours() => Err(shared.error((Phase::Call, Cause::Forked))),
            Stage::Submitted(ticket, slot) => match take_result(&slot, context.waker()) {
                Some(result) => return Poll::Ready(result),
                None => Ok(Stage::Submitted(ticket, slot)),
            },
            Stage::Ended => Ok(Stage::Ended),
        };
        match stage {
            Ok(stage) => {
                self.stage = stage;
                Poll::Pending
            }
            Err(error) => Poll::Ready(Err(error)),
        }
    }
}

impl Drop for ResponseFuture {
    fn drop(&mut self) {
        if let Stage::Submitted(ticket, slot) = &self.stage
            && self.client.shared.is_ours()
        {
            self.client.shared.withdraw(*ticket);
            // The completion may be about to run, and has no task to wake any more.
            let _waker = lock(slot).waker.take();
        }
    }
}

impl fmt::Debug for ResponseFuture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseFuture").finish_non_exhaustive()
    }
}
