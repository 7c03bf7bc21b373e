//! The limits of all users together, which clients of root alone can reach: some of each is left to other users.
//! Who is not root runs the tests without these.

use std::thread;

use drpc::framing::chunked::MAX_DATA;
use drpc::{Framing, Response, ServerLimits, Status};
use prost::Message;

use crate::await_that;
use crate::limits::{Lines, SHORT, assert_met, limited};
use crate::modules::ECHO;
use crate::raw_client::{FRAMINGS, Raw, call};
use crate::support::body::pattern;
use crate::support::socket_path::socket_path;

#[test]
fn a_client_beyond_the_sessions_is_accepted_when_one_ends() {
    for framing in FRAMINGS {
        let (_dir, path) = socket_path();
        let limits = ServerLimits { sessions: 2, ..ServerLimits::default() };
        let server = limited(limits).bind(&path).unwrap();
        server.start().unwrap();
        let mut clients: Vec<Raw> = (0..4).map(|_| Raw::connect(&path, framing)).collect();
        clients.iter().for_each(|client| client.send(&call(ECHO, 1, 1, b"")));
        clients[..2].iter().for_each(|client| client.assert_reply(1, Status::Success));
        await_that("the limit is met", || server.stats().limits.sessions == 1);
        for _ in 0..50 {
            clients[0].call(ECHO, 1, 2, b"");
        }
        assert_eq!(server.stats().accepted, 2);
        for _ in 0..2 {
            clients.remove(0);
            clients[1].assert_reply(1, Status::Success);
        }
        assert_eq!(server.stats().accepted, 4);
    }
}

#[test]
fn memory_for_incomplete_calls_is_limited() {
    let (_dir, path) = socket_path();
    let (lines, limits) = (Lines::default(), ServerLimits { partial_memory: 7 * MAX_DATA, ..ServerLimits::default() });
    let server = limited(limits).log(lines.log()).bind(&path).unwrap();
    server.start().unwrap();
    let body = pattern(2 * MAX_DATA);
    let connect = || Raw::connect(&path, Framing::Chunked);
    // Each call that has been abandoned leaves room for another.
    for _ in 0..5 {
        connect().send_part(&call(ECHO, 1, 1, &body));
    }
    await_that("the memory is free", || server.stats().accepted == 5 && server.stats().sessions == 0);
    let clients = [connect(), connect(), connect()];
    for client in &clients {
        client.send_part(&call(ECHO, 1, 1, &body));
    }
    await_that("all have begun", || server.stats().bytes_in >= 8 * MAX_DATA as u64);
    assert_met(&server, |_| {});
    let last = connect();
    last.send_part(&call(ECHO, 1, 4, &body));
    last.assert_reply(4, Status::Failure);
    last.assert_end();
    assert_met(&server, |limits| limits.partial_memory = 1);
    lines.await_ending("of which ServerLimits::partial_memory is 917336 and partial_memory_per_uid 458668", 1);
    drop(clients);
    assert_eq!(connect().call(ECHO, 1, 5, &body).body.len(), body.len());
}

#[test]
fn memory_for_unread_responses_is_limited() {
    let (_dir, path) = socket_path();
    let (lines, limits) = (Lines::default(), ServerLimits { unsent: 5 << 20, ..ServerLimits::default() });
    let server = limited(limits).log(lines.log()).bind(&path).unwrap();
    server.start().unwrap();
    let connect = || Raw::connect(&path, Framing::Chunked);
    let large = call(ECHO, 1, 1, &pattern(3 << 20));
    // Each client that has gone leaves room for another.
    for _ in 0..3 {
        connect().send(&large);
        await_that("the memory is free", || server.stats().sessions == 0);
    }
    let (first, second, small) = (connect(), connect(), connect());
    first.send(&large);
    await_that("the first is handled", || server.stats().handled == 4);
    second.send(&large);
    second.assert_reply(1, Status::Failure);
    second.assert_end();
    // A response that the socket takes at once needs no memory.
    assert_eq!(small.call(ECHO, 1, 2, &pattern(50_000)).body.len(), 50_000);
    assert_eq!(first.reply().body.len(), 3 << 20);
    assert_met(&server, |limits| limits.unsent = 1);
    lines.await_ending("of which ServerLimits::unsent is 5242880 and unsent_per_uid 2621440", 1);
}

/// Responses without a body are always kept, as a client can be told no less.
#[test]
fn small_responses_are_kept_without_memory() {
    let (_dir, path) = socket_path();
    let body = pattern(3 << 20);
    let large = Response { sequence: 1, status: Status::Success.into(), body: body.clone(), detail: None };
    let limits = ServerLimits { unsent: large.encoded_len(), ..ServerLimits::default() };
    let server = limited(limits).bind(&path).unwrap();
    server.start().unwrap();
    let (hog, client) = (Raw::connect(&path, Framing::Chunked), Raw::connect(&path, Framing::Chunked));
    hog.send(&call(ECHO, 1, 1, &body));
    await_that("the memory is used up", || server.stats().handled == 1);
    thread::scope(|scope| {
        // More than the sockets hold.
        scope.spawn(|| (1..=2000).for_each(|sequence| client.send(&call(ECHO, 1, sequence, b""))));
        await_that("the responses have to wait", || {
            let handled = server.stats().handled;
            thread::sleep(SHORT);
            handled > 1 && server.stats().handled == handled
        });
        (1..=2000).for_each(|sequence| client.assert_reply(sequence, Status::Success));
    });
    assert_met(&server, |_| {});
}
