//! Full-page images, which the first change of a page after a checkpoint writes: off while operations are counted on
//! our own server, so that WAL is that of the operation. Must change no setting of another server.
//!
//! Only clones are written to meanwhile, so a machine that fails then costs no template. A program that dies leaves the
//! setting to the next start of the server, which resets it.

use super::sides::run;
use crate::postgres::Error;
use crate::postgres::database::Admin;
use crate::postgres::server::{IMAGES_OFF, IMAGES_ON};

/// # Errors
/// When the server refuses.
pub(super) async fn turn_off(admin: &mut Admin) -> Result<(), Error> {
    set(admin, IMAGES_OFF).await
}

/// # Errors
/// When the server refuses.
pub(super) async fn turn_on(admin: &mut Admin) -> Result<(), Error> {
    set(admin, IMAGES_ON).await
}

async fn set(admin: &mut Admin, sql: &str) -> Result<(), Error> {
    run(admin.connection(), sql, "set full_page_writes of the embedded server").await?;
    run(admin.connection(), "SELECT pg_reload_conf()", "let the embedded server read its settings").await
}
