//! `vonglau-collector user`: the people who may log in, managed where the state is.

use std::io::Read;
use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::Subcommand;
use collector_console::{Role, users};
use rand::RngCore;
use rules_event::Timestamp;
use rules_service::exit::Exit;
use sqlx::SqlitePool;

use crate::Common;

/// File in the state directory that holds the password of the first user.
const ADMIN_PASSWORD_FILE: &str = "admin-password";

#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    /// Add a user; without --password-file a password is made and printed once.
    #[command(
        after_help = "Example:\n  vonglau-collector user add --state-dir /var/lib/vonglau lan --role analyst"
    )]
    Add {
        #[command(flatten)]
        common: Common,
        /// Name to log in with.
        name: String,
        /// analyst, lead, auditor or admin.
        #[arg(long, default_value = "analyst")]
        role: String,
        /// Name shown on pages.
        #[arg(long, default_value = "")]
        display_name: String,
        /// File that holds the password; `-` reads standard input.
        #[arg(long)]
        password_file: Option<PathBuf>,
    },
    /// Set a new password and end the user's sessions.
    Password {
        #[command(flatten)]
        common: Common,
        /// The user.
        name: String,
        /// File that holds the password; `-` reads standard input.
        #[arg(long)]
        password_file: Option<PathBuf>,
    },
    /// Give a user another role: analyst, lead, auditor or admin.
    Role {
        #[command(flatten)]
        common: Common,
        /// The user.
        name: String,
        /// The role.
        role: String,
    },
    /// Shut a user out and end their sessions.
    Disable {
        #[command(flatten)]
        common: Common,
        /// The user.
        name: String,
    },
    /// Let a user in again.
    Enable {
        #[command(flatten)]
        common: Common,
        /// The user.
        name: String,
    },
    /// List users.
    List {
        #[command(flatten)]
        common: Common,
    },
}

/// Does what was asked and returns how it went.
pub(crate) async fn act(verb: &Verb) -> Exit {
    match try_act(verb).await {
        Ok(text) => crate::print(&text),
        Err(error) => {
            tracing::error!("{error:#}");
            Exit::Problems
        }
    }
}

async fn try_act(verb: &Verb) -> anyhow::Result<String> {
    let (Verb::Add { common, .. }
    | Verb::Password { common, .. }
    | Verb::Role { common, .. }
    | Verb::Disable { common, .. }
    | Verb::Enable { common, .. }
    | Verb::List { common }) = verb;
    let config = common.load()?;
    let db = open(&config.state_dir).await?;
    match verb {
        Verb::Add { name, role, display_name, password_file, .. } => {
            let role: Role = role.parse()?;
            let (password, made) = password(password_file.as_deref())?;
            users::create(&db, name, display_name, role, &password, now()).await?;
            Ok(told(name, &password, made))
        }
        Verb::Password { name, password_file, .. } => {
            let (password, made) = password(password_file.as_deref())?;
            users::set_password(&db, name, &password, now()).await?;
            Ok(told(name, &password, made))
        }
        Verb::Role { name, role, .. } => {
            users::set_role(&db, name, role.parse()?, now()).await?;
            Ok(format!("{name}\t{role}\n"))
        }
        Verb::Disable { name, .. } => {
            users::set_disabled(&db, name, true, now()).await?;
            Ok(format!("{name}\tdisabled\n"))
        }
        Verb::Enable { name, .. } => {
            users::set_disabled(&db, name, false, now()).await?;
            Ok(format!("{name}\tactive\n"))
        }
        Verb::List { .. } => {
            let mut text = String::new();
            for user in users::list(&db).await? {
                let state = if user.disabled { "disabled" } else { "active" };
                text.push_str(&format!(
                    "{}\t{}\t{state}\t{}\n",
                    user.name, user.role, user.display_name
                ));
            }
            Ok(text)
        }
    }
}

/// Opens the collector's SQLite file and brings the console's tables up to date.
async fn open(state_dir: &Path) -> anyhow::Result<SqlitePool> {
    crate::config::create_private(state_dir)?;
    let db = collector_store::database::open(&state_dir.join(crate::run::DATABASE_FILE)).await?;
    collector_console::migrate(&db).await?;
    Ok(db)
}

/// Makes the user `admin` when there is nobody yet. The password is random, lies in a file that only
/// the owner may read, and is never logged.
pub(crate) async fn ensure_admin(db: &SqlitePool, state_dir: &Path) -> anyhow::Result<()> {
    if !users::list(db).await?.is_empty() {
        return Ok(());
    }
    let password = random_password();
    let path = state_dir.join(ADMIN_PASSWORD_FILE);
    write_secret(&path, &password).with_context(|| format!("cannot write {}", path.display()))?;
    users::create(db, "admin", "", Role::Admin, &password, now()).await?;
    tracing::info!(path = %path.display(), "made the first user, admin; the password is in the file");
    Ok(())
}

fn write_secret(path: &Path, secret: &str) -> std::io::Result<()> {
    use std::io::Write;
    use std::os::unix::fs::OpenOptionsExt;
    let mut file =
        std::fs::File::options().create(true).write(true).truncate(true).mode(0o600).open(path)?;
    file.write_all(secret.as_bytes())?;
    file.sync_all()
}

/// Returns the password, and whether it was made here.
fn password(file: Option<&Path>) -> anyhow::Result<(String, bool)> {
    let Some(path) = file else { return Ok((random_password(), true)) };
    let mut text = String::new();
    if path == Path::new("-") {
        std::io::stdin().read_to_string(&mut text).context("cannot read standard input")?;
    } else {
        text = std::fs::read_to_string(path)
            .with_context(|| format!("cannot read {}", path.display()))?;
    }
    Ok((text.trim_end_matches(['\r', '\n']).to_owned(), false))
}

fn random_password() -> String {
    let mut bytes = [0; 15];
    rand::rngs::OsRng.fill_bytes(&mut bytes);
    hex::encode(bytes)
}

fn told(name: &str, password: &str, made: bool) -> String {
    if made { format!("{name}\t{password}\n") } else { format!("{name}\n") }
}

/// Returns the time by the system's clock.
pub(crate) fn now() -> Timestamp {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    Timestamp::from_nanos(
        since.map_or(0, |since| i64::try_from(since.as_nanos()).unwrap_or(i64::MAX)),
    )
}
