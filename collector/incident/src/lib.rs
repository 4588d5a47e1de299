//! Incidents: what people work on, grouped from alerts, with a journal that cannot be edited unseen.
//!
//! An **alert** says that a rule or correlation fired; an **incident** groups the alerts that speak
//! of the same thing within a while. [`record_alert`] runs inside the transaction that also moves
//! the ingest position, so an alert is recorded exactly once. Everything people do goes through
//! [`assign`], [`transition`], [`amend`] and [`comment`], guarded by a revision number, and leaves an
//! entry in the hash-chained [`journal`]. Legal deadlines are policy data ([`Policy`]), never code.
//!
//! Transactions that end in a write must start with `BEGIN IMMEDIATE`: SQLite cannot upgrade a read
//! snapshot once somebody else has written.

mod actor;
mod alert;
mod count;
mod database;
mod error;
mod fold;
mod group;
mod incident;
mod kept;
mod list;
mod overdue;
mod record;
mod status;
mod tally;
mod work;

pub mod journal;
pub mod moment;
pub mod policy;

pub use actor::{Actor, Role};
pub use alert::{Alert, Entity};
pub use count::{Counts, counts};
pub use database::migrate;
pub use error::{Error, Result};
pub use fold::fold;
pub use incident::{
    ALERTS_SHOWN_MAX, AlertRecord, DeadlineMet, Detail, EVENTS_SHOWN_MAX, Incident, Link, LinkKind,
    detail, get,
};
pub use journal::{JournalEntry, verify_journal};
pub use kept::{KeptBy, kept_by};
pub use list::{PAGE_MAX, Page, Query, list};
pub use overdue::overdue;
pub use policy::{Deadline, DeadlineState, Policy};
pub use record::{Grouping, Recorded, record_alert, record_alert_with};
pub use status::{CloseReason, Status};
pub use tally::{KnownAlert, recorded};
pub use work::{Amendment, Transition, amend, assign, comment, link, meet_deadline, transition};
