//! Modules whose handlers are futures.

use std::future::Future;
use std::sync::Arc;

use ::tokio::runtime::Handle;

use crate::failure::Failure;
use crate::request::Request;
use crate::service::Module;
use crate::session::Session;

/// The methods of one module, whose results are futures. A server gets it from [`module`].
pub trait AsyncModule: Send + Sync + 'static {
    /// The number of the module.
    fn id(&self) -> i32;

    /// Runs a method, and returns the body of the response or why the call failed.
    fn handle(
        &self,
        session: &Session,
        method: i32,
        body: Vec<u8>,
    ) -> impl Future<Output = Result<Vec<u8>, Failure>> + Send;

    /// True if calls of one session may be served at the same time, and answered in any order. Otherwise the next call
    /// waits until the one before has been answered.
    fn concurrent(&self) -> bool {
        false
    }
}

/// A module that runs each call as a task of the current runtime, whichever thread the server gets it in. A call whose
/// task panics, or ends with its runtime, is answered with [`Status::Failure`](crate::Status::Failure).
///
/// # Panics
///
/// Panics outside of a runtime.
pub fn module(module: impl AsyncModule) -> impl Module {
    Tasks { module: Arc::new(module), runtime: Handle::current() }
}

struct Tasks<M> {
    module: Arc<M>,
    runtime: Handle,
}

impl<M: AsyncModule> Module for Tasks<M> {
    fn id(&self) -> i32 {
        self.module.id()
    }

    fn serve(&self, mut request: Request) {
        let module = Arc::clone(&self.module);
        self.runtime.spawn(async move {
            let (method, body) = (request.call().method, request.take_body());
            let result = module.handle(request.session(), method, body).await;
            // An answer fails only after the session has ended, which the server has logged already.
            let _ = request.reply(result);
        });
    }

    fn concurrent(&self) -> bool {
        self.module.concurrent()
    }
}
