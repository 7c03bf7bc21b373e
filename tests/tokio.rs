//! Clients and servers driven by tokio, in both kinds of runtime.
#![expect(clippy::unwrap_used, reason = "a test says so by panicking")]

#[path = "support/subprocess.rs"]
mod subprocess;

use std::fs;
use std::future::pending;
use std::path::Path;
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use drpc::tokio::{AsyncModule, drive, module, serve};
use drpc::{
    CallOptions, Cause, Client, ClientBuilder, Error, Failure, Framing, Phase, Server, ServerBuilder, Session, Status,
};
use tempfile::TempDir;
use tokio::runtime::{Builder, Runtime};
use tokio::sync::{Notify, Semaphore, oneshot};
use tokio::task::{JoinHandle, JoinSet, spawn_blocking, yield_now};
use tokio::time::{sleep, timeout};

/// Long enough for what has to happen, so that a test which hangs fails.
const PATIENCE: Duration = Duration::from_secs(30);

/// Gives the body back.
const ECHO: i32 = 1;
/// The same, once a permit is there.
const WAIT: i32 = 2;
const PANIC: i32 = 3;

/// What a test and its handlers share.
#[derive(Clone)]
struct Scene {
    permits: Arc<Semaphore>,
    /// Calls whose handlers have begun.
    begun: Arc<AtomicUsize>,
    begins: Arc<Notify>,
    /// Calls that are handled at the moment.
    running: Arc<AtomicUsize>,
}

impl Scene {
    fn new() -> Self {
        let (permits, begins) = (Arc::new(Semaphore::new(0)), Arc::new(Notify::new()));
        Self { permits, begun: Arc::default(), begins, running: Arc::default() }
    }

    async fn has_begun(&self, calls: usize) {
        while self.begun.load(Ordering::SeqCst) < calls {
            self.begins.notified().await;
        }
    }
}

struct Echo(Scene);

impl AsyncModule for Echo {
    fn id(&self) -> i32 {
        7
    }

    async fn handle(&self, session: &Session, method: i32, body: Vec<u8>) -> Result<Vec<u8>, Failure> {
        assert_eq!(session.peer().pid, std::process::id() as i32);
        self.0.begun.fetch_add(1, Ordering::SeqCst);
        self.0.running.fetch_add(1, Ordering::SeqCst);
        self.0.begins.notify_waiters();
        self.0.begins.notify_one();
        match method {
            ECHO => yield_now().await,
            WAIT => self.0.permits.acquire().await.unwrap().forget(),
            PANIC => std::panic::resume_unwind(Box::new("on purpose")),
            _ => return Err(Failure::unknown_method()),
        }
        self.0.running.fetch_sub(1, Ordering::SeqCst);
        Ok(body)
    }

    fn concurrent(&self) -> bool {
        true
    }
}

fn runtimes() -> [Runtime; 2] {
    [Builder::new_current_thread(), Builder::new_multi_thread()]
        .map(|mut builder| builder.worker_threads(2).enable_all().build().unwrap())
}

/// Runs a test in each kind of runtime.
fn in_each<F: Future<Output = ()>>(test: impl Fn() -> F) {
    for runtime in runtimes() {
        runtime.block_on(async { timeout(PATIENCE, test()).await.unwrap() });
    }
}

/// A server that is served by a task.
struct Serving {
    dir: TempDir,
    server: Server,
    stop: oneshot::Sender<()>,
    task: JoinHandle<Result<(), Error>>,
}

impl Serving {
    fn new(builder: ServerBuilder) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let server = builder.bind(dir.path().join("drpc.sock")).unwrap();
        let (stop, stopped) = oneshot::channel();
        let task = tokio::spawn(serve(&server, async { drop(stopped.await) }));
        Self { dir, server, stop, task }
    }

    async fn connect(&self, builder: ClientBuilder) -> Client {
        let path = self.server.path().to_owned();
        spawn_blocking(move || builder.connect(path)).await.unwrap().unwrap()
    }

    async fn end(self) -> Result<(), Error> {
        self.stop.send(()).unwrap();
        let ended = self.task.await.unwrap();
        assert!(!self.server.path().exists());
        drop(self.dir);
        ended
    }
}

fn echo_server(scene: &Scene) -> ServerBuilder {
    Server::builder().module(module(Echo(scene.clone()))).grace(PATIENCE)
}

fn driven(client: &Client) -> JoinHandle<Result<(), Error>> {
    tokio::spawn(drive(client).unwrap())
}

fn pipelining() -> ClientBuilder {
    Client::builder().framing(Framing::Chunked).pipelining(true)
}

/// The threads of the library in this process.
fn library_threads() -> usize {
    let threads = fs::read_dir("/proc/self/task").unwrap().flatten();
    let is_ours =
        |thread: &fs::DirEntry| fs::read_to_string(thread.path().join("comm")).unwrap_or_default().starts_with("drpc-");
    threads.filter(is_ours).count()
}

async fn assert_useful(client: &Client) {
    let options = CallOptions::new().timeout(PATIENCE);
    assert_eq!(client.call_async_with(&options, 7, ECHO, b"still".to_vec()).await.unwrap().body, b"still");
}

async fn call_many(client: &Client, calls: u32) {
    let mut set = JoinSet::new();
    for number in 0..calls {
        let client = client.clone();
        set.spawn(async move {
            let body = number.to_ne_bytes();
            assert_eq!(client.call_async(7, ECHO, body.to_vec()).await.unwrap().body, body);
        });
    }
    while let Some(ended) = set.join_next().await {
        ended.unwrap();
    }
}

/// All other tests of this file may have threads of the library meanwhile: this one asks a process of its own.
#[test]
fn a_thousand_calls_at_once_take_no_thread_of_the_library() {
    if !subprocess::is_alone() {
        return subprocess::run_alone("a_thousand_calls_at_once_take_no_thread_of_the_library", "", Stdio::null());
    }
    in_each(|| async {
        for pipelining in [false, true] {
            let serving = Serving::new(echo_server(&Scene::new()));
            let client = serving.connect(Client::builder().pipelining(pipelining)).await;
            let driver = driven(&client);
            call_many(&client, 1000).await;
            assert_eq!(library_threads(), 0);
            drop(client);
            driver.await.unwrap().unwrap();
            serving.end().await.unwrap();
        }
    });
}

#[test]
fn a_call_needs_no_driver() {
    in_each(|| async {
        let serving = Serving::new(echo_server(&Scene::new()));
        let [never, before, after] = [(); 3].map(|()| serving.connect(pipelining()));
        call_many(&never.await, 10).await;
        // Nor one that has been dropped.
        let before = before.await;
        drop(drive(&before).unwrap());
        call_many(&before, 10).await;
        let after = after.await;
        let driver = driven(&after);
        call_many(&after, 10).await;
        driver.abort();
        assert!(driver.await.unwrap_err().is_cancelled());
        call_many(&after, 10).await;
        drop((before, after));
        serving.end().await.unwrap();
    });
}

#[test]
fn a_call_may_be_dropped_or_time_out() {
    in_each(|| async {
        let scene = Scene::new();
        let serving = Serving::new(echo_server(&scene));
        let client = serving.connect(pipelining()).await;
        driven(&client);
        // By another's timer, and by an abort.
        let moment = Duration::from_millis(20);
        assert!(timeout(moment, client.call_async(7, WAIT, Vec::new())).await.is_err());
        let call = client.call_async(7, WAIT, Vec::new());
        let task = tokio::spawn(call);
        scene.has_begun(2).await;
        task.abort();
        assert!(task.await.unwrap_err().is_cancelled());
        assert_useful(&client).await;
        let short = CallOptions::new().timeout(moment);
        let error = client.call_async_with(&short, 7, WAIT, Vec::new()).await.unwrap_err();
        assert_eq!(error.cause(), Cause::TimedOut);
        // The late answers are dropped.
        scene.permits.add_permits(3);
        assert_useful(&client).await;
        drop(client);
        serving.end().await.unwrap();
    });
}

#[test]
fn a_server_may_die() {
    in_each(|| async {
        let scene = Scene::new();
        let serving = Serving::new(echo_server(&scene));
        let client = serving.connect(pipelining()).await;
        driven(&client);
        let calls = [(); 2].map(|()| tokio::spawn(client.call_async(7, WAIT, Vec::new())));
        scene.has_begun(2).await;
        serving.task.abort();
        assert!(serving.task.await.unwrap_err().is_cancelled());
        drop(serving.server);
        for call in calls {
            let answered = call.await.unwrap();
            // A server that ends answers what it can no longer wait for.
            assert!(answered.as_ref().is_ok_and(|response| response.status() == Status::Failure), "{answered:?}");
        }
        let error = client.call_async(7, ECHO, Vec::new()).await.unwrap_err();
        assert_eq!(error.phase(), Phase::Connect, "{error}");
    });
}

#[test]
fn a_graceful_end_lets_calls_end() {
    in_each(|| async {
        let scene = Scene::new();
        let serving = Serving::new(echo_server(&scene));
        let path = serving.server.path().to_owned();
        let client = serving.connect(pipelining()).await;
        driven(&client);
        let call = tokio::spawn(client.call_async(7, WAIT, b"body".to_vec()));
        scene.has_begun(1).await;
        let ending = tokio::spawn(serving.end());
        while path.exists() {
            sleep(Duration::from_millis(1)).await;
        }
        assert!(!ending.is_finished());
        scene.permits.add_permits(1);
        assert_eq!(call.await.unwrap().unwrap().body, b"body");
        ending.await.unwrap().unwrap();
    });
}

#[test]
fn a_graceful_end_has_an_end() {
    in_each(|| async {
        let scene = Scene::new();
        let serving = Serving::new(echo_server(&scene).grace(Duration::from_millis(20)));
        let client = serving.connect(pipelining()).await;
        driven(&client);
        let call = tokio::spawn(client.call_async(7, WAIT, b"body".to_vec()));
        scene.has_begun(1).await;
        assert_eq!(serving.end().await.unwrap_err().cause(), Cause::TimedOut);
        assert_eq!(call.await.unwrap().unwrap().status(), Status::Failure);
        // The handler goes on.
        scene.permits.add_permits(1);
        while scene.running.load(Ordering::SeqCst) > 0 {
            sleep(Duration::from_millis(1)).await;
        }
    });
}

#[test]
fn handlers_fail_as_others_do() {
    in_each(|| async {
        let serving = Serving::new(echo_server(&Scene::new()));
        let client = serving.connect(pipelining()).await;
        driven(&client);
        let status = async |module, method| client.call_async(module, method, Vec::new()).await.unwrap().status();
        assert_eq!(status(7, ECHO).await, Status::Success);
        assert_eq!(status(7, PANIC).await, Status::Failure);
        assert_eq!(status(7, 99).await, Status::UnknownMethod);
        assert_eq!(status(8, ECHO).await, Status::UnknownModule);
        serving.server.stop();
        serving.task.await.unwrap().unwrap();
    });
}

/// Handlers are tasks also where the server has threads, and calls fail once their runtime has ended.
#[test]
fn a_server_with_threads_has_async_handlers() {
    let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let (dir, scene) = (tempfile::tempdir().unwrap(), Scene::new());
    let path: &Path = &dir.path().join("drpc.sock");
    let server = {
        let _in_runtime = runtime.enter();
        echo_server(&scene).bind(path).unwrap()
    };
    server.start().unwrap();
    let client = Client::connect(path).unwrap();
    assert_eq!(client.call(7, ECHO, b"body").unwrap().body, b"body");
    runtime.shutdown_timeout(PATIENCE);
    assert_eq!(client.call(7, ECHO, b"body").unwrap().status(), Status::Failure);
    server.shutdown(PATIENCE).unwrap();
}

/// A task that serves or dispatches leaves the others their turns.
#[test]
fn futures_can_be_sent() {
    fn sent<T: Send + 'static>(_: T) {}
    let dir = tempfile::tempdir().unwrap();
    let server = Server::builder().bind(dir.path().join("drpc.sock")).unwrap();
    let client = Client::new(server.path());
    sent(serve(&server, pending()));
    sent(drive(&client).unwrap());
    sent(client.call_async(7, ECHO, Vec::new()));
}
