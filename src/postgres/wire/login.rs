//! How a session proves who it is: password in the clear, MD5, SCRAM-SHA-256. Must keep no password once it is in.
//!
//! The exchanges themselves are `postgres-protocol`'s; messages: PostgreSQL documentation, "55.7 Message Formats".

use std::io;

use postgres_protocol::authentication::md5_hash;
use postgres_protocol::authentication::sasl::{ChannelBinding, SCRAM_SHA_256, ScramSha256};
use sqlx::ConnectOptions;
use sqlx::postgres::PgConnectOptions;

/// What only the URL of the driver has of its options.
pub(super) struct Secrets {
    pub(super) password: Option<String>,
    /// PEM, or where a file of it is.
    pub(super) root_certificate: Option<String>,
    pub(super) certificate: Option<String>,
    pub(super) key: Option<String>,
}

impl Secrets {
    pub(super) fn of(options: &PgConnectOptions) -> Self {
        // Names that are no part of a URL would make one that cannot be read.
        let url = options.clone().host("localhost").username("any").to_url_lossy();
        let decoded = |text: &str| {
            let pair = format!("value={text}");
            url::form_urlencoded::parse(pair.as_bytes()).next().map(|(_, value)| value.into_owned())
        };
        let of =
            |keyword: &str| url.query_pairs().find(|(name, _)| name == keyword).map(|(_, value)| value.into_owned());
        Self {
            password: url.password().and_then(decoded),
            root_certificate: of("sslrootcert"),
            certificate: of("sslcert"),
            key: of("sslkey"),
        }
    }
}

/// One log-in.
pub(super) struct Login<'l> {
    user: &'l str,
    password: Option<&'l str>,
    scram: Option<ScramSha256>,
}

/// What to send next, if anything.
pub(super) enum Answer {
    /// Nothing: the server says what comes next.
    Nothing,
    /// A `PasswordMessage`, `SASLInitialResponse` or `SASLResponse`, without kind and length.
    Send(Vec<u8>),
}

impl<'l> Login<'l> {
    pub(super) fn new(user: &'l str, password: Option<&'l str>) -> Self {
        Self { user, password, scram: None }
    }

    /// Answers an `Authentication…` message.
    ///
    /// # Errors
    /// When the server asks for a way that is not known here, or proves to be another than it should be.
    pub(super) fn answer(&mut self, body: &[u8]) -> io::Result<Answer> {
        let (kind, data) = body.split_first_chunk::<4>().ok_or_else(cut_short)?;
        let password = self.password.unwrap_or_default();
        let text = |text: &str| Answer::Send([text.as_bytes(), &[0]].concat());
        Ok(match i32::from_be_bytes(*kind) {
            0 => Answer::Nothing,
            3 => text(password),
            5 => {
                let salt = *data.first_chunk::<4>().ok_or_else(cut_short)?;
                text(&md5_hash(self.user.as_bytes(), password.as_bytes(), salt))
            }
            10 => {
                if !data.split(|byte| *byte == 0).any(|mechanism| mechanism == SCRAM_SHA_256.as_bytes()) {
                    return Err(unknown("a SASL mechanism other than SCRAM-SHA-256"));
                }
                let scram = ScramSha256::new(password.as_bytes(), ChannelBinding::unsupported());
                let first = scram.message();
                let length = (first.len() as i32).to_be_bytes();
                let message = [SCRAM_SHA_256.as_bytes(), &[0], &length, first].concat();
                self.scram = Some(scram);
                Answer::Send(message)
            }
            11 => {
                let scram = self.scram.as_mut().ok_or_else(|| unknown("an answer to nothing"))?;
                scram.update(data)?;
                Answer::Send(scram.message().to_vec())
            }
            12 => {
                let scram = self.scram.as_mut().ok_or_else(|| unknown("an answer to nothing"))?;
                scram.finish(data)?;
                Answer::Nothing
            }
            7..=9 => return Err(unknown("GSSAPI or SSPI")),
            other => return Err(unknown(&format!("authentication of kind {other}"))),
        })
    }
}

fn unknown(what: &str) -> io::Error {
    io::Error::other(format!("the server asks for {what}, which is not supported"))
}

fn cut_short() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "the server's authentication request is cut short")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_read_whatever_they_hold() {
        let options = PgConnectOptions::new_without_pgpass();
        let hard = "p@ss/:%? +\u{e4}#";
        let secrets =
            Secrets::of(&options.clone().username("a@b/c").host("h").password(hard).ssl_root_cert("/a b/ca.pem"));
        assert_eq!(secrets.password.as_deref(), Some(hard));
        assert_eq!(secrets.root_certificate.as_deref(), Some("file: /a b/ca.pem"));
        let in_folder = Secrets::of(&options.socket("/var/run/x").password(hard));
        assert_eq!(in_folder.password.as_deref(), Some(hard));
    }

    #[test]
    fn passwords_are_sent_as_they_are_asked_for() {
        let mut login = Login::new("anna", Some("s3cret"));
        let sent = |answer: Answer| match answer {
            Answer::Nothing => panic!("a message"),
            Answer::Send(bytes) => bytes,
        };
        assert_eq!(sent(login.answer(&[0, 0, 0, 3]).unwrap()), b"s3cret\0");
        // As PostgreSQL has it: 'md5' || md5(md5(password || user) || salt).
        let md5 = sent(login.answer(&[0, 0, 0, 5, 1, 2, 3, 4]).unwrap());
        assert_eq!(md5, [md5_hash(b"anna", b"s3cret", [1, 2, 3, 4]).as_bytes(), &[0]].concat());
        let first = sent(login.answer(b"\0\0\0\x0aSCRAM-SHA-256-PLUS\0SCRAM-SHA-256\0\0").unwrap());
        assert!(first.starts_with(b"SCRAM-SHA-256\0\0\0\0"), "{first:?}");
        for (asked, words) in
            [(&b"\0\0\0\x07"[..], "GSSAPI"), (b"\0\0\0\x0aOAUTHBEARER\0\0", "SASL"), (b"\0\0", "cut short")]
        {
            let error = login.answer(asked).err().expect("it is refused").to_string();
            assert!(error.contains(words), "{error}");
        }
    }
}
