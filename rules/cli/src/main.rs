//! `vonglau-rules`: the rule author's bench.

mod args;
mod cases;
mod check;
mod pages;
mod paint;
mod target;
mod why;

use std::io::{self, Write};
use std::process::ExitCode;

use clap::Parser;
use rules_service::exit::Exit;
use rules_service::logs::chain;

use crate::args::{Args, Command};
use crate::paint::Paint;

fn main() -> ExitCode {
    let args = Args::parse();
    let mut out = io::BufWriter::new(io::stdout().lock());
    let done = run(args.command, &mut out).and_then(|exit| {
        out.flush()?;
        Ok(exit)
    });
    match done {
        Ok(exit) => exit.into(),
        Err(error) => {
            let io = error.downcast_ref::<io::Error>();
            if io.is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe) {
                // Whoever read our output has seen enough.
                return Exit::Done.into();
            }
            drop(out);
            drop(writeln!(io::stderr(), "vonglau-rules: {}", chain(error.as_ref())));
            exit_of(&error).into()
        }
    }
}

fn run(command: Command, out: &mut dyn Write) -> anyhow::Result<Exit> {
    let paint = Paint::for_stdout();
    match command {
        Command::Check(args) => check::run(&args, paint, out),
        Command::Test(args) => cases::run(&args, paint, out),
        Command::Why(args) => why::run(&args, paint, out),
        Command::Explain(args) => pages::run(&args, out),
    }
}

/// Says what an error tells the caller: something named wrongly, or something out of reach.
fn exit_of(error: &anyhow::Error) -> Exit {
    let io = error.chain().find_map(|cause| cause.downcast_ref::<io::Error>());
    match io.map(io::Error::kind) {
        None | Some(io::ErrorKind::NotFound | io::ErrorKind::InvalidData) => Exit::Misuse,
        Some(_) => Exit::Unavailable,
    }
}
