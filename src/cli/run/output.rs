//! What is printed and kept while a run goes on. Must never stop a run: a log that cannot be written is reported at its
//! end.

use std::cell::{Cell, RefCell};
use std::fs::File;
use std::io::Write;
use std::path::PathBuf;
use std::rc::Rc;
use std::sync::Arc;

use super::metrics::Metrics;
use super::screen::{line, screen};
use super::transactions::Transactions;
use crate::cli::exit::Failure;
use crate::cli::progress::Progress;
use crate::clock;
use crate::diagnostic::Message;
use crate::drive::Recording;
use crate::evidence::interval_log::{self, POOL_TAG};
use crate::evidence::run::{ActionResult, IntervalFacts, RunEvidence, WarmUpEnd};
use crate::evidence::store::ResultFolder;
use crate::report::run::json;
use crate::run::Event;
use crate::units::plural;

/// What is printed while a run goes on.
pub(super) fn listener(progress: &Arc<Progress>, log: &Rc<Log>, metrics: Option<Metrics>) -> Box<dyn Fn(Event<'_>)> {
    let (progress, log) = (Arc::clone(progress), Rc::clone(log));
    Box::new(move |event| {
        match event {
        Event::Binding => progress.status("reading: statements and values to pick from".to_owned()),
        Event::Unexercised { role, tables } => {
            let unexercised = format!(
                "row-level security of {} does not apply to `{role}`, so its policies are in no figure",
                tables.join(", ")
            );
            let warning = Message::new(unexercised).help("name the application's role with --role");
            progress.line(&warning.draw("warning"));
        }
        Event::SharedSessions(protocol) => progress.line(&format!(
            "a pooler shares sessions: statements are sent {}; where it keeps prepared ones (PgBouncer from 1.21 with \
             max_prepared_statements), --protocol prepared uses them",
            protocol.name()
        )),
        Event::Connecting(clients) => progress.status(format!("connecting {}", plural(clients, "client"))),
        Event::WarmingUp(seconds) => progress.status(format!("warming up: {seconds:.1} s")),
        Event::WarmedUp(seconds, end) => {
            let how = match end {
                WarmUpEnd::Fixed => "as asked for",
                WarmUpEnd::Steady => "latency is steady",
                WarmUpEnd::Bound => "latency is not steady yet",
            };
            if 0.0 < seconds {
                progress.line(&format!("warmed up for {seconds:.1} s: {how}"));
            }
        }
        Event::Begun(evidence) => log.begin(evidence),
        Event::Interval { facts, actions, recording, began_ns } => {
            log.add(facts, actions, recording, began_ns);
            if let Some(metrics) = &metrics {
                metrics.add(facts, actions, recording);
            }
            // What is left after the last full interval is in the log, and too short for a rate.
            if 0.1 < facts.length_s || 0 < facts.failed {
                progress.interval(&line(facts), || screen(facts, actions));
            }
        }
        Event::Aborting(rule) => progress.line(&format!("ending early: {rule}")),
    }
    })
}

/// What is kept while the run goes on: the document of a run that has begun, and the two logs that grow with it, lines
/// of JSON and histograms.
pub(super) struct Log {
    folder: ResultFolder,
    paths: [PathBuf; 2],
    files: RefCell<Option<[File; 2]>>,
    error: RefCell<Option<std::io::Error>>,
    transactions_error: RefCell<Option<std::io::Error>>,
    transactions: RefCell<Option<Transactions>>,
    /// When the driver's clock was at the beginning of the measurement, in microseconds since 1970.
    start_us: Cell<Option<i64>>,
}

impl Log {
    pub(super) fn create(folder: &ResultFolder, transactions: Option<Transactions>) -> Self {
        let folder = folder.clone();
        let paths = ["intervals.jsonl", "intervals.hlog"].map(|name| folder.path.join(name));
        let transactions = RefCell::new(transactions);
        let (error, transactions_error) = (RefCell::default(), RefCell::default());
        Self {
            folder,
            paths,
            files: RefCell::default(),
            error,
            transactions_error,
            transactions,
            start_us: Cell::new(None),
        }
    }

    /// Keeps what a program that is killed meanwhile leaves: a document that its intervals complete.
    fn begin(&self, evidence: &RunEvidence) {
        let mut document = Vec::new();
        let written = json(evidence, &mut document)
            .and_then(|()| self.folder.write("run.json", &document).map_err(std::io::Error::other));
        if let Err(failed) = written {
            self.error.borrow_mut().get_or_insert(failed);
        }
    }

    /// A write that fails is reported at the end; the run and the other log go on.
    fn add(&self, facts: &IntervalFacts, actions: &[ActionResult], recording: &Recording, began_ns: u64) {
        let keep = |error: &RefCell<Option<std::io::Error>>, written: &dyn Fn() -> std::io::Result<()>| {
            if error.borrow().is_none()
                && let Err(failed) = written()
            {
                *error.borrow_mut() = Some(failed);
            }
        };
        keep(&self.error, &|| self.write(facts, actions, recording));
        keep(&self.transactions_error, &|| self.write_transactions(facts, recording, began_ns));
    }

    fn write_transactions(&self, facts: &IntervalFacts, recording: &Recording, began_ns: u64) -> std::io::Result<()> {
        let mut transactions = self.transactions.borrow_mut();
        let Some(transactions) = transactions.as_mut() else { return Ok(()) };
        // One measurement after another (`--find-rate`) has a clock of its own each.
        let known = self.start_us.get().filter(|_| facts.at_s != 0.0);
        let start_us =
            known.unwrap_or_else(|| clock::wall().as_microsecond() - ((facts.at_s + facts.length_s) * 1e6) as i64);
        self.start_us.set(Some(start_us));
        transactions.add(&recording.log, began_ns, start_us)
    }

    fn write(&self, facts: &IntervalFacts, actions: &[ActionResult], recording: &Recording) -> std::io::Result<()> {
        let mut files = self.files.borrow_mut();
        if files.is_none() {
            let [lines, mut histograms] = [File::create(&self.paths[0])?, File::create(&self.paths[1])?];
            let start_s = clock::wall().as_microsecond() as f64 / 1e6 - facts.length_s;
            histograms.write_all(&interval_log::header(start_s))?;
            *files = Some([lines, histograms]);
        }
        let [lines, histograms] = files.as_mut().expect("just made");
        let line = serde_json::json!({ "interval": facts, "actions": actions });
        lines.write_all(format!("{line}\n").as_bytes())?;
        for (action, recorded) in actions.iter().zip(&recording.actions) {
            for (tag, histogram) in [("", &recorded.latency), (":service", &recorded.service), (":lag", &recorded.lag)]
            {
                let tag = format!("{}{tag}", action.name);
                let line = interval_log::line(&tag, facts.at_s, facts.length_s, histogram);
                histograms.write_all(&line.map_err(std::io::Error::other)?)?;
            }
        }
        if facts.pool.is_some() {
            let line = interval_log::line(POOL_TAG, facts.at_s, facts.length_s, &recording.pool.wait);
            histograms.write_all(&line.map_err(std::io::Error::other)?)?;
        }
        Ok(())
    }

    /// Removes what was begun, where nothing was measured; whether something was.
    pub(super) fn remove_if_unused(&self) -> bool {
        let is_used = self.files.borrow().is_some();
        if !is_used {
            let document = self.folder.path.join("run.json");
            self.paths.iter().chain([&document]).for_each(|path| drop(std::fs::remove_file(path)));
        }
        is_used
    }

    pub(super) fn failed(&self) -> Result<(), Failure> {
        if let Some(error) = self.transactions_error.borrow_mut().take() {
            return Err(Failure::environment(
                Message::new(format!("the log of operations is cut off: {error}"))
                    .help("free space there; run.json and the intervals are whole"),
            ));
        }
        match self.error.borrow_mut().take() {
            Some(error) => Err(Failure::environment(
                Message::new(format!("the logs of intervals are cut off: {error}"))
                    .help("free space there; run.json is whole"),
            )),
            None => Ok(()),
        }
    }
}
