//! A server for tests, behind `drpc serve`.
//!
//! [`rules`] says what each call gets, [`fixture`] reads rules from a file, [`fault`] knows how to misbehave, [`exec`] runs
//! commands, [`client`] serves one client, [`journal`] tells of each call, and [`socket_file`] removes the file at the end.

pub mod client;
pub mod exec;
pub mod fault;
pub mod fixture;
pub mod journal;
pub mod rules;
pub mod socket_file;
