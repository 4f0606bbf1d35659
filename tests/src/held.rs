//! A wire between two servers, whose answers a test can hold.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt, AsyncWriteExt, copy};
use tokio::net::{TcpListener, TcpStream};

use crate::background::Background;
use crate::gate::{Gate, Passage, gate};
use crate::lock;

/// A wire before a server; it ends when dropped.
#[derive(Debug)]
pub struct Held {
    addr: SocketAddr,
    passage: Passing,
    _wire: Background,
}

type Passing = Arc<Mutex<Option<Passage>>>;

impl Held {
    /// A wire on a free port of 127.0.0.1 that leads to this server.
    #[must_use]
    pub fn before(server: SocketAddr) -> Self {
        let passage = Passing::default();
        let passing = Arc::clone(&passage);
        let (wire, addr) =
            Background::serve("wire", move |listener| accept(listener, server, passing));
        Self {
            addr,
            passage,
            _wire: wire,
        }
    }

    /// Where it begins.
    #[must_use]
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Holds all that the server sends from now on until the gate is opened.
    #[must_use]
    pub fn hold(&self) -> Gate {
        let (gate, passage) = gate();
        *lock(&self.passage) = Some(passage);
        gate
    }
}

async fn accept(listener: TcpListener, server: SocketAddr, passing: Passing) {
    while let Ok((client, _)) = listener.accept().await {
        tokio::spawn(carry(client, server, Arc::clone(&passing)));
    }
}

/// Carries one connection until either side closes it.
async fn carry(mut client: TcpStream, server: SocketAddr, passing: Passing) {
    let Ok(mut server) = TcpStream::connect(server).await else {
        return;
    };
    let (mut from_client, mut to_client) = client.split();
    let (mut from_server, mut to_server) = server.split();
    let answers = async {
        let mut bytes = vec![0; 64 * 1024];
        loop {
            let count = from_server.read(&mut bytes).await?;
            if count == 0 {
                return to_client.shutdown().await;
            }
            let passage = {
                let passing = lock(&passing);
                passing.clone()
            };
            if let Some(passage) = passage {
                passage.pass().await;
            }
            to_client.write_all(&bytes[..count]).await?;
        }
    };
    let requests = async {
        copy(&mut from_client, &mut to_server).await?;
        to_server.shutdown().await
    };
    // A connection that breaks ends both ways.
    let _: std::io::Result<_> = tokio::try_join!(requests, answers);
}
