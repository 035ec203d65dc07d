//! The old application on the new schema: every statement is prepared before and after. Must execute none of them.

use sqlx::Executor;
use sqlx::postgres::PgConnection;

use crate::evidence::round_trip::RefusedAction;
use crate::postgres::Error;
use crate::postgres::error::database_error;
use crate::postgres::sql_text::trusted;

/// The refusal of each statement, in order; none where the server accepts it.
///
/// # Errors
/// When the server is lost.
pub(super) async fn refusals(
    connection: &mut PgConnection,
    actions: &[(String, String)],
) -> Result<Vec<Option<RefusedAction>>, Error> {
    let mut refusals = Vec::with_capacity(actions.len());
    for (action, sql) in actions {
        let text = format!("PREPARE weighbridge_action AS {}", sql.trim_end().trim_end_matches(';'));
        let refused = match connection.execute(sqlx::raw_sql(trusted(text))).await {
            Ok(_) => None,
            Err(error) => match database_error(&error) {
                Some(server) => Some(RefusedAction {
                    action: action.clone(),
                    code: server.code().to_owned(),
                    message: server.message().to_owned(),
                }),
                None => return Err(Error::doing("prepare a statement of the application", error)),
            },
        };
        if refused.is_none() {
            let dropped = connection.execute(sqlx::raw_sql("DEALLOCATE weighbridge_action")).await;
            dropped.map_err(|e| Error::doing("prepare a statement of the application", e))?;
        }
        refusals.push(refused);
    }
    Ok(refusals)
}

/// What the new schema refuses and the old one does not.
pub(super) fn newly_refused(before: &[Option<RefusedAction>], after: Vec<Option<RefusedAction>>) -> Vec<RefusedAction> {
    let mut refused: Vec<RefusedAction> =
        before.iter().zip(after).filter(|(before, _)| before.is_none()).filter_map(|(_, after)| after).collect();
    refused.dedup();
    refused
}
