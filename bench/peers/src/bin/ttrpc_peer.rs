//! ttrpc, the RPC of containerd and Kata. Its generated code only wraps what stands here.

use std::collections::HashMap;

use async_trait::async_trait;
use bytes::Bytes;
use drpc_bench_peers::{Peer, Result};
use ttrpc::r#async::{Client, MethodHandler, Server, Service, TtrpcContext};
use ttrpc::{Request, Response};

struct Echo;

#[async_trait]
impl MethodHandler for Echo {
    async fn handler(&self, _: TtrpcContext, request: Request) -> ttrpc::Result<Response> {
        let mut response = Response::new();
        response.set_status(ttrpc::get_status(ttrpc::Code::OK, ""));
        response.payload = request.payload;
        Ok(response)
    }
}

struct Ttrpc;

impl Peer for Ttrpc {
    // A message has 4 MiB at most, and a head.
    const MAX_BODY: usize = (4 << 20) - 64;
    type Connection = Client;
    type Answer = Vec<u8>;

    async fn serve(socket: &str) -> Result<impl Sized> {
        let methods = HashMap::from([("Echo".to_owned(), Box::new(Echo) as Box<dyn MethodHandler + Send + Sync>)]);
        let service = Service { methods, streams: HashMap::new() };
        let mut server = Server::new()
            .bind(&format!("unix://{socket}"))?
            .register_service(HashMap::from([("bench.Echo".to_owned(), service)]));
        server.start().await?;
        Ok(server)
    }

    async fn connect(socket: &str) -> Result<Client> {
        Ok(Client::connect(&format!("unix://{socket}")).await?)
    }

    async fn call(connection: &Client, body: &Bytes) -> Result<Vec<u8>> {
        let mut request = Request::new();
        request.service = "bench.Echo".to_owned();
        request.method = "Echo".to_owned();
        request.payload = body.to_vec();
        Ok(connection.request(request).await?.payload)
    }
}

fn main() -> Result<()> {
    drpc_bench_peers::main::<Ttrpc>()
}
