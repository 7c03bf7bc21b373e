//! `counted_client SOCKET CALLS LENGTH`: so many calls of `drpc::Client` with a body of that length, and one to end the
//! server, as in `caller.h`.

use std::error::Error;

use drpc::{Client, Status};

const ECHO: i32 = 1;
const END: i32 = 2;
const METHOD: i32 = 101;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments = std::env::args().skip(1).collect::<Vec<_>>();
    let [path, calls, length] = arguments.as_slice() else {
        return Err("usage: counted_client SOCKET CALLS LENGTH".into());
    };
    let (calls, body) = (calls.parse()?, vec![b'x'; length.parse()?]);
    let client = Client::connect(path)?;
    for module in std::iter::repeat_n(ECHO, calls).chain([END]) {
        let response = client.call(module, METHOD, &body)?;
        if response.status() != Status::Success || response.body.len() != body.len() {
            return Err("a wrong answer".into());
        }
    }
    Ok(())
}
