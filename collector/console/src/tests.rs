//! Tests of the whole router against SQLite in a temporary file and an event store made up.

mod access;
mod house;
mod hunt;
mod incidents;
mod login;
mod pages;
mod reports;
mod spec;
