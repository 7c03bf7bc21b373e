//! Serves the calculator, until its input ends.
//!
//! ```sh
//! cargo run -p calc --bin calc_server /tmp/calc.sock
//! ```

use std::error::Error;
use std::io;
use std::process::ExitCode;
use std::time::Duration;

use calc::{AddRequest, AddResponse, Calc, CalcModule, DivideRequest, DivideResponse};
use drpc::{Existing, Failure, Server, Session};

/// The time that replies may take to go out when the server ends.
const GRACE: Duration = Duration::from_secs(10);

struct Calculator;

impl Calc for Calculator {
    fn add(&self, _session: &Session, request: AddRequest) -> Result<AddResponse, Failure> {
        let sum = request.a.checked_add(request.b);
        let sum = sum.ok_or_else(|| Failure::other().with_detail("the sum is too large"))?;
        Ok(AddResponse { sum })
    }

    fn divide(&self, session: &Session, request: DivideRequest) -> Result<DivideResponse, Failure> {
        let Some(quotient) = request.a.checked_div(request.b) else {
            println!("user {} divides {} by {}", session.peer().uid, request.a, request.b);
            return Err(Failure::other().with_detail("there is no such quotient"));
        };
        Ok(DivideResponse { quotient })
    }
}

fn run() -> Result<(), Box<dyn Error>> {
    let path = std::env::args_os().nth(1).ok_or("usage: calc_server SOCKET")?;
    let server = Server::builder().module(CalcModule::new(Calculator)).existing(Existing::ReplaceStale).bind(path)?;
    server.start()?;
    println!("listening on {}", server.path().display());
    io::copy(&mut io::stdin(), &mut io::sink())?;
    server.shutdown(GRACE)?;
    Ok(())
}

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("calc_server: {error}");
            ExitCode::FAILURE
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A handler needs no socket to be tested.
    #[test]
    fn divides() -> Result<(), Box<dyn Error>> {
        let session = Session::for_tests()?;
        assert_eq!(Calculator.divide(&session, DivideRequest { a: 7, b: 2 })?.quotient, 3);
        let error = Calculator.divide(&session, DivideRequest { a: 7, b: 0 });
        assert_eq!(error.unwrap_err().detail(), Some("there is no such quotient"));
        Ok(())
    }
}
