//! `--metrics`: the figures of a run as OpenMetrics, for Prometheus and Grafana. Must listen on this machine only, and
//! must never hold up a run.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::header::CONTENT_TYPE;
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;

use super::figures::render;
use crate::cli::exit::Failure;
use crate::diagnostic::Message;
use crate::drive::Recording;
use crate::evidence::run::{ActionResult, IntervalFacts};

/// What OpenMetrics calls itself (OpenMetrics 1.0.0, "Overall Structure").
const CONTENT: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// The page, and what it is made of.
pub(super) struct Metrics {
    page: Arc<Mutex<String>>,
    total: Mutex<Option<Recording>>,
    /// Where it listens.
    pub(super) address: SocketAddr,
    task: tokio::task::JoinHandle<()>,
}

/// Reads an address and refuses those that others can reach: the figures are nobody else's.
pub(super) fn address(text: &str) -> Result<SocketAddr, String> {
    match text.parse::<SocketAddr>() {
        Ok(address) if address.ip().is_loopback() => Ok(address),
        Ok(_) => Err("the endpoint listens on this machine only: write 127.0.0.1:PORT or [::1]:PORT".to_owned()),
        Err(_) => Err("write an address and a port such as 127.0.0.1:9187".to_owned()),
    }
}

impl Metrics {
    /// Listens.
    pub(super) async fn listen(address: SocketAddr) -> Result<Self, Failure> {
        let listener = TcpListener::bind(address).await.map_err(|error| {
            Failure::environment(
                Message::new(format!("cannot listen on {address}: {error}")).help("name another port with --metrics"),
            )
        })?;
        let address = listener.local_addr().unwrap_or(address);
        let page = Arc::new(Mutex::new("# EOF\n".to_owned()));
        let served = Arc::clone(&page);
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let page = Arc::clone(&served);
                tokio::spawn(async move {
                    let answer = service_fn(move |request| {
                        let page = Arc::clone(&page);
                        async move { Ok::<_, Infallible>(respond(&request, &page)) }
                    });
                    // A reader that goes away is his own business.
                    drop(
                        hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), answer).await,
                    );
                });
            }
        });
        Ok(Self { page, total: Mutex::new(None), address, task })
    }

    /// Adds an interval.
    pub(super) fn add(&self, facts: &IntervalFacts, actions: &[ActionResult], recording: &Recording) {
        let mut total = self.total.lock().expect("no holder panics");
        let total = total.get_or_insert_with(|| Recording::new(recording.actions.len()));
        total.merge(recording);
        total.log.clear();
        let page = render(facts, actions, total);
        *self.page.lock().expect("no holder panics") = page;
    }
}

impl Drop for Metrics {
    fn drop(&mut self) {
        self.task.abort();
    }
}

fn respond(request: &Request<Incoming>, page: &Mutex<String>) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::default());
    match request.uri().path() {
        "/metrics" => {
            let text = page.lock().expect("no holder panics").clone();
            *response.body_mut() = Full::from(text);
            response.headers_mut().insert(CONTENT_TYPE, hyper::header::HeaderValue::from_static(CONTENT));
        }
        _ => {
            *response.status_mut() = StatusCode::NOT_FOUND;
            *response.body_mut() = Full::from("the figures are at /metrics\n");
        }
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn others_cannot_reach_the_page() {
        assert!(address("0.0.0.0:1").is_err() && address("127.0.0.1:9187").is_ok());
    }
}
