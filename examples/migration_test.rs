//! A migration as a test of your own: `cargo test` fails where it regresses. Here it is a program, so that it can be
//! run by hand: `DATABASE_URL=postgresql://localhost/postgres cargo run --example migration_test`. Must stay this
//! short.

use weighbridge::{Advice, Settings, Verdict, prove};

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let url = std::env::var("DATABASE_URL").expect("DATABASE_URL names a server to make clones on");
    let shop = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/shop");
    let file = |name: &str| format!("{shop}/{name}");
    let mut settings = Settings::new(&url, file("migrations"), file("dataset.toml"), file("scenario.toml"));
    settings.scale = 0.2;

    let proof = prove(&settings, |_| {}).await.unwrap_or_else(|error| panic!("{}", error.message().draw("error")));
    for action in &proof.comparison.actions {
        let verdict = action.counts.as_ref().map(|counts| counts.verdict);
        assert_ne!(verdict, Some(Verdict::Invalid), "{} answers otherwise", action.name);
    }
    assert_eq!(proof.comparison.verdict, Verdict::Regressed, "0003 drops an index that an action needs");
}
