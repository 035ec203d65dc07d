//! The frontend/backend protocol with nothing in between, for the timed path. Must allocate nothing per message once
//! its buffers have grown.
//!
//! Message formats: PostgreSQL documentation, "55.7 Message Formats". Why it exists: `docs/adr/0016`.

mod login;
mod stream;

use std::io;
use std::time::Duration;

use sqlx::postgres::PgConnectOptions;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use login::{Answer, Login, Secrets};
use stream::Stream;

use crate::units::printable;

/// A connection.
pub struct Wire {
    stream: Stream,
    /// Messages to be sent.
    out: Vec<u8>,
    /// What was read and not parsed yet is between the two places.
    input: Vec<u8>,
    from: usize,
    to: usize,
    /// Such as 150018; 0 when the server did not say.
    version: u32,
    /// The process that says it is at the other end.
    process: u32,
    /// What is under way ends with a Sync.
    extended: bool,
    /// Whether the session is to read only.
    read_only: bool,
    /// Whether the server reported that the session's next transaction may write.
    may_write: bool,
    /// Longest message that is read now, in bytes.
    max_bytes: usize,
}

/// Why an exchange failed.
#[derive(Debug, thiserror::Error)]
pub enum WireError {
    /// The server refused it; the connection is fit for the next exchange unless it is closed.
    #[error("{message} (SQLSTATE {code})")]
    Server {
        /// SQLSTATE.
        code: String,
        /// The primary message.
        message: String,
    },
    /// The connection broke.
    #[error(transparent)]
    Lost(#[from] io::Error),
    /// The server announced a message that is read by nobody, or sends something else than the protocol.
    #[error("the server announces a message of {bytes} bytes, and messages of 4 to {max_bytes} bytes are read")]
    Malformed {
        /// Bytes it is to have.
        bytes: u32,
        /// Bytes it may have.
        max_bytes: usize,
    },
    /// The server sends message after message and never says that it is ready.
    #[error("the server sends more than {MAX_GREETING_MESSAGES} messages and is not ready")]
    NeverReady,
    /// A statement turned `default_transaction_read_only` off in a session that is to read only. What it wrote itself
    /// the server refused; nothing may follow it.
    #[error("the session's next transaction could write: default_transaction_read_only was turned off")]
    MayWrite,
}

/// How long a connection may take, and the answer to the shortest query.
const PATIENCE: Duration = Duration::from_secs(10);

/// Longest message that is read, in bytes. PostgreSQL itself can send rows of up to 1 GiB.
pub const MAX_MESSAGE_BYTES: usize = 256 << 20;

/// The same before the server is ready (errors have up to 30 kB in libpq), and the most messages until then.
const MAX_GREETING_BYTES: usize = 64 << 10;
const MAX_GREETING_MESSAGES: u32 = 1_000;

/// Room that is made for a message at a time: an announced length alone takes no memory.
const STEP_BYTES: usize = 64 << 10;

/// Version 3.0 of the protocol.
const PROTOCOL: i32 = 196_608;

impl Wire {
    /// Connects; a session that is to read only ends with the statement that lets the next one write.
    ///
    /// # Errors
    /// When the server cannot be reached or refuses the connection.
    pub async fn connect(options: &PgConnectOptions, read_only: bool) -> Result<Self, WireError> {
        let attempt = tokio::time::timeout(PATIENCE, Self::try_connect(options, read_only)).await;
        attempt.unwrap_or_else(|_| Err(io::Error::from(io::ErrorKind::TimedOut).into()))
    }

    async fn try_connect(options: &PgConnectOptions, read_only: bool) -> Result<Self, WireError> {
        let secrets = Secrets::of(options);
        let mut wire = Self {
            stream: Stream::open(options, &secrets).await?,
            out: Vec::with_capacity(1 << 12),
            input: vec![0; 1 << 14],
            from: 0,
            to: 0,
            version: 0,
            process: 0,
            extended: false,
            read_only,
            may_write: false,
            max_bytes: MAX_GREETING_BYTES,
        };
        wire.startup(options);
        wire.send().await?;
        let mut login = Login::new(options.get_username(), secrets.password.as_deref());
        for _ in 0..MAX_GREETING_MESSAGES {
            let (kind, body) = wire.message().await?;
            match kind {
                b'R' => {
                    if let Answer::Send(answer) = login.answer(&wire.input[body])? {
                        let start = wire.begin(b'p');
                        wire.out.extend_from_slice(&answer);
                        wire.end(start);
                        wire.send().await?;
                    }
                }
                b'S' => wire.read_parameter(body),
                b'K' => wire.process = body_number(&wire.input[body]),
                b'E' => return Err(server_error(&wire.input[body])),
                b'Z' => {
                    wire.max_bytes = MAX_MESSAGE_BYTES;
                    return Ok(wire);
                }
                _ => {}
            }
        }
        Err(WireError::NeverReady)
    }

    /// Connects, asks the shortest query and closes: the driver, which takes any length for true and waits for any
    /// time, is given no server that does not pass.
    ///
    /// # Errors
    /// When the server cannot be reached, refuses the connection, does not answer, or sends what no server sends.
    pub async fn greet(options: &PgConnectOptions) -> Result<(), WireError> {
        let mut wire = Self::connect(options, false).await?;
        wire.max_bytes = MAX_GREETING_BYTES;
        wire.query(b"SELECT 1");
        let answered = tokio::time::timeout(PATIENCE, wire.exchange(|_| {})).await;
        let answered = answered.unwrap_or_else(|_| Err(io::Error::from(io::ErrorKind::TimedOut).into()));
        if !matches!(answered, Err(WireError::Server { .. })) {
            answered?;
        }
        wire.out.extend_from_slice(&[b'X', 0, 0, 0, 4]);
        // A server that has gone by now is missed by the next statement.
        drop(wire.send().await);
        Ok(())
    }

    fn startup(&mut self, options: &PgConnectOptions) {
        let parameters = [
            ("user", Some(options.get_username())),
            ("database", options.get_database()),
            ("application_name", options.get_application_name()),
            ("options", options.get_options()),
            // The same as sqlx, so that answers do not depend on which of the two asks.
            ("client_encoding", Some("UTF8")),
            ("DateStyle", Some("ISO, MDY")),
            ("TimeZone", Some("UTC")),
        ];
        self.out.extend_from_slice(&[0; 4]);
        self.out.extend_from_slice(&PROTOCOL.to_be_bytes());
        for (name, value) in parameters {
            if let Some(value) = value {
                self.text(name);
                self.text(value);
            }
        }
        self.out.push(0);
        let length = self.out.len() as i32;
        self.out[..4].copy_from_slice(&length.to_be_bytes());
    }

    /// `ParameterStatus`: the version as a number, as sqlx has it, and whether transactions may write, which servers
    /// report from 14 on.
    fn read_parameter(&mut self, body: std::ops::Range<usize>) {
        let mut parts = self.input[body].split(|byte| *byte == 0);
        let (Some(name), Some(value)) = (parts.next(), parts.next()) else { return };
        match name {
            b"server_version" => {
                let value = String::from_utf8_lossy(value);
                let mut numbers = value.split(|c: char| !c.is_ascii_digit()).map_while(|part| part.parse::<u32>().ok());
                let mut next = || numbers.next().unwrap_or(0);
                self.version = next().saturating_mul(10_000).saturating_add(next());
            }
            b"default_transaction_read_only" => self.may_write = self.read_only && value == b"off",
            _ => {}
        }
    }

    /// Such as 150018; 0 when the server did not say.
    #[must_use]
    pub fn version(&self) -> u32 {
        self.version
    }

    /// Queues `Parse`: a statement under a name, or without one until the next.
    pub fn parse(&mut self, name: &str, sql: &str) {
        let start = self.begin(b'P');
        self.text(name);
        self.text(sql);
        // No types: the server infers them, as it did when the scenario was read.
        self.out.extend_from_slice(&0_i16.to_be_bytes());
        self.end(start);
    }

    /// Queues `Bind` and `Execute`: `arguments` are `count` values, each a length and bytes in the server's binary
    /// form. Results come in binary form too.
    pub fn bind(&mut self, name: &str, count: u16, arguments: &[u8]) {
        let start = self.begin(b'B');
        self.out.push(0);
        self.text(name);
        self.out.extend_from_slice(&[0, 1, 0, 1]);
        self.out.extend_from_slice(&count.to_be_bytes());
        self.out.extend_from_slice(arguments);
        self.out.extend_from_slice(&[0, 1, 0, 1]);
        self.end(start);
        self.out.extend_from_slice(&[b'E', 0, 0, 0, 9, 0, 0, 0, 0, 0]);
    }

    /// Queues `Sync`: the server answers what was queued.
    pub fn sync(&mut self) {
        self.out.extend_from_slice(&[b'S', 0, 0, 0, 4]);
        self.extended = true;
    }

    /// The process that says it is at the other end.
    #[must_use]
    pub fn process(&self) -> u32 {
        self.process
    }

    /// Whether a server itself is at the other end, and no pooler: it names the process that answers.
    pub async fn is_direct(&mut self) -> bool {
        let mut answered = None;
        self.query(b"SELECT pg_backend_pid()");
        let asked = self.exchange(|mut row| {
            let text = row.next().flatten().and_then(|bytes| std::str::from_utf8(bytes).ok());
            answered = text.and_then(|text| text.parse::<u32>().ok());
        });
        asked.await.is_ok() && answered == Some(self.process)
    }

    /// Queues a text of SQL; results come as text.
    pub fn query(&mut self, sql: &[u8]) {
        self.extended = false;
        let start = self.begin(b'Q');
        self.out.extend_from_slice(sql);
        self.out.push(0);
        self.end(start);
    }

    /// Sends what is queued and reads the answer; `row` sees the values of every row. Returns how many rows
    /// statements returned or changed.
    ///
    /// # Errors
    /// The server's first refusal, or that the connection broke.
    pub async fn exchange(&mut self, mut row: impl FnMut(Values<'_>)) -> Result<u64, WireError> {
        self.send().await?;
        let mut rows = 0_u64;
        let mut refused = None;
        loop {
            let next = self.message().await;
            let (kind, range) = match (next, refused.is_some()) {
                (Ok(message), _) => message,
                // A session that is ended says why before it closes.
                (Err(_), true) => return Err(refused.expect("it was just seen")),
                (Err(error), false) => return Err(error),
            };
            let body = &self.input[range.clone()];
            match kind {
                b'D' => row(Values { rest: body.get(2..).unwrap_or_default() }),
                b'C' => rows = rows.saturating_add(changed(body)),
                b'E' => drop(refused.get_or_insert_with(|| server_error(body))),
                // COPY FROM STDIN has nothing to come.
                b'G' => {
                    self.out.extend_from_slice(&[b'f', 0, 0, 0, 5, 0]);
                    // The Sync that was sent is gone: while the server waits for data it passes over it.
                    if self.extended {
                        self.sync();
                    }
                    self.send().await?;
                }
                // What was set by a transaction that failed is unset again before the server is ready.
                b'Z' if self.may_write => return Err(WireError::MayWrite),
                b'Z' => return refused.map_or(Ok(rows), Err),
                b'S' => self.read_parameter(range),
                _ => {}
            }
        }
    }

    async fn send(&mut self) -> Result<(), WireError> {
        let sent = self.stream.write_all(&self.out).await;
        self.out.clear();
        sent?;
        Ok(self.stream.flush().await?)
    }

    /// The next message: its kind, and where its body is in the input.
    async fn message(&mut self) -> Result<(u8, std::ops::Range<usize>), WireError> {
        loop {
            let known = self.to - self.from;
            if 5 <= known {
                let head = &self.input[self.from..self.from + 5];
                let bytes = u32::from_be_bytes(head[1..].try_into().expect("four bytes"));
                let length = bytes as usize;
                if !(4..=self.max_bytes).contains(&length) {
                    return Err(WireError::Malformed { bytes, max_bytes: self.max_bytes });
                }
                if length < known {
                    let (kind, start) = (head[0], self.from + 5);
                    self.from += 1 + length;
                    return Ok((kind, start..self.from));
                }
                // As much again as has come, so that memory follows what is sent and not what is announced.
                self.make_room((1 + length).min(known + known.max(STEP_BYTES)));
            } else {
                self.make_room(5);
            }
            let read = self.stream.read(&mut self.input[self.to..]).await?;
            if read == 0 {
                return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into());
            }
            self.to += read;
        }
    }

    /// Makes place for a message of this length behind what is known.
    fn make_room(&mut self, length: usize) {
        if self.from == self.to {
            (self.from, self.to) = (0, 0);
        }
        if self.input.len() < self.from + length || self.to == self.input.len() {
            self.input.copy_within(self.from..self.to, 0);
            (self.from, self.to) = (0, self.to - self.from);
            let most = self.input.len();
            self.input.resize(most.max(length.next_power_of_two()), 0);
        }
    }

    fn begin(&mut self, kind: u8) -> usize {
        self.out.push(kind);
        self.out.extend_from_slice(&[0; 4]);
        self.out.len() - 4
    }

    fn end(&mut self, start: usize) {
        let length = (self.out.len() - start) as i32;
        self.out[start..start + 4].copy_from_slice(&length.to_be_bytes());
    }

    fn text(&mut self, text: &str) {
        self.out.extend_from_slice(text.as_bytes());
        self.out.push(0);
    }
}

/// The values of a row, in order; `None` is NULL.
pub struct Values<'m> {
    rest: &'m [u8],
}

impl<'m> Iterator for Values<'m> {
    type Item = Option<&'m [u8]>;

    fn next(&mut self) -> Option<Option<&'m [u8]>> {
        let (length, rest) = self.rest.split_at_checked(4)?;
        let length = i32::from_be_bytes(length.try_into().expect("four bytes"));
        let Ok(length) = usize::try_from(length) else {
            self.rest = rest;
            return Some(None);
        };
        let (value, rest) = rest.split_at_checked(length)?;
        self.rest = rest;
        Some(Some(value))
    }
}

/// The number at the beginning of a message.
fn body_number(body: &[u8]) -> u32 {
    body.first_chunk().map_or(0, |bytes| u32::from_be_bytes(*bytes))
}

/// The number at the end of a command's tag: `SELECT 5`, `INSERT 0 1`, `BEGIN`.
fn changed(tag: &[u8]) -> u64 {
    let tag = tag.strip_suffix(&[0]).unwrap_or(tag);
    let digits = tag.iter().rev().take_while(|byte| byte.is_ascii_digit()).count();
    tag[tag.len() - digits..]
        .iter()
        .fold(0, |sum: u64, digit| sum.saturating_mul(10).saturating_add(u64::from(digit - b'0')))
}

/// `ErrorResponse`: fields of a letter and a text.
fn server_error(body: &[u8]) -> WireError {
    let field = |letter: u8| {
        let found = body.split(|byte| *byte == 0).find(|field| field.first() == Some(&letter));
        found.map_or_else(String::new, |field| String::from_utf8_lossy(&field[1..]).into_owned())
    };
    WireError::Server { code: field(b'C'), message: printable(&field(b'M')).into_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_values_and_errors_are_read() {
        assert_eq!([changed(b"SELECT 512\0"), changed(b"INSERT 0 3\0"), changed(b"BEGIN\0")], [512, 3, 0]);
        assert_eq!([changed(b"SELECT 99999999999999999999999\0"), changed(b"")], [u64::MAX, 0]);
        let row = [0, 0, 0, 2, b'a', b'b', 255, 255, 255, 255, 0, 0, 0, 0];
        let values: Vec<Option<&[u8]>> = Values { rest: &row }.collect();
        assert_eq!(values, [Some(&b"ab"[..]), None, Some(&b""[..])]);
        let WireError::Server { code, message } = server_error(b"SERROR\0C40001\0Mcould not serialize\0\0") else {
            panic!("a refusal");
        };
        assert_eq!((code.as_str(), message.as_str()), ("40001", "could not serialize"));
    }
}
