//! Has a server of the calculator add and divide, each within ten seconds.
//!
//! ```sh
//! cargo run -p calc --bin calc_client /tmp/calc.sock
//! ```

use std::error::Error;
use std::process::ExitCode;
use std::time::Duration;

use calc::{AddRequest, CalcClient, DivideRequest};
use drpc::{CallOptions, Client, Status};

fn run() -> Result<(), Box<dyn Error>> {
    let path = std::env::args_os().nth(1).ok_or("usage: calc_client SOCKET")?;
    let calc = CalcClient::new(Client::connect(path)?).with(CallOptions::new().timeout(Duration::from_secs(10)));

    let response = calc.add(&AddRequest { a: 40, b: 2 })?;
    println!("40 + 2 = {}", response.sum);
    let response = calc.divide(&DivideRequest { a: 84, b: 2 })?;
    println!("84 / 2 = {}", response.quotient);

    match calc.divide(&DivideRequest { a: 1, b: 0 }) {
        Err(error) if error.status() == Some(Status::Failure) => println!("1 / 0: {error}"),
        Err(error) => return Err(error.into()),
        Ok(response) => return Err(format!("1 / 0 = {}", response.quotient).into()),
    }
    Ok(())
}

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("calc_client: {error}");
            ExitCode::FAILURE
        }
    }
}
