//! A mock of the SePay Bank Hub API on loopback. This file reads the options and runs the server.

mod api;
mod control;
mod http_test_routes;
mod raw_faults;
mod state;
mod tls;

use std::error::Error;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::{fs, thread};

use axum::Router;
use lexopt::{Arg, Parser, ValueExt};
use tokio::net::TcpListener;
use tokio::sync::oneshot;

use crate::raw_faults::FaultListener;
use crate::state::{ServerState, Settings};
use crate::tls::Tls;

const USAGE: &str = "\
bankhub-mock-server: a mock of the Bank Hub API on loopback; its first line of output is its address

  --address ADDRESS       of loopback; default: 127.0.0.1
  --port PORT             0, the default: any free port
  --client-id ID          default: mock-id
  --client-secret SECRET  default: mock-secret
  --ttl SECONDS           how long a token is valid; default: 60000
  --latency-ms MS         how long a token request takes; default: 0
  --tls FILE              also listen with TLS, with certificates that are right, wrong-host, expired and self-signed,
                          and print the address of each; writes the authority to trust into FILE
  --until-eof             end when standard input ends";

struct Options {
    address: IpAddr,
    port: u16,
    tls: Option<PathBuf>,
    until_eof: bool,
    settings: Settings,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let options = match options(Parser::from_env()) {
        Ok(Some(options)) => options,
        Ok(None) => {
            println!("{USAGE}");
            return ExitCode::SUCCESS;
        }
        Err(error) => {
            eprintln!("bankhub-mock-server: {error}; see --help");
            return ExitCode::from(2);
        }
    };
    match serve(options).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("bankhub-mock-server: {error}");
            ExitCode::FAILURE
        }
    }
}

/// `None` for `--help`.
fn options(mut parser: Parser) -> Result<Option<Options>, lexopt::Error> {
    let mut options = Options {
        address: Ipv4Addr::LOCALHOST.into(),
        port: 0,
        tls: None,
        until_eof: false,
        settings: Settings::default(),
    };
    while let Some(argument) = parser.next()? {
        match argument {
            Arg::Long("address") => options.address = parser.value()?.parse_with(loopback)?,
            Arg::Long("port") => options.port = parser.value()?.parse()?,
            Arg::Long("client-id") => options.settings.client_id = parser.value()?.string()?,
            Arg::Long("client-secret") => options.settings.client_secrets = vec![parser.value()?.string()?],
            Arg::Long("ttl") => options.settings.ttl = parser.value()?.parse()?,
            Arg::Long("latency-ms") => options.settings.latency_ms = parser.value()?.parse()?,
            Arg::Long("tls") => options.tls = Some(parser.value()?.into()),
            Arg::Long("until-eof") => options.until_eof = true,
            Arg::Long("help") | Arg::Short('h') => return Ok(None),
            other => return Err(other.unexpected()),
        }
    }
    Ok(Some(options))
}

/// Everybody knows its credentials, so no other machine may reach it.
fn loopback(text: &str) -> Result<IpAddr, String> {
    let address: IpAddr = text.parse().map_err(|_| "it is no IP address".to_owned())?;
    address.is_loopback().then_some(address).ok_or_else(|| "it is not an address of loopback".to_owned())
}

async fn serve(options: Options) -> Result<(), Box<dyn Error>> {
    let address = SocketAddr::new(options.address, options.port);
    let listener = TcpListener::bind(address).await.map_err(|error| format!("{address}: {error}"))?;
    let shutdown_signal = shutdown_signal()?;
    let state = Arc::new(ServerState::new(options.settings));
    let app = api::router(Arc::clone(&state)).merge(control::router(Arc::clone(&state)));
    println!("http://{}", listener.local_addr()?);
    if let Some(file) = options.tls {
        serve_tls(options.address, &file, &app, &state)
            .await
            .map_err(|error| format!("--tls {}: {error}", file.display()))?;
    }
    // Open connections are not waited for: a test that ends its mock server needs no more responses.
    tokio::select! {
        served = axum::serve(FaultListener::new(listener, None, state)?, app) => served?,
        () = shutdown_signal => {}
        () = end_of_input(), if options.until_eof => {}
    }
    Ok(())
}

async fn serve_tls(address: IpAddr, file: &Path, app: &Router, state: &Arc<ServerState>) -> Result<(), Box<dyn Error>> {
    let Tls { authority, acceptors } = Tls::new()?;
    fs::write(file, authority)?;
    for (name, acceptor) in acceptors {
        let listener = TcpListener::bind((address, 0)).await?;
        println!("{name} https://localhost:{}", listener.local_addr()?.port());
        tokio::spawn(
            axum::serve(FaultListener::new(listener, Some(acceptor), Arc::clone(state))?, app.clone()).into_future(),
        );
    }
    Ok(())
}

#[cfg(unix)]
fn shutdown_signal() -> io::Result<impl Future<Output = ()>> {
    use tokio::signal::unix::{SignalKind, signal};
    let (mut interrupt, mut terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    Ok(async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
    })
}

#[cfg(windows)]
fn shutdown_signal() -> io::Result<impl Future<Output = ()>> {
    let mut interrupt = tokio::signal::windows::ctrl_c()?;
    Ok(async move {
        interrupt.recv().await;
    })
}

/// Reads on its own thread: the runtime waits at its end for a read of tokio's, and only input ends that read.
async fn end_of_input() {
    let (ended, end) = oneshot::channel::<()>();
    thread::spawn(move || {
        let _ = io::copy(&mut io::stdin().lock(), &mut io::sink());
        drop(ended);
    });
    let _ = end.await;
}
