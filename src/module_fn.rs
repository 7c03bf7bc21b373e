//! A module made of a function.

use std::fmt;

use crate::failure::Failure;
use crate::service::Module;
use crate::session::Session;

/// A module with this number whose methods are all run by one function. The function gets the session, the number of the
/// method and the body of the call, and returns what [`Module::handle_owned`] returns.
///
/// ```
/// use drpc::{Failure, Server, module_fn};
///
/// # let dir = tempfile::tempdir().unwrap();
/// # let path = dir.path().join("echo.sock");
/// let echo = module_fn(0, |_session, method, body| match method {
///     1 => Ok(body),
///     _ => Err(Failure::unknown_method()),
/// });
/// let server = Server::builder().module(echo).bind(&path)?;
/// # Ok::<(), drpc::Error>(())
/// ```
pub fn module_fn<F>(id: i32, function: F) -> ModuleFn<F>
where
    F: Fn(&Session, i32, Vec<u8>) -> Result<Vec<u8>, Failure> + Send + Sync,
{
    ModuleFn { id, function }
}

/// A module made of a function: the result of [`module_fn`].
#[derive(Clone, Copy)]
pub struct ModuleFn<F> {
    id: i32,
    function: F,
}

impl<F> Module for ModuleFn<F>
where
    F: Fn(&Session, i32, Vec<u8>) -> Result<Vec<u8>, Failure> + Send + Sync,
{
    fn id(&self) -> i32 {
        self.id
    }

    fn handle_owned(&self, session: &Session, method: i32, body: Vec<u8>) -> Result<Vec<u8>, Failure> {
        (self.function)(session, method, body)
    }
}

impl<F> fmt::Debug for ModuleFn<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ModuleFn").field("id", &self.id).finish_non_exhaustive()
    }
}
