//! `rust_listener SOCKET`: a loop by hand with `drpc::Listener`, a thread for each connection at a time.

use std::error::Error;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use drpc::{Connection, Listener, Response};

fn serve(mut connection: Connection) -> Result<(), drpc::Error> {
    while let Some(call) = connection.receive()? {
        connection.reply(&Response { sequence: call.sequence, body: call.body, ..Response::default() })?;
    }
    Ok(())
}

/// Accepts and serves one connection after the other. The last thread that accepts starts another one before it serves,
/// so that there are as many as there have been connections at a time: to start a thread for each takes as long as some
/// connections.
fn work(listener: &Arc<Listener>, accepting: &Arc<AtomicUsize>) {
    accepting.fetch_add(1, Ordering::SeqCst);
    while let Ok(connection) = listener.accept() {
        if accepting.fetch_sub(1, Ordering::SeqCst) == 1 {
            let (listener, accepting) = (Arc::clone(listener), Arc::clone(accepting));
            thread::spawn(move || work(&listener, &accepting));
        }
        let _ = serve(connection);
        accepting.fetch_add(1, Ordering::SeqCst);
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let path = std::env::args_os().nth(1).ok_or("usage: rust_listener SOCKET")?;
    let listener = Arc::new(Listener::bind(path)?);
    println!("ready");
    thread::spawn(move || work(&listener, &Arc::default()));
    io::copy(&mut io::stdin(), &mut io::sink())?;
    Ok(())
}
