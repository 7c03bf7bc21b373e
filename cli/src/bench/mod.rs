//! The measuring of calls, behind `drpc bench`.
//!
//! [`load`] makes the calls, [`tally`] counts what becomes of them, [`summary`] is the result as JSON and for people,
//! [`comparison`] sets it against an older one, and [`progress`] shows how far it is.

pub mod comparison;
pub mod load;
pub mod progress;
pub mod summary;
pub mod tally;
