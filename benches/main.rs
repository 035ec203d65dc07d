//! What costs time in the hot paths, each alone: rows, bytes, samples, arrivals, estimates.
//!
//! Ratios against peers belong into `benches/peers/`; nothing here talks to a server.

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use weighbridge::drive::Recording;
use weighbridge::drive::arrivals::Arrivals;
use weighbridge::drive::recorder::Moments;
use weighbridge::evidence::{ActionHistograms, Histograms, Side, histograms};
use weighbridge::postgres::catalog::{Catalog, Column, Reference, Table, Type};
use weighbridge::scenario::shape::Shape;
use weighbridge::scenario::spec::parse_scenario;
use weighbridge::scenario::workload::{BoundStep, Setting};
use weighbridge::scenario::{Stream, Workload};
use weighbridge::seed::{Plan, encode, plan, spec};
use weighbridge::stats::paired;
use weighbridge::units::Seed;

const SPEC: &str = r#"
[dataset]
now = 2026-01-01T00:00:00Z
span = "3y"
[growth.steady]
curve = "power(1.8)"
[table.users]
row-count = "100_000"
id = "row()"
created_at = "growth(steady)"
[table.payments]
row-count = "1_000_000"
fan-out.user_id = "zipf(s 0.9, max 1500, none 20%)"
id = "row()"
amount = "lognormal(median 39, p95 180)"
status = "weights(succeeded 85, failed 10, refunded 3, pending 2)"
created_at = "latest(growth(steady), user_id.created_at)"
[table.messages]
row-count = "1_000_000"
fan-out.user_id = "zipf(s 0.6)"
id = "row()"
body = "words(6, 28)"
created_at = "growth(steady)"
"#;

fn column(name: &str, type_name: &str) -> Column {
    let kind = Type { name: type_name.to_owned(), ..Type::default() };
    Column { name: name.to_owned(), kind, required: true, default: None, counted: name == "id", generated: false }
}

fn table(name: &str, columns: &[(&str, &str)], parent: Option<&str>) -> Table {
    let reference = |column: &str| Reference {
        name: format!("{name}_{column}_fkey"),
        columns: vec![column.to_owned()],
        table: "users".to_owned(),
        targets: vec!["id".to_owned()],
    };
    Table {
        schema: "public".to_owned(),
        name: name.to_owned(),
        columns: columns.iter().map(|(name, kind)| column(name, kind)).collect(),
        references: parent.map(reference).into_iter().collect(),
        ..Table::default()
    }
}

fn dataset() -> Plan {
    let time = ("created_at", "timestamptz");
    let (id, user) = (("id", "int8"), ("user_id", "int8"));
    let payments = [id, user, ("amount", "numeric"), ("status", "text"), time];
    let tables = [
        table("users", &[id, time], None),
        table("payments", &payments, Some("user_id")),
        table("messages", &[id, user, ("body", "text"), time], Some("user_id")),
    ];
    let catalog = Catalog { tables: tables.into_iter().map(|t| (t.name.clone(), t)).collect() };
    plan::plan(&spec::parse_spec(SPEC).expect("the spec above"), &catalog, &plan::Held::new(), 1.0, Seed(42))
        .expect("it fits the catalog")
}

fn rows(c: &mut Criterion) {
    let plan = dataset();
    let mut group = c.benchmark_group("binary COPY rows");
    for (index, table) in plan.tables.iter().enumerate() {
        group.throughput(Throughput::Elements(1_000));
        group.bench_function(table.name.as_str(), |b| {
            let mut bytes = Vec::with_capacity(1 << 20);
            b.iter(|| {
                bytes.clear();
                encode::rows(&plan, index, 50_000..51_000, &mut bytes).expect("values fit their columns");
                black_box(bytes.len())
            });
        });
    }
}

fn workload() -> Workload {
    let text = "name = 'b'\n[load]\nrate = 10000\n[[action]]\nname = 'x'\nsql = 'SELECT :n::int'\n\
                with = { n = \"uniform(1, 9)\" }\n";
    let scenario = parse_scenario(text).expect("the scenario above");
    let step = BoundStep { arguments: vec![weighbridge::expression::SqlType::Int4], captures: Vec::new() };
    let bound = vec![vec![vec![step]]];
    Workload::new(std::slice::from_ref(&scenario), Setting::plain(scenario.load, &bound))
}

fn driver(c: &mut Criterion) {
    let workload = workload();
    c.bench_function("arrivals of one second at 10,000/s", |b| {
        let shape = Shape::steady(10_000.0, 1.0);
        b.iter(|| Arrivals::new(black_box(&workload), Stream::lane(3, 0, 1), &shape).count());
    });
    c.bench_function("draw and encode parameters", |b| {
        let (mut values, mut bytes) = (Vec::new(), Vec::new());
        let mut n = 0;
        b.iter(|| {
            n += 1;
            workload.draw(0, Stream::lane(3, 0, 1), n, &mut values);
            bytes.clear();
            workload.actions[0].steps[0].encode(&values, &mut bytes).expect("an int4");
            black_box(bytes.len())
        });
    });
    c.bench_function("record an answer", |b| {
        let mut recording = Recording::new(8);
        let mut at = 0_u64;
        b.iter(|| {
            at += 977_777;
            let at = Moments { due: at, asked: at + 4_000, began: at + 4_000, ended: at + 4_000 + at % 9_000_000 };
            recording.answered(3, at, 1, false);
        });
    });
}

fn statistics(c: &mut Criterion) {
    let ratios: Vec<f64> = (0..64).map(|i| f64::from(i % 13) / 100.0).collect();
    c.bench_function("Hodges-Lehmann with exact interval, 64 chunks", |b| {
        b.iter(|| paired::effect(black_box(&ratios), 0.0125));
    });
    let names: Vec<String> = (0..6).map(|i| format!("action_{i}")).collect();
    let mut recorded = Vec::new();
    for _ in 0..6 {
        let mut action = ActionHistograms::new();
        for value in 1..2_000_u64 {
            action.latency.record(value * 1_777).expect("within the bounds");
        }
        recorded.push(action);
    }
    let chunk: Histograms = Side::ALL.into_iter().map(|side| (side, recorded.clone())).collect();
    let chunks = vec![chunk; 8];
    c.bench_function("write the interval log of 8 chunks", |b| {
        b.iter(|| histograms::write(black_box(&chunks), &names).expect("names are tags").len());
    });
}

criterion_group!(benches, rows, driver, statistics);
criterion_main!(benches);
