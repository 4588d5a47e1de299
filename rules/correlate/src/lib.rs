//! Sigma correlation as a bounded streaming state machine: many hits in, few alerts out.
//!
//! [`Correlator::observe`] takes one event and the ids of the rules that hit it, and returns the
//! correlations that fire by it. It lives in **event time**: it reads no clock, so that a backlog
//! of three days is judged exactly as it would have been three days ago.
//!
//! # When a correlation fires
//! A window is `timespan` long and includes both its ends. A hit is an **end** when the window that
//! ends at it holds enough hits (`event_count`), values (`value_count`), rules (`temporal`), or all
//! rules in their order (`temporal_ordered`). An observation fires when it lies in the window of at
//! least one end; so the hit that crosses the threshold fires, and so does every further hit while
//! the window stays above it, in whatever order they arrive.
//!
//! A line that syslog folded ("message repeated 3 times") counts as often as it says, by
//! `vonglau.repeat_count`.
//!
//! # Late and early events
//! Each group keeps its hits sorted for two timespans behind the newest, so that a hit arriving up
//! to one timespan late changes the verdict exactly as if it had come in time. Hits far away in
//! time (the backlog of a host that was cut off) get windows of their own in the same group and do
//! not disturb the live one.
//!
//! # Keys
//! All firings of one *episode* share a [`Fired::key`], under which the caller keeps one alert. An
//! episode is named by the group and by the **slot** its first counted hit lies in; slots are an
//! hour long, or four timespans where that is more. So a key depends neither on which hit crossed
//! the threshold nor on what was in memory before a restart. An episode that runs over the end of
//! its slot keeps its key for a quarter of a slot, then continues under the next one: an attack
//! lasting all day is one alert an hour. A key may differ between two orders of arrival, or after a
//! replay that begins in the middle of an episode, only when the episode lies across the end of a
//! slot; the price is then one alert more for the same entity.
//!
//! # Bounds
//! [`Limits`] names them. Over a bound the group that is least worth keeping goes first: expired,
//! then far below its threshold, then near it, then firing; within each, the least recently hit. So
//! a flood of addresses seen once does not wash out an attacker who is slow.
//!
//! Spec: Sigma correlation rules specification 2.1.

mod correlator;
mod definition;
mod fired;
mod group;
mod limits;
mod sweep;
mod table;
mod window;

#[cfg(test)]
mod tests;

pub use correlator::Correlator;
pub use fired::{EVENT_IDS_MAX, Fired};
pub use limits::Limits;
