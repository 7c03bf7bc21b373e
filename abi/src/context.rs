//! `struct drpc`: a connection or a listener, as callers see it.

use std::ffi::c_int;
use std::marker::PhantomData;
use std::os::fd::{IntoRawFd, OwnedFd, RawFd};
use std::ptr::NonNull;
use std::sync::atomic::{AtomicI32, AtomicU32, Ordering};

use ::drpc::backoff::Rest;
use ::drpc::framing::chunked::Reassembly;
use ::drpc::framing::detect::PeerFraming;
use ::drpc::framing::{Framing, Limits};
use ::drpc::peer::reconnect_paths::RECONNECT_PATHS;
use ::drpc::sys::{self, SocketPath};
use ::drpc::{Cause, Sequence};

use crate::abi::{Abi, Head, Yielder, drpc_handler_t, unixcomm};
use crate::flags::{self, Flags};
use crate::side_table::SideTable;
use crate::{log, memory, settings};

/// The received parts of unfinished messages.
static PARTIAL: SideTable<Reassembly> = SideTable::new();

/// The pauses of listeners that do not accept for a while.
static BACKOFFS: SideTable<Rest> = SideTable::new();

/// The number of forks of the process when the last call of a session came, if there had been any.
static FORKS: SideTable<u64> = SideTable::new();

/// A live context. Its maker promises that the struct stays alive while the context is used; its methods rely on that
/// and are safe.
pub(crate) struct Context<A: Abi>(NonNull<A::Context>, PhantomData<A>);

impl<A: Abi> Clone for Context<A> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<A: Abi> Copy for Context<A> {}

impl<A: Abi> Context<A> {
    /// # Safety
    /// `context` is null or points to a context that stays alive as long as the result is used.
    pub(crate) unsafe fn new(context: *mut A::Context) -> Result<Self, Cause> {
        let context = NonNull::new(context).ok_or(Cause::Invalid("the context is NULL"))?;
        let this = Self(context, PhantomData);
        if this.comm().is_null() {
            return Err(Cause::Invalid("the context has no socket"));
        }
        Ok(this)
    }

    /// A context with a handler: a listener or a session.
    ///
    /// # Safety
    /// As for `new`.
    pub(crate) unsafe fn listener(context: *mut A::Context) -> Result<Self, Cause> {
        // SAFETY: the caller's promise.
        let this = unsafe { Self::new(context) }?;
        match this.handler() {
            Some(_) => Ok(this),
            None => Err(Cause::Invalid("the context is no listener or session: it has no handler")),
        }
    }

    /// Allocates a context for a socket that is not open yet. The blocks are freed unless the context is
    /// [opened](Unopened::opened).
    pub(crate) fn unopened(handler: drpc_handler_t, yielder: Yielder) -> Result<Unopened<A>, Cause> {
        let comm = memory::Owned::new(unixcomm { fd: -1, flags: 0 })?;
        let context = memory::Owned::new(A::context(comm.as_ptr(), handler, yielder))?;
        Ok(Unopened { comm, context })
    }

    pub(crate) fn as_ptr(self) -> *mut A::Context {
        self.0.as_ptr()
    }

    fn head(self) -> *mut Head {
        self.0.as_ptr().cast()
    }

    /// The address of the context's socket, by which the side tables find facts about it.
    pub(crate) fn comm_address(self) -> usize {
        self.comm() as usize
    }

    fn comm(self) -> *mut unixcomm {
        // SAFETY: the context is alive.
        unsafe { (*self.head()).comm }
    }

    fn descriptor(&self) -> &AtomicI32 {
        // SAFETY: context and comm are alive; `new` checks that comm is not null.
        unsafe { AtomicI32::from_ptr(&raw mut (*self.comm()).fd) }
    }

    pub(crate) fn fd(self) -> RawFd {
        self.descriptor().load(Ordering::Relaxed)
    }

    pub(crate) fn handler(self) -> drpc_handler_t {
        // SAFETY: the context is alive.
        unsafe { (*self.head()).handler }
    }

    pub(crate) fn yielder(self) -> Yielder {
        // SAFETY: the context is alive.
        unsafe { A::yielder(self.as_ptr()) }
    }

    pub(crate) fn flags(&self) -> Flags<'_> {
        // SAFETY: context and comm are alive; `int` and AtomicU32 have the same layout. Every concurrent change of the
        // flags goes through here.
        Flags(unsafe { AtomicU32::from_ptr((&raw mut (*self.comm()).flags).cast()) })
    }

    fn ref_count(&self) -> &AtomicU32 {
        // SAFETY: the context is alive.
        unsafe { AtomicU32::from_ptr(&raw mut (*self.head()).ref_count) }
    }

    fn counter(&self) -> &AtomicI32 {
        // SAFETY: the context is alive.
        unsafe { AtomicI32::from_ptr(&raw mut (*self.head()).sequence) }
    }

    /// Takes the number of the next call.
    pub(crate) fn take_sequence(self) -> Sequence {
        let next = |counter| Some(Sequence::at(counter).next_counter());
        match self.counter().fetch_update(Ordering::Relaxed, Ordering::Relaxed, next) {
            Ok(counter) | Err(counter) => Sequence::at(counter),
        }
    }

    pub(crate) fn limits(self) -> Limits {
        settings::limits(A::DATAGRAM)
    }

    /// The framing of a session's client, as far as it is known. An ambiguous record is read in the user's choice of
    /// framing, or else in the line's.
    #[inline]
    pub(crate) fn peer_framing(self) -> PeerFraming {
        self.flags().framing().map_or_else(Self::undetected_framing, PeerFraming::known)
    }

    #[cold]
    fn undetected_framing() -> PeerFraming {
        PeerFraming::unknown(settings::default_framing::<A>().unwrap_or(A::FRAMING))
    }

    /// Sets the detected framing of the context's server.
    pub(crate) fn set_server_framing(self, framing: Framing) {
        self.flags().set_framing(Some(framing));
        RECONNECT_PATHS.forget(self.comm_address());
    }

    /// The path to reconnect to; kept until the server's framing is known.
    pub(crate) fn reconnect_path(self) -> Option<SocketPath> {
        RECONNECT_PATHS.get(self.comm_address())
    }

    /// Sets the framing of a session's client, if it has just been detected.
    #[inline]
    pub(crate) fn keep_peer_framing(self, known: PeerFraming, peer_framing: PeerFraming) {
        if let (None, Some(framing)) = (known.get(), peer_framing.get()) {
            self.flags().set_framing(Some(framing));
            log::print_framing("client", framing, self.fd());
        }
    }

    /// True while the client of a session may read datagrams. Such a client takes the end of the session for success.
    pub(crate) fn may_have_datagram_client(self) -> bool {
        self.handler().is_some() && self.flags().framing() != Some(Framing::Chunked)
    }

    /// Counts a call, or an unreadable message in place of one, that has come on a session.
    pub(crate) fn count_call(self) {
        if self.may_have_datagram_client() {
            match sys::forks() {
                0 => {}
                forks => self.keep_forks(forks),
            }
            self.flags().owe_reply();
        }
    }

    /// Forgets the calls that came before a fork, because the child may answer them, and notes the number of forks.
    #[cold]
    fn keep_forks(self, forks: u64) {
        let known = match self.flags().has(flags::AFTER_FORK) {
            true => FORKS.exchange(self.comm_address(), forks),
            false => None,
        };
        if known != Some(forks) {
            self.flags().owe_nothing();
        }
        if known.is_none() && FORKS.put(self.comm_address(), forks).is_ok() {
            self.flags().set(flags::AFTER_FORK);
        }
    }

    /// True if the process has not forked since the last call of the session came. Removes the session's number of
    /// forks from the side table.
    pub(crate) fn has_not_forked(self) -> bool {
        let forks = match self.handler().is_some() && self.flags().has(flags::AFTER_FORK) {
            true => FORKS.take(self.comm_address()).unwrap_or(0),
            false => 0,
        };
        forks == sys::forks()
    }

    /// Counts a call of a session as answered.
    pub(crate) fn count_answer(self) {
        if self.flags().owes_replies() && self.may_have_datagram_client() {
            self.flags().answered();
        }
    }

    /// The message being received, with the parts that have come already; `body` is the number of the body's field.
    #[inline(always)]
    pub(crate) fn take_partial(self, body: u8) -> Reassembly {
        let kept = if self.flags().has(flags::PARTIAL) { self.take_kept_partial() } else { None };
        kept.unwrap_or_else(|| Reassembly::with_body(settings::max_message(), body))
    }

    #[cold]
    fn take_kept_partial(self) -> Option<Reassembly> {
        self.flags().clear(flags::PARTIAL);
        PARTIAL.take(self.comm_address())
    }

    /// Keeps the received part of a message for the next call. If that fails the connection is useless, and is shut
    /// down.
    #[inline(always)]
    pub(crate) fn keep_partial(self, partial: Reassembly) {
        if partial.is_partial() {
            self.store_partial(partial);
        }
    }

    #[cold]
    fn store_partial(self, partial: Reassembly) {
        match PARTIAL.put(self.comm_address(), partial) {
            Ok(()) => drop(self.flags().set(flags::PARTIAL)),
            Err(_) => sys::shut_down(self.fd()),
        }
    }

    /// Takes the pause of a listener, if one is set. Where the side table had no memory for the pause, a new one
    /// begins.
    pub(crate) fn take_backoff(self) -> Option<Rest> {
        if !self.flags().has(flags::BACKING_OFF) {
            return None;
        }
        self.flags().clear(flags::BACKING_OFF);
        Some(BACKOFFS.take(self.comm_address()).unwrap_or_else(|| Rest::after(None)))
    }

    /// Pauses accepting.
    pub(crate) fn set_backoff(self, pause: Rest) {
        // Without memory for the end of the pause the flag alone remains.
        let _ = BACKOFFS.put(self.comm_address(), pause);
        self.flags().set(flags::BACKING_OFF);
    }

    /// Forgets the socket, which then stays open.
    pub(crate) fn forget_socket(self) {
        self.descriptor().store(-1, Ordering::Relaxed);
    }

    /// Takes another reference.
    pub(crate) fn add_ref(self) -> Result<(), Cause> {
        // SAFETY: the context is alive.
        unsafe { Head::add_ref(self.head()) }
    }

    /// Gives a reference back; true if it was the last one.
    pub(crate) fn subtract_ref(self) -> Result<bool, Cause> {
        let subtract = |count: u32| count.checked_sub(1);
        let before = self.ref_count().fetch_update(Ordering::AcqRel, Ordering::Acquire, subtract);
        before.map(|count| count == 1).map_err(|_| Cause::Invalid("the context has no references left"))
    }

    /// Frees the context and its socket's block.
    ///
    /// # Safety
    /// The last reference has been given back, and the context is not used any more.
    pub(crate) unsafe fn free(self) {
        // SAFETY: the caller's promise; both blocks come from malloc, of the library or of the caller.
        unsafe {
            memory::free(self.comm());
            memory::free(self.as_ptr());
        }
    }
}

/// A context whose socket is not open yet.
pub(crate) struct Unopened<A: Abi> {
    comm: memory::Owned<unixcomm>,
    context: memory::Owned<A::Context>,
}

impl<A: Abi> Unopened<A> {
    /// The address of the future socket, by which the side tables find facts about it.
    pub(crate) fn comm_address(&self) -> usize {
        self.comm.as_ptr() as usize
    }

    /// Puts the open socket into the context, and gives both to the caller.
    pub(crate) fn opened(self, socket: OwnedFd, flags: c_int) -> *mut A::Context {
        let comm = unixcomm { fd: socket.into_raw_fd(), flags };
        // SAFETY: the block is owned until `into_raw` releases it in the same expression.
        unsafe { self.comm.into_raw().write(comm) };
        self.context.into_raw()
    }
}
