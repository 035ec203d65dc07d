//! `weighbridge server`: the embedded PostgreSQL by hand, and its use by other verbs. Must never stop one that
//! `server start` left running for others.

mod clean;

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::address::warn_of_passwords;
use super::exit::{ExitStatus, Failure};
use super::interrupt::{Left, interrupted, left, say_left, with_grace};
use super::output::say;
use super::progress::Progress;
use super::{Embedded, Pages};
use crate::diagnostic::{Advice, Message};
use crate::postgres::Target;
use crate::postgres::database::Admin;
use crate::postgres::liveness::until_silent;
use crate::postgres::server::{Cluster, HugePages, Lease, ServerError, Status, find_binaries};
use crate::units::bytes_text;

/// Flags of `server`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  weighbridge server start && psql \"$(weighbridge server url)\"\
                  \n  weighbridge server clean --templates\
                  \n  weighbridge server clean --url postgresql://me@localhost/postgres   clones and templates on a \
                  server of yours")]
pub(super) struct Arguments {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Start it and let it run; a proof stops what it started itself
    Start,
    /// Stop it
    Stop,
    /// Print whether it runs, where it is, and the datasets it keeps
    Status,
    /// Print a URL for psql
    Url,
    /// Drop databases that ended programs left; only those that carry weighbridge's mark
    Clean(clean::Arguments),
}

/// Does some work on the server at a URL, or on the embedded one, which is started and stopped around it.
pub(super) async fn on_server(
    url: Option<&str>,
    embedded: &Embedded,
    progress: &Progress,
    work: impl AsyncFnOnce(Target) -> Result<ExitStatus, Failure>,
) -> Result<ExitStatus, Failure> {
    if let Some(url) = url {
        let outcome = with_grace(work(Target::from_url(url).map_err(Failure::usage)?)).await;
        progress.finish();
        return outcome.unwrap_or(Ok(ExitStatus::Interrupted));
    }
    let tell = |text: &str| progress.line(text);
    let server = tokio::select! {
        server = Running::acquire(embedded, tell) => server?,
        () = interrupted() => return Ok(ExitStatus::Interrupted),
    };
    let started = tokio::select! {
        target = server.start(tell) => Some(target?),
        () = interrupted() => None,
    };
    let outcome = match started {
        Some(target) => with_grace(work(target)).await.unwrap_or(Ok(ExitStatus::Interrupted)),
        None => Ok(ExitStatus::Interrupted),
    };
    let outcome = outcome.map_err(|failure| server.explained(failure));
    progress.finish();
    if matches!(outcome, Ok(ExitStatus::Interrupted)) {
        server.stop_soon().await;
    } else {
        server.finish().await?;
    }
    outcome
}

/// Work that is given up when the server does not answer any more, with what it leaves.
pub(super) async fn while_alive<T>(
    server: &Target,
    work: impl Future<Output = Result<T, Failure>>,
) -> Result<T, Failure> {
    tokio::pin!(work);
    tokio::select! {
        biased;
        done = &mut work => done,
        silence = until_silent(std::slice::from_ref(server)) => {
            say_left();
            Err(Failure::environment(silence))
        }
    }
}

/// That an embedded server runs on, and how it is stopped.
fn runs_on(cluster: &Cluster) -> Left {
    let home = cluster.folder().parent().unwrap_or(cluster.folder());
    left(format!("the embedded server may run on; `weighbridge server stop --home {}` stops it", home.display()))
}

/// An embedded server this program uses alone.
pub(super) struct Running {
    cluster: Cluster,
    lease: Lease,
    /// That it runs on if the program ends now.
    _left: Option<Left>,
}

impl Running {
    /// Waits for its turn. Nothing was started yet, so a caller may simply give up waiting.
    pub(super) async fn acquire(embedded: &Embedded, tell: impl Fn(&str)) -> Result<Self, Failure> {
        let cluster = open(embedded)?;
        let lease = Lease::wait(&home(embedded)?, |owner| {
            tell(&format!("the embedded server is in use by process {owner}; waiting for it to end"));
        })
        .await
        .map_err(Failure::environment)?;
        let _left = (!cluster.is_kept()).then(|| runs_on(&cluster));
        Ok(Self { cluster, lease, _left })
    }

    /// Starts the server, or finds it running.
    pub(super) async fn start(&self, tell: impl Fn(&str)) -> Result<Target, Failure> {
        if self.cluster.status().await.map_err(Failure::environment)? == Status::Absent {
            let installation = self.cluster.installation();
            let folder = self.cluster.folder().display();
            tell(&format!("server: making a private PostgreSQL {} in {folder}", installation.version));
        }
        let target = self.cluster.start(&self.lease, false).await.map_err(Failure::environment)?;
        let pages = self.cluster.pages();
        if pages.huge == Some(true) {
            let reserved = match pages.reserved_bytes {
                0 => "those that the system has".to_owned(),
                bytes => format!("{} reserved while it runs", bytes_text(bytes)),
            };
            tell(&format!("server: huge pages, {reserved}"));
        }
        Ok(target)
    }

    /// A failure with what the disk has to do with it: a server that ends for want of space says so to its log at best.
    pub(super) fn explained(&self, failure: Failure) -> Failure {
        match self.cluster.fullness() {
            Some(full) if failure.status == ExitStatus::Environment => {
                let noted = failure.error.note(full.to_string());
                Failure::environment(full.help().into_iter().fold(noted, Message::help))
            }
            _ => failure,
        }
    }

    /// Stops the server unless `server start` asked for it to stay.
    pub(super) async fn finish(self) -> Result<(), Failure> {
        if self.cluster.is_kept() {
            return Ok(());
        }
        self.cluster.stop(&self.lease).await.map_err(Failure::environment)
    }

    /// The same without waiting, for the way out after Ctrl-C.
    pub(super) async fn stop_soon(&self) {
        if !self.cluster.is_kept() {
            self.cluster.stop_soon().await;
        }
    }
}

pub(super) async fn run(arguments: &Arguments, embedded: &Embedded, quiet: bool) -> Result<ExitStatus, Failure> {
    if let Verb::Clean(arguments) = &arguments.verb
        && let Some(url) = &arguments.url
    {
        // No embedded server is needed for it.
        warn_of_passwords(&Progress::new(quiet), [("--url", url)]);
        clean::clean_at(url).await?;
        return Ok(ExitStatus::Ok);
    }
    let cluster = open(embedded)?;
    match &arguments.verb {
        Verb::Start => {
            let lease = Lease::take(&home(embedded)?).map_err(Failure::environment)?;
            let _left = runs_on(&cluster);
            cluster.start(&lease, true).await.map_err(Failure::environment)?;
            say(&format!("running · {}\n", cluster.url()))?;
            warn_of_fullness(&cluster, quiet);
        }
        Verb::Stop => {
            let lease = Lease::take(&home(embedded)?).map_err(Failure::environment)?;
            cluster.stop(&lease).await.map_err(Failure::environment)?;
            say("stopped\n")?;
        }
        Verb::Status => {
            status(&cluster).await?;
            warn_of_fullness(&cluster, quiet);
        }
        Verb::Url => say(&format!("{}\n", cluster.url()))?,
        Verb::Clean(arguments) => clean::clean(&cluster, embedded, arguments).await?,
    }
    Ok(ExitStatus::Ok)
}

/// A server on a full disk may run and accept connections; what it is asked to write fails.
fn warn_of_fullness(cluster: &Cluster, quiet: bool) {
    if let Some(full) = cluster.fullness() {
        Progress::new(quiet).line(&full.message().draw("warning"));
    }
}

async fn status(cluster: &Cluster) -> Result<(), Failure> {
    let status = cluster.status().await.map_err(Failure::environment)?;
    let word = match status {
        Status::Absent => "not made yet",
        Status::Stopped => "stopped",
        Status::Running => "running",
    };
    let version = &cluster.installation().version;
    say(&format!("{word} · PostgreSQL {version} · {}\n", cluster.folder().display()))?;
    if status == Status::Running {
        let mut admin = Admin::connect(&cluster.target()).await.map_err(Failure::environment)?;
        for template in admin.templates().await.map_err(Failure::environment)? {
            let bytes = bytes_text(template.bytes.max(0) as u64);
            say(&format!("  {}   {bytes}   {}\n", template.name, template.about))?;
        }
    }
    Ok(())
}

fn open(embedded: &Embedded) -> Result<Cluster, Failure> {
    let installation = find_binaries(embedded.postgres_bin.as_deref()).map_err(Failure::environment)?;
    let huge_pages = match embedded.huge_pages {
        Pages::Auto => HugePages::Auto,
        Pages::On => HugePages::On,
        Pages::Off => HugePages::Off,
    };
    let cluster = Cluster::open(&home(embedded)?, installation).map_err(Failure::environment)?;
    Ok(cluster.with_huge_pages(huge_pages))
}

/// The cache folder of the user; root has a system-wide one, which the server's own user can enter.
pub(super) fn home(embedded: &Embedded) -> Result<PathBuf, Failure> {
    if let Some(home) = &embedded.home {
        return Ok(home.clone());
    }
    if rustix::process::geteuid().is_root() {
        return Ok(PathBuf::from("/var/cache/weighbridge"));
    }
    let var = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let cache = var("XDG_CACHE_HOME").or_else(|| {
        let home = var("HOME")?;
        Some(if cfg!(target_os = "macos") { home.join("Library/Caches") } else { home.join(".cache") })
    });
    cache.map(|cache| cache.join("weighbridge")).ok_or_else(|| {
        let source = std::io::Error::new(std::io::ErrorKind::NotFound, "HOME is not set");
        Failure::environment(ServerError::Io { doing: "find the cache folder under", path: PathBuf::from("~"), source })
    })
}
