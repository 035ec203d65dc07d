//! Whether a server still answers while something is asked of it that may take long. Must take one session and ask next
//! to nothing of it.

use std::time::Duration;

use super::connect::Target;
use super::error::Error;
use super::wire::Wire;

/// Time between two questions.
const INTERVAL: Duration = Duration::from_secs(10);

/// How long an answer, or a new session, may take.
const PATIENCE: Duration = Duration::from_secs(15);

/// Questions in a row without an answer, after which nobody is thought to be there.
const MAX_UNANSWERED: u32 = 3;

/// The longest time until a silent server is noticed, in seconds.
pub const MAX_SILENCE_S: u64 = MAX_UNANSWERED as u64 * (INTERVAL.as_secs() + PATIENCE.as_secs());

/// Returns when one of the servers has not answered the shortest question for [`MAX_SILENCE_S`]: it hangs, or the way
/// there does. A server that refuses or closes a session has answered.
pub async fn until_silent(targets: &[Target]) -> Error {
    let watched = targets.iter().map(|target| Box::pin(until_one_is_silent(target)));
    match targets.is_empty() {
        true => std::future::pending().await,
        false => futures_util::future::select_all(watched).await.0,
    }
}

async fn until_one_is_silent(target: &Target) -> Error {
    let target = target.named("weighbridge liveness");
    let mut session: Option<Wire> = None;
    let mut unanswered = 0;
    loop {
        tokio::time::sleep(INTERVAL).await;
        match tokio::time::timeout(PATIENCE, ask(&target, &mut session)).await {
            Ok(()) => unanswered = 0,
            Err(_) => {
                session = None;
                unanswered += 1;
            }
        }
        if unanswered == MAX_UNANSWERED {
            return Error::Silent { target: target.describe(), seconds: MAX_SILENCE_S };
        }
    }
}

/// Returns when there is any answer.
async fn ask(target: &Target, session: &mut Option<Wire>) {
    if session.is_none() {
        *session = match target.wire().await {
            Ok(session) => Some(session),
            Err(error) if error.is_silence() => std::future::pending().await,
            Err(_) => None,
        };
    }
    if let Some(wire) = session {
        wire.query(b"SELECT 1");
        if wire.exchange(|_| {}).await.is_err() {
            *session = None;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Clock;

    #[tokio::test(start_paused = true)]
    async fn a_server_that_takes_connections_and_says_nothing_is_noticed() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("postgresql://anna@127.0.0.1:{}/shop", listener.local_addr().unwrap().port());
        let target = Target::from_url(&url).unwrap();
        let began = Clock::start();
        let error = until_silent(&[target]).await;
        assert!(error.is_silence(), "{error}");
        assert!(began.now_ns() <= MAX_SILENCE_S * 1_000_000_000, "{}", began.now_ns());
        drop(listener);
    }
}
