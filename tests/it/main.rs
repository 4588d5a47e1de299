//! One integration binary: the promises of README and ARCHITECTURE, held against real programs.

mod bad_input;
mod browser;
mod correlation;
mod faults;
mod kafka_path;
mod quickstart;
mod rsyslog;
mod standalone;
mod tidy;
