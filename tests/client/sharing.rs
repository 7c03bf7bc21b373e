//! Many threads, one connection.

use drpc::{Caller, Cause, Client, Phase};

use super::*;
use crate::support::body::pattern;
use crate::support::raw_server::describe;

impl Peer {
    /// Answers calls with their bodies until the client closes; several calls at a time in reverse order.
    fn echo_backwards(&self) {
        let mut calls: Vec<Call> = Vec::new();
        loop {
            self.0.set_nonblocking(!calls.is_empty()).unwrap();
            let mut record = [std::mem::MaybeUninit::uninit(); 100];
            match self.0.peek(&mut record) {
                Ok(0) => return,
                Ok(_) => calls.push(self.call()),
                Err(_) => calls.drain(..).rev().for_each(|call| self.answer(&call, &call.body)),
            }
        }
    }
}

#[test]
fn every_thread_gets_its_own_replies() {
    const CALLS: u32 = 20_000;
    for pipelining in [false, true] {
        let Fixture { client, server, .. } = Fixture::new(&chunked_client().pipelining(pipelining));
        let call = |client: &Client, thread: u32, number: u32| {
            let body = [thread.to_le_bytes(), number.to_le_bytes()].concat();
            client.call(7, 1, &body).unwrap().body == body
        };
        thread::scope(|scope| {
            let server = scope.spawn(move || server.echo_backwards());
            let threads = [0, 1, 2, 3].map(|thread| {
                let client = client.clone();
                scope.spawn(move || (0..CALLS).filter(|number| call(&client, thread, *number)).count())
            });
            let own: usize = threads.map(|thread| thread.join().unwrap()).iter().sum();
            assert_eq!(own, 4 * CALLS as usize, "pipelining: {pipelining}");
            drop(client);
            server.join().unwrap();
        });
    }
}

#[test]
fn one_call_is_out_at_a_time() {
    let Fixture { client, server, .. } = Fixture::new(&chunked_client());
    thread::scope(|scope| {
        let first = call_in(scope, &client, b"first");
        let call = server.call();
        let second = call_in(scope, &client, b"second");
        server.assert_silent();
        server.answer(&call, b"one");
        server.serve(b"second");
        assert_eq!(first.join().unwrap().unwrap().body, b"one");
        assert_eq!(second.join().unwrap().unwrap().body, b"second!");
    });
}

#[test]
fn pipelined_calls_do_not_wait_for_one_another() {
    let Fixture { client, server, .. } = Fixture::new(&chunked_client().pipelining(true));
    thread::scope(|scope| {
        let callers = [b"a", b"b", b"c"].map(|body| (body, call_in(scope, &client, body)));
        let calls = [(); 3].map(|()| server.call());
        for call in calls.iter().rev() {
            server.answer(call, &call.body);
        }
        for (body, caller) in callers {
            assert_eq!(caller.join().unwrap().unwrap().body, body);
        }
    });
}

/// One caller reads for all. When its own reply has come, another one takes over.
#[test]
fn a_caller_that_reads_for_others_can_leave() {
    let Fixture { client, server, .. } = Fixture::new(&chunked_client().pipelining(true));
    thread::scope(|scope| {
        let first = call_in(scope, &client, b"first");
        let one = server.call();
        let second = call_in(scope, &client, b"second");
        let two = server.call();
        first.await_blocked();
        second.await_blocked();
        server.answer(&one, b"one");
        assert_eq!(first.join().unwrap().unwrap().body, b"one");
        server.answer(&two, b"two");
        assert_eq!(second.join().unwrap().unwrap().body, b"two");
    });
}

/// The caller that reads for others wakes the one whose call is being sent.
#[test]
fn a_large_call_goes_out_while_another_caller_reads() {
    let Fixture { client, server, .. } = Fixture::new(&chunked_client().pipelining(true));
    let body = pattern(4 << 20);
    thread::scope(|scope| {
        let first = call_in(scope, &client, b"first");
        let one = server.call();
        first.await_blocked();
        let second = call_in(scope, &client, &body);
        let two = server.long_call();
        assert!(two.body == body, "another call");
        server.answer(&two, b"two");
        server.answer(&one, b"one");
        assert_eq!(first.join().unwrap().unwrap().body, b"one");
        assert_eq!(second.join().unwrap().unwrap().body, b"two");
    });
}

/// Each caller keeps its body until it is out, so that the next one has to be told when it may go on.
#[test]
fn large_calls_go_out_one_after_the_other() {
    let Fixture { client, server, .. } = Fixture::new(&chunked_client().pipelining(true));
    let bodies = [1, 2, 3].map(|i| pattern((4 << 20) + i));
    thread::scope(|scope| {
        let callers = bodies.each_ref().map(|body| call_in(scope, &client, body));
        callers.iter().for_each(Runner::await_blocked);
        let calls = bodies.each_ref().map(|_| server.long_call());
        calls.iter().rev().for_each(|call| server.answer(call, &call.body[..10]));
        for (caller, body) in callers.into_iter().zip(&bodies) {
            assert_eq!(caller.join().unwrap().unwrap().body, body[..10]);
            assert_eq!(calls.iter().filter(|call| call.body == *body).count(), 1, "another call");
        }
    });
}

/// Its caller sleeps while another one reads, and leaves the rest of its call behind.
#[test]
fn a_call_that_is_answered_while_it_is_sent_is_sent_to_its_end() {
    let Fixture { client, server, .. } = Fixture::new(&chunked_client().pipelining(true));
    let body = pattern(4 << 20);
    thread::scope(|scope| {
        let first = call_in(scope, &client, b"first");
        let one = server.call();
        first.await_blocked();
        let second = call_in(scope, &client, &body);
        let begun = server.receive();
        second.await_blocked();
        server.send_message(Framing::Chunked, &success(one.sequence + 1, b"enough"));
        assert_eq!(second.join().unwrap().unwrap().body, b"enough");
        assert!(server.call_from(begun).body == body, "another call");
        let third = call_in(scope, &client, b"third");
        server.serve(b"third");
        assert_eq!(third.join().unwrap().unwrap().body, b"third!");
        server.answer(&one, b"one");
        assert_eq!(first.join().unwrap().unwrap().body, b"one");
    });
}

/// A submitted call that ends leaves its body to the connection.
#[test]
fn a_submitted_call_that_is_cancelled_while_it_is_sent_is_sent_to_its_end() {
    let Fixture { client, server, .. } = Fixture::new(&chunked_client().pipelining(true));
    let (body, cancel) = (pattern(4 << 20), drpc::Cancel::new());
    let result = submit(&client, &CallOptions::new().cancel(&cancel), &body);
    let begun = server.receive();
    cancel.cancel();
    assert_eq!(client.dispatch(Some(PATIENCE)), Ok(1));
    assert_eq!(describe(result.recv_timeout(PATIENCE).unwrap()), (Phase::Call, Cause::Cancelled));
    thread::scope(|scope| {
        let next = call_in(scope, &client, b"next");
        let call = server.call_from(begun);
        assert!(call.body == body, "another call");
        server.answer(&call, b"late");
        server.serve(b"next");
        assert_eq!(next.join().unwrap().unwrap().body, b"next!");
    });
}

#[test]
fn a_client_has_to_be_connected_once() {
    let (_dir, path) = socket_path();
    let listener = raw_listener(&path);
    let client = Client::new(&path);
    assert!(!client.is_connected());
    assert_eq!(describe(client.call(7, 1, b"")), (Phase::Call, Cause::NotConnected));
    client.close().unwrap();
    client.open().unwrap();
    client.open().unwrap();
    assert!(client.is_connected());
    let server = accept(&listener);
    listener.set_nonblocking(true).unwrap();
    assert!(listener.accept().is_err(), "connected twice");
    client.close().unwrap();
    assert!(!client.is_connected());
    server.assert_end();
    assert_eq!(describe(client.call(7, 1, b"")), (Phase::Call, Cause::NotConnected));
    client.open().unwrap();
    assert!(listener.accept().is_ok());
}

#[test]
fn closing_fails_the_calls_that_are_out() {
    let Fixture { client, server, listener, dir: _dir, .. } = Fixture::new(&chunked_client());
    thread::scope(|scope| {
        let out = call_in(scope, &client, b"out");
        server.call();
        let waiting = call_in(scope, &client, b"waiting");
        server.assert_silent();
        client.close().unwrap();
        for caller in [out, waiting] {
            assert_eq!(describe(caller.join().unwrap()), (Phase::Call, Cause::NotConnected));
        }
        server.assert_end();
        client.open().unwrap();
        let again = call_in(scope, &client, b"again");
        accept(&listener).serve(b"again");
        assert_eq!(again.join().unwrap().unwrap().body, b"again!");
    });
}

#[test]
fn the_lock_keeps_other_threads_out() {
    let Fixture { client, server, .. } = Fixture::new(&chunked_client().pipelining(true));
    thread::scope(|scope| {
        let locked = client.lock().unwrap();
        let other = call_in(scope, &client, b"other");
        server.assert_silent();
        let server = scope.spawn(move || {
            server.serve(b"1");
            server.serve(b"2");
            server.assert_silent();
            server
        });
        assert_eq!(locked.call(7, 1, b"1").unwrap().body, b"1!");
        assert_eq!(client.call(7, 1, b"2").unwrap().body, b"2!");
        let server = server.join().unwrap();
        assert_eq!(describe(client.lock().map(drop)), (Phase::Call, Cause::Busy));
        drop(locked);
        server.serve(b"other");
        assert_eq!(other.join().unwrap().unwrap().body, b"other!");
    });
}

#[test]
fn the_lock_waits_for_calls_that_are_out() {
    let Fixture { client, server, .. } = Fixture::new(&chunked_client().pipelining(true));
    thread::scope(|scope| {
        let out = call_in(scope, &client, b"out");
        let call = server.call();
        let short = CallOptions::new().timeout(MOMENT);
        assert_eq!(describe(client.lock_with(&short).map(drop)), (Phase::Call, Cause::TimedOut));
        server.answer(&call, b"");
        drop(client.lock().unwrap());
        out.join().unwrap().unwrap();
        // The lock is released, and not held by the caller that has given up.
        let other = call_in(scope, &client, b"other");
        server.serve(b"other");
        other.join().unwrap().unwrap();
    });
}

/// The lock needs no connection.
#[test]
fn the_lock_is_given_when_the_client_is_closed() {
    let Fixture { client, server, .. } = Fixture::new(&chunked_client());
    let out = submit(&client, &CallOptions::new(), b"out");
    server.call();
    thread::scope(|scope| {
        let (sender, locked) = mpsc::channel();
        let client = &client;
        scope.spawn(move || {
            let longer = CallOptions::new().timeout(2 * PATIENCE);
            sender.send(client.lock_with(&longer).map(drop)).unwrap();
        });
        assert!(locked.recv_timeout(MOMENT).is_err());
        client.close().unwrap();
        locked.recv_timeout(PATIENCE).unwrap().unwrap();
    });
    drop(client);
    assert_eq!(describe(out.recv_timeout(PATIENCE).unwrap()), (Phase::Call, Cause::NotConnected));
}

/// A call that a thread has submitted under the lock gains nothing from the lock of the next thread.
#[test]
fn the_lock_is_one_threads_and_not_its_successors() {
    let Fixture { client, server, .. } = Fixture::new(&chunked_client());
    thread::scope(|scope| {
        let locked = client.lock().unwrap();
        let next = run_in(scope, || client.lock().unwrap().call(7, 1, b"owner").unwrap());
        next.await_blocked();
        let submitted = [b"first", b"other"].map(|body| submit(&client, &CallOptions::new(), body));
        drop(locked);
        for body in [b"first", b"owner", b"other"] {
            server.serve(body);
        }
        assert_eq!(next.join().unwrap().body, b"owner!");
        for result in submitted {
            while result.try_recv().is_err() {
                client.dispatch(None).unwrap();
            }
        }
    });
}

#[test]
fn a_test_can_fake_a_client() {
    let Fixture { client, server, .. } = Fixture::new(&chunked_client());
    let caller: &dyn Caller = &client;
    caller.open().unwrap();
    assert!(caller.is_connected());
    thread::scope(|scope| {
        caller.lock().unwrap();
        let other = call_in(scope, &client, b"other");
        server.assert_silent();
        let server = scope.spawn(move || {
            server.serve(b"mine");
            server.serve(b"other");
        });
        assert_eq!(caller.call(7, 1, b"mine").unwrap().body, b"mine!");
        // Only the thread that holds the lock can release it.
        scope.spawn(|| Caller::unlock(&client)).join().unwrap().unwrap();
        assert_eq!(describe(caller.lock()), (Phase::Call, Cause::Busy));
        caller.unlock().unwrap();
        other.join().unwrap().unwrap();
        server.join().unwrap();
    });
    caller.close().unwrap();
    assert!(!caller.is_connected());
}
