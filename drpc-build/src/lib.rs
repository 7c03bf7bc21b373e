//! Generates typed clients and servers of dRPC from .proto files, in a build script. No protoc is needed.
//!
//! A crate with a service has four files. `Cargo.toml` needs nothing else:
//!
//! ```toml
//! [dependencies]
//! drpc = "0.1"
//!
//! [build-dependencies]
//! drpc-build = "0.1"
//! ```
//!
//! `calc.proto`:
//!
//! ```proto
//! syntax = "proto3";
//! package calc;
//!
//! import "drpc/options.proto";
//!
//! service Calc {
//!   option (drpc.module) = 100;
//!
//!   rpc Add (AddRequest) returns (AddResponse);
//!   rpc Divide (DivideRequest) returns (DivideResponse);
//! }
//!
//! message AddRequest { int64 a = 1; int64 b = 2; }
//! message AddResponse { int64 sum = 1; }
//! message DivideRequest { int64 a = 1; int64 b = 2; }
//! message DivideResponse { int64 quotient = 1; }
//! ```
//!
//! `build.rs`:
//!
//! ```no_run
//! fn main() -> Result<(), drpc_build::Error> {
//!     drpc_build::compile_protos(&["calc.proto"], &["."])
//! }
//! ```
//!
//! `src/main.rs`, which is a server and a client of it:
//!
//! ```
//! use std::time::Duration;
//!
//! use drpc::{CallOptions, Client, Failure, Server, Session, Status};
//!
//! use calc::{AddRequest, AddResponse, Calc, CalcClient, CalcModule, DivideRequest, DivideResponse};
//!
//! mod calc {
//! # /*
//!     drpc::include_proto!("calc");
//! # */
//! #   include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/generated/calc.rs"));
//! }
//!
//! struct Calculator;
//!
//! impl Calc for Calculator {
//!     fn add(&self, _session: &Session, request: AddRequest) -> Result<AddResponse, Failure> {
//!         let sum = request.a.checked_add(request.b).ok_or_else(Failure::other)?;
//!         Ok(AddResponse { sum })
//!     }
//!
//!     fn divide(&self, session: &Session, request: DivideRequest) -> Result<DivideResponse, Failure> {
//!         println!("user {} divides {} by {}", session.peer().uid, request.a, request.b);
//!         let quotient = request.a.checked_div(request.b);
//!         let quotient = quotient.ok_or_else(|| Failure::other().with_detail("there is no such quotient"))?;
//!         Ok(DivideResponse { quotient })
//!     }
//! }
//!
//! fn main() -> Result<(), Box<dyn std::error::Error>> {
//! #   let dir = tempfile::tempdir()?;
//! #   let path = dir.path().join("calc.sock");
//! # /*
//!     let path = "/run/calc.sock";
//! # */
//!     let server = Server::builder().module(CalcModule::new(Calculator)).bind(&path)?;
//!     server.start()?;
//!
//!     let calc = CalcClient::new(Client::connect(&path)?);
//!     let response = calc.add(&AddRequest { a: 40, b: 2 })?;
//!     assert_eq!(response.sum, 42);
//!
//!     // A call that may take a second.
//!     let calc = calc.with(CallOptions::new().timeout(Duration::from_secs(1)));
//!     let error = calc.divide(&DivideRequest { a: 1, b: 0 }).unwrap_err();
//!     assert_eq!((error.status(), error.detail()), (Some(Status::Failure), Some("there is no such quotient")));
//!     Ok(())
//! }
//! ```
//!
//! # Numbers
//!
//! On the wire a service is a module, and both it and its methods are numbers. DAOS has the modules 0 to 4.
//!
//! | number of | is | or, in its place |
//! |---|---|---|
//! | a service | `option (drpc.module) = 100;` in the service | [`Builder::module`] |
//! | a method | `module * 100 + 1` for the first one, and one more for each that follows | `option (drpc.method) = 10007;` in the method, or [`Builder::method`] |
//!
//! This crate carries `drpc/options.proto`, which has these options. protoc-c would have to be given it: a file that C
//! programs share is better left without, and its numbers stand in `build.rs`. A method that is inserted before others
//! moves their numbers; so put new ones last.
//!
//! # What is generated
//!
//! Of each service `Calc` in the files given, beside the messages that prost generates:
//!
//! * `CalcClient`, whose methods call those of the service: `add` waits for the response, and `add_async` is a future for
//!   any executor. An error is a [`CallError`](../drpc/typed/struct.CallError.html), which keeps the server's status and
//!   words apart from its text.
//! * `Calc`, the trait of a server: a method for each of the service, with the session that says who calls. A
//!   [`Failure`](../drpc/struct.Failure.html) is answered with its status. An implementation is tested as any other
//!   type, with [`Session::for_tests`](../drpc/struct.Session.html#method.for_tests).
//! * `CalcModule`, which makes an implementation a module of a server. A request that cannot be decoded is answered with
//!   `FAILED_UNMARSHAL_PAYLOAD`, and a method that the service does not have with `UNKNOWN_METHOD`.
//!
//! Of files that are imported, the messages are generated and the services are not. The code is in one file for each package,
//! which [`include_proto!`](../drpc/macro.include_proto.html) includes. It needs the crate `drpc` alone, and `prost-types` if
//! messages have fields of types like `google.protobuf.Timestamp`.
//!
//! A service without a module number, two of one number, and methods that stream are errors, which Cargo shows.

mod builder;
mod error;
mod generator;
mod numbers;
mod sources;

use std::path::Path;

pub use builder::{Builder, configure};
pub use error::Error;
pub use prost_build;

/// Generates the code for .proto files, whose numbers stand in the files. `includes` are the folders where files are looked
/// for, also those that are imported.
///
/// The code goes to Cargo's `OUT_DIR`, and the build script runs again when a file has changed.
pub fn compile_protos(protos: &[impl AsRef<Path>], includes: &[impl AsRef<Path>]) -> Result<(), Error> {
    configure().compile_protos(protos, includes)
}
