//! `rust_client SOCKET`: `drpc::Client` as its programs use it. The contender protocol is in README.md.

use std::error::Error;
use std::hint;
use std::io::{self, BufRead, Write};
use std::num::NonZeroU64;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use drpc::{CallOptions, Client, Response, Status};
use rustix::thread::set_current_timer_slack;

type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// What to call with, over and over.
struct Load<'a> {
    path: &'a str,
    body: &'a [u8],
    count: u64,
}

impl Load<'_> {
    fn connect(&self, pipelining: bool) -> Result<Client> {
        let client = Client::builder().pipelining(pipelining).connect(self.path)?;
        let answer = client.call(0, 0, self.body)?;
        if answer.body == self.body { Ok(client) } else { Err("a wrong answer".into()) }
    }

    fn call(&self, client: &Client) -> Result<()> {
        check(&client.call(0, 0, self.body)?, self.body.len())
    }

    fn calls(&self, client: &Client) -> Result<Vec<u64>> {
        // What others have left in the caches is not to be measured.
        self.call(client)?;
        self.samples(|_| {
            let begin = Instant::now();
            self.call(client)?;
            Ok(begin.elapsed())
        })
    }

    fn connects(&self) -> Result<Vec<u64>> {
        self.samples(|_| {
            let begin = Instant::now();
            let client = Client::connect(self.path)?;
            self.call(&client)?;
            drop(client);
            Ok(begin.elapsed())
        })
    }

    fn paced(&self, client: &Client, rate: u64) -> Result<Vec<u64>> {
        let begin = Instant::now();
        self.samples(|i| {
            let due = begin + Duration::from_nanos(i * 1_000_000_000 / rate);
            while Instant::now() < due {
                hint::spin_loop();
            }
            self.call(client)?;
            Ok(due.elapsed())
        })
    }

    fn naps(&self, client: &Client, rate: u64, burst: u64) -> Result<Vec<u64>> {
        // Without this the system may wake it 50 µs late.
        set_current_timer_slack(NonZeroU64::new(1))?;
        let mut due = Instant::now();
        self.samples(|i| {
            if i % burst == 0 {
                // What was slow is not made up for.
                due = (due + Duration::from_secs(1) / u32::try_from(rate)?).max(Instant::now());
                thread::sleep(due.saturating_duration_since(Instant::now()));
            }
            let begin = Instant::now();
            self.call(client)?;
            Ok(begin.elapsed())
        })
    }

    fn samples(&self, mut sample: impl FnMut(u64) -> Result<Duration>) -> Result<Vec<u64>> {
        (0..self.count).map(|i| Ok(u64::try_from(sample(i)?.as_nanos())?)).collect()
    }

    fn pipeline(&self, client: &Client, depth: u64) -> Result<Vec<u64>> {
        let (done, size) = (Arc::new(AtomicU64::new(0)), self.body.len());
        let mut submitted = 0;
        let begin = Instant::now();
        while done.load(Ordering::Relaxed) < self.count {
            while submitted < self.count && submitted - done.load(Ordering::Relaxed) < depth {
                let done = Arc::clone(&done);
                client.submit(&CallOptions::new(), 0, 0, self.body.to_vec(), move |result| {
                    match result.map(|response| check(&response, size).is_ok()) {
                        Ok(true) => done.fetch_add(1, Ordering::Relaxed),
                        wrong => panic!("a call was not answered well: {wrong:?}"),
                    };
                })?;
                submitted += 1;
            }
            client.dispatch(None)?;
        }
        Ok(vec![u64::try_from(begin.elapsed().as_nanos())?])
    }
}

fn check(response: &Response, size: usize) -> Result<()> {
    let right = response.status() == Status::Success && response.body.len() == size;
    if right { Ok(()) } else { Err("a wrong answer".into()) }
}

fn main() -> Result<()> {
    let path = std::env::args().nth(1).ok_or("usage: rust_client SOCKET")?;
    // The connection that commands share, and what it was made for.
    let mut shared: Option<(usize, bool, Rc<Client>)> = None;
    // The bytes of bodies. They stay, as what a program keeps, so that a command leaves the heap as it was.
    let mut bytes = Vec::new();
    for line in io::stdin().lock().lines() {
        let line = line?;
        let mut words = line.split(' ');
        let command = words.next().unwrap_or_default();
        let numbers = words.map(str::parse).collect::<std::result::Result<Vec<u64>, _>>()?;
        let (&[size, count], extra) = numbers.split_first_chunk().ok_or("a command has a size and a count")?;
        let size = usize::try_from(size)?;
        bytes.extend((bytes.len()..size).map(|i| (i * 31 + (i >> 8) + 7).to_le_bytes()[0]));
        let load = Load { path: &path, body: bytes.get(..size).ok_or("no such body")?, count };
        let pipelining = command == "pipeline" && extra != [1];
        let client = match shared.take() {
            Some((of_size, of_kind, client)) if (of_size, of_kind) == (size, pipelining) => client,
            _ => Rc::new(load.connect(pipelining)?),
        };
        shared = Some((size, pipelining, Rc::clone(&client)));
        let samples = match (command, extra) {
            ("calls", []) => load.calls(&client)?,
            ("connects", []) => load.connects()?,
            ("paced", &[rate @ 1..=u64::MAX]) => load.paced(&client, rate)?,
            ("naps", &[rate @ 1..=u64::MAX, burst @ 1..=u64::MAX]) => load.naps(&client, rate, burst)?,
            ("pipeline", &[depth @ 1..=u64::MAX]) => load.pipeline(&client, depth)?,
            _ => {
                println!("unsupported");
                continue;
            }
        };
        let mut out = io::stdout().lock();
        writeln!(out, "{}", samples.len())?;
        out.write_all(&samples.into_iter().flat_map(u64::to_ne_bytes).collect::<Vec<u8>>())?;
        out.flush()?;
    }
    Ok(())
}
