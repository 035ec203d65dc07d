//! Progress on stderr: a moving line on a terminal, plain lines elsewhere. Must never write to stdout.

use std::collections::BTreeSet;
use std::io::{IsTerminal, Write};
use std::sync::Mutex;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::clock::Clock;
use crate::compare::{Comparison, Verdict, compare};
use crate::diagnostic::Message;
use crate::evidence::{Evidence, Interleave};
use crate::report::headline;
use crate::seed::load::Progress as Loading;
use crate::stats::paired::LOOKS;
use crate::trial::Event;
use crate::units::{
    count_text, duration_text, is_printable, ms_text, percent_text, plural, printable, printable_lines,
};

/// Plain lines about work under way come at most this often.
const PLAIN_EVERY_NS: u64 = 5_000_000_000;

/// Counting that takes longer is slower than it promises to be.
const COUNTING_NS: u64 = 60_000_000_000;

/// The line, or the lines.
pub(super) struct Progress {
    bar: ProgressBar,
    quiet: bool,
    terminal: bool,
    clock: Clock,
    /// When a plain line was printed last, and the kinds of work named so far.
    last_plain: Mutex<(u64, BTreeSet<String>)>,
    /// When the first rows of a load were reported, and how many.
    began: Mutex<Option<(u64, u64)>>,
    /// When counting began, and whether it was reported that it takes long.
    counting: Mutex<(Option<u64>, bool)>,
}

impl Progress {
    pub(super) fn new(quiet: bool) -> Self {
        let terminal = std::io::stderr().is_terminal() && !quiet;
        let target = if terminal { ProgressDrawTarget::stderr_with_hz(10) } else { ProgressDrawTarget::hidden() };
        let bar = ProgressBar::with_draw_target(None, target);
        if let Ok(style) = ProgressStyle::with_template("{spinner} {msg}") {
            bar.set_style(style);
        }
        if terminal {
            bar.enable_steady_tick(Duration::from_millis(120));
        }
        Self {
            bar,
            quiet,
            terminal,
            clock: Clock::start(),
            last_plain: Mutex::new((0, BTreeSet::new())),
            began: Mutex::new(None),
            counting: Mutex::new((None, false)),
        }
    }

    /// A line that stays.
    pub(super) fn line(&self, text: &str) {
        if self.quiet {
            return;
        }
        let text = printable_lines(text);
        if self.terminal {
            self.bar.println(text);
        } else {
            let _ = writeln!(std::io::stderr(), "{text}");
        }
    }

    /// What is going on now; replaces what was.
    pub(super) fn status(&self, text: String) {
        let text = if text.chars().all(is_printable) { text } else { printable(&text).into_owned() };
        if self.terminal {
            self.bar.set_message(text);
            return;
        }
        // Every kind of work is named when it begins, and then now and again.
        let kind = text.split([':', ' ']).next().unwrap_or_default().to_owned();
        let now = self.clock.now_ns();
        let mut last = self.last_plain.lock().expect("no holder panics");
        if last.1.insert(kind) || PLAIN_EVERY_NS < now.saturating_sub(last.0) {
            last.0 = now;
            drop(last);
            self.line(&text);
        }
    }

    /// An interval of a run: a screen that is drawn again on a terminal, a line of its own elsewhere.
    pub(super) fn interval(&self, line: &str, screen: impl FnOnce() -> String) {
        if self.terminal {
            self.bar.set_message(printable_lines(&screen()).into_owned());
        } else {
            self.line(line);
        }
    }

    /// Removes the moving line.
    pub(super) fn finish(&self) {
        self.bar.finish_and_clear();
    }

    /// Reports how a load goes on.
    pub(super) fn loading(&self, loading: &Loading) {
        match loading {
            Loading::Rows { table, done, total, .. } => {
                let percent = done * 100 / total.max(&1);
                self.status(format!(
                    "seeding {table}: {} of {} rows ({percent} %){}",
                    count_text(*done),
                    count_text(*total),
                    self.remaining(*done, *total)
                ));
            }
            Loading::Restored { done, total } => {
                self.status(format!("indexing: {done} of {total} indexes and constraints restored"));
            }
            Loading::Indexed => self.status("foreign keys: putting them back, which checks every row".to_owned()),
            Loading::Bound => self.status("vacuuming: filled tables".to_owned()),
            Loading::Turned { .. } => {}
            Loading::Warning(text) => self.line(&format!("warning: {text}")),
            Loading::Vacuumed { done, total } => {
                self.status(format!("vacuuming: {done} of {total} tables vacuumed and analyzed"));
            }
        }
    }

    /// The rate so far and how long the rows will still take at it; indexes come after them.
    fn remaining(&self, done: u64, total: u64) -> String {
        let now = self.clock.now_ns();
        let mut began = self.began.lock().expect("no holder panics");
        let (start, first) = *began.get_or_insert((now, done));
        let (passed, rows) = (now - start, done.saturating_sub(first));
        if passed < 2_000_000_000 || rows == 0 {
            return String::new();
        }
        let left = Duration::from_nanos((passed as f64 / rows as f64 * (total - done) as f64) as u64);
        let rate = (rows as f64 / (passed as f64 / 1e9)) as u64;
        format!(", {} rows/s, {} left for the rows", count_text(rate), duration_text(left))
    }

    /// Reports how the counting of single operations goes on, and what shortens it where statements are slow.
    fn counting(&self, done: u32, total: u32, (begun, sets): (usize, usize)) {
        self.status(format!("counting: action {done} of {total}, set {begun} of {sets}"));
        let now = self.clock.now_ns();
        let mut counting = self.counting.lock().expect("no holder panics");
        let (began, told) = *counting;
        let long = began.is_some_and(|began| COUNTING_NS < now - began);
        *counting = (began.or(Some(now)), told || long);
        drop(counting);
        if long && !told {
            self.line(
                "counting takes more than a minute, for every statement is executed with every set on every side: \
                       --sets 4 asks fewer",
            );
        }
    }

    /// Reports an event.
    pub(super) fn event(&self, event: &Event<'_>) {
        match event {
            Event::CleanedUp(count) => {
                self.line(&format!("removed {} an earlier run left", plural(*count, "database")));
            }
            Event::Unmarked(databases) => {
                let names: Vec<&str> = databases.iter().map(|database| database.name.as_str()).collect();
                let (count, names) = (plural(names.len(), "database"), names.join(", "));
                let note = Message::new(format!("{count} without weighbridge's mark, so not dropped: {names}"))
                    .help("`weighbridge server clean` (with the same --url) prints the SQL that drops them");
                self.line(&note.draw("note"));
            }
            Event::RoleMade(role) => {
                self.line(&format!("role: made `{role}` on the embedded server, without login and privileges"));
            }
            Event::Restored => self.line("reverted what an earlier proof on this database had left applied"),
            Event::TemplateReused => self.line("dataset: reusing the template of an earlier run"),
            Event::Schema { migration } => self.status(format!("schema: applying {migration}")),
            Event::Seeding(loading) => self.loading(loading),
            Event::Seeded(time) => {
                self.line(&format!("dataset: seeded in {}, kept as a template", duration_text(*time)));
            }
            Event::Cloning { side } => self.status(format!("cloning {side}")),
            Event::Migrating { migration } => self.status(format!("migrating: {migration}")),
            Event::Reverting => self.status("reverting the migration".to_owned()),
            Event::Migrated(time) => self.line(&format!("migration: applied in {}", duration_text(*time))),
            Event::Planned { looks, evidence, needed } => {
                told_plan(evidence, needed).iter().for_each(|line| self.line(line));
                if let Some(precision) = evidence.design.precision {
                    self.line(&format!(
                        "plan: until every interval is within ±{}, after {} chunks at the earliest and {} at most",
                        percent_text(precision),
                        looks.first().unwrap_or(&0),
                        looks.last().unwrap_or(&0)
                    ));
                    return;
                }
                let after =
                    |look: &u32| format!("{look} chunks ({})", duration_text(evidence.time_of(f64::from(*look))));
                let looks: Vec<String> = looks.iter().map(after).collect();
                self.line(&format!(
                    "plan: verdicts after {}; it ends when every action is decided, or no more would help",
                    looks.join(", ")
                ));
            }
            Event::Primed { evidence, needed } => {
                longest(evidence, needed, "as answers come on this machine").iter().for_each(|line| self.line(line));
            }
            Event::Priming => self.status("priming: filling caches and settling plans".to_owned()),
            Event::Slice { chunk, chunks, done, total } => {
                self.status(format!("measuring: chunk {chunk} of {chunks}, slice {done} of {total}"));
            }
            Event::Chunk(evidence) => {
                let planned = evidence.design.chunks_planned;
                let comparison = compare(evidence);
                let so_far = match comparison.verdict {
                    Verdict::Regressed | Verdict::Improved if at_look(evidence) => {
                        format!(" · by now {}", crate::report::headline(&comparison))
                    }
                    _ => estimate(&comparison),
                };
                self.line(&format!("measured chunk {} of {planned}{so_far}", evidence.chunks.len()));
            }
            Event::Timing { action, sets } => self.status(format!("timing {action}: connection set {sets}")),
            Event::Counted(evidence) | Event::Isolated(evidence) => self.line(&arrived(evidence)),
            Event::Ablating { index, done, total } => self.status(format!("without {index}: index {done} of {total}")),
            Event::Counting { done, total, sets } => self.counting(*done, *total, *sets),
        }
    }
}

/// What is known so far, where a measurement has come to its end.
fn arrived(evidence: &Evidence) -> String {
    let what = if evidence.isolated.is_some() { "isolated timing" } else { "counted work" };
    let mut so_far = evidence.clone();
    // As if nothing more were to come.
    so_far.design.chunks_planned = 0;
    let comparison = compare(&so_far);
    format!("{what}: {}, {}", comparison.verdict.word(), headline(&comparison))
}

/// The action that takes the longest to decide by sampling alone.
fn longest(evidence: &Evidence, needed: &[f64], how: &str) -> Option<String> {
    let (action, chunks) = evidence.actions.iter().zip(needed).max_by(|a, b| a.1.total_cmp(b.1))?;
    let planned = f64::from(evidence.design.chunks_planned);
    // Intervals narrow with the square root of their number.
    let within = percent_text(((1.0 + action.margin).ln() * (chunks / planned).sqrt()).exp_m1());
    let most = f64::from(LOOKS[LOOKS.len() - 1]).max(planned);
    if most < *chunks {
        return Some(format!(
            "plan: {how} {planned} chunks tell {within} of p95 for {}, which needs the most; its margin of {} is \
             beyond what a proof may have",
            action.name,
            percent_text(action.margin)
        ));
    }
    let instead = match planned < *chunks {
        true => format!("; {planned} chunks tell {within} of it"),
        false => String::new(),
    };
    Some(format!(
        "plan: {how} {} of p95 takes about {} chunks ({}) for {}, the longest of all{instead}",
        percent_text(action.margin),
        chunks.ceil(),
        duration_text(evidence.time_of(chunks.ceil())),
        action.name
    ))
}

/// How the sides take turns, who gets more operations than the mix gives, and how long sampling alone would take.
fn told_plan(evidence: &Evidence, needed: &[f64]) -> Vec<String> {
    let mut lines = Vec::new();
    let design = &evidence.design;
    let slice = duration_text(Duration::from_millis(design.slice_ms));
    let turns = match design.interleave {
        Interleave::Slice => format!("in slices of {slice}"),
        Interleave::Op => "operation by operation".to_owned(),
        Interleave::Block => format!("in blocks of {slice}"),
    };
    let why = design.interleave_reason.as_ref().map(|why| format!(", because {why}")).unwrap_or_default();
    lines.push(format!("plan: the sides take turns {turns}{why}"));
    let focused = evidence.actions.iter().filter_map(|action| Some((action, action.focus()?)));
    let focused: Vec<String> = focused
        .map(|(action, driven)| format!("{} {} → {}", action.name, percent_text(action.share), percent_text(driven)))
        .collect();
    if !focused.is_empty() {
        lines.push(format!(
            "plan: more of the operations for what changed, so that it can be decided: {}",
            focused.join(", ")
        ));
    }
    lines.extend(longest(evidence, needed, "on a quiet machine"));
    lines
}

/// Whether verdicts were planned after this chunk.
fn at_look(evidence: &Evidence) -> bool {
    evidence.design.looks.contains(&(evidence.chunks.len() as u32))
}

/// The action that moved most so far; a picture, no verdict.
fn estimate(comparison: &Comparison) -> String {
    let moved = comparison.actions.iter().filter_map(|action| {
        let p95 = action.p95.as_ref()?;
        Some((action, p95, (p95.after_us / p95.before_us).ln().abs()))
    });
    match moved.max_by(|a, b| a.2.total_cmp(&b.2)) {
        Some((action, p95, _)) => {
            let ms = |us: f64| ms_text((us * 1e3) as u64);
            format!(" · so far {} p95 {} → {} ms", action.name, ms(p95.before_us), ms(p95.after_us))
        }
        None => String::new(),
    }
}
