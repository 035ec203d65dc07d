//! A migration that is a command of the user's own tool. Must give it the clone's URL and nothing of this program's.

use std::time::Duration;

use tokio::process::Command;

use super::apply::{Applied, ApplyError};
use super::part::Part;
use crate::clock::Clock;
use crate::postgres::Target;

/// Lines of a failed command's output that are shown.
const MAX_LINES: usize = 12;

/// Runs the command, with `DATABASE_URL` set to the database.
///
/// # Errors
/// When it cannot be started, or ends with another code than 0: with the last lines it printed.
pub(super) async fn run(part: &Part, target: &Target, clock: &Clock) -> Result<Applied, ApplyError> {
    let text = part.file.path.display().to_string();
    let failed = |why: String| {
        ApplyError::Command(format!(
            "the command `{text}` failed: {why}\n  = help: it runs in this folder with DATABASE_URL set to the \
                clone; try it there by hand"
        ))
    };
    let began = clock.now_ns();
    let mut command = Command::new("sh");
    command.arg("-c").arg(&text).env("DATABASE_URL", target.url()).kill_on_drop(true);
    command.stdin(std::process::Stdio::null());
    let output = command.output().await.map_err(|error| failed(error.to_string()))?;
    if !output.status.success() {
        let printed = [output.stdout, output.stderr].concat();
        let printed = String::from_utf8_lossy(&printed).into_owned();
        let lines: Vec<&str> = printed.lines().filter(|line| !line.trim().is_empty()).collect();
        let last = lines[lines.len().saturating_sub(MAX_LINES)..].join("\n    ");
        return Err(failed(format!("{}\n    {last}", output.status)));
    }
    let duration = Duration::from_nanos(clock.now_ns() - began);
    Ok(Applied { statements: vec![(text, duration)], duration, skipped: Vec::new(), locks: Vec::new() })
}
