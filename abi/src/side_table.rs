//! What does not fit into a context: facts about connections in an unusual state, by the address of `struct unixcomm`.
//!
//! A flag in the context says whether there is something here, so that what a context left behind that was freed
//! without us is never taken for another's at the same address. Paths alone have none: where one leads is looked at.

use ::drpc::backoff::Rest;
use ::drpc::framing::chunked::Reassembly;
use ::drpc::side_table::SideTable;
use ::drpc::sys::SocketPath;

/// Messages received in part.
pub(crate) static PARTIAL: SideTable<Reassembly> = SideTable::new(usize::MAX);

/// Listeners that do not accept for a while.
pub(crate) static RESTS: SideTable<Rest> = SideTable::new(usize::MAX);

/// Where clients have connected to, until they know how the server expects messages.
pub(crate) static ROUTES: SideTable<Route> = SideTable::new(256);

/// The way back to a server.
#[derive(Clone, Copy)]
pub(crate) struct Route {
    pub(crate) path: SocketPath,
    /// The server has said that it reads datagrams, and wants another connection for them.
    pub(crate) rejected: bool,
}
