//! Where a server is, as it was typed. Must never repeat it: a password may be in it.

use super::progress::Progress;
use crate::diagnostic::Message;
use crate::postgres::service::holds_password;

/// Warns of passwords among the program's arguments; `given` are flags with their values.
pub(super) fn warn_of_passwords<'g>(progress: &Progress, given: impl IntoIterator<Item = (&'g str, &'g String)>) {
    for (flag, value) in given {
        if holds_password(value) {
            let readable =
                format!("every user of this machine can read the password in {flag} from the list of processes (ps)");
            let warning = Message::new(readable).help(
                "keep it in ~/.pgpass, in PGPASSWORD, in a service file (service=NAME), or write url = \
                 \"${DATABASE_URL}\" in weighbridge.toml",
            );
            progress.line(&warning.draw("warning"));
        }
    }
}
