//! Which rules match an event, and why.
//!
//! A [`RuleSet`] is compiled once and asked for every event. Compilation resolves each Sigma field
//! to its ECS name ([`taxonomy`]), turns each rule into a small tree over leaves, chooses for each rule
//! a witness (what must have been seen before it can match), and writes all of it as one flat image
//! with an index per logsource. [`Matcher::hits`] searches each field once for all witnesses and decides
//! only the rules whose witness was there. [`RuleSet::why`] walks the rule as it was written, by a
//! second and simpler evaluator, and keeps what it saw. Property tests hold the two together. Pure: no
//! files, no clock, no log.

mod alternatives;
mod assemble;
mod compile;
mod copies;
mod encode;
mod explain;
mod fields;
mod glob;
mod image;
mod json;
mod literal;
mod matcher;
mod naive;
mod naming;
mod rarity;
mod ruleset;
mod run;
mod scratch;
mod textset;
mod witness;

pub mod sql;
pub mod taxonomy;

pub use copies::{Copies, CopyBuffers, DECODINGS_MAX, MARKS, VIETNAMESE, strip_vietnamese};
pub use explain::{Explanation, Step};
pub use fields::Fields;
pub use image::{IMAGE_BYTES_MAX, ImageError};
pub use json::{FIELDS_MAX, JsonFields, NESTING_MAX};
pub use matcher::{Matcher, Selection, SourceOf};
pub use naming::Naming;
pub use rules_event::ValueRef;
pub use ruleset::RuleSet;
