//! `vonglau`: the analyst's keyboard. Everything goes through the collector's API.

mod args;
mod client;
mod commands;
mod credentials;
mod failure;
mod style;
mod table;
mod when;

use std::process::ExitCode;

use clap::Parser;
use rules_service::exit::Exit;

use crate::args::Args;

fn main() -> ExitCode {
    let args = Args::parse();
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("vonglau: cannot start: {error}");
            return Exit::Unavailable.into();
        }
    };
    match runtime.block_on(commands::run(args)) {
        Ok(exit) => exit.into(),
        Err(failure) => {
            // A reader that has gone away (`| head`) is no failure and gets no complaint.
            if failure.exit() != Exit::Done {
                eprintln!("vonglau: {}", rules_service::logs::chain(&failure));
            }
            failure.exit().into()
        }
    }
}
