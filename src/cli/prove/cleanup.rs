//! What a proof takes away again, and what it says of what stays. Must end in time when it is asked to, but for a
//! migration of somebody's database, which is reverted however long that takes.

use std::time::Duration;

use crate::cli::interrupt::{Left, interrupted_again, left, say_left, undoing};
use crate::cli::progress::Progress;
use crate::diagnostic::Advice;
use crate::postgres::Target;
use crate::postgres::database::Token;
use crate::trial::subject::in_place;
use crate::trial::{self, Settings, Subject};

/// How long the dropping of clones may take after Ctrl-C, and the first answer of a server on which a migration is to
/// be reverted.
const SOON: Duration = Duration::from_millis(1_200);

/// How long a server is asked what is left.
const SHORT: Duration = Duration::from_millis(300);

/// The servers that a proof needs.
pub(super) fn servers(settings: &Settings) -> Vec<Target> {
    match &settings.subject {
        Subject::Clones(dataset) => vec![dataset.target.clone()],
        Subject::InPlace(place) => vec![place.target.clone()],
        Subject::Given(given) => {
            let all = [Some(&given.before), given.control.as_ref(), Some(&given.after)];
            all.into_iter().flatten().cloned().collect()
        }
    }
}

/// What a proof leaves if the program ends in the middle of it.
pub(super) fn what_is_left(settings: &Settings, token: &Token) -> Option<Left> {
    match &settings.subject {
        Subject::Clones(dataset) => {
            let how = match dataset.embedded {
                true => "`weighbridge server clean`",
                false => "`weighbridge server clean --url` with its URL",
            };
            Some(left(format!(
                "databases {} and {} on {}; the next proof there drops them, and so does {how}",
                token.clone_name("*"),
                token.build(),
                dataset.target.describe()
            )))
        }
        Subject::InPlace(place) => Some(left(format!(
            "{} may be applied to {}; the next proof with --in-place there reverts it first, and says so",
            place.migrations.iter().map(|migration| migration.label.as_str()).collect::<Vec<_>>().join(", "),
            place.target.describe()
        ))),
        Subject::Given(_) => None,
    }
}

/// Cleans up after Ctrl-C, or when a server is silent: clones can wait for the next run, a migration that is applied to
/// somebody's database cannot.
pub(super) async fn clean_up_soon(settings: &Settings, token: &Token, progress: &Progress) {
    if let Subject::InPlace(place) = &settings.subject {
        if tokio::time::timeout(SOON, in_place::left(place)).await.is_err() {
            progress.line("the server does not answer, so nothing is reverted");
            return say_left();
        }
        let _undoing = undoing();
        progress.line("interrupted: reverting the migration; another Ctrl-C leaves it, and says what is left");
        return clean_up_unless_asked(settings, token, progress).await;
    }
    if tokio::time::timeout(SOON, clean_up(settings, token, progress)).await.is_err() {
        say_left();
    }
}

/// Cleans up, until Ctrl-C is pressed (again): then says what is left.
pub(super) async fn clean_up_unless_asked(settings: &Settings, token: &Token, progress: &Progress) {
    tokio::select! {
        () = clean_up(settings, token, progress) => return,
        () = interrupted_again() => {}
    }
    match &settings.subject {
        Subject::InPlace(place) => match tokio::time::timeout(SHORT, in_place::left(place)).await {
            Ok(Ok(left)) => left.iter().for_each(|left| progress.line(&left.body())),
            Ok(Err(_)) | Err(_) => say_left(),
        },
        Subject::Clones(_) | Subject::Given(_) => say_left(),
    }
}

/// Removes everything of this run; says what is left if the server refuses.
async fn clean_up(settings: &Settings, token: &Token, progress: &Progress) {
    match &settings.subject {
        Subject::Clones(_) => {
            progress.status("dropping the clones".to_owned());
            if let Err(error) = trial::clean_up(settings, token).await {
                progress.line(&format!("databases may be left ({error})"));
                say_left();
            }
        }
        Subject::Given(_) => {}
        Subject::InPlace(_) => {
            progress.status("reverting the migration".to_owned());
            if let Err(error) = trial::clean_up(settings, token).await {
                progress.line(&error.message().body());
            }
        }
    }
}
