//! The console: what people and programs ask of the collector over HTTP.
//!
//! Two faces on one router: an API under `/api/v1` (bearer tokens, JSON, RFC 9457 problems) and pages
//! under `/` (cookies, HTML rendered here, no script at all). Every route stands in one table with
//! the roles that may use it and how its use is audited; the router is built from that table, so a
//! route without a rule cannot exist.
//!
//! Invariants
//! 1. Nothing but the routes marked open in the table answers without authentication.
//! 2. Personal data is sent, and a change is made, only after the audit entry is durable.
//! 3. Secrets (passwords, tokens, session cookies) are never stored or logged in the clear.
//! 4. A page's form is obeyed only with the session's form token and from our own origin.

mod access;
mod api;
mod audit;
mod body;
mod convert;
mod credential;
mod envelope;
mod error;
mod events;
mod guard;
mod language;
mod login;
mod migrate;
mod moment;
mod pages;
mod password;
mod problem;
mod register;
mod role;
mod routes;
mod state;
mod throttle;
mod visit;

pub mod users;

#[cfg(test)]
mod tests;

pub use api::openapi;
pub use audit::{Entry as AuditEntry, first_broken as first_broken_audit_entry, list as audit};
pub use error::{Error, Result};
pub use events::{Answer, EventStore};
pub use migrate::migrate;
pub use problem::Problem;
pub use role::Role;
pub use routes::router;
pub use state::{ConsoleConfig, ConsoleState};
