//! Keeps what was measured, chunk by chunk. Must lose nothing, however the program ends.

use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use super::repeat::SCRIPT;
use crate::cli::exit::Failure;
use crate::cli::progress::Progress;
use crate::cli::render;
use crate::compare::compare;
use crate::diagnostic::{Advice, Message};
use crate::evidence::Evidence;
use crate::evidence::store::{ResultFolder, StoreError};
use crate::experiment::{Mark, can_go_on};
use crate::units::plural;

/// The folder of a result while it grows, and the last failure to write it.
pub(super) struct Saver {
    pub(super) folder: ResultFolder,
    /// That of the result this one goes on from.
    pub(super) mark: Option<Mark>,
    /// The files the experiment is made of, until they are kept.
    inputs: Mutex<Vec<(PathBuf, String)>>,
    /// Chunks on disk, and whether the experiment can go on from them.
    kept: Mutex<Option<(usize, bool)>>,
    error: Mutex<Option<StoreError>>,
    progress: Arc<Progress>,
}

impl Saver {
    pub(super) fn new(
        folder: ResultFolder,
        mark: Option<Mark>,
        inputs: Vec<(PathBuf, String)>,
        progress: &Arc<Progress>,
    ) -> Self {
        let (inputs, progress) = (Mutex::new(inputs), Arc::clone(progress));
        Self { folder, mark, inputs, kept: Mutex::default(), error: Mutex::default(), progress }
    }

    /// Adds how the proof is held again to its inputs.
    pub(super) fn add_script(&self, script: String) {
        self.inputs.lock().expect("no holder panics").push((PathBuf::from(SCRIPT), script));
    }

    /// Keeps what was measured so far. Where it cannot be written the last that could stays as it is, and the next
    /// chunk tries again.
    pub(super) fn keep(&self, evidence: &Evidence) {
        let saved = self.save(evidence);
        if saved.is_ok() {
            *self.kept.lock().expect("no holder panics") = Some((evidence.chunks.len(), can_go_on(evidence)));
        }
        let before = std::mem::replace(&mut *self.error.lock().expect("no holder panics"), saved.err());
        let now = self.error.lock().expect("no holder panics");
        match (&*now, before) {
            (Some(error), None) => self.progress.line(
                &error
                    .message()
                    .note("measuring goes on, what was kept before stays, and every chunk tries again")
                    .draw("not kept"),
            ),
            (None, Some(_)) => self.progress.line("kept again"),
            _ => {}
        }
    }

    /// `chunks.hlog` first: a `trial.json` always finds its histograms.
    fn save(&self, evidence: &Evidence) -> Result<(), StoreError> {
        let comparison = compare(evidence);
        self.folder.write_histograms(evidence)?;
        self.folder.write("trial.json", &render::document(evidence, &comparison))?;
        self.folder.write("report.md", &render::full_markdown(evidence, &comparison))?;
        // After what was measured; where it fails it is tried again with the next chunk.
        let mut inputs = self.inputs.lock().expect("no holder panics");
        self.folder.keep_inputs(&inputs)?;
        inputs.clear();
        Ok(())
    }

    /// Keeps the page for a browser, once all is measured: between chunks its charts would take the processor from
    /// the load.
    pub(super) fn keep_page(&self, evidence: &Evidence) -> Result<(), Failure> {
        let page = render::trial_page(evidence, &compare(evidence), &self.folder.path);
        self.folder.write("report.html", &page).map_err(Failure::environment)
    }

    /// The failure to write the result, if the last attempt was one.
    pub(super) fn failed(&self) -> Result<(), Failure> {
        match self.error.lock().expect("no holder panics").take() {
            Some(error) => Err(Failure::environment(error)),
            None => Ok(()),
        }
    }

    /// The chunks a proof leaves that did not come to its end, and how to go on from them; nothing before the first.
    pub(super) fn kept(&self) -> Option<Message> {
        let (chunks, can_go_on) = (*self.kept.lock().expect("no holder panics"))?;
        let folder = self.folder.path.display();
        let next = match can_go_on {
            true => format!("weighbridge prove --resume {folder}"),
            false => format!("weighbridge report {folder}"),
        };
        let measured = plural(chunks, "chunk");
        Some(Message::new(format!("{measured} measured before that: {folder}")).help(next))
    }
}
