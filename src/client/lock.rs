//! Calling without others in between.

use std::marker::PhantomData;
use std::ops::Deref;

use super::Client;

/// A client that only this thread can call. Others can again when it is dropped.
#[derive(Debug)]
#[must_use = "the lock is given back when this is dropped"]
pub struct Locked<'a> {
    client: &'a Client,
    /// It is the thread that holds the lock.
    thread: PhantomData<*const ()>,
}

impl<'a> Locked<'a> {
    pub(super) fn new(client: &'a Client) -> Self {
        Self { client, thread: PhantomData }
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
        // In the child of a fork there is nobody to let in.
        let _ = self.client.unlock();
    }
}
