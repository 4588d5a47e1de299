//! The engine as its clients see it: the official crate `clickhouse`, bare HTTP, and `kill -9`.
//!
//! Needs the library: set `VONGLAU_CHDB_LIB` to the path of `libchdb.so`. Without it every test here
//! says so and passes.

#![expect(clippy::unwrap_used, reason = "a step of a test that fails is the test failing")]

mod bounds;
mod client;
mod crash;
mod kit;
mod protocol;
mod start;
