//! The figures of a run as OpenMetrics: their names, types and labels are an interface that dashboards read. Must be a
//! pure function of the interval and of what was recorded so far.

use std::fmt::Error;

use hdrhistogram::Histogram;
use prometheus_client::encoding::text::encode;
use prometheus_client::encoding::{EncodeMetric, MetricEncoder, NoLabelSet};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::exemplar::Exemplar;
use prometheus_client::registry::Registry;

use crate::drive::recorder::ActionRecording;
use crate::drive::{Counts, Recording};
use crate::evidence::run::{ActionResult, IntervalFacts};

/// Upper bounds of the histograms' buckets, in seconds.
const BUCKETS_S: [f64; 17] =
    [0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0];

/// Names with their values.
type Labels = Vec<(&'static str, String)>;

/// A value of a figure.
#[derive(Debug, Clone, PartialEq)]
enum Sample {
    Counter(u64),
    Gauge(f64),
    /// Sum, count, and how many values are in each bucket.
    Histogram(f64, u64, Vec<(f64, u64)>),
}

/// A figure: its values by their labels.
#[derive(Debug)]
struct Figure {
    kind: MetricType,
    samples: Vec<(Labels, Sample)>,
}

impl EncodeMetric for Figure {
    fn encode(&self, mut encoder: MetricEncoder) -> Result<(), Error> {
        for (labels, sample) in &self.samples {
            if labels.is_empty() {
                sample.encode(&mut encoder)?;
            } else {
                sample.encode(&mut encoder.encode_family(labels)?)?;
            }
        }
        Ok(())
    }

    fn metric_type(&self) -> MetricType {
        self.kind
    }
}

impl Sample {
    fn encode(&self, encoder: &mut MetricEncoder) -> Result<(), Error> {
        match self {
            Self::Counter(count) => encoder.encode_counter(count, None::<&Exemplar<NoLabelSet, f64>>),
            Self::Gauge(value) => encoder.encode_gauge(value),
            Self::Histogram(sum, count, buckets) => {
                encoder.encode_histogram(*sum, *count, buckets, None::<&ExemplarsByBucket>)
            }
        }
    }
}

/// What a histogram could show of single operations, and does not.
type ExemplarsByBucket = std::collections::HashMap<usize, Exemplar<NoLabelSet, f64>>;

/// The figures as they are put together.
struct Page(Registry);

impl Page {
    fn add(&mut self, name: &str, kind: MetricType, help: &str, samples: Vec<(Labels, Sample)>) {
        self.0.register(name, help, Figure { kind, samples });
    }

    fn gauge(&mut self, name: &str, help: &str, value: f64) {
        self.add(name, MetricType::Gauge, help, vec![(Vec::new(), Sample::Gauge(value))]);
    }

    fn counter(&mut self, name: &str, help: &str, count: u64) {
        self.add(name, MetricType::Counter, help, vec![(Vec::new(), Sample::Counter(count))]);
    }
}

/// The page after an interval. Writing to a text does not fail.
pub(super) fn render(facts: &IntervalFacts, actions: &[ActionResult], total: &Recording) -> String {
    let mut page = Page(Registry::with_prefix("weighbridge"));
    counters(&mut page, actions, total);
    latencies(&mut page, actions, total);
    gauges(&mut page, facts);
    pool(&mut page, facts, total);
    let mut out = String::with_capacity(1 << 14);
    encode(&mut out, &page.0).expect("a text can be written to");
    out
}

/// Operations by action and outcome, and what else was counted of them.
fn counters(page: &mut Page, actions: &[ActionResult], total: &Recording) {
    let each = || actions.iter().map(|action| action.name.clone()).zip(&total.actions);
    let outcomes = each().flat_map(|(name, recorded)| {
        let Counts { ok, failed, skipped, unsent, .. } = recorded.counts;
        [("ok", ok), ("failed", failed), ("skipped", skipped), ("unsent", unsent)].map(|(outcome, count)| {
            (vec![("action", name.clone()), ("outcome", outcome.to_owned())], Sample::Counter(count))
        })
    });
    page.add("operations", MetricType::Counter, "Operations by what became of them", outcomes.collect());
    let by_action = |of: fn(&Counts) -> u64| {
        each().map(|(name, recorded)| (vec![("action", name)], Sample::Counter(of(&recorded.counts)))).collect()
    };
    page.add("retries", MetricType::Counter, "Tries after the first one", by_action(|c| c.retries));
    page.add("late", MetricType::Counter, "Answers later than the load's limit", by_action(|c| c.late));
    page.add("slow", MetricType::Counter, "Answers served slower than the limit for that", by_action(|c| c.slow));
    let misses = "Answers of replicas that missed what was just written";
    page.add("replica_misses", MetricType::Counter, misses, by_action(|c| c.misses));
    let errors =
        total.failures.iter().map(|(class, seen)| (vec![("class", class.to_string())], Sample::Counter(seen.count)));
    page.add("errors", MetricType::Counter, "Failed operations by SQLSTATE", errors.collect());
    page.counter("reconnects", "Lost connections that were reopened", total.reconnects);
}

/// Histograms by action.
fn latencies(page: &mut Page, actions: &[ActionResult], total: &Recording) {
    let mut add = |name: &str, help: &str, of: fn(&ActionRecording) -> &Histogram<u64>| {
        let each = actions.iter().zip(&total.actions);
        let samples = each.map(|(action, recorded)| (vec![("action", action.name.clone())], buckets(of(recorded))));
        page.add(name, MetricType::Histogram, help, samples.collect());
    };
    add("latency_seconds", "From the moment an operation was due to its answer", |a| &a.latency);
    add("service_seconds", "From sending to the answer", |a| &a.service);
    add("lag_seconds", "From the moment an operation was due until a client turned to it", |a| &a.lag);
}

/// The driver, the replicas and the server in the interval.
fn gauges(page: &mut Page, facts: &IntervalFacts) {
    page.gauge("driver_cpu_ratio", "Busiest driver thread, as a share of a processor", facts.driver_cpu_share_max);
    if !facts.replica_lag_us_max.is_empty() {
        let lags = facts.replica_lag_us_max.iter().zip(1..).filter_map(|(lag, number): (_, u32)| {
            Some((vec![("replica", number.to_string())], Sample::Gauge((*lag)? / 1e6)))
        });
        let help = "Largest lag of each replica in the interval";
        page.add("replica_lag_seconds", MetricType::Gauge, help, lags.collect());
    }
    let Some(server) = &facts.server else { return };
    for (name, help, value) in [
        ("server_active_sessions", "Sessions of the database that execute something", server.active as f64),
        ("server_blocked_sessions", "Sessions of the server that wait for a lock", server.blocked as f64),
        ("server_blocked_seconds", "How long the longest of them has waited", server.blocked_s_max),
        ("server_autovacuum_workers", "Autovacuum workers at work", server.autovacuum_workers as f64),
        ("server_wal_bytes", "Bytes of WAL written in the interval", server.wal_bytes.unwrap_or(0) as f64),
        ("server_blocks_read", "Blocks read from the kernel in the interval", server.blocks_read as f64),
        ("server_rollbacks", "Transactions rolled back in the interval", server.rollbacks as f64),
        ("server_checkpoints", "Checkpoints in the interval", server.checkpoints as f64),
        ("watch_seconds", "What sampling the server took", server.sample_ms / 1e3),
    ] {
        page.gauge(name, help, value);
    }
    let waits = server.waits.iter();
    let waits = waits.map(|(event, sessions)| (vec![("event", event.clone())], Sample::Gauge(*sessions as f64)));
    page.add("server_waits", MetricType::Gauge, "Executing sessions by what they wait for", waits.collect());
}

/// The pool in front of the clients, where there is one.
fn pool(page: &mut Page, facts: &IntervalFacts, total: &Recording) {
    let Some(pool) = &facts.pool else { return };
    let wait = vec![(Vec::new(), buckets(&total.pool.wait))];
    page.add("pool_wait_seconds", MetricType::Histogram, "How long clients waited for a connection of the pool", wait);
    page.counter("pool_timeouts", "Clients that gave up waiting for a connection of the pool", total.pool.timeouts);
    let state = |name: &str, mean: f64| (vec![("state", name.to_owned())], Sample::Gauge(mean));
    let connections = vec![state("in_use", pool.in_use_mean), state("idle", pool.idle_mean)];
    let help = "Connections of the pool, on average over the interval";
    page.add("pool_connections", MetricType::Gauge, help, connections);
}

/// A histogram of nanoseconds in seconds. The encoder adds buckets up; the last takes everything above the others.
fn buckets(of: &Histogram<u64>) -> Sample {
    let (mut below, mut from, mut buckets) = (0, 0, Vec::with_capacity(BUCKETS_S.len() + 1));
    for bound in BUCKETS_S {
        let to = (bound * 1e9) as u64;
        let count = of.count_between(from, to);
        below += count;
        // Values of one cell of the histogram cannot be distinguished: the next bucket begins behind it.
        from = of.next_non_equivalent(to);
        buckets.push((bound, count));
    }
    buckets.push((f64::INFINITY, of.len().saturating_sub(below)));
    Sample::Histogram(of.mean() * of.len() as f64 / 1e9, of.len(), buckets)
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
            "weighbridge_latency_seconds_bucket{le=\"0.001\",action=\"pay\"} 1",
            "weighbridge_latency_seconds_bucket{le=\"0.005\",action=\"pay\"} 2",
            "weighbridge_latency_seconds_bucket{le=\"0.05\",action=\"pay\"} 3",
            "weighbridge_latency_seconds_bucket{le=\"30.0\",action=\"pay\"} 3",
            "weighbridge_latency_seconds_bucket{le=\"+Inf\",action=\"pay\"} 4",
            "# TYPE weighbridge_latency_seconds histogram",
        ] {
            assert!(page.lines().any(|found| found == line), "{line}\n{page}");
        }
        assert!(page.ends_with("# EOF\n"));
        assert_eq!(page.matches("# TYPE").count(), page.matches("# HELP").count());
    }

    #[test]
    fn every_figure_has_the_name_and_the_type_it_had() {
        use crate::evidence::view::{PoolFacts, ServerSample};
        let facts = IntervalFacts {
            server: Some(ServerSample::default()),
            pool: Some(PoolFacts::default()),
            replica_lag_us_max: vec![Some(500_000.0)],
            ..IntervalFacts::default()
        };
        let page = render(&facts, &[ActionResult::default()], &Recording::new(1));
        let types: Vec<&str> = page.lines().filter_map(|line| line.strip_prefix("# TYPE weighbridge_")).collect();
        let expected = [
            "operations counter",
            "retries counter",
            "late counter",
            "slow counter",
            "replica_misses counter",
            "errors counter",
            "reconnects counter",
            "latency_seconds histogram",
            "service_seconds histogram",
            "lag_seconds histogram",
            "driver_cpu_ratio gauge",
            "replica_lag_seconds gauge",
            "server_active_sessions gauge",
            "server_blocked_sessions gauge",
            "server_blocked_seconds gauge",
            "server_autovacuum_workers gauge",
            "server_wal_bytes gauge",
            "server_blocks_read gauge",
            "server_rollbacks gauge",
            "server_checkpoints gauge",
            "watch_seconds gauge",
            "server_waits gauge",
            "pool_wait_seconds histogram",
            "pool_timeouts counter",
            "pool_connections gauge",
        ];
        assert_eq!(types, expected);
        for line in [
            "weighbridge_reconnects_total 0",
            "weighbridge_pool_wait_seconds_bucket{le=\"+Inf\"} 0",
            "weighbridge_pool_connections{state=\"in_use\"} 0.0",
            "weighbridge_replica_lag_seconds{replica=\"1\"} 0.5",
            "weighbridge_service_seconds_count{action=\"\"} 0",
        ] {
            assert!(page.lines().any(|found| found == line), "{line}\n{page}");
        }
    }
}
