//! Work that may hang, as a look at a network file system can.

use std::sync::mpsc;
use std::thread;
use std::time::Duration;

/// The result of some work, which a thread of its own does; `None` if it is not there in time. A thread that hangs ends with
/// the program.
pub fn within<T: Send + 'static>(time: Duration, work: impl FnOnce() -> T + Send + 'static) -> Option<T> {
    let (sender, receiver) = mpsc::channel();
    let send = move || {
        // The receiver has gone where the time has passed.
        let _ = sender.send(work());
    };
    thread::Builder::new().spawn(send).ok()?;
    receiver.recv_timeout(time).ok()
}
