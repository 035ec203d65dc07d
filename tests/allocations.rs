//! The timed path allocates nothing per operation of a plain statement: counted, on a real server. Alone in its binary,
//! because everything that runs beside it would be counted too.

#![expect(unreachable_pub, reason = "a test binary exports nothing; `pub` marks what other files use")]
#![expect(clippy::disallowed_methods, reason = "tests write scratch files")]

#[path = "it/support.rs"]
#[expect(dead_code, reason = "of what all tests share this one needs a part")]
mod support;

use std::alloc::System;
use std::sync::Arc;

use stats_alloc::{INSTRUMENTED_SYSTEM, StatsAlloc};
use support::{Home, block_on};
use weighbridge::binding::{describe_all, sample_picks};
use weighbridge::clock::Clock;
use weighbridge::diagnostic::SourceFile;
use weighbridge::drive::Crew;
use weighbridge::drive::crew::RunOrder;
use weighbridge::drive::slice::Rules;
use weighbridge::scenario::shape::Shape;
use weighbridge::scenario::spec::parse_scenario;
use weighbridge::scenario::workload::Setting;
use weighbridge::scenario::{Load, Workload};

#[global_allocator]
static COUNTING: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

const SCENARIO: &str = r#"
name = "plain"
[load]
clients = 4
[[action]]
name = "count"
weight = 3
sql  = "SELECT count(*) FROM pg_class WHERE relpages = :pages OR relname = :name"
with = { pages = "uniform(1, 200)", name = "weights(pg_class 1, pg_type 1)" }
[[action]]
name = "picked"
sql  = "SELECT relname FROM pg_class WHERE relnatts = :columns"
with = { columns = "pick(pg_class.relnatts, zipf 1.1)" }
"#;

#[test]
fn an_operation_of_a_plain_statement_allocates_nothing() {
    let home = Home::new();
    home.run(&["server", "start"]).ok();
    let target = home.target();
    block_on(async {
        let path = home.path().join("plain.toml");
        std::fs::write(&path, SCENARIO).unwrap();
        let scenario = parse_scenario(SCENARIO).unwrap();
        let files = [(SourceFile::read(&path).unwrap(), scenario.clone())];
        let mut connection = target.connect().await.unwrap();
        let bound = describe_all(&mut connection, &files, "").await.unwrap();
        let pools = sample_picks(&mut connection, &files, &[], 1).await.unwrap();
        let setting = Setting { pools, ..Setting::plain(Load::Closed { clients: 4 }, &bound) };
        let workload = Arc::new(Workload::new(std::slice::from_ref(&scenario), setting));
        let clock = Clock::start();
        let crew = Crew::start(workload.load, None, 1, clock);
        crew.connect(0, &target.into(), &workload).await.unwrap();
        // Beginning and ending cost the same for few and for many; what is left is the operations' own.
        let mut first = 0;
        let mut allocations = Vec::new();
        for operations in [5_000_u64, 5_000, 25_000] {
            let (sender, mut receiver) = tokio::sync::mpsc::unbounded_channel();
            let order = RunOrder {
                part: 0,
                first,
                shape: Shape::steady(4.0, 600.0),
                length_ns: 600_000_000_000,
                grace_ns: 1_000_000_000,
                most: Some(operations),
                rules: Rules { slow_after_ns: Some(10_000_000_000), late_after_ns: Some(1), ..Rules::default() },
                interval_ns: 600_000_000_000,
                shard: (0, 1),
                stop: Arc::default(),
            };
            let before = COUNTING.stats().allocations;
            first = crew.run(order, &sender).await.unwrap();
            allocations.push((COUNTING.stats().allocations - before) as u64);
            let recording = receiver.recv().await.unwrap().recording;
            assert_eq!((recording.counts().ok, recording.counts().failed), (operations, 0));
        }
        let [_, few, many] = allocations[..] else { panic!("three runs") };
        // A histogram may grow once more: far less than one for each of the 20,000 operations more.
        assert!(many < few + 100, "{few} allocations for 5,000 operations, {many} for 25,000");
    });
}
