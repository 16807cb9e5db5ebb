//! A whole exchange with a server that sends any bytes, and then hangs up.
#![no_main]

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener};
use std::sync::mpsc::{Sender, channel};
use std::sync::{Mutex, OnceLock};
use std::thread;

use bankhub::fuzzing::Exchange;

/// The next bytes to send, and the client that asks for them.
static SERVER: OnceLock<Mutex<(Sender<Vec<u8>>, Exchange)>> = OnceLock::new();

fn server() -> Mutex<(Sender<Vec<u8>>, Exchange)> {
    let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a port is free");
    let url = format!("http://{}", listener.local_addr().expect("it listens"));
    let (sender, receiver) = channel::<Vec<u8>>();
    thread::spawn(move || {
        for bytes in receiver {
            let (mut connection, _) = listener.accept().expect("a request");
            let _ = connection.read(&mut [0; 4096]);
            let _ = connection.write_all(&bytes);
            let _ = connection.shutdown(Shutdown::Write);
            let _ = connection.read(&mut [0; 4096]); // until the client has gone
        }
    });
    Mutex::new((sender, Exchange::with(&url)))
}

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let server = SERVER.get_or_init(server).lock().expect("one at a time");
    server.0.send(bytes.to_vec()).expect("the server runs");
    server.1.run();
});
