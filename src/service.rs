//! Modules, and the dispatch of calls to them.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::PoisonError;

use prost::Message;

use crate::cause::Cause;
use crate::failure::Failure;
use crate::protocol::message::{Call, Response, Status};
use crate::protocol::wire::CallRef;
use crate::request::{Answer, Answers, Request};
use crate::session::Session;
use crate::sync::{Condvar, Mutex, lock};
use crate::sys::{TryArc, try_box};

/// The methods of one module.
///
/// Most modules implement [`handle`](Module::handle). One that keeps large bodies, or hands them back, implements
/// [`handle_owned`](Module::handle_owned) instead, and one that answers later [`serve`](Module::serve). A closure becomes a
/// module by [`module_fn`](crate::module_fn).
pub trait Module: Send + Sync {
    /// The number of the module.
    fn id(&self) -> i32;

    /// Runs a method, and returns the body of the response or why the call failed.
    fn handle(&self, session: &Session, method: i32, body: &[u8]) -> Result<Vec<u8>, Failure> {
        let (_, _, _) = (session, method, body);
        Err(Failure::unknown_method())
    }

    /// Runs a method that owns the body of its call, so that no large body has to be copied: it was received where it is,
    /// and the result is sent from where it is. Unless implemented otherwise, [`handle`](Module::handle) runs.
    fn handle_owned(&self, session: &Session, method: i32, body: Vec<u8>) -> Result<Vec<u8>, Failure> {
        self.handle(session, method, &body)
    }

    /// Takes a call over, to answer it now or later. Unless implemented otherwise, the result of
    /// [`handle_owned`](Module::handle_owned) is the answer.
    fn serve(&self, mut request: Request) {
        let (method, body) = (request.call().method, request.take_body());
        let result = self.handle_owned(request.session(), method, body);
        // An answer fails only after the session has ended, which the server has logged already.
        let _ = request.reply(result);
    }

    /// True if calls of one session may be served at the same time, and answered in any order. Otherwise the next call
    /// waits until the one before has been answered.
    fn concurrent(&self) -> bool {
        false
    }
}

/// The modules that a server serves, and the dispatch of calls to them.
///
/// ```
/// use drpc::{Failure, Module, Service, Session};
///
/// struct Echo;
///
/// impl Module for Echo {
///     fn id(&self) -> i32 {
///         0
///     }
///
///     fn handle(&self, _session: &Session, method: i32, body: &[u8]) -> Result<Vec<u8>, Failure> {
///         match method {
///             0 => Ok(body.to_vec()),
///             _ => Err(Failure::unknown_method()),
///         }
///     }
/// }
///
/// let mut service = Service::new();
/// service.register(Echo)?;
/// assert!(service.module(0).is_some());
/// assert!(service.register(Echo).is_err());
/// # Ok::<(), drpc::DuplicateModule>(())
/// ```
#[derive(Default)]
pub struct Service {
    /// Modules with their numbers, in ascending order.
    modules: Vec<(i32, Box<dyn Module>)>,
}

/// The error of registering a second module with the same number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DuplicateModule(
    /// The number.
    pub i32,
);

impl fmt::Display for DuplicateModule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "module {} is registered already", self.0)
    }
}

impl std::error::Error for DuplicateModule {}

impl Service {
    /// A service without modules.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a module.
    pub fn register(&mut self, module: impl Module + 'static) -> Result<(), DuplicateModule> {
        let id = module.id();
        match self.position(id) {
            Ok(_) => Err(DuplicateModule(id)),
            Err(free) => {
                self.modules.insert(free, (id, Box::new(module)));
                Ok(())
            }
        }
    }

    /// Adds a module; [`Cause::NoMemory`] if memory has run out, [`Cause::Exists`] if the number is taken.
    pub(crate) fn try_register(&mut self, module: impl Module + 'static) -> Result<(), Cause> {
        let id = module.id();
        let Err(free) = self.position(id) else { return Err(Cause::Exists) };
        self.modules.try_reserve(1).map_err(|_| Cause::NoMemory)?;
        self.modules.insert(free, (id, try_box(module)?));
        Ok(())
    }

    /// The module with this number.
    pub fn module(&self, id: i32) -> Option<&dyn Module> {
        self.module_at(self.position(id).ok()?)
    }

    /// The position of a module among all, or as an error the one to insert it at.
    fn position(&self, id: i32) -> Result<usize, usize> {
        self.modules.binary_search_by_key(&id, |(id, _)| *id)
    }

    /// The module at a position among [all](Self::modules).
    pub(crate) fn module_at(&self, position: usize) -> Option<&dyn Module> {
        self.modules.get(position).map(|(_, module)| &**module)
    }

    /// The modules and their numbers, in ascending order.
    pub(crate) fn modules(&self) -> impl ExactSizeIterator<Item = (i32, &dyn Module)> {
        self.modules.iter().map(|(id, module)| (*id, &**module))
    }

    /// Serves a call, and waits for the answer if the module gives it later. A response has a body only after success.
    pub fn process(&self, session: &Session, call: Call) -> Response {
        let Some(module) = self.module(call.module) else {
            return Response::of_status(&call, Status::UnknownModule);
        };
        let slot = ReplySlot { session: session.clone(), response: Mutex::default(), answered: Condvar::new() };
        let Ok(slot) = TryArc::new(slot) else { return Response::of_status(&call, Status::Failure) };
        run(module, Request::new(call, TryArc::map(slot.clone(), |slot| slot as &dyn Answers), 0));
        slot.wait()
    }

    /// Serves an encoded call, and returns the encoded response. Bytes that are no call are answered with
    /// [`Status::FailedUnmarshalCall`] and the sequence -1.
    pub fn process_message(&self, session: &Session, message: &[u8]) -> Vec<u8> {
        let response = match CallRef::decode(message) {
            Ok(call) => self.process(session, call.to_owned()),
            Err(_) => Response::to_unparsable(),
        };
        response.encode_to_vec()
    }
}

/// Has a module serve a request; false if the module panicked. A panic drops the request, which answers it.
pub(crate) fn run(module: &dyn Module, request: Request) -> bool {
    // The state that a panic leaves behind is the module's own.
    catch_unwind(AssertUnwindSafe(|| module.serve(request))).is_ok()
}

/// A place for one answer, and the wait for it.
struct ReplySlot {
    session: Session,
    response: Mutex<Option<Response>>,
    answered: Condvar,
}

impl ReplySlot {
    fn wait(&self) -> Response {
        let mut response = lock(&self.response);
        loop {
            match response.take() {
                Some(response) => return response,
                None => response = self.answered.wait(response).unwrap_or_else(PoisonError::into_inner),
            }
        }
    }
}

impl Answers for ReplySlot {
    fn handle(&self) -> &Session {
        &self.session
    }

    fn answer(&self, _tag: u64, answer: Answer<'_>) -> Result<(), Cause> {
        let Answer { sequence, status, body, detail } = answer;
        let detail = detail.copied().map(Box::new);
        *lock(&self.response) = Some(Response { sequence, status, body: body.into_owned(), detail });
        self.answered.notify_all();
        Ok(())
    }

    fn acquire(&self, _own: usize, _more: usize) -> Option<usize> {
        Some(0)
    }

    fn release(&self, _less: usize) {}
}

impl fmt::Debug for Service {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.modules.iter().map(|(id, _)| id)).finish()
    }
}
