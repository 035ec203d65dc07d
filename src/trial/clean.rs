//! What a trial takes away when it is over, however it ended. Must touch nothing that it did not make or apply.

use super::error::TrialError;
use super::settings::{Settings, Subject};
use super::subject::in_place;
use crate::postgres::database::{Admin, Token};

/// Drops the clones that carry `token`, or reverts what is applied to the database of a trial in place.
///
/// # Errors
/// When the server refuses; in place the error says what is left.
pub async fn clean_up(settings: &Settings, token: &Token) -> Result<(), TrialError> {
    match &settings.subject {
        Subject::Clones(dataset) => {
            let mut admin = Admin::connect(&dataset.target.named("weighbridge cleanup")).await?;
            admin.end_sessions(&token.application(), "").await?;
            admin.drop_all_of(token).await?;
            admin.close().await;
            Ok(())
        }
        // Their sessions end with this program, and nothing else was made.
        Subject::Given(_) => Ok(()),
        Subject::InPlace(place) => in_place::revert(place, &token.application()).await,
    }
}
