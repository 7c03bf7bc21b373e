//! Which module serves which call.

use std::collections::HashMap;
use std::fmt;

use crate::failure::Failure;
use crate::message::{Call, Response, Status};

/// Something that serves the methods of one module.
pub trait Module {
    /// Number of the module.
    fn id(&self) -> i32;

    /// Runs a method and returns the body of the response, or why there is none.
    fn handle(&self, method: i32, body: &[u8]) -> Result<Vec<u8>, Failure>;
}

/// The modules that a server serves, and the dispatch of calls to them.
///
/// ```
/// use drpc::{Call, Failure, Module, Service, Status};
///
/// struct Echo;
///
/// impl Module for Echo {
///     fn id(&self) -> i32 {
///         0
///     }
///
///     fn handle(&self, method: i32, body: &[u8]) -> Result<Vec<u8>, Failure> {
///         match method {
///             0 => Ok(body.to_vec()),
///             _ => Err(Failure::unknown_method()),
///         }
///     }
/// }
///
/// let mut service = Service::new();
/// service.register(Echo)?;
/// let call = Call { body: b"hello".to_vec(), ..Call::default() };
/// assert_eq!(service.process(&call).body, b"hello");
/// let call = Call { module: 7, ..Call::default() };
/// assert_eq!(service.process(&call).status(), Status::UnknownModule);
/// # Ok::<(), drpc::DuplicateModule>(())
/// ```
#[derive(Default)]
pub struct Service {
    modules: HashMap<i32, Box<dyn Module + Send + Sync>>,
}

/// A module with this number is registered already.
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
    pub fn register(&mut self, module: impl Module + Send + Sync + 'static) -> Result<(), DuplicateModule> {
        let id = module.id();
        if self.modules.contains_key(&id) {
            return Err(DuplicateModule(id));
        }
        self.modules.insert(id, Box::new(module));
        Ok(())
    }

    /// The module with this number.
    pub fn module(&self, id: i32) -> Option<&(dyn Module + Send + Sync)> {
        self.modules.get(&id).map(|module| &**module)
    }

    /// Serves a call. The response has a body only if the call succeeded.
    pub fn process(&self, call: &Call) -> Response {
        let Some(module) = self.module(call.module) else {
            return Response::of_status(call, Status::UnknownModule);
        };
        match module.handle(call.method, &call.body) {
            Ok(body) => Response::success(call, body),
            Err(failure) => Response::of_status(call, failure.status()),
        }
    }
}

impl fmt::Debug for Service {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.modules.keys()).finish()
    }
}
