//! The front door of the library: a migration is proven as `weighbridge prove` does it, from a test or a program of
//! yours. Must hold no policy of its own: what is measured, and when it ends, is [`crate::experiment`]'s.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::compare::{Comparison, compare};
use crate::diagnostic::{Message, SourceFile};
use crate::evidence::{Evidence, Policy};
use crate::experiment::{self, Asked, ExperimentError, Length};
use crate::migrate::{Directory, Options};
use crate::postgres::Target;
use crate::postgres::database::Token;
use crate::scenario::Scenario;
use crate::scenario::spec::parse_scenario;
use crate::trial::{self, Dataset, Event, Subject, TrialError};
use crate::units::Seed;

/// What is proven, and on what.
///
/// ```
/// use weighbridge::{Depth, Settings};
///
/// let mut settings = Settings::new("postgresql://localhost/postgres", "migrations", "dataset.toml", "scenario.toml");
/// settings.migration = Some("0002".to_owned());
/// settings.depth = Depth::Load { chunks: 8 };
/// assert_eq!((settings.scale, settings.margin), (1.0, 0.05));
/// ```
#[derive(Debug, Clone)]
pub struct Settings {
    /// A server on which clones are made and dropped again; its role needs CREATEDB. Databases that are there are not
    /// touched.
    pub url: String,
    /// The folder of migrations.
    pub migrations: PathBuf,
    /// The migration: its number, its name, or `FIRST..LAST`; the last one where it is absent.
    pub migration: Option<String>,
    /// The dataset spec.
    pub spec: PathBuf,
    /// The scenario: the statements of the application. One file, without `[[use]]`.
    pub scenario: PathBuf,
    /// Scale of the dataset.
    pub scale: f64,
    /// Seed of rows, parameters and arrivals.
    pub seed: u64,
    /// Changes smaller than this share count as the same, where an action has no margin of its own.
    pub margin: f64,
    /// Sets of parameters that each action is executed with.
    pub sets: u32,
    /// What is measured.
    pub depth: Depth,
}

/// What is measured: each depth has all of those before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Depth {
    /// Blocks, rows, WAL, plans and answers of single operations. No figure depends on the speed of the machine.
    Work,
    /// Isolated timing of single operations too.
    Isolated,
    /// Load on all sides too.
    Load {
        /// Chunks at most; it ends earlier at a planned look where every action is decided.
        chunks: u32,
    },
}

/// A proof: what was measured, and what follows from it.
#[derive(Debug)]
pub struct Proof {
    /// What was measured.
    pub evidence: Evidence,
    /// The verdicts, claims and findings.
    pub comparison: Comparison,
}

impl Settings {
    /// A proof of the last migration in a folder, by the work of single operations.
    #[must_use]
    pub fn new(
        url: &str,
        migrations: impl Into<PathBuf>,
        spec: impl Into<PathBuf>,
        scenario: impl Into<PathBuf>,
    ) -> Self {
        Self {
            url: url.to_owned(),
            migrations: migrations.into(),
            migration: None,
            spec: spec.into(),
            scenario: scenario.into(),
            scale: 1.0,
            seed: 42,
            margin: 0.05,
            sets: 32,
            depth: Depth::Work,
        }
    }

    fn experiment(&self, listener: trial::Listener) -> Result<experiment::Settings, ExperimentError> {
        let target = Target::from_url(&self.url).map_err(TrialError::from)?;
        let directory = Directory::read(&self.migrations, None, &Options::default()).map_err(TrialError::from)?;
        let weighed = directory.select(self.migration.as_deref()).map_err(TrialError::from)?;
        if *weighed.start() == 0 {
            let first = &directory.migrations[0].label;
            let message = Message::new(format!("{first} cannot be proven: no migration before it makes a schema"));
            return Err(TrialError::Asked(message.help("name a later migration")).into());
        }
        let spec = SourceFile::read(&self.spec).map_err(TrialError::from)?;
        let scenarios = [*weighed.start(), weighed.end() + 1]
            .map(|applied| read_scenario(&self.scenario, &directory, applied))
            .into_iter()
            .collect::<Result<Vec<_>, _>>()?;
        let [before, after] = scenarios.try_into().expect("one for each side");
        let chunks = match self.depth {
            Depth::Work | Depth::Isolated => None,
            Depth::Load { chunks } => Some(chunks),
        };
        let length = match chunks {
            None => Length::none(),
            Some(_) => Length::new(&Asked { chunks, ..Asked::default() }, None)?,
        };
        let processors = std::thread::available_parallelism().map_or(1, usize::from);
        let at = weighed.start() - 1;
        let loader_connections = processors.clamp(1, 4);
        let dataset =
            Dataset { target, embedded: false, directory, at, weighed, loader_connections, replicates: 1, rows: 0 };
        let trial = trial::Settings {
            subject: Subject::Clones(dataset),
            spec: Some(spec),
            scale: self.scale,
            seed: Seed(self.seed),
            scenarios: [vec![before], vec![after]],
            margin: self.margin,
            policy: Policy::default(),
            role: None,
            sets: self.sets,
            interleave: None,
            rounds: None,
            slice: None,
            threads: (processors / 4).max(1),
            listener,
        };
        Ok(experiment::Settings {
            trial,
            length,
            isolated: self.depth != Depth::Work,
            precision: None,
            focus: true,
            ablate: false,
            resumed: None,
            results: None,
        })
    }
}

/// The scenario as the application asks with this many migrations applied.
fn read_scenario(path: &Path, directory: &Directory, applied: usize) -> Result<(SourceFile, Scenario), TrialError> {
    let file = SourceFile::read(path)?;
    let of_file = |problems| TrialError::File(Box::new(file.clone().problems(problems)));
    let scenario = parse_scenario(&file.text).map_err(of_file)?;
    if !scenario.uses.is_empty() {
        let message = Message::new(format!("{} uses other files, which only the program reads", path.display()));
        return Err(TrialError::Asked(message.help("write its actions into one file")));
    }
    let scenario = scenario.at(Some(applied), |name| directory.position(name).ok()).map_err(of_file)?;
    Ok((file, scenario))
}

/// Proves a migration: fills a dataset, clones it, migrates one clone, and measures all of them. `events` hears what
/// happens, also from other threads, and never per operation. Clones are dropped at the end, however it ends; those of
/// a future that is dropped are dropped by the next proof on that server.
///
/// The dataset stays on the server as a template that the next proof of the same spec, seed and scale uses again;
/// `weighbridge server clean --url URL` drops it.
///
/// ```no_run
/// use weighbridge::{Settings, Verdict, prove};
///
/// # async fn test() -> Result<(), weighbridge::ExperimentError> {
/// let settings = Settings::new("postgresql://localhost/postgres", "migrations", "dataset.toml", "scenario.toml");
/// let proof = prove(&settings, |_| {}).await?;
/// assert_ne!(proof.comparison.verdict, Verdict::Regressed);
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// When a file is missing or wrong, the server fails, or the migration cannot be applied. [`crate::Advice::message`]
/// has what to do next.
pub async fn prove(
    settings: &Settings,
    events: impl Fn(&Event<'_>) + Send + Sync + 'static,
) -> Result<Proof, ExperimentError> {
    let settings = settings.experiment(Arc::new(move |event| events(&event)))?;
    let token = Token::fresh();
    let evidence = experiment::prove(&settings, &token).await;
    let cleaned = trial::clean_up(&settings.trial, &token).await;
    let evidence = match (evidence, cleaned) {
        (Ok(evidence), Ok(())) => evidence,
        (Err(error), Ok(())) => return Err(error),
        (Ok(_), Err(left)) => return Err(left.into()),
        (Err(error), Err(left)) => return Err(ExperimentError::Left { error: Box::new(error), left }),
    };
    let comparison = compare(&evidence);
    Ok(Proof { evidence, comparison })
}
