//! The shipper with its real client library: against the mock cluster, and a real broker.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod asked;
mod broker;
mod mock;
mod site;
