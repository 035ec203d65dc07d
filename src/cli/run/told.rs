//! What is told and kept while a run goes on. Must never stop a run: a log that cannot be written is said at its end.

use std::cell::RefCell;
use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::Arc;

use anyhow::anyhow;

use crate::cli::exit::Failure;
use crate::cli::progress::Progress;
use crate::clock;
use crate::drive::Recording;
use crate::evidence::interval_log;
use crate::evidence::run::{ActionResult, IntervalFacts, WarmUpEnd};
use crate::run::Event;
use crate::units::{count_text, ms_text, plural};

/// What is told while a run goes on.
pub(super) fn listener(progress: &Arc<Progress>, log: &Rc<Log>) -> Box<dyn Fn(Event<'_>)> {
    let (progress, log) = (Arc::clone(progress), Rc::clone(log));
    Box::new(move |event| match event {
        Event::Binding => progress.status("reading: statements and values to pick from".to_owned()),
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
        Event::Interval { facts, actions, recording } => {
            log.add(facts, actions, recording);
            // What is left after the last full interval is in the log, and too short for a rate.
            if 0.1 < facts.length_s || 0 < facts.failed {
                progress.interval(&interval_text(facts));
            }
        }
        Event::Aborting(rule) => progress.line(&format!("ending early: {rule}")),
    })
}

fn interval_text(facts: &IntervalFacts) -> String {
    let ms = |us: Option<f64>| us.map_or_else(|| "-".to_owned(), |us| ms_text((us * 1e3) as u64));
    let mut text = format!(
        "{:>6.1} s  {:>9}/s  p50 {} p95 {} p99 {} ms",
        facts.at_s + facts.length_s,
        count_text((facts.ok as f64 / facts.length_s.max(1e-9)).round() as u64),
        ms(facts.latency.us_p50),
        ms(facts.latency.us_p95),
        ms(facts.latency.us_p99),
    );
    for (count, what) in [
        (facts.failed, "failed"),
        (facts.skipped, "skipped"),
        (facts.retries, "retries"),
        (facts.reconnects, "reconnects"),
    ] {
        if 0 < count {
            text.push_str(&format!("  {} {what}", count_text(count)));
        }
    }
    text
}

/// The two logs that grow with the run: lines of JSON, and histograms.
pub(super) struct Log {
    paths: [PathBuf; 2],
    files: RefCell<Option<[File; 2]>>,
    error: RefCell<Option<std::io::Error>>,
}

impl Log {
    pub(super) fn create(folder: &Path) -> Self {
        let paths = [folder.join("intervals.jsonl"), folder.join("intervals.hlog")];
        Self { paths, files: RefCell::default(), error: RefCell::default() }
    }

    /// A write that fails is told at the end; the run goes on.
    fn add(&self, facts: &IntervalFacts, actions: &[ActionResult], recording: &Recording) {
        if self.error.borrow().is_none()
            && let Err(error) = self.write(facts, actions, recording)
        {
            *self.error.borrow_mut() = Some(error);
        }
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
        serde_json::to_writer(&mut *lines, &serde_json::json!({ "interval": facts, "actions": actions }))?;
        lines.write_all(b"\n")?;
        for (action, recorded) in actions.iter().zip(&recording.actions) {
            for (tag, histogram) in [("", &recorded.latency), (":service", &recorded.service), (":lag", &recorded.lag)]
            {
                let tag = format!("{}{tag}", action.name);
                let line = interval_log::line(&tag, facts.at_s, facts.length_s, histogram);
                histograms.write_all(&line.map_err(std::io::Error::other)?)?;
            }
        }
        Ok(())
    }

    pub(super) fn remove_if_unused(&self) {
        if self.files.borrow().is_none() {
            self.paths.iter().for_each(|path| drop(std::fs::remove_file(path)));
        }
    }

    pub(super) fn failed(&self) -> Result<(), Failure> {
        match self.error.borrow_mut().take() {
            Some(error) => Err(Failure::environment(anyhow!(
                "the logs of intervals are cut off: {error}\n  = help: free space there; run.json is whole"
            ))),
            None => Ok(()),
        }
    }
}
