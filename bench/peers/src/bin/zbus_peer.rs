//! D-Bus by zbus, peer to peer.

use bytes::Bytes;
use drpc_bench_peers::{Peer, Result};
use serde_bytes::{ByteBuf, Bytes as Borrowed};
use tokio::net::{UnixListener, UnixStream};
use zbus::connection::{Builder, Connection};

const PATH: &str = "/bench";
const INTERFACE: &str = "bench.Echo";

struct Echo;

#[zbus::interface(name = "bench.Echo")]
impl Echo {
    async fn echo(&self, body: ByteBuf) -> ByteBuf {
        body
    }
}

async fn session(stream: UnixStream) -> zbus::Result<()> {
    let connection = Builder::unix_stream(stream.into_std()?)
        .server(zbus::Guid::generate())
        .p2p()
        .serve_at(PATH, Echo)
        .build()
        .await?;
    connection.closed().await;
    Ok(())
}

struct Zbus;

impl Peer for Zbus {
    const MAX_BODY: usize = 64 << 20;
    type Connection = Connection;
    type Answer = ByteBuf;

    async fn serve(socket: &str) -> Result<impl Sized> {
        let listener = UnixListener::bind(socket)?;
        Ok(tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(session(stream));
            }
        }))
    }

    async fn connect(socket: &str) -> Result<Connection> {
        Ok(Builder::unix_stream(UnixStream::connect(socket).await?.into_std()?).p2p().build().await?)
    }

    async fn call(connection: &Connection, body: &Bytes) -> Result<ByteBuf> {
        let answer = connection.call_method(None::<&str>, PATH, Some(INTERFACE), "Echo", &Borrowed::new(body)).await?;
        Ok(answer.body().deserialize()?)
    }
}

fn main() -> Result<()> {
    drpc_bench_peers::main::<Zbus>()
}
