//! The connections below HTTP, in clear or with TLS, and the raw faults that a test injects into them.

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

use crate::state::{ReceivedRequest, ServerState};

/// One step of a raw fault, which the connection of a token request gets instead of an HTTP response. The connection is
/// closed after the last step.
#[derive(Clone, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum FaultStep {
    Send(String),
    /// `times` copies of the text.
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
    /// Closes the connection with a TCP reset.
    Reset,
}

/// The listener of an HTTP server. It passes on the connections that get no raw fault.
pub struct FaultListener {
    address: SocketAddr,
    ready: mpsc::Receiver<(Connection, SocketAddr)>,
}

type Connection = Pin<Box<dyn Stream>>;

pub trait Stream: AsyncRead + AsyncWrite + Send {}
impl<S: AsyncRead + AsyncWrite + Send> Stream for S {}

impl FaultListener {
    /// Starts to accept.
    pub fn new(listener: TcpListener, tls: Option<TlsAcceptor>, state: Arc<ServerState>) -> io::Result<Self> {
        let address = listener.local_addr()?;
        let (sender, ready) = mpsc::channel(64);
        tokio::spawn(async move {
            loop {
                let Ok((stream, peer)) = listener.accept().await else {
                    // Perhaps no descriptor is left; some are free again when other connections close.
                    tokio::time::sleep(Duration::from_millis(10)).await;
                    continue;
                };
                tokio::spawn(receive(stream, peer, tls.clone(), Arc::clone(&state), sender.clone()));
            }
        });
        Ok(Self { address, ready })
    }
}

impl Listener for FaultListener {
    type Io = Connection;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Connection, SocketAddr) {
        match self.ready.recv().await {
            Some(connection) => connection,
            None => std::future::pending().await, // the runtime is shutting down
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
    state: Arc<ServerState>,
    ready: mpsc::Sender<(Connection, SocketAddr)>,
) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let passed_on = match tls {
        None => fault_or_pass_on(stream, |stream| stream, &state).await?,
        Some(tls) => fault_or_pass_on(tls.accept(stream).await?, |stream| stream.get_ref().0, &state).await?,
    };
    if let Some(connection) = passed_on {
        let _ = ready.send((connection, peer)).await; // fails if the server has ended
    }
    Ok(())
}

/// The connection for the HTTP server, unless it carries a token request for which there is a raw fault.
async fn fault_or_pass_on<S: Stream + Unpin + 'static>(
    mut stream: S,
    tcp: impl Fn(&S) -> &TcpStream,
    state: &ServerState,
) -> io::Result<Option<Connection>> {
    const TOKEN_REQUEST: &[u8] = b"POST /v1/token ";
    let mut head = Vec::new();
    while head.len() < TOKEN_REQUEST.len() && stream.read_buf(&mut head).await? > 0 {}
    let steps = if head.starts_with(TOKEN_REQUEST) { state.next_raw_fault() } else { None };
    let Some(steps) = steps else {
        let (read, write) = split(stream);
        return Ok(Some(Box::pin(join(io::Cursor::new(head).chain(read), write))));
    };
    while !head.windows(4).any(|end| end == b"\r\n\r\n") && stream.read_buf(&mut head).await? > 0 {}
    let in_flight = state.begin_token_request(request(&String::from_utf8_lossy(&head)));
    for step in steps {
        match step {
            FaultStep::Send(text) => stream.write_all(text.as_bytes()).await?,
            FaultStep::Repeat { text, times } => {
                for _ in 0..times {
                    stream.write_all(text.as_bytes()).await?;
                }
            }
            FaultStep::Drip { text, every_ms } => {
                for byte in text.into_bytes() {
                    stream.write_all(&[byte]).await?;
                    pause(&mut stream, every_ms).await?;
                }
            }
            FaultStep::PauseMs(ms) => pause(&mut stream, ms).await?,
            FaultStep::Reset => {
                tcp(&stream).set_zero_linger()?;
                return Ok(None);
            }
        }
    }
    stream.shutdown().await?;
    drop(in_flight);
    // Bytes that the client still sends, if unread, would turn the close into a reset.
    while stream.read(&mut [0; 1024]).await? > 0 {}
    Ok(None)
}

/// Ends early if the client disconnects: its request is no longer in flight.
async fn pause(stream: &mut (impl Stream + Unpin), ms: u64) -> io::Result<()> {
    stream.flush().await?;
    tokio::select! {
        () = tokio::time::sleep(Duration::from_millis(ms)) => Ok(()),
        _ = stream.read_u8() => Err(ErrorKind::ConnectionAborted.into()),
    }
}

fn request(head: &str) -> ReceivedRequest {
    let mut lines = head.lines();
    let mut first = lines.next().unwrap_or_default().split(' ').map(str::to_owned);
    let header = |line: &str| {
        let (name, value) = line.split_once(':')?;
        Some((name.to_lowercase(), Value::String(value.trim().to_owned())))
    };
    ReceivedRequest {
        method: first.next().unwrap_or_default(),
        path: first.next().unwrap_or_default(),
        headers: lines.map_while(header).collect(),
        body_length: Some(0),
    }
}
