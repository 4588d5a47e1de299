//! The pipeline: from a record to an event with its rule hits.
//!
//! A record is decoded by the first decoder that understands it, gets its identity and the facts of
//! its host, and is shown to the rules. What no decoder understands stays text. Nothing is ever dropped
//! here: every event comes out with its [`Fate`], for the caller to carry out and count.

mod clock;
mod decode;
mod detect;
mod error;
mod find;
mod host;
mod moment;
mod pipeline;
mod policy;
mod quarantine;
mod redact;
mod zone;

pub use error::Error;
pub use host::Host;
pub use pipeline::{AgentFacts, Ids, Pipeline, Processed, Scratch, is_head};
pub use policy::{
    ALERT_LEVEL, Fate, Flow, Limited, Rates, Reason, SAMPLE_RATE, SUPPRESSED, Suppressor,
};
pub use quarantine::{DigestKey, QUARANTINED, digest_key};
pub use redact::{Hidden, Kind, RedactionConfig, Redactor, Tally};
pub use zone::timezone;
