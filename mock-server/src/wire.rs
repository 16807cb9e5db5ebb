//! What lies below HTTP: connections, in clear or in TLS, and what a test ordered to happen on them instead of HTTP.

use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use axum::serve::Listener;
use serde::Deserialize;
use serde_json::Value;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, join, split};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio_rustls::TlsAcceptor;

use crate::hub::{Hub, Seen};

/// What the connection of a token request sees instead of an answer. After the last step it is closed.
#[derive(Clone, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Step {
    Send(String),
    /// So many times.
    Repeat {
        text: String,
        times: u64,
    },
    /// Byte by byte.
    Drip {
        text: String,
        every_ms: u64,
    },
    PauseMs(u64),
    /// Closed with a reset, not orderly.
    Reset,
}

/// The port of an HTTP server, whose connections come from here once it is clear that nothing else was ordered.
pub struct Wire {
    address: SocketAddr,
    ready: mpsc::Receiver<(Connection, SocketAddr)>,
}

type Connection = Pin<Box<dyn Stream>>;

pub trait Stream: AsyncRead + AsyncWrite + Send {}
impl<S: AsyncRead + AsyncWrite + Send> Stream for S {}

impl Wire {
    /// Accepts from now on.
    pub fn new(listener: TcpListener, tls: Option<TlsAcceptor>, hub: Arc<Hub>) -> io::Result<Self> {
        let address = listener.local_addr()?;
        let (sender, ready) = mpsc::channel(64);
        tokio::spawn(async move {
            loop {
                let Ok((stream, peer)) = listener.accept().await else {
                    // No descriptors, perhaps: they come back when others close.
                    tokio::time::sleep(Duration::from_millis(10)).await;
                    continue;
                };
                tokio::spawn(receive(stream, peer, tls.clone(), Arc::clone(&hub), sender.clone()));
            }
        });
        Ok(Self { address, ready })
    }
}

impl Listener for Wire {
    type Io = Connection;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Connection, SocketAddr) {
        match self.ready.recv().await {
            Some(connection) => connection,
            None => std::future::pending().await, // the runtime ends
        }
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        Ok(self.address)
    }
}

async fn receive(
    stream: TcpStream,
    peer: SocketAddr,
    tls: Option<TlsAcceptor>,
    hub: Arc<Hub>,
    ready: mpsc::Sender<(Connection, SocketAddr)>,
) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let passed_on = match tls {
        None => play_or_pass_on(stream, |stream| stream, &hub).await?,
        Some(tls) => play_or_pass_on(tls.accept(stream).await?, |stream| stream.get_ref().0, &hub).await?,
    };
    if let Some(connection) = passed_on {
        let _ = ready.send((connection, peer)).await; // or the server has ended
    }
    Ok(())
}

/// The connection for the HTTP server, unless it carries a token request and something was ordered for that.
async fn play_or_pass_on<S: Stream + Unpin + 'static>(
    mut stream: S,
    tcp: impl Fn(&S) -> &TcpStream,
    hub: &Hub,
) -> io::Result<Option<Connection>> {
    const TOKEN_REQUEST: &[u8] = b"POST /v1/token ";
    let mut head = Vec::new();
    while head.len() < TOKEN_REQUEST.len() && stream.read_buf(&mut head).await? > 0 {}
    let steps = if head.starts_with(TOKEN_REQUEST) { hub.next_steps() } else { None };
    let Some(steps) = steps else {
        let (read, write) = split(stream);
        return Ok(Some(Box::pin(join(io::Cursor::new(head).chain(read), write))));
    };
    while !head.windows(4).any(|end| end == b"\r\n\r\n") && stream.read_buf(&mut head).await? > 0 {}
    let in_flight = hub.begin_token_request(request(&String::from_utf8_lossy(&head)));
    for step in steps {
        match step {
            Step::Send(text) => stream.write_all(text.as_bytes()).await?,
            Step::Repeat { text, times } => {
                for _ in 0..times {
                    stream.write_all(text.as_bytes()).await?;
                }
            }
            Step::Drip { text, every_ms } => {
                for byte in text.into_bytes() {
                    stream.write_all(&[byte]).await?;
                    pause(&mut stream, every_ms).await?;
                }
            }
            Step::PauseMs(ms) => pause(&mut stream, ms).await?,
            Step::Reset => {
                tcp(&stream).set_zero_linger()?;
                return Ok(None);
            }
        }
    }
    stream.shutdown().await?;
    drop(in_flight);
    // What the client still sends would turn the orderly end into a reset.
    while stream.read(&mut [0; 1024]).await? > 0 {}
    Ok(None)
}

/// Ends early where the client goes away: its request is no longer in flight.
async fn pause(stream: &mut (impl Stream + Unpin), ms: u64) -> io::Result<()> {
    stream.flush().await?;
    tokio::select! {
        () = tokio::time::sleep(Duration::from_millis(ms)) => Ok(()),
        _ = stream.read_u8() => Err(ErrorKind::ConnectionAborted.into()),
    }
}

fn request(head: &str) -> Seen {
    let mut lines = head.lines();
    let mut first = lines.next().unwrap_or_default().split(' ').map(str::to_owned);
    let header = |line: &str| {
        let (name, value) = line.split_once(':')?;
        Some((name.to_lowercase(), Value::String(value.trim().to_owned())))
    };
    Seen {
        method: first.next().unwrap_or_default(),
        path: first.next().unwrap_or_default(),
        headers: lines.map_while(header).collect(),
        body_length: Some(0),
    }
}
