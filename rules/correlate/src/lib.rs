//! Sigma correlation as a bounded streaming state machine: many hits in, few alerts out.
//!
//! [`Correlator::observe`] takes one event and the ids of the rules that hit it, and returns the
//! correlations that fire by it. It lives in **event time**: it reads no clock, so that a backlog
//! of three days is judged exactly as it would have been three days ago.
//!
//! # When a correlation fires
//! A window is `timespan` long and includes both its ends: of the last moment all that happened then. A
//! hit is an **end** when the window that ends at its moment satisfies the condition. Some conditions can only come true as further hits arrive: at
//! least so many hits, values or rules, all rules in their order. They fire at once, and again with
//! every further hit in a window of an end, whatever order they arrive in. All others (an upper
//! bound, an average, a `not`) are judged for a hit once no earlier one can come: when an event was
//! seen that is newer by more than [`Limits::lateness`], or by [`Correlator::finish`].
//!
//! A line that syslog folded ("message repeated 3 times") counts as often as it says, by
//! `vonglau.repeat_count`.
//!
//! # Late and early events
//! Each group keeps its hits sorted for a timespan and the lateness behind the newest, so that a hit
//! arriving up to that late changes the verdict exactly as if it had come in time: the last word on
//! every key is the same in any order. What comes later is counted ([`Correlator::tardy`]) and gets
//! windows of its own in the same group (the backlog of a host that was cut off), which do not
//! disturb the live one.
//!
//! # Keys
//! Firings share a [`Fired::key`], under which the caller keeps one alert, when they are of one
//! correlation and group and their windows end in one **slot**: an hour, or four timespans where
//! that is more. So a key depends neither on which hit crossed the threshold nor on what was in
//! memory before a restart, and an attack lasting all day is one alert an hour. An alert counts the
//! hits of all its windows, so those before the end of a slot may be told in two.
//!
//! # Where it runs
//! In the collector, over the hits of all hosts, and on each host, over its own: for those correlations
//! that [`decided_by_one_host`] names. Both give the same key to the same attack.
//!
//! # Restarts
//! Either hits are observed again ([`Correlator::replay_span`] says how far back), or what is
//! remembered is kept as bytes ([`Correlator::save`], [`Correlator::load`]).
//!
//! # Bounds
//! [`Limits`] names them. Over a bound the group that is least worth keeping goes first: far below
//! its threshold, then near it, then firing; within each, roughly the least recently hit. So a flood
//! of addresses seen once does not wash out an attacker who is slow. A window that holds too many
//! hits puts those together that no verdict needs apart, and says that it estimates.
//!
//! Spec: Sigma correlation rules specification 2.1.

mod alert;
pub mod bytes;
mod chain;
mod correlator;
mod definition;
mod fault;
mod fired;
mod group;
mod hit;
mod judge;
mod key;
mod level;
mod life;
mod limits;
mod local;
mod plan;
mod sketch;
mod source;
mod state;
mod steps;
mod table;
mod tally;
mod thin;
pub mod told;
mod wanted;
mod window;

#[cfg(test)]
mod tests;

pub use correlator::{Correlator, Listeners, REPEAT_COUNT, Tardy};
pub use fired::{EVENT_IDS_MAX, Fired, Witness};
pub use hit::EventId;
pub use limits::Limits;
pub use local::decided_by_one_host;
pub use source::Noted;
pub use wanted::{Wanted, text_of};
