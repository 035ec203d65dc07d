//! `--metrics`: the figures of a run as OpenMetrics, for Prometheus and Grafana. Must listen on this machine only, and
//! must never hold up a run.

use std::convert::Infallible;
use std::fmt::Write;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::header::CONTENT_TYPE;
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;

use crate::cli::exit::Failure;
use crate::diagnostic::Message;
use crate::drive::Recording;
use crate::evidence::run::{ActionResult, IntervalFacts};

/// Upper bounds of the histograms' buckets, in seconds.
const BUCKETS_S: [f64; 17] =
    [0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0];

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

/// The page after an interval. Writing to a text does not fail.
fn render(facts: &IntervalFacts, actions: &[ActionResult], total: &Recording) -> String {
    let mut out = String::with_capacity(1 << 14);
    family(&mut out, "operations", "counter", "Operations by what became of them.");
    for (action, recorded) in actions.iter().zip(&total.actions) {
        let counts = recorded.counts;
        for (outcome, count) in
            [("ok", counts.ok), ("failed", counts.failed), ("skipped", counts.skipped), ("unsent", counts.unsent)]
        {
            let name = &action.name;
            let _ = writeln!(out, "weighbridge_operations_total{{action=\"{name}\",outcome=\"{outcome}\"}} {count}");
        }
    }
    for (name, help, of) in [
        ("retries", "Tries after the first one.", (|c| c.retries) as fn(&crate::drive::Counts) -> u64),
        ("late", "Answers later than the load's limit.", |c| c.late),
        ("slow", "Answers served slower than the limit for that.", |c| c.slow),
        ("replica_misses", "Answers of replicas that missed what was just written.", |c| c.misses),
    ] {
        family(&mut out, name, "counter", help);
        for (action, recorded) in actions.iter().zip(&total.actions) {
            let _ = writeln!(out, "weighbridge_{name}_total{{action=\"{}\"}} {}", action.name, of(&recorded.counts));
        }
    }
    family(&mut out, "errors", "counter", "Failed operations by SQLSTATE.");
    for (class, seen) in &total.failures {
        let _ = writeln!(out, "weighbridge_errors_total{{class=\"{class}\"}} {}", seen.count);
    }
    family(&mut out, "reconnects", "counter", "Lost connections that were reopened.");
    let _ = writeln!(out, "weighbridge_reconnects_total {}", total.reconnects);
    for (name, help, of) in [
        (
            "latency_seconds",
            "From the moment an operation was due to its answer.",
            (|a| &a.latency) as fn(&crate::drive::recorder::ActionRecording) -> &hdrhistogram::Histogram<u64>,
        ),
        ("service_seconds", "From sending to the answer.", |a| &a.service),
        ("lag_seconds", "From the moment an operation was due until a client turned to it.", |a| &a.lag),
    ] {
        family(&mut out, name, "histogram", help);
        for (action, recorded) in actions.iter().zip(&total.actions) {
            histogram(&mut out, name, &format!("action=\"{}\"", action.name), of(recorded));
        }
    }
    gauges(&mut out, facts);
    if let Some(pool) = &facts.pool {
        family(&mut out, "pool_wait_seconds", "histogram", "How long clients waited for a connection of the pool.");
        histogram(&mut out, "pool_wait_seconds", "", &total.pool.wait);
        family(&mut out, "pool_timeouts", "counter", "Clients that gave up waiting for a connection of the pool.");
        let _ = writeln!(out, "weighbridge_pool_timeouts_total {}", total.pool.timeouts);
        family(&mut out, "pool_connections", "gauge", "Connections of the pool, on average over the interval.");
        let _ = writeln!(out, "weighbridge_pool_connections{{state=\"in_use\"}} {}", pool.in_use_mean);
        let _ = writeln!(out, "weighbridge_pool_connections{{state=\"idle\"}} {}", pool.idle_mean);
    }
    out.push_str("# EOF\n");
    out
}

fn gauges(out: &mut String, facts: &IntervalFacts) {
    family(out, "driver_cpu_ratio", "gauge", "Busiest driver thread, as a share of a processor.");
    let _ = writeln!(out, "weighbridge_driver_cpu_ratio {}", facts.driver_cpu_share_max);
    if !facts.replica_lag_us_max.is_empty() {
        family(out, "replica_lag_seconds", "gauge", "Largest lag of each replica in the interval.");
        for (replica, lag) in facts.replica_lag_us_max.iter().enumerate() {
            if let Some(us) = lag {
                let _ = writeln!(out, "weighbridge_replica_lag_seconds{{replica=\"{}\"}} {}", replica + 1, us / 1e6);
            }
        }
    }
    let Some(server) = &facts.server else { return };
    for (name, help, value) in [
        ("server_active_sessions", "Sessions of the database that execute something.", server.active as f64),
        ("server_blocked_sessions", "Sessions of the server that wait for a lock.", server.blocked as f64),
        ("server_blocked_seconds", "How long the longest of them has waited.", server.blocked_s_max),
        ("server_autovacuum_workers", "Autovacuum workers at work.", server.autovacuum_workers as f64),
        ("server_wal_bytes", "Bytes of WAL written in the interval.", server.wal_bytes.unwrap_or(0) as f64),
        ("server_blocks_read", "Blocks read from the kernel in the interval.", server.blocks_read as f64),
        ("server_rollbacks", "Transactions rolled back in the interval.", server.rollbacks as f64),
        ("server_checkpoints", "Checkpoints in the interval.", server.checkpoints as f64),
        ("watch_seconds", "What looking at the server took.", server.sample_ms / 1e3),
    ] {
        family(out, name, "gauge", help);
        let _ = writeln!(out, "weighbridge_{name} {value}");
    }
    family(out, "server_waits", "gauge", "Executing sessions by what they wait for.");
    for (event, sessions) in &server.waits {
        let _ = writeln!(out, "weighbridge_server_waits{{event=\"{event}\"}} {sessions}");
    }
}

fn family(out: &mut String, name: &str, kind: &str, help: &str) {
    let _ = writeln!(out, "# TYPE weighbridge_{name} {kind}\n# HELP weighbridge_{name} {help}");
}

/// Buckets are cumulative, the last is everything.
fn histogram(out: &mut String, name: &str, labels: &str, of: &hdrhistogram::Histogram<u64>) {
    let comma = if labels.is_empty() { "" } else { "," };
    let mut below = 0;
    let mut from = 0;
    for bound in BUCKETS_S {
        let to = (bound * 1e9) as u64;
        below += of.count_between(from, to);
        // Values of one cell of the histogram cannot be distinguished: the next bucket begins behind it.
        from = of.next_non_equivalent(to);
        let _ = writeln!(out, "weighbridge_{name}_bucket{{{labels}{comma}le=\"{bound}\"}} {below}");
    }
    let (count, sum) = (of.len(), of.mean() * of.len() as f64 / 1e9);
    let braces = if labels.is_empty() { String::new() } else { format!("{{{labels}}}") };
    let _ = writeln!(out, "weighbridge_{name}_bucket{{{labels}{comma}le=\"+Inf\"}} {count}");
    let _ = writeln!(out, "weighbridge_{name}_count{braces} {count}\nweighbridge_{name}_sum{braces} {sum}");
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::drive::recorder::Moments;

    #[test]
    fn the_dashboard_asks_for_figures_there_are() {
        use crate::evidence::view::{PoolFacts, ServerSample};
        let waits = [("IO:WALSync".to_owned(), 1)].into();
        let facts = IntervalFacts {
            server: Some(ServerSample { waits, ..ServerSample::default() }),
            pool: Some(PoolFacts::default()),
            replica_lag_us_max: vec![Some(1.0)],
            ..IntervalFacts::default()
        };
        let mut total = Recording::new(1);
        total.failed(0, &crate::drive::failure::Failure::script("x"), 1);
        let page = render(&facts, &[ActionResult::default()], &total);
        let dashboard = include_str!("../../../docs/grafana/dashboard.json");
        let name = |c: char| c.is_ascii_lowercase() || c == '_';
        let asked = dashboard.match_indices("weighbridge_").map(|(at, _)| {
            let rest = &dashboard[at..];
            &rest[..rest.find(|c| !name(c)).unwrap()]
        });
        let asked: Vec<&str> = asked.collect();
        assert!(20 < asked.len());
        for figure in asked {
            assert!(page.lines().any(|line| line.starts_with(figure)), "{figure} is on no page:\n{page}");
        }
    }

    #[test]
    fn a_page_holds_cumulative_buckets_and_ends_as_it_must() {
        let mut total = Recording::new(1);
        for ms in [1_u64, 3, 40, 45_000] {
            let at = Moments { due: 0, asked: 0, began: 0, ended: ms * 1_000_000 };
            total.answered(0, at, 1, false);
        }
        let action = ActionResult { name: "pay".to_owned(), ..ActionResult::default() };
        let page = render(&IntervalFacts::default(), &[action], &total);
        for line in [
            "weighbridge_operations_total{action=\"pay\",outcome=\"ok\"} 4",
            "weighbridge_latency_seconds_bucket{action=\"pay\",le=\"0.001\"} 1",
            "weighbridge_latency_seconds_bucket{action=\"pay\",le=\"0.005\"} 2",
            "weighbridge_latency_seconds_bucket{action=\"pay\",le=\"0.05\"} 3",
            "weighbridge_latency_seconds_bucket{action=\"pay\",le=\"30\"} 3",
            "weighbridge_latency_seconds_bucket{action=\"pay\",le=\"+Inf\"} 4",
            "# TYPE weighbridge_latency_seconds histogram",
        ] {
            assert!(page.lines().any(|found| found == line), "{line}\n{page}");
        }
        assert!(page.ends_with("# EOF\n"));
        assert_eq!(page.matches("# TYPE").count(), page.matches("# HELP").count());
        assert!(address("0.0.0.0:1").is_err() && address("127.0.0.1:9187").is_ok());
    }
}
