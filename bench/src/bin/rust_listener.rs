//! `rust_listener SOCKET`: a loop by hand with `drpc::Listener`, a thread for each connection.

use std::error::Error;
use std::io;
use std::thread;

use drpc::{Connection, Listener, Response};

fn serve(mut connection: Connection) -> Result<(), drpc::Error> {
    while let Some(call) = connection.receive()? {
        connection.reply(&Response { sequence: call.sequence, status: 0, body: call.body })?;
    }
    Ok(())
}

fn main() -> Result<(), Box<dyn Error>> {
    let path = std::env::args_os().nth(1).ok_or("usage: rust_listener SOCKET")?;
    let listener = Listener::bind(path)?;
    println!("ready");
    thread::spawn(move || {
        while let Ok(connection) = listener.accept() {
            thread::spawn(move || serve(connection));
        }
    });
    io::copy(&mut io::stdin(), &mut io::sink())?;
    Ok(())
}
