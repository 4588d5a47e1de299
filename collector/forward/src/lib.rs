//! Forwarding: reports to the national centre, approved by a second person, sent until a receipt is
//! stored.
//!
//! ```text
//! draft → pending_approval → approved → sending → delivered
//!   ↑            │                         ├────→ partial  (some objects refused)
//!   └────────────┘ refused by approver     └────→ rejected (dead letter for a human)
//! ```
//!
//! [`request`] and [`edit`] build STIX 2.1 objects from an incident, redact them and keep the exact
//! bytes. [`approve`] needs a lead or admin who wrote none of it, and fixes those bytes in the
//! outbox. A [`Forwarder`] pushes them over TAXII 2.1: the same bytes on every try, in order within
//! an incident, and every answer stored before anything is shown as sent. Its whole state lies in
//! the database, so it may be killed at any point.

mod approve;
mod config;
mod database;
mod draft;
mod error;
mod metrics;
mod outbox;
mod redact;
mod report;
mod secrecy;
mod step;
mod stix;
mod taxii;
mod worker;

pub use approve::{approve, discard, refuse, retry, submit};
pub use config::{ForwardConfig, Profile, RedactionConfig, Reporter, TaxiiConfig, Tlp};
pub use database::migrate;
pub use draft::{Draft, edit, request};
pub use error::{Error, Result};
pub use metrics::Metrics;
pub use report::{
    ObjectStatus, Receipt, Report, ReportKind, ReportQuery, ReportState, ReportStatus, get, list,
    preview, status,
};
pub use worker::Forwarder;
