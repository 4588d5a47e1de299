//! Commands: what each does, and how its answer is shown.

mod agents;
mod events;
mod forward;
mod incidents;
mod ledger;
mod login;

use std::io::Write;

use clap::CommandFactory;
use jiff::Zoned;
use rules_service::exit::Exit;
use serde_json::Value;

use crate::args::{Args, Command, Lang};
use crate::client::Client;
use crate::credentials;
use crate::failure::{Failure, Result};
use crate::style::{Style, safe};
use crate::when;

/// What every command needs.
pub(crate) struct Desk {
    client: Client,
    json: bool,
    lang: Lang,
    style: Style,
    now: Zoned,
}

/// Does what was asked.
pub(crate) async fn run(args: Args) -> Result<Exit> {
    match args.command {
        Command::Completions { shell } => {
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut Args::command(), "vonglau", &mut script);
            print(&String::from_utf8_lossy(&script))?;
            Ok(Exit::Done)
        }
        Command::Login(ref login) => login::log_in(&args, login).await,
        Command::Logout => {
            login::log_out(&Desk::open(&args)?).await?;
            Ok(Exit::Done)
        }
        Command::Incidents(ref verb) => incidents::run(&Desk::open(&args)?, verb).await,
        Command::Events(ref verb) => events::run(&Desk::open(&args)?, verb).await,
        Command::Agents(ref verb) => agents::run(&Desk::open(&args)?, verb).await,
        Command::Forward(ref verb) => forward::run(&Desk::open(&args)?, verb).await,
        Command::Ledger { ref since } => ledger::run(&Desk::open(&args)?, since.as_deref()).await,
    }
}

impl Desk {
    fn open(args: &Args) -> Result<Self> {
        let given = |text: &Option<String>| text.clone().filter(|text| !text.is_empty());
        let kept = match (given(&args.server), given(&args.token)) {
            // Nothing needs to be kept, so nothing is read.
            (Some(_), Some(_)) => None,
            _ => credentials::load(&credentials::path()?)?,
        };
        let server = given(&args.server).or_else(|| kept.as_ref().map(|kept| kept.server.clone()));
        let server = server.ok_or(Failure::NoServer)?;
        let plain = Client::new(&server, None, args.ca.as_deref())?;
        // A token is sent to the server that gave it, and to no other.
        let kept = kept.filter(|kept| kept.server == plain.server()).map(|kept| kept.token);
        let token = given(&args.token).or(kept);
        let token = token.ok_or_else(|| Failure::NotLoggedIn(plain.server().to_owned()))?;
        let client = Client::new(&server, Some(token), args.ca.as_deref())?;
        Ok(Self {
            client,
            json: args.json,
            lang: args.lang,
            style: Style::detect(),
            now: Zoned::now(),
        })
    }

    /// Prints the answer as JSON, if that was asked for.
    fn printed_json(&self, answer: &Value) -> Result<bool> {
        if self.json {
            print(&format!("{answer:#}\n"))?;
        }
        Ok(self.json)
    }

    fn shown(&self, time: &Value) -> String {
        when::shown(time.as_str().unwrap_or_default(), self.now.time_zone())
    }

    fn title(&self, one: &Value) -> String {
        let (vi, en) = (text(&one["title_vi"]), text(&one["title_en"]));
        let (first, second) = if self.lang == Lang::Vi { (vi, en) } else { (en, vi) };
        if first.is_empty() { second } else { first }
    }

    /// Reads a time as people type it.
    fn time(&self, text: &str) -> Result<String> {
        when::read(text, &self.now)
    }
}

/// Prints to standard output.
pub(crate) fn print(text: &str) -> Result<()> {
    let mut out = std::io::stdout().lock();
    out.write_all(text.as_bytes()).and_then(|()| out.flush()).map_err(Failure::Output)
}

/// Returns a value as text for one line; safe for a terminal.
fn text(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => safe(text),
        other => safe(&other.to_string()),
    }
}

/// Returns the items of a list; none if it is no list.
fn items(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

/// Returns pairs as `name=value name=value`.
fn pairs(value: &Value) -> String {
    let pairs = value.as_object().into_iter().flatten();
    let pairs = pairs.filter(|(_, value)| !value.is_null() && *value != "");
    pairs.map(|(name, value)| format!("{name}={}", text(value))).collect::<Vec<_>>().join(" ")
}

/// Returns the line that tells how to see more.
fn more(answer: &Value) -> String {
    match answer["next"].as_str() {
        Some(next) => format!("more: add --cursor {}\n", safe(next)),
        None => String::new(),
    }
}
