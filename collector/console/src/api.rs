//! The API: one file a subject, each with its handlers and its bodies.

pub(crate) mod agents;
pub(crate) mod audit;
pub(crate) mod events;
pub(crate) mod hunt;
pub(crate) mod incident_body;
pub(crate) mod incidents;
pub(crate) mod ledger;
pub(crate) mod login;
pub mod openapi;
pub(crate) mod reports;
