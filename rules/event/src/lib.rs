//! The vocabulary: what an event is.
//!
//! A **record** is bytes as read; an **event** is a record decoded into ECS fields. This crate is
//! the ground of the house: no I/O, no tasks, no clock. It knows nothing of YAML, Kafka or SQL.

mod event;
mod level;
mod names;
mod quick;
mod text;
mod time;
mod value;

pub mod field;

pub use event::{Event, FieldValue, Form, Told, ToldFrom};
pub use level::Level;
pub use names::intern;
pub use quick::{QuickHasher, QuickMap};
pub use text::{ESCAPED_FLAG, decode_lossless, encode_lossless};
pub use time::{ParseTimestampError, Timestamp};
pub use value::{Value, ValueRef};
