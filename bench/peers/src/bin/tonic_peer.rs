//! gRPC by tonic, over a Unix socket.

use bytes::Bytes;
use drpc_bench_peers::{Peer, Result};
use hyper_util::rt::TokioIo;
use tokio::net::{UnixListener, UnixStream};
use tokio_stream::wrappers::UnixListenerStream;
use tonic::transport::{Channel, Endpoint, Server};
use tonic::{Request, Response, Status};

mod generated {
    include!(concat!(env!("OUT_DIR"), "/bench.Echo.rs"));
}
use generated::echo_client::EchoClient;
use generated::echo_server::{Echo, EchoServer};

/// The message of both directions.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Body {
    /// What a call carries.
    #[prost(bytes = "bytes", tag = "1")]
    pub data: Bytes,
}

struct Service;

#[tonic::async_trait]
impl Echo for Service {
    async fn echo(&self, request: Request<Body>) -> std::result::Result<Response<Body>, Status> {
        Ok(Response::new(request.into_inner()))
    }
}

struct Tonic;

impl Peer for Tonic {
    const MAX_BODY: usize = usize::MAX;
    type Connection = EchoClient<Channel>;
    type Answer = Bytes;

    async fn serve(socket: &str) -> Result<impl Sized> {
        let service = EchoServer::new(Service).max_decoding_message_size(usize::MAX);
        let incoming = UnixListenerStream::new(UnixListener::bind(socket)?);
        Ok(tokio::spawn(Server::builder().add_service(service).serve_with_incoming(incoming)))
    }

    async fn connect(socket: &str) -> Result<EchoClient<Channel>> {
        let socket = socket.to_owned();
        let connector = tower::service_fn(move |_| {
            let socket = socket.clone();
            async move { UnixStream::connect(socket).await.map(TokioIo::new) }
        });
        // A name is asked for, and not looked up.
        let channel = Endpoint::from_static("http://localhost").connect_with_connector(connector).await?;
        Ok(EchoClient::new(channel).max_decoding_message_size(usize::MAX))
    }

    async fn call(connection: &EchoClient<Channel>, body: &Bytes) -> Result<Bytes> {
        let answer = connection.clone().echo(Body { data: body.clone() }).await?;
        Ok(answer.into_inner().data)
    }
}

fn main() -> Result<()> {
    drpc_bench_peers::main::<Tonic>()
}
