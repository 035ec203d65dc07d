//! PostgreSQL itself: reaching it, running a private one, its databases, catalogs and counters.
//!
//! Must not know what a scenario, a trial or a dataset is. Facts are for servers 14 to 18.

pub mod activity;
pub mod advice;
pub mod catalog;
pub mod connect;
pub mod database;
pub mod definitions;
pub mod error;
pub mod explain;
pub mod functions;
pub mod grants;
mod heritage;
pub mod liveness;
mod mark;
pub mod observe;
pub mod pooler;
pub mod predicates;
pub mod role;
pub mod row_security;
pub mod server;
pub mod service;
pub mod settings;
pub mod space;
pub mod sql_text;
pub mod tables;
pub mod trip;
pub mod wire;

pub use connect::Target;
pub use error::Error;
