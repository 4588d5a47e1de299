//! `vonglau-rules`: the rule author's bench.

mod args;
mod bench;
mod cases;
mod check;
mod events;
mod fix;
mod hunt;
mod import;
mod misspelt;
mod nearest;
mod new;
mod outline;
mod pages;
mod paint;
mod progress;
mod sarif;
mod schema;
mod sigma_event;
mod target;
mod tune;
mod watch;
mod why;
mod yaml;

use std::io::{self, Write};
use std::panic::UnwindSafe;
use std::process::ExitCode;

use clap::FromArgMatches as _;
use rules_service::exit::Exit;
use rules_service::logs::chain;

use crate::args::{Args, Command};
use crate::paint::Paint;

fn main() -> ExitCode {
    guarded(program)
}

/// Runs the program; a panic is a fault of ours and ends it as one.
fn guarded(program: impl FnOnce() -> ExitCode + UnwindSafe) -> ExitCode {
    std::panic::catch_unwind(program).unwrap_or_else(|_| {
        let text = "vonglau-rules: this is a fault of the program; report it with the lines above \
                    and what 'vonglau-rules --version' prints";
        drop(writeln!(io::stderr(), "{text}"));
        Exit::Bug.into()
    })
}

fn program() -> ExitCode {
    // The short form is clap's; the long one reads all shipped rules, so it is made only then.
    if std::env::args_os().nth(1).is_some_and(|arg| arg == "--version") {
        return end(outline::version(&mut io::stdout().lock()));
    }
    let matches = outline::command().get_matches();
    let args = match Args::from_arg_matches(&matches) {
        Ok(args) => args,
        Err(error) => error.exit(),
    };
    let mut out = io::BufWriter::new(io::stdout().lock());
    let done = run(args.command, &mut out).and_then(|exit| {
        out.flush()?;
        Ok(exit)
    });
    if done.is_err() {
        // What was found so far comes before what stopped us; if that fails, nobody reads it.
        drop(out.flush());
    }
    drop(out);
    end(done)
}

fn end(done: anyhow::Result<Exit>) -> ExitCode {
    match done {
        Ok(exit) => exit.into(),
        Err(error) => {
            let io = error.downcast_ref::<io::Error>();
            if io.is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe) {
                // Whoever read our output has seen enough.
                return Exit::Done.into();
            }
            let text = paint::safe_lines(&chain(error.as_ref()));
            drop(writeln!(io::stderr(), "vonglau-rules: {text}"));
            exit_of(&error).into()
        }
    }
}

fn run(command: Command, out: &mut dyn Write) -> anyhow::Result<Exit> {
    let paint = Paint::for_stdout();
    match command {
        Command::New(args) => new::run(&args, out),
        Command::Check(args) => check::run(&args, paint, out),
        Command::Test(args) => cases::run(&args, paint, out),
        Command::Watch(args) => watch::run(&args, paint, out),
        Command::Why(args) => why::run(&args, paint, out),
        Command::Explain(args) => pages::run(&args, out),
        Command::Bench(args) => bench::run(&args, out),
        Command::Hunt(args) => hunt::run(&args, out),
        Command::Tune(args) => tune::run(&args, out),
        Command::Import(args) => import::run(&args, out),
        Command::Schema(args) => schema::run(&args, out),
        Command::Man => outline::man(out),
        Command::Completions { shell } => outline::completions(shell, out),
    }
}

/// Says what an error tells the caller: something named wrongly, or something out of reach.
fn exit_of(error: &anyhow::Error) -> Exit {
    if error.downcast_ref::<hunt::Unavailable>().is_some() {
        return Exit::Unavailable;
    }
    let io = error.chain().find_map(|cause| cause.downcast_ref::<io::Error>());
    match io.map(io::Error::kind) {
        None | Some(io::ErrorKind::NotFound | io::ErrorKind::InvalidData) => Exit::Misuse,
        Some(_) => Exit::Unavailable,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_is_told_apart_from_findings() {
        let code = guarded(|| panic!("as a test"));
        assert_eq!(format!("{code:?}"), format!("{:?}", ExitCode::from(70)));
        assert_eq!(
            format!("{:?}", guarded(|| ExitCode::from(1))),
            format!("{:?}", ExitCode::from(1))
        );
    }
}
