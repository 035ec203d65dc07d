//! The floor under every driver: blocking sockets, one thread each, one Bind/Execute/Sync per turn and nothing else.
//!
//! `floor SOCKET_DIR USER DATABASE THREADS CONNECTIONS SECONDS ROWS` prints answers a second and CPU µs of this
//! process per answer. Must stay as small as it is: what it does not do is what the others are measured by.

#![expect(
    clippy::disallowed_methods,
    clippy::print_stdout,
    reason = "a program of its own, which stands for no code of the house"
)]

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

fn main() {
    let arguments: Vec<String> = std::env::args().filter(|a| !a.starts_with("--")).skip(1).collect();
    let [folder, user, database, threads, connections, seconds, rows] = arguments.as_slice() else {
        println!("needs SOCKET_DIR USER DATABASE THREADS CONNECTIONS SECONDS ROWS; see benches/peers/load.sh");
        return;
    };
    let whole = |text: &String| text.parse::<u64>().expect("a number");
    let (threads, connections, seconds, rows) = (whole(threads), whole(connections), whole(seconds), whole(rows));
    let end = Instant::now() + Duration::from_secs(seconds);
    let turns: u64 = std::thread::scope(|scope| {
        let started: Vec<_> = (0..threads)
            .map(|thread| scope.spawn(move || drive(folder, user, database, connections / threads, end, rows, thread)))
            .collect();
        started.into_iter().map(|thread| thread.join().expect("a thread that ends")).sum()
    });
    let used = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    let cpu_us = used.tv_sec as f64 * 1e6 + used.tv_nsec as f64 / 1e3;
    println!("{:.0} {:.2}", turns as f64 / seconds as f64, cpu_us / turns as f64);
}

/// Connections take turns: all are asked, then all are read, so that the server always has something to do.
fn drive(folder: &str, user: &str, database: &str, connections: u64, end: Instant, rows: u64, seed: u64) -> u64 {
    let mut open: Vec<UnixStream> = (0..connections.max(1)).map(|_| connect(folder, user, database)).collect();
    let mut state = seed + 1;
    let mut turns = 0;
    while Instant::now() < end {
        for stream in &mut open {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let key = ((state >> 33) % rows + 1) as u32;
            // Bind to `f` with one binary argument, binary results; Execute; Sync.
            let mut message =
                *b"B\0\0\0\x19\0f\0\0\x01\0\x01\0\x01\0\0\0\x04\0\0\0\0\0\x01\0\x01E\0\0\0\x09\0\0\0\0\0S\0\0\0\x04";
            message[18..22].copy_from_slice(&key.to_be_bytes());
            stream.write_all(&message).expect("the server reads");
        }
        for stream in &mut open {
            until_ready(stream);
            turns += 1;
        }
    }
    turns
}

fn connect(folder: &str, user: &str, database: &str) -> UnixStream {
    let mut stream = UnixStream::connect(format!("{folder}/.s.PGSQL.5432")).expect("a server at the socket");
    let mut body = 196_608_u32.to_be_bytes().to_vec();
    for text in ["user", user, "database", database] {
        body.extend_from_slice(text.as_bytes());
        body.push(0);
    }
    body.push(0);
    stream.write_all(&(body.len() as u32 + 4).to_be_bytes()).expect("the server reads");
    stream.write_all(&body).expect("the server reads");
    until_ready(&mut stream);
    let sql = b"f\0SELECT abalance FROM pgbench_accounts WHERE aid = $1\0\0\0";
    let mut parse = vec![b'P'];
    parse.extend_from_slice(&(sql.len() as u32 + 4).to_be_bytes());
    parse.extend_from_slice(sql);
    parse.extend_from_slice(b"S\0\0\0\x04");
    stream.write_all(&parse).expect("the server reads");
    until_ready(&mut stream);
    stream
}

/// Reads until the last six bytes are ReadyForQuery.
fn until_ready(stream: &mut UnixStream) {
    let mut buffer = [0_u8; 4096];
    let mut last = [0_u8; 6];
    loop {
        let read = stream.read(&mut buffer).expect("the server answers");
        assert_ne!(read, 0, "the server closed the connection");
        for byte in &buffer[read.saturating_sub(6)..read] {
            last.rotate_left(1);
            last[5] = *byte;
        }
        if last[..5] == *b"Z\0\0\0\x05" {
            return;
        }
    }
}
