//! One integration binary against real PostgreSQL servers. A test that does not find what it needs
//! fails and says how to get it; none is ever skipped.

#![expect(unreachable_pub, reason = "a test binary exports nothing; `pub` marks what other files here use")]
#![expect(clippy::disallowed_methods, reason = "tests write scratch files and time what a person would wait for")]

mod action;
mod bank;
mod bouncer;
mod browser;
mod cases;
mod circles;
mod comments;
mod counts;
mod damage;
mod databases;
mod dataset;
mod devtools;
mod doctor;
mod formats;
mod fuzz;
mod gates;
mod hazards;
mod hostile;
mod inferred;
mod input;
mod interrupt;
mod isolated;
mod layouts;
mod lost;
mod migrations;
mod ownership;
mod prove;
mod read_only;
mod row_security;
mod run;
mod schemas;
mod scripts;
mod seed;
mod server;
mod spoken;
mod support;
mod tidy;
mod topology;
mod traps;
mod try_out;
mod words;
mod workflows;
mod workload;
mod writes;
