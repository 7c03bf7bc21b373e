//! Deadlines and cancelling in every stage of a call, and the state of the connection after that.

use drpc::Cancel;
use socket2::{Domain, SockAddr, Type};

use super::*;
use crate::support::body::pattern;
use crate::support::records::records;

/// The options of a call that times out after this time, or is cancelled.
type Options = fn(Duration, &Cancel) -> CallOptions;

/// A way in which a call ends early.
struct Ending {
    options: Options,
    cancel: Cancel,
    cause: Cause,
}

impl Ending {
    fn each(work: impl Fn(&Self)) {
        let endings: [(Options, Cause); 4] = [
            (|time, _| CallOptions::new().timeout(time), Cause::TimedOut),
            (|time, _| due_in(time), Cause::TimedOut),
            (|time, _| due_in(time).timeout(2 * time), Cause::TimedOut),
            (|_, cancel| CallOptions::new().cancel(cancel), Cause::Cancelled),
        ];
        for (options, cause) in endings {
            work(&Self { options, cancel: Cancel::new(), cause });
        }
    }

    /// Makes a call of which nothing can be sent, ends it early, and returns its phase at the end.
    fn before_it_is_sent<T>(&self, call: impl Fn(&CallOptions) -> Result<T, Error>) -> Phase {
        // Nothing shows that the call has begun.
        self.end(|| thread::sleep(MOMENT), MOMENT, &call)
    }

    /// Makes a call that is sent at least in part and not answered, ends it early, and returns its phase at the end.
    fn once_it_is_sent<T>(&self, server: &Peer, call: impl Fn(&CallOptions) -> Result<T, Error>) -> Phase {
        let mut phases = longer_times().map(|time| self.end(|| server.wait(), time, &call));
        phases.find(|_| server.has_something()).unwrap()
    }

    fn end<T>(
        &self,
        begun: impl FnOnce() + Send,
        time: Duration,
        call: &impl Fn(&CallOptions) -> Result<T, Error>,
    ) -> Phase {
        let (phase, cause) = thread::scope(|scope| {
            if self.cause == Cause::Cancelled {
                scope.spawn(|| {
                    begun();
                    self.cancel.cancel();
                });
            }
            describe(call(&(self.options)(time, &self.cancel)))
        });
        assert_eq!(cause, self.cause);
        phase
    }
}

fn due_in(time: Duration) -> CallOptions {
    CallOptions::new().deadline(Instant::now() + time)
}

/// The client makes a call, and the server answers it.
fn assert_usable(client: &Client, server: &Peer) {
    thread::scope(|scope| {
        let caller = call_in(scope, client, b"next");
        server.serve(b"next");
        assert_eq!(caller.join().unwrap().unwrap().body, b"next!");
    });
}

/// Fills a listener's backlog with connections, so that it takes no more.
fn fill(path: &std::path::Path) -> Vec<Socket> {
    let connect = || {
        let socket = Socket::new(Domain::UNIX, Type::SEQPACKET, None).unwrap();
        socket.set_nonblocking(true).unwrap();
        socket.connect(&SockAddr::unix(path).unwrap()).ok().map(|()| socket)
    };
    std::iter::from_fn(connect).collect()
}

#[test]
fn while_the_server_is_too_busy_to_accept() {
    Ending::each(|ending| {
        let (_dir, path) = socket_path();
        let listener = raw_listener(&path);
        let others = fill(&path);
        let client = chunked_client().build(&path);
        assert_eq!(ending.before_it_is_sent(|options| client.open_with(options)), Phase::Connect);
        assert!(!client.is_connected());
        thread::scope(|scope| {
            let opener = scope.spawn(|| client.open());
            others.iter().for_each(|_| drop(accept(&listener)));
            let server = accept(&listener);
            opener.join().unwrap().unwrap();
            assert_usable(&client, &server);
        });
    });
}

#[test]
fn a_wait_to_connect_says_how_long_it_was() {
    let Fixture { client, server, listener: _listener, path, dir: _dir, .. } = Fixture::new(&chunked_client());
    drop(server);
    let _others = fill(&path);
    let options = CallOptions::new().timeout(MOMENT);
    let called = client.call_with(&options, 7, 1, b"").unwrap_err();
    let submitted = submit(&client, &options, b"");
    while client.dispatch(Some(PATIENCE)).unwrap() == 0 {}
    let text = format!("timed out after {} ms: the server runs but does not accept", MOMENT.as_millis());
    for error in [called, submitted.recv_timeout(PATIENCE).unwrap().unwrap_err()] {
        assert!(error.to_string().contains(&text), "{error}");
    }
}

#[test]
fn while_connecting_again() {
    Ending::each(|ending| {
        let Fixture { client, server, listener, path, dir: _dir, .. } = Fixture::new(&chunked_client());
        drop(server);
        let others = fill(&path);
        assert_eq!(ending.before_it_is_sent(|options| client.call_with(options, 7, 1, b"never")), Phase::Connect);
        others.iter().for_each(|_| drop(accept(&listener)));
        thread::scope(|scope| {
            let caller = call_in(scope, &client, b"next");
            accept(&listener).serve(b"next");
            caller.join().unwrap().unwrap();
        });
    });
}

#[test]
fn while_others_have_their_turn() {
    Ending::each(|ending| {
        let Fixture { client, server, .. } = Fixture::new(&chunked_client());
        thread::scope(|scope| {
            let other = call_in(scope, &client, b"other");
            let call = server.call();
            assert_eq!(ending.before_it_is_sent(|options| client.call_with(options, 7, 1, b"never")), Phase::Call);
            server.answer(&call, b"");
            other.join().unwrap().unwrap();
        });
        assert_usable(&client, &server);
    });
}

#[test]
fn while_another_thread_has_the_lock() {
    Ending::each(|ending| {
        let Fixture { client, server, .. } = Fixture::new(&chunked_client());
        thread::scope(|scope| {
            let (locked, is_locked) = mpsc::channel();
            let (over, is_over) = mpsc::channel::<()>();
            let client = &client;
            let holder = scope.spawn(move || {
                let _locked = client.lock().unwrap();
                locked.send(()).unwrap();
                is_over.recv_timeout(PATIENCE).unwrap();
            });
            is_locked.recv_timeout(PATIENCE).unwrap();
            assert_eq!(ending.before_it_is_sent(|options| client.call_with(options, 7, 1, b"never")), Phase::Call);
            assert_eq!(ending.before_it_is_sent(|options| client.lock_with(options)), Phase::Call);
            over.send(()).unwrap();
            holder.join().unwrap();
        });
        assert_usable(&client, &server);
    });
}

/// The server reads nothing. A message that has begun is sent to its end later, and one that has not is withdrawn.
#[test]
fn while_the_socket_is_full() {
    let body = pattern(4 << 20);
    Ending::each(|ending| {
        let Fixture { client, server, .. } = Fixture::new(&chunked_client());
        let short = CallOptions::new().timeout(MOMENT);
        assert_eq!(ending.once_it_is_sent(&server, |options| client.call_with(options, 7, 1, &body)), Phase::Call);
        assert_eq!(describe(client.call_with(&short, 7, 1, b"never")), (Phase::Call, Cause::TimedOut));
        thread::scope(|scope| {
            let caller = call_in(scope, &client, b"next");
            let call = server.long_call();
            assert!(call.body == body, "another call");
            server.answer(&call, b"late");
            server.serve(b"next");
            assert_eq!(caller.join().unwrap().unwrap().body, b"next!");
        });
    });
}

#[test]
fn while_the_server_is_at_work() {
    Ending::each(|ending| {
        let Fixture { client, server, .. } = Fixture::new(&chunked_client());
        assert_eq!(ending.once_it_is_sent(&server, |options| client.call_with(options, 7, 1, b"slow")), Phase::Reply);
        let call = server.call();
        server.answer(&call, b"late");
        assert_usable(&client, &server);
    });
}

#[test]
fn while_half_a_reply_is_there() {
    Ending::each(|ending| {
        let Fixture { client, server, .. } = Fixture::new(&chunked_client());
        let reply = records(Framing::Chunked, &success(1, &pattern(200_000)));
        server.send(&reply[0]);
        assert_eq!(ending.once_it_is_sent(&server, |options| client.call_with(options, 7, 1, b"slow")), Phase::Reply);
        server.call();
        server.send(&reply[1]);
        assert_usable(&client, &server);
    });
}

#[test]
fn cancelled_before_it_began() {
    let Fixture { client, server, .. } = Fixture::new(&chunked_client());
    let cancel = Cancel::new();
    cancel.cancel();
    let options = CallOptions::new().cancel(&cancel);
    assert_eq!(describe(client.call_with(&options, 7, 1, b"never")), (Phase::Call, Cause::Cancelled));
    assert_eq!(describe(client.lock_with(&options).map(drop)), (Phase::Call, Cause::Cancelled));
    let never = |_| panic!("an error has been returned");
    assert_eq!(describe(client.submit(&options, 7, 1, Vec::new(), never)), (Phase::Call, Cause::Cancelled));
    let (_dir, path) = socket_path();
    let other = Client::new(path);
    assert_eq!(describe(other.open_with(&options)), (Phase::Connect, Cause::Cancelled));
    assert_usable(&client, &server);
}

#[test]
fn over_before_it_began() {
    let Fixture { client, server, .. } = Fixture::new(&chunked_client());
    let over = CallOptions::new().deadline(Instant::now());
    assert_eq!(describe(client.call_with(&over, 7, 1, b"never")), (Phase::Call, Cause::TimedOut));
    let result = submit(&client, &over, b"never");
    assert_eq!(client.dispatch(Some(PATIENCE)), Ok(1));
    assert_eq!(describe(result.recv_timeout(PATIENCE).unwrap()), (Phase::Call, Cause::TimedOut));
    assert_usable(&client, &server);
}

/// The client's own time counts for calls without another.
#[test]
fn the_time_that_the_client_allows() {
    let sent_in = |time| {
        let fixture = Fixture::new(&chunked_client().timeout(time));
        let (phase, cause) = describe(fixture.client.call(7, 1, b"slow"));
        assert_eq!(cause, Cause::TimedOut);
        (phase == Phase::Reply).then_some((fixture, time))
    };
    let (Fixture { client, server, .. }, time) = longer_times().find_map(sent_in).unwrap();
    server.call();
    thread::scope(|scope| {
        for options in [CallOptions::new().timeout(PATIENCE), CallOptions::new().deadline(Instant::now() + PATIENCE)] {
            let client = &client;
            let caller = scope.spawn(move || client.call_with(&options, 7, 1, b"slow"));
            let call = server.call();
            thread::sleep(2 * time);
            server.answer(&call, b"");
            caller.join().unwrap().unwrap();
        }
    });
}
