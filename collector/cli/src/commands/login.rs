//! Login and logout.

use std::io::{BufRead, IsTerminal, Read, Write};
use std::path::Path;

use rules_service::exit::Exit;
use serde_json::json;

use super::{Desk, print, text};
use crate::args::{Args, Login};
use crate::client::Client;
use crate::credentials::{self, Credentials};
use crate::failure::{Failure, Result};

/// The longest password file read, in bytes.
const PASSWORD_BYTES_MAX: u64 = 4096;

/// Exchanges a password for a token and keeps it.
pub(super) async fn log_in(args: &Args, login: &Login) -> Result<Exit> {
    let path = credentials::path()?;
    let server = match args.server.clone().filter(|server| !server.is_empty()) {
        Some(server) => server,
        None => credentials::load(&path)?.ok_or(Failure::NoServer)?.server,
    };
    let client = Client::new(&server, None, args.ca.as_deref())?;
    if client.in_the_clear() {
        eprintln!("vonglau: {} is not https: the password can be read on the way", client.server());
    }
    let name = match &login.name {
        Some(name) => name.clone(),
        None => ask_name()?,
    };
    let password = password(login.password_file.as_deref())?;
    let body = json!({ "name": name, "password": password });
    let answer = client.post(&["login"], Some(body)).await?;
    let Some(token) = answer["token"].as_str() else {
        return Err(Failure::NotOurs { server: client.server().to_owned(), status: 200 });
    };
    let kept = Credentials {
        server: client.server().to_owned(),
        token: token.to_owned(),
        name: text(&answer["name"]),
        expires_at: text(&answer["expires_at"]),
    };
    credentials::store(&path, &kept)?;
    if args.json {
        // The token stays out of logs and scroll-back.
        let answer = json!({
            "server": kept.server, "name": kept.name, "role": answer["role"],
            "expires_at": kept.expires_at,
        });
        print(&format!("{answer:#}\n"))?;
    } else {
        let until = crate::when::shown(&kept.expires_at, &jiff::tz::TimeZone::system());
        let role = text(&answer["role"]);
        print(&format!("logged in at {} as {} ({role}) until {until}\n", kept.server, kept.name))?;
    }
    Ok(Exit::Done)
}

/// Ends the login there and forgets it here, also if it had expired.
pub(super) async fn log_out(desk: &Desk) -> Result<()> {
    match desk.client.post(&["logout"], None).await {
        Ok(_) | Err(Failure::Expired(_)) => credentials::forget(&credentials::path()?),
        Err(failure) => Err(failure),
    }
}

fn ask_name() -> Result<String> {
    if !std::io::stdin().is_terminal() {
        return Err(Failure::Misuse("say who you are with --name".into()));
    }
    let stdin = |source| Failure::File { doing: "read", path: "standard input".into(), source };
    eprint!("User name: ");
    std::io::stderr().flush().map_err(stdin)?;
    let mut name = String::new();
    std::io::stdin().lock().read_line(&mut name).map_err(stdin)?;
    Ok(name.trim().to_owned())
}

/// Reads the password from a file, a terminal without echo, or the first line of standard input.
fn password(file: Option<&Path>) -> Result<String> {
    let at = file.unwrap_or(Path::new("-")).to_owned();
    let failed =
        |source| Failure::File { doing: "read the password from", path: at.clone(), source };
    let mut password = String::new();
    match file {
        Some(path) if path != Path::new("-") => {
            let file = std::fs::File::open(path).map_err(failed)?;
            file.take(PASSWORD_BYTES_MAX).read_to_string(&mut password).map_err(failed)?;
        }
        None if std::io::stdin().is_terminal() => {
            password = rpassword::prompt_password("Password: ").map_err(failed)?;
        }
        _ => {
            let input = std::io::stdin().lock().take(PASSWORD_BYTES_MAX);
            std::io::BufReader::new(input).read_line(&mut password).map_err(failed)?;
        }
    }
    Ok(password.trim_end_matches(['\r', '\n']).to_owned())
}
