//! The lock by which one thread keeps the others from calling.

use std::marker::PhantomData;
use std::ops::Deref;

use super::client::Client;
use super::operation::Operation;
use super::options::CallOptions;
use crate::error::{Error, Phase};
use crate::protocol::wire::CallRef;
use crate::sync::ThreadId;

/// A client that only this thread can call. Dropping the guard lets other threads call again.
#[derive(Debug)]
#[must_use = "the lock is given back when this is dropped"]
pub struct Locked<'a> {
    client: &'a Client,
    /// The guard stays with the thread that holds the lock.
    thread: PhantomData<*const ()>,
}

impl Client {
    /// Keeps other threads from calling: their calls wait until the guard is dropped, and those of this thread go
    /// through. Waits until no call is in flight. A thread that holds the lock already gets
    /// [`Cause::Busy`](crate::Cause::Busy). A thread that ends without dropping the guard keeps the lock for good.
    ///
    /// ```
    /// # let dir = tempfile::tempdir().unwrap();
    /// # let path = dir.path().join("agent.sock");
    /// # let listener = drpc::Listener::bind(&path)?;
    /// # let agent = std::thread::spawn(move || listener.accept()?.serve(&drpc::Service::new()));
    /// let client = drpc::Client::connect(&path)?;
    /// let locked = client.lock()?;
    /// locked.call(7, 701, b"first")?;
    /// locked.call(7, 701, b"second, with none between")?;
    /// # drop(locked);
    /// # drop(client);
    /// # agent.join().unwrap()?;
    /// # Ok::<(), drpc::Error>(())
    /// ```
    pub fn lock(&self) -> Result<Locked<'_>, Error> {
        self.lock_with(&CallOptions::new())
    }

    /// Keeps other threads from calling. Waits for the lock within the time that the options allow.
    pub fn lock_with(&self, options: &CallOptions) -> Result<Locked<'_>, Error> {
        let operation = Operation::Lock(ThreadId::current());
        self.wait(options, operation, CallRef::default())?;
        Ok(Locked { client: self, thread: PhantomData })
    }

    /// Releases the lock, if this thread holds it.
    pub(super) fn unlock(&self) -> Result<(), Error> {
        self.check(Phase::Call)?;
        self.0.shared.with(|state| {
            if state.calls.holds_lock() {
                state.calls.unlock();
                state.advance();
            }
        });
        Ok(())
    }
}

impl Deref for Locked<'_> {
    type Target = Client;

    fn deref(&self) -> &Client {
        self.client
    }
}

impl Drop for Locked<'_> {
    fn drop(&mut self) {
        // In the child of a fork this fails, and no other thread waits.
        let _ = self.client.unlock();
    }
}
