//! Calls whose results are futures, without a runtime.

use std::future::{Future, poll_fn};
use std::os::fd::AsRawFd;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Wake, Waker};

use drpc::sys::{self, PollFd};
use drpc::{Cancel, ResponseFuture};

use super::*;
use crate::support::body::pattern;
use crate::support::fork::in_child;

/// Wakes the thread that runs a future, and counts.
struct Unpark(thread::Thread, AtomicUsize);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.1.fetch_add(1, Ordering::SeqCst);
        self.0.unpark();
    }
}

/// Runs a future in this thread, which parks meanwhile.
fn block_on<T>(future: impl Future<Output = T>) -> T {
    let mut future = pin!(future);
    let waker = Arc::new(Unpark(thread::current(), AtomicUsize::new(0))).into();
    let began = Instant::now();
    loop {
        match future.as_mut().poll(&mut Context::from_waker(&waker)) {
            Poll::Ready(result) => return result,
            Poll::Pending => thread::park_timeout(PATIENCE),
        }
        assert!(began.elapsed() < PATIENCE, "the future is never ready");
    }
}

/// Polls a future once, which makes its call.
fn begin(future: &mut ResponseFuture) {
    assert!(Pin::new(future).poll(&mut Context::from_waker(Waker::noop())).is_pending());
}

/// Runs futures beside one another, and returns the results in their order.
fn join_all(futures: Vec<ResponseFuture>) -> Vec<Result<Response, Error>> {
    let mut results: Vec<_> = futures.iter().map(|_| None).collect();
    let mut futures: Vec<_> = futures.into_iter().enumerate().collect();
    block_on(poll_fn(|context| {
        futures.retain_mut(|(index, future)| match Pin::new(future).poll(context) {
            Poll::Ready(result) => {
                results[*index] = Some(result);
                false
            }
            Poll::Pending => true,
        });
        if futures.is_empty() { Poll::Ready(()) } else { Poll::Pending }
    }));
    results.into_iter().flatten().collect()
}

#[test]
fn a_future_can_be_sent_and_kept() {
    fn sent<T: Send + Sync + Unpin + 'static>(_: &T) {}
    let Fixture { client, server, .. } = Fixture::new(&chunked_client());
    let call = client.call_async(7, 1, b"first".to_vec());
    sent(&call);
    drop(client);
    assert!(!server.has_something(), "it is made by the first poll");
    let caller = thread::spawn(move || block_on(call));
    server.serve(b"first");
    assert_eq!(caller.join().unwrap().unwrap().body, b"first!");
    server.assert_end();
}

#[test]
fn a_task_may_change_and_a_result_is_taken_once() {
    let Fixture { client, server, .. } = Fixture::new(&chunked_client());
    let mut call = client.call_async(7, 1, b"body".to_vec());
    let wakers = [(); 3].map(|()| Arc::new(Unpark(thread::current(), AtomicUsize::new(0))));
    for waker in &wakers {
        let waker = waker.clone().into();
        assert!(Pin::new(&mut call).poll(&mut Context::from_waker(&waker)).is_pending());
    }
    assert_eq!(wakers.each_ref().map(Arc::strong_count), [1, 1, 2]);
    server.serve(b"body");
    while wakers[2].1.load(Ordering::SeqCst) == 0 {
        thread::park_timeout(MOMENT);
    }
    assert_eq!(block_on(&mut call).unwrap().body, b"body!");
    begin(&mut call);
    assert_eq!(wakers.map(|waker| waker.1.load(Ordering::SeqCst)), [0, 0, 1]);
}

/// Other callers wait for their replies meanwhile, each in its way.
#[test]
fn a_thousand_calls_are_out_at_once() {
    const CALLS: usize = 1000;
    for pipelining in [false, true] {
        let Fixture { client, server, .. } = Fixture::new(&chunked_client().pipelining(pipelining));
        thread::scope(|scope| {
            let server = scope.spawn(move || {
                for _ in 0..CALLS + 2 {
                    let call = server.call();
                    server.answer(&call, &call.body);
                }
            });
            let waiting = [b"one", b"two"].map(|body| call_in(scope, &client, body));
            let bodies: Vec<Vec<u8>> = (0..CALLS).map(|number| number.to_string().into_bytes()).collect();
            let results = join_all(bodies.iter().map(|body| client.call_async(7, 1, body.clone())).collect());
            let results: Vec<Vec<u8>> = results.into_iter().map(|result| result.unwrap().body).collect();
            assert_eq!(results, bodies);
            let waiting = waiting.map(|caller| caller.join().unwrap().unwrap().body);
            assert_eq!(waiting, [b"one", b"two"]);
            server.join().unwrap();
        });
    }
}

#[test]
fn dropping_a_future_cancels_its_call() {
    for pipelining in [false, true] {
        let Fixture { client, server, .. } = Fixture::new(&chunked_client().pipelining(pipelining));
        drop(client.call_async(7, 1, b"never made".to_vec()));
        let [mut out, mut next] = [b"out".to_vec(), b"next".to_vec()].map(|body| client.call_async(7, 1, body));
        let task = Arc::new(Unpark(thread::current(), AtomicUsize::new(0)));
        let waker = task.clone().into();
        assert!(Pin::new(&mut out).poll(&mut Context::from_waker(&waker)).is_pending());
        drop(waker);
        let late = server.call();
        assert_eq!(late.body, b"out");
        if !pipelining {
            let mut waiting = client.call_async(7, 1, b"never sent".to_vec());
            begin(&mut waiting);
        }
        drop(out);
        assert_eq!(Arc::strong_count(&task), 1, "the task is held still");
        // The next one does not wait for the late answer, which is dropped.
        begin(&mut next);
        let call = server.call();
        assert_eq!(call.body, b"next");
        server.answer(&late, b"late");
        server.answer(&call, b"next!");
        assert_eq!(block_on(next).unwrap().body, b"next!");
        assert_eq!(task.1.load(Ordering::SeqCst), 0);
        // Dropped after its answer has come.
        let mut answered = client.call_async(7, 1, b"answered".to_vec());
        begin(&mut answered);
        server.serve(b"answered");
        drop(answered);
        thread::scope(|scope| {
            let last = call_in(scope, &client, b"last");
            server.serve(b"last");
            assert_eq!(last.join().unwrap().unwrap().body, b"last!");
        });
    }
}

/// What has not been sent of a call that is dropped is sent still, as the connection is of no use without.
#[test]
fn a_large_call_may_be_dropped_while_it_is_sent() {
    let Fixture { client, server, .. } = Fixture::new(&chunked_client());
    let body = pattern(4 << 20);
    let mut large = client.call_async(7, 1, body.clone());
    begin(&mut large);
    server.wait();
    drop(large);
    let mut next = client.call_async(7, 1, b"next".to_vec());
    begin(&mut next);
    assert!(server.long_call().body == body, "another call");
    server.serve(b"next");
    assert_eq!(block_on(next).unwrap().body, b"next!");
}

#[test]
fn a_deadline_needs_no_timer_of_a_runtime() {
    let Fixture { client, server, .. } = Fixture::new(&chunked_client());
    let call = |time| {
        let short = CallOptions::new().timeout(time);
        let result = block_on(client.call_async_with(&short, 7, 1, b"out".to_vec()));
        server.has_something().then(|| describe(result))
    };
    assert_eq!(longer_times().find_map(call), Some((Phase::Reply, Cause::TimedOut)));
    assert_eq!(server.call().body, b"out");
    server.send_message(Framing::Chunked, &success(1, b"late"));
    let mut next = client.call_async(7, 1, b"next".to_vec());
    begin(&mut next);
    server.serve(b"next");
    assert_eq!(block_on(next).unwrap().body, b"next!");
}

#[test]
fn a_server_that_dies_fails_the_calls_and_another_one_gets_the_next() {
    let Fixture { client, server, listener, dir: _dir, .. } = Fixture::new(&chunked_client().pipelining(true));
    let mut calls = [b"a", b"b"].map(|body| client.call_async(7, 1, body.to_vec()));
    calls.iter_mut().for_each(begin);
    server.call();
    server.call();
    drop(server);
    for call in calls {
        assert_eq!(describe(block_on(call)), (Phase::Reply, Cause::NoReply));
    }
    let mut next = client.call_async(7, 1, b"next".to_vec());
    begin(&mut next);
    accept(&listener).serve(b"next");
    assert_eq!(block_on(next).unwrap().body, b"next!");
}

/// Each way to fail has the same text as in `call`.
#[test]
fn errors_are_those_of_a_call_that_waits() {
    let texts = |client: &Client, options: &CallOptions, body: &[u8]| {
        let waited = client.call_with(options, 7, 1, body).unwrap_err();
        let polled = block_on(client.call_async_with(options, 7, 1, body.to_vec())).unwrap_err();
        assert_eq!((waited.phase(), waited.cause()), (polled.phase(), polled.cause()));
        assert_eq!(waited.to_string(), polled.to_string());
    };
    let none = CallOptions::new();
    let Fixture { client, server, listener, path, dir: _dir } =
        Fixture::new(&chunked_client().message_limit(1000).retries(0));
    texts(&Client::new(&path), &none, b"");
    texts(&client, &none, &[0; 1000]);
    texts(&client, &CallOptions::new().timeout(Duration::ZERO), b"");
    texts(&client, &CallOptions::new().timeout(Duration::from_millis(20)), b"");
    let cancel = Cancel::new();
    cancel.cancel();
    texts(&client, &none.clone().cancel(&cancel), b"");
    // The listener's queue is never full, so that the server is busy for ever only without a socket file.
    drop((server, listener));
    let _ = client.call(7, 1, b"");
    texts(&client, &none, b"");
    texts(&client, &CallOptions::new().timeout(Duration::from_millis(1)), b"");
    client.close().unwrap();
    texts(&client, &none, b"");
}

#[test]
fn a_token_and_a_close_end_a_call() {
    let Fixture { client, server, .. } = Fixture::new(&chunked_client());
    let cancel = Cancel::new();
    let mut call = client.call_async_with(&CallOptions::new().cancel(&cancel), 7, 1, b"out".to_vec());
    begin(&mut call);
    server.call();
    cancel.cancel();
    assert_eq!(describe(block_on(call)), (Phase::Reply, Cause::Cancelled));
    let mut call = client.call_async(7, 1, b"out".to_vec());
    begin(&mut call);
    client.close().unwrap();
    assert_eq!(describe(block_on(call)), (Phase::Call, Cause::NotConnected));
}

/// The thread is started by a call alone, and not where the program dispatches.
#[test]
fn the_program_may_dispatch() {
    let Fixture { client, server, .. } = Fixture::new(&chunked_client());
    let fd = client.event_fd().unwrap().as_raw_fd();
    let mut call = client.call_async(7, 1, b"body".to_vec());
    begin(&mut call);
    server.serve(b"body");
    let mut fds = [PollFd { fd, events: libc::POLLIN, revents: 0 }];
    assert_eq!(sys::poll(&mut fds, sys::whole_ms(PATIENCE)), Ok(1));
    begin(&mut call);
    assert_eq!(client.dispatch(Some(Duration::ZERO)), Ok(1));
    assert_eq!(block_on(call).unwrap().body, b"body!");
}

#[test]
fn the_child_of_a_fork_gets_errors() {
    let Fixture { client, server, .. } = Fixture::new(&chunked_client());
    let mut out = client.call_async(7, 1, b"out".to_vec());
    begin(&mut out);
    let call = server.call();
    let (mut kept, made) = (Some(out), client.call_async(7, 1, b"never made".to_vec()));
    let (mut made, child) = (Some(made), client.clone());
    assert!(in_child(|| {
        let forked = |call: ResponseFuture| describe(block_on(call)) == (Phase::Call, Cause::Forked);
        let dropped = child.call_async(7, 1, b"dropped".to_vec());
        drop(dropped);
        forked(made.take().unwrap()) && forked(child.call_async(7, 1, Vec::new())) && forked(kept.take().unwrap())
    }));
    server.answer(&call, b"parent");
    assert_eq!(block_on(kept.unwrap()).unwrap().body, b"parent");
}
