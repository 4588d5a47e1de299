//! The stores: ClickHouse for what is large and immutable, SQLite for what is small and worked on.
//!
//! Only this crate speaks to ClickHouse, through the official client over HTTP; the embedded engine
//! (`vonglau-engine`), a server and a cluster differ by URL alone. Tables are made from numbered SQL
//! files under `sql/`, each applied once.
//!
//! Invariants
//! 1. Every insert carries a deduplication token, and the same token always comes with the same
//!    rows: repeating an insert whose answer was lost changes nothing.
//! 2. An event read back is the event that was written, types of values included; only the order of
//!    its fields is not kept.
//! 3. Nothing a person types becomes SQL text: values and field names travel as parameters.

pub mod database;

mod alert;
mod batch;
mod bytes;
mod error;
mod event_row;
mod facets;
mod heartbeat;
mod hunt;
mod ledger;
mod migrate;
mod promoted;
mod quarantine;
mod query;
mod search;
mod store;
mod value;

pub use alert::AlertRow;
pub use batch::BatchRow;
pub use error::{Error, Result};
pub use event_row::{EventRow, Place, StoredEvent};
pub use facets::{Bucket, Facet};
pub use heartbeat::{HeartbeatRow, SeenAgent};
pub use hunt::HuntWindow;
pub use ledger::{Ledger, LedgerLine, LedgerQuery, MISSING_RANGES_MAX, Verdict};
pub use migrate::EVENTS_SCHEMA;
pub use quarantine::{QuarantineCursor, QuarantineRow};
pub use query::{Cursor, EventQuery, FILTERS_MAX, Filter, IDS_MAX, LIMIT_MAX, Operator};
pub use search::OpenSpan;
pub use store::{INSERT_ROWS_MAX, Store, StoreConfig};
