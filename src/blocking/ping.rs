//! The question whether a server answers, and in which framing.

use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::time::{Duration, Instant};

use crate::cause::Cause;
use crate::error::{Error, Phase};
use crate::explanation::{Api, Explanation};
use crate::overdue::Overdue;
use crate::protocol::framing::Framing;
use crate::protocol::framing::fallback::{self, FirstMessage};
use crate::shared_path::SharedPath;
use crate::sys::{self, Credentials, SocketRef};
use crate::transport::{self, SendHooks};

/// The most bytes of an answer that are looked at. Answers that tell the framing are shorter.
const ANSWER_ROOM: usize = 256;

/// The answer of a server to a [`ping`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Pong {
    /// The framing that the server reads.
    pub framing: Framing,
    /// The process and the user that made the socket listen, as the kernel knows them.
    pub peer: Credentials,
    /// The time from sending the question to the answer.
    pub round_trip: Duration,
}

/// Asks the server at `path` which framing it reads, over a connection of its own. This is the message by which clients find
/// that out. No server of any release takes the message for a call, so that nothing is executed.
///
/// `timeout` is the time for connecting and for the answer. A path that begins with a zero byte is an abstract name.
///
/// ```
/// use std::time::Duration;
///
/// # let dir = tempfile::tempdir().unwrap();
/// # let path = dir.path().join("agent.sock");
/// # let server = drpc::Server::builder().bind(&path)?;
/// # server.start()?;
/// let pong = drpc::ping(&path, Duration::from_secs(1))?;
/// assert_eq!(pong.framing, drpc::Framing::Chunked);
/// assert_eq!(pong.peer.pid, std::process::id() as i32);
/// # Ok::<(), drpc::Error>(())
/// ```
pub fn ping(path: impl AsRef<Path>, timeout: Duration) -> Result<Pong, Error> {
    let path = SharedPath::new(path.as_ref());
    let path = path.map_err(|cause| Error::new(Api::Client, Phase::Connect, &SharedPath::default(), cause))?;
    let began = Instant::now();
    let socket = connect(&path, timeout).map_err(|cause| match cause {
        // The server's queue is full.
        Cause::TimedOut => {
            let full = Some(Cause::Os(libc::EAGAIN));
            Error::explained(&path, Explanation::timed_out(Api::Client, &path, full)).after(Some(timeout))
        }
        cause => Error::new(Api::Client, Phase::Connect, &path, cause),
    })?;
    let peer = sys::peer(socket.as_raw_fd());
    let asked = Instant::now();
    let left = timeout.saturating_sub(began.elapsed());
    let answer = ask(&socket, left).and_then(|framing| Ok((framing, peer.ok_or(Cause::NoReply)?)));
    answer.map(|(framing, peer)| Pong { framing, peer, round_trip: asked.elapsed() }).map_err(|cause| {
        let error = Error::new(Api::Client, Phase::Reply, &path, cause);
        match cause {
            Cause::TimedOut => error.of_overdue(Overdue::new(None, true, Some(timeout), peer)),
            _ => error,
        }
    })
}

fn connect(path: &Path, timeout: Duration) -> Result<OwnedFd, Cause> {
    let socket = sys::open_at_once(false, None)?;
    sys::connect_within(&socket, path.as_os_str().as_bytes(), timeout)?;
    Ok(socket)
}

/// Sends the probe, and reads the answer.
fn ask(socket: &OwnedFd, timeout: Duration) -> Result<Framing, Cause> {
    let fd = socket.as_raw_fd();
    // No timeout would mean to wait for ever.
    sys::set_timeout(fd, timeout.max(Duration::from_millis(1)))?;
    transport::send(fd, Framing::Chunked, &fallback::probe(), usize::MAX, &mut FreshSocket)?;
    let mut room = [0; ANSWER_ROOM];
    let answer = sys::receive(SocketRef::from(fd), &mut room, ANSWER_ROOM)?;
    let record = room.get(..answer.len).unwrap_or_default();
    match fallback::framing_from_answer(FirstMessage::Probe, record) {
        Some(framing) if !answer.truncated => Ok(framing),
        None if record.is_empty() => Err(Cause::Unanswered),
        _ => Err(Cause::Unclear),
    }
}

/// The socket of a new connection, which takes a small record at once.
struct FreshSocket;

impl SendHooks for FreshSocket {
    fn when_full(&mut self, _fd: i32, _begun: bool) -> Result<(), Cause> {
        Err(Cause::TimedOut)
    }
}

#[cfg(test)]
#[cfg(not(shuttle))]
mod tests {
    use std::ffi::OsStr;
    use std::thread;

    use socket2::{Domain, SockAddr, Socket, Type};

    use super::*;

    /// A server that answers the first record of one client with these bytes, or not at all.
    fn answering(path: &Path, answer: Option<&'static [u8]>) -> thread::JoinHandle<Vec<u8>> {
        let socket = Socket::new(Domain::UNIX, Type::SEQPACKET, None).unwrap();
        socket.bind(&SockAddr::unix(path).unwrap()).unwrap();
        socket.listen(1).unwrap();
        thread::spawn(move || {
            let (client, _) = socket.accept().unwrap();
            let mut room = [0; 64];
            let len = sys::receive(SocketRef::from(client.as_raw_fd()), &mut room, 64).unwrap().len;
            if let Some(answer) = answer {
                client.send(answer).unwrap();
            }
            room[..len].to_vec()
        })
    }

    const REFUSAL: &[u8] = b"\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01\x10\x05";
    const CHUNKED_REFUSAL: &[u8] =
        b"\x0d\0\0\0\0\0\0\0\x0d\0\0\0\0\0\0\0\0\0\0\0\x01\0\0\0\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01\x10\x05";

    #[test]
    fn the_answer_tells_the_framing() {
        let dir = tempfile::tempdir().unwrap();
        let answers = [
            (Some(REFUSAL), Ok(Framing::Datagram)),
            (Some(CHUNKED_REFUSAL), Ok(Framing::Chunked)),
            (Some(b"\x10\x03"), Err(Cause::Unclear)),
            (None, Err(Cause::Unanswered)),
        ];
        for (at, (answer, expected)) in answers.into_iter().enumerate() {
            let path = dir.path().join(at.to_string());
            let server = answering(&path, answer);
            let pong = ping(&path, Duration::from_secs(100));
            assert_eq!(pong.map(|pong| pong.framing).map_err(|error| error.cause()), expected);
            let question = server.join().unwrap();
            assert_eq!((question.len(), question.get(24..)), (31, Some(&[7; 7][..])));
        }
    }

    #[test]
    fn an_abstract_name_has_a_length() {
        let name = format!("\0drpc-ping-{}", std::process::id());
        let path = Path::new(OsStr::new(&name));
        let server = answering(path, Some(CHUNKED_REFUSAL));
        assert_eq!(ping(path, Duration::from_secs(100)).unwrap().framing, Framing::Chunked);
        server.join().unwrap();
        let empty = ping(Path::new("\0"), Duration::from_secs(100)).unwrap_err();
        assert_eq!(empty.cause(), Cause::BadPath(crate::PathFault::Nul));
    }

    #[test]
    fn a_server_that_is_silent_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("sock");
        let _listener = crate::Listener::bind(&path).unwrap();
        let error = ping(&path, Duration::from_millis(1)).unwrap_err();
        assert_eq!((error.phase(), error.cause()), (Phase::Reply, Cause::TimedOut));
        let text = format!("the question for the framing was not answered within 1 ms by pid {}", std::process::id());
        assert!(error.to_string().contains(&text), "{error}");
        assert_eq!(error.silent_pid(), i32::try_from(std::process::id()).ok());
        assert_eq!(ping(dir.path(), Duration::from_millis(1)).unwrap_err().silent_pid(), None);
    }
}
