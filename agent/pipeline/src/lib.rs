//! The pipeline: from a record to an event with its rule hits.
//!
//! A record is decoded by the first decoder that understands it, gets its identity and the facts of
//! its host, and is shown to the rules. Nothing is ever dropped here: what no decoder understands
//! stays text.

mod clock;
mod decode;
mod detect;
mod error;
mod find;
mod host;
mod identity;
mod moment;
mod pipeline;
mod zone;

pub use error::Error;
pub use host::Host;
pub use pipeline::{AgentFacts, Pipeline, Processed, Scratch, is_head};
pub use zone::timezone;
