//! The contender protocol of ../README.md for peers that are written with tokio, everything in one thread.

use std::error::Error;
use std::future::{Future, pending};
use std::hint;
use std::io::{self, BufRead, Read, Write};
use std::process;
use std::thread;
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures_util::TryStreamExt;
use futures_util::stream::FuturesUnordered;
use tokio::runtime::{Builder, Runtime};

/// Whatever goes wrong ends the program, with its text.
pub type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// An RPC system that is compared.
pub trait Peer {
    /// The largest body that it carries.
    const MAX_BODY: usize;
    /// A client's connection.
    type Connection;
    /// The body of an answer.
    type Answer: AsRef<[u8]>;

    /// Serves in tasks of the runtime once this has returned, until what it returns is dropped.
    fn serve(socket: &str) -> impl Future<Output = Result<impl Sized>>;
    /// Connects.
    fn connect(socket: &str) -> impl Future<Output = Result<Self::Connection>>;
    /// Makes a call.
    fn call(connection: &Self::Connection, body: &Bytes) -> impl Future<Output = Result<Self::Answer>>;
}

/// The program: `PEER server SOCKET` or `PEER client SOCKET`.
pub fn main<P: Peer>() -> Result<()> {
    let arguments = std::env::args().skip(1).collect::<Vec<_>>();
    let runtime = Builder::new_current_thread().enable_all().build()?;
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["server", socket] => runtime.block_on(serve::<P>(socket)),
        ["client", socket] => obey::<P>(&runtime, socket),
        _ => Err("usage: PEER server|client SOCKET".into()),
    }
}

async fn serve<P: Peer>(socket: &str) -> Result<()> {
    let _serving = P::serve(socket).await?;
    thread::spawn(|| {
        let ended = io::stdin().read_to_end(&mut Vec::new()).is_ok();
        process::exit(if ended { 0 } else { 1 });
    });
    println!("ready");
    pending().await
}

/// Does what the lines of the standard input say.
fn obey<P: Peer>(runtime: &Runtime, socket: &str) -> Result<()> {
    let shared = runtime.block_on(P::connect(socket))?;
    for line in io::stdin().lock().lines() {
        let line = line?;
        let mut words = line.split(' ');
        let command = words.next().unwrap_or_default();
        let numbers = words.map(str::parse).collect::<std::result::Result<Vec<u64>, _>>()?;
        let (&[size, count], extra) = numbers.split_first_chunk().ok_or("a command has a size and a count")?;
        let body = (0..size).map(|i| (i * 31 + (i >> 8) + 7).to_le_bytes()[0]).collect::<Bytes>();
        let load = Load::<P> { socket, body, count, shared: &shared };
        let samples = match (command, extra) {
            _ if load.body.len() > P::MAX_BODY => None,
            ("calls", []) => Some(runtime.block_on(load.calls())?),
            ("connects", []) => Some(runtime.block_on(load.connects())?),
            ("paced", &[rate]) if rate > 0 => Some(runtime.block_on(load.paced(rate))?),
            ("pipeline", &[depth]) if depth > 0 => Some(runtime.block_on(load.pipeline(depth))?),
            ("clients", &[clients]) if clients > 0 => Some(runtime.block_on(load.clients(clients))?),
            _ => None,
        };
        let mut out = io::stdout().lock();
        match samples {
            None => writeln!(out, "unsupported")?,
            Some(samples) => {
                writeln!(out, "{}", samples.len())?;
                let bytes = samples.iter().map(Duration::as_nanos).flat_map(|ns| (ns as u64).to_ne_bytes());
                out.write_all(&bytes.collect::<Vec<_>>())?;
            }
        }
        out.flush()?;
    }
    Ok(())
}

/// What a command asks for.
struct Load<'a, P: Peer> {
    socket: &'a str,
    body: Bytes,
    count: u64,
    shared: &'a P::Connection,
}

impl<P: Peer> Load<'_, P> {
    async fn call(&self, connection: &P::Connection) -> Result<()> {
        let answer = P::call(connection, &self.body).await?;
        if answer.as_ref().len() == self.body.len() { Ok(()) } else { Err("a wrong answer".into()) }
    }

    /// A call of which the bytes are looked at.
    async fn check(&self, connection: &P::Connection) -> Result<()> {
        let answer = P::call(connection, &self.body).await?;
        if answer.as_ref() == &self.body[..] { Ok(()) } else { Err("a wrong answer".into()) }
    }

    async fn calls(&self) -> Result<Vec<Duration>> {
        self.check(self.shared).await?;
        let mut samples = Vec::new();
        for _ in 0..self.count {
            let begin = Instant::now();
            self.call(self.shared).await?;
            samples.push(begin.elapsed());
        }
        Ok(samples)
    }

    async fn connects(&self) -> Result<Vec<Duration>> {
        let mut samples = Vec::new();
        for _ in 0..self.count {
            let begin = Instant::now();
            let connection = P::connect(self.socket).await?;
            self.call(&connection).await?;
            drop(connection);
            samples.push(begin.elapsed());
        }
        Ok(samples)
    }

    async fn paced(&self, rate: u64) -> Result<Vec<Duration>> {
        self.check(self.shared).await?;
        let mut samples = Vec::new();
        let begin = Instant::now();
        for i in 0..self.count {
            let due = begin + Duration::from_nanos(i * 1_000_000_000 / rate);
            while Instant::now() < due {
                hint::spin_loop();
            }
            self.call(self.shared).await?;
            samples.push(due.elapsed());
        }
        Ok(samples)
    }

    async fn pipeline(&self, depth: u64) -> Result<Vec<Duration>> {
        self.check(self.shared).await?;
        let begin = Instant::now();
        let under_way = (0..depth.min(self.count)).map(|_| self.call(self.shared)).collect::<FuturesUnordered<_>>();
        self.keep(under_way, |()| self.call(self.shared)).await?;
        Ok(vec![begin.elapsed()])
    }

    async fn clients(&self, clients: u64) -> Result<Vec<Duration>> {
        let mut connections = Vec::new();
        for _ in 0..clients {
            let connection = P::connect(self.socket).await?;
            self.check(&connection).await?;
            connections.push(connection);
        }
        let one = async |connection| self.call(connection).await.map(|()| connection);
        let begin = Instant::now();
        let first = connections.iter().take(usize::try_from(self.count)?);
        self.keep(first.map(one).collect(), one).await?;
        Ok(vec![begin.elapsed()])
    }

    /// Begins the next call whenever one is done, until there have been enough.
    async fn keep<T, F: Future<Output = Result<T>>>(
        &self,
        mut under_way: FuturesUnordered<F>,
        next: impl Fn(T) -> F,
    ) -> Result<()> {
        for _ in u64::try_from(under_way.len())?..self.count {
            let done = under_way.try_next().await?.ok_or("no call is under way")?;
            under_way.push(next(done));
        }
        while under_way.try_next().await?.is_some() {}
        Ok(())
    }
}
