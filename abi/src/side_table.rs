//! What does not fit into a context: facts about connections in an unusual state, by the address of `struct unixcomm`.
//!
//! A flag in the context says whether there is something here, so that what a context left behind that was freed
//! without us is never taken for another's at the same address.

use ::drpc::backoff::Rest;
use ::drpc::framing::chunked::Reassembly;
use ::drpc::side_table::SideTable;

use crate::inquiry::Inquiry;

/// Messages received in part.
pub(crate) static PARTIAL: SideTable<Reassembly> = SideTable::new();

/// Listeners that do not accept for a while.
pub(crate) static RESTS: SideTable<Rest> = SideTable::new();

/// How often the process had forked when the last call of a session came, if it had.
pub(crate) static FORKS: SideTable<u64> = SideTable::new();

/// What clients have asked their servers and not been answered yet; nothing while a thread is at work on it.
pub(crate) static INQUIRIES: SideTable<Option<Inquiry>> = SideTable::new();
