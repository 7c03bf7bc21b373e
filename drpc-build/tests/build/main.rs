//! What is generated, called over sockets; the numbers of services; and the errors of a build.
#![expect(clippy::unwrap_used, reason = "a test says so by panicking")]

mod calls;
mod errors;
mod generated;
mod numbers;
