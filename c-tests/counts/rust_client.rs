//! `counted_client SOCKET [CALLS LENGTH]…`: calls of `drpc::Client`, and one to end the server, as in `caller.h`.

use std::error::Error;
use std::os::unix::process::parent_id;

use drpc::{Client, Status};

const MODULE: i32 = 1;
const ECHO: i32 = 101;
const MARK: i32 = 102;
const END: i32 = 103;

fn call(client: &Client, method: i32, body: &[u8]) -> Result<(), Box<dyn Error>> {
    let response = client.call(MODULE, method, body)?;
    if response.status() != Status::Success || response.body.len() != body.len() {
        return Err("a wrong answer".into());
    }
    Ok(())
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let path = arguments.next().ok_or("usage: counted_client SOCKET [CALLS LENGTH]…")?;
    while let Some((calls, length)) = arguments.next().zip(arguments.next()) {
        let (calls, body) = (calls.parse::<usize>()?, vec![b'x'; length.parse()?]);
        let client = Client::connect(&path)?;
        for _half in 0..2 {
            for _ in 1..calls {
                call(&client, ECHO, &body)?;
            }
            call(&client, MARK, &body)?;
            let _ = parent_id();
        }
    }
    call(&Client::connect(&path)?, END, &[])
}
