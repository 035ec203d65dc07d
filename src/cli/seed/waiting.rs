//! Progress while a load waits for a lock: which table, and which session holds it. Must not fail a load when it cannot
//! look.

use std::sync::Arc;
use std::time::Duration;

use crate::cli::progress::Progress;
use crate::postgres::Target;
use crate::seed::load::blocked::{Blocker, blockers};

/// How often is looked: a lock that is granted sooner is no news.
const INTERVAL: Duration = Duration::from_secs(2);

/// Looks until it is dropped.
pub(super) struct Waiting(tokio::task::JoinHandle<()>);

impl Waiting {
    pub(super) fn watch(target: &Target, progress: &Arc<Progress>) -> Self {
        Self(tokio::spawn(look(target.named("weighbridge locks"), Arc::clone(progress))))
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.0.abort();
    }
}

async fn look(target: Target, progress: Arc<Progress>) {
    let mut session = None;
    let mut reported: Vec<i32> = Vec::new();
    loop {
        tokio::time::sleep(INTERVAL).await;
        if session.is_none() {
            session = target.connect().await.ok();
        }
        let Some(connection) = &mut session else { return };
        let Ok(blockers) = blockers(connection).await else { return };
        let pids: Vec<i32> = blockers.iter().map(|blocker| blocker.pid).collect();
        for blocker in blockers.iter().filter(|blocker| !reported.contains(&blocker.pid)) {
            progress.line(&line(blocker));
        }
        reported = pids;
    }
}

fn line(blocker: &Blocker) -> String {
    let Blocker { relation, pid, application, transaction_s } = blocker;
    let lock = relation.as_ref().map_or_else(|| "a lock".to_owned(), |relation| format!("a lock on {relation}"));
    let since = transaction_s.map(|s| format!(", in a transaction of {s} s")).unwrap_or_default();
    format!("waiting for {lock} that session {pid} holds ({application}{since})")
}
