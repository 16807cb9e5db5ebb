//! Files and sockets with an ordinary number. tests/process closes the standard streams.

use super::*;

#[test]
fn reads_a_whole_file() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("Cargo.toml");
    assert_eq!(read_file(&path).unwrap(), include_bytes!("../../../Cargo.toml"));
}

#[cfg(unix)]
#[test]
fn leaves_a_number_above_2_as_it_is() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let descriptor = listener.as_raw_fd();
    assert_eq!(open_above_2(|| Ok(listener)).unwrap().as_raw_fd(), descriptor);
}
