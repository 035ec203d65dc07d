//! Where the bytes of a connection go: a Unix socket, TCP, or TLS over it. Must look at certificates exactly as
//! `sslmode` asks.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::{CertificateError, ClientConfig, DigitallySignedStruct, Error, RootCertStore, SignatureScheme};
use sqlx::postgres::{PgConnectOptions, PgSslMode};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::net::{TcpStream, UnixStream};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::login::Secrets;

/// `SSLRequest`: its length and code.
const SSL_REQUEST: [u8; 8] = [0, 0, 0, 8, 4, 210, 22, 47];

pub(super) enum Stream {
    Unix(UnixStream),
    Tcp(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

impl Stream {
    /// Opens what the options name, encrypted as they ask.
    pub(super) async fn open(options: &PgConnectOptions, secrets: &Secrets) -> io::Result<Self> {
        let file = format!(".s.PGSQL.{}", options.get_port());
        let folder = match options.get_socket() {
            Some(folder) => Some(folder.clone()),
            None => options.get_host().starts_with('/').then(|| options.get_host().into()),
        };
        if let Some(folder) = folder {
            return Ok(Self::Unix(UnixStream::connect(folder.join(file)).await?));
        }
        let mut stream = TcpStream::connect((options.get_host(), options.get_port())).await?;
        stream.set_nodelay(true)?;
        let mode = options.get_ssl_mode();
        // As sqlx, which has no second try without encryption either.
        if matches!(mode, PgSslMode::Disable | PgSslMode::Allow) {
            return Ok(Self::Tcp(stream));
        }
        stream.write_all(&SSL_REQUEST).await?;
        match (stream.read_u8().await?, mode) {
            (b'S', _) => {}
            (b'N', PgSslMode::Prefer) => return Ok(Self::Tcp(stream)),
            (b'N', _) => return Err(io::Error::other("the server does not support TLS, which sslmode asks for")),
            _ => {
                return Err(io::Error::new(
                    io::ErrorKind::InvalidData,
                    "the server answers with something else than PostgreSQL's protocol",
                ));
            }
        }
        let name = ServerName::try_from(options.get_host().to_owned()).map_err(io::Error::other)?;
        let connector = TlsConnector::from(Arc::new(configuration(mode, secrets)?));
        Ok(Self::Tls(Box::new(connector.connect(name, stream).await?)))
    }
}

/// What certificate is shown, and which are taken: any below `verify-ca`, one of a known authority from there on, and
/// from `verify-full` on one for this host (PostgreSQL manual, "34.19 SSL Support").
fn configuration(mode: PgSslMode, secrets: &Secrets) -> io::Result<ClientConfig> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(Arc::clone(&provider));
    let builder = builder.with_safe_default_protocol_versions().map_err(io::Error::other)?;
    let verifier: Arc<dyn ServerCertVerifier> = match mode {
        PgSslMode::VerifyCa | PgSslMode::VerifyFull => {
            let mut roots = RootCertStore::from_iter(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
            for certificate in certificates(secrets.root_certificate.as_deref())? {
                roots.add(certificate).map_err(io::Error::other)?;
            }
            let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider);
            let verifier = verifier.build().map_err(io::Error::other)?;
            if matches!(mode, PgSslMode::VerifyFull) { verifier } else { Arc::new(AnyName(verifier)) }
        }
        _ => Arc::new(AnyCertificate(provider)),
    };
    let builder = builder.dangerous().with_custom_certificate_verifier(verifier);
    match (&secrets.certificate, &secrets.key) {
        (Some(certificate), Some(key)) => {
            let key = PrivateKeyDer::from_pem_slice(&pem(key)?).map_err(io::Error::other)?;
            builder.with_client_auth_cert(certificates(Some(certificate))?, key).map_err(io::Error::other)
        }
        (None, None) => Ok(builder.with_no_client_auth()),
        _ => Err(io::Error::other("sslcert and sslkey must be given together")),
    }
}

/// The certificates of a PEM text or file.
fn certificates(given: Option<&str>) -> io::Result<Vec<CertificateDer<'static>>> {
    let Some(given) = given else { return Ok(Vec::new()) };
    CertificateDer::pem_slice_iter(&pem(given)?).collect::<Result<_, _>>().map_err(io::Error::other)
}

/// The driver writes a file as `file: PATH`, and a text as it is.
fn pem(given: &str) -> io::Result<Vec<u8>> {
    match given.strip_prefix("file: ") {
        Some(path) => std::fs::read(path).map_err(|e| io::Error::new(e.kind(), format!("cannot read {path}: {e}"))),
        None => Ok(given.as_bytes().to_vec()),
    }
}

/// Takes every certificate, for encryption alone.
#[derive(Debug)]
struct AnyCertificate(Arc<CryptoProvider>);

impl ServerCertVerifier for AnyCertificate {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, certificate, signature, &self.0.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, certificate, signature, &self.0.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}

/// Takes a certificate of a known authority, whatever host it is for.
#[derive(Debug)]
struct AnyName(Arc<WebPkiServerVerifier>);

impl ServerCertVerifier for AnyName {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        match self.0.verify_server_cert(certificate, intermediates, name, ocsp, now) {
            Err(Error::InvalidCertificate(
                CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
            )) => Ok(ServerCertVerified::assertion()),
            verified => verified,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.0.verify_tls12_signature(message, certificate, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.0.verify_tls13_signature(message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.supported_verify_schemes()
    }
}

impl AsyncRead for Stream {
    fn poll_read(self: Pin<&mut Self>, context: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Unix(stream) => Pin::new(stream).poll_read(context, into),
            Self::Tcp(stream) => Pin::new(stream).poll_read(context, into),
            Self::Tls(stream) => Pin::new(stream).poll_read(context, into),
        }
    }
}

impl AsyncWrite for Stream {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Unix(stream) => Pin::new(stream).poll_write(context, bytes),
            Self::Tcp(stream) => Pin::new(stream).poll_write(context, bytes),
            Self::Tls(stream) => Pin::new(stream).poll_write(context, bytes),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Unix(_) | Self::Tcp(_) => Poll::Ready(Ok(())),
            Self::Tls(stream) => Pin::new(stream).poll_flush(context),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Unix(stream) => Pin::new(stream).poll_shutdown(context),
            Self::Tcp(stream) => Pin::new(stream).poll_shutdown(context),
            Self::Tls(stream) => Pin::new(stream).poll_shutdown(context),
        }
    }
}
