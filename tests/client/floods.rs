//! Servers that send more than they have been asked for.

use std::io::Write;
use std::net::Shutdown;

use drpc::framing::chunked::MAX_DATA;

use super::*;
use crate::peer::pattern;

/// More replies than any client takes before it gives up the connection.
const FLOOD: usize = 50_000;

/// Answers the first call, and sends its reply again and again; how often.
fn flood(server: &Peer, reads: bool, body: &[u8]) -> usize {
    let records = records::records(Framing::Chunked, &success(1, body));
    server.serve(b"first");
    if !reads {
        server.0.shutdown(Shutdown::Read).unwrap();
    }
    let sends = |_: &usize| records.iter().all(|record| (&server.0).write(record).is_ok());
    (0..FLOOD).take_while(sends).count()
}

/// However long it goes on: a reply that is owed to nobody costs the connection.
#[test]
fn a_flood_of_replies_ends_with_the_connection() {
    for (pipelining, reads) in [(false, false), (false, true), (true, false), (true, true)] {
        for body in [&b""[..], &pattern(2 * MAX_DATA)] {
            let Set { client, server, listener: _listener, dir: _dir, .. } =
                Set::new(&patient().pipelining(pipelining).retries(0));
            thread::scope(|scope| {
                let flood = scope.spawn(|| flood(&server, reads, body));
                assert_eq!(client.call(7, 1, b"first").unwrap().body, b"first!");
                let failure = describe(client.call(7, 1, b"second"));
                // Where the server does not read it is sending that fails.
                if reads {
                    assert_eq!(failure, (Phase::Reply, Cause::UnexpectedReply { sequence: 1 }));
                }
                assert!(flood.join().unwrap() < 1000, "the client has gone on reading");
            });
        }
    }
}

/// As often as a call has been given up, and no more often.
#[test]
fn no_more_late_replies_are_taken_than_are_owed() {
    let Set { client, server, .. } = Set::new(&patient().retries(0));
    for _ in 0..3 {
        assert_eq!(call_in_vain(&client), (Phase::Reply, Cause::TimedOut));
    }
    let owed = std::iter::from_fn(|| server.has_something().then(|| server.call())).count();
    (0..owed).for_each(|_| server.send_message(Framing::Chunked, &success(2, b"late")));
    server.send_message(Framing::Chunked, &success(owed as i64 + 1, b"in time"));
    assert_eq!(client.call(7, 1, b"").unwrap().body, b"in time");
    (0..2).for_each(|_| server.send_message(Framing::Chunked, &success(2, b"again")));
    assert_eq!(describe(client.call(7, 1, b"")), (Phase::Reply, Cause::UnexpectedReply { sequence: 2 }));
}
