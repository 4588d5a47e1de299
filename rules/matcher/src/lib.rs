//! Which rules match an event, and why.
//!
//! A [`RuleSet`] is compiled once and asked for every event. Compilation resolves each Sigma field
//! to its ECS name ([`taxonomy`]), prepares each pattern, and sorts the rules by the logs they speak
//! of. [`RuleSet::hits`] gives the verdict and nothing else; [`RuleSet::why`] walks the rule as it
//! was written, by a second and simpler evaluator, and keeps what it saw. Property tests hold the
//! two together. Pure: no files, no clock, no log.

mod check;
mod compile;
mod copies;
mod explain;
mod glob;
mod naive;
mod ruleset;
mod view;

pub mod taxonomy;

pub use copies::{Copies, DECODINGS_MAX, MARKS, VIETNAMESE, strip_vietnamese};
pub use explain::{Explanation, Step};
pub use ruleset::RuleSet;
