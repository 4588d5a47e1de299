//! Users: who may enter, with which role.

use rules_event::Timestamp;
use sqlx::{Row, SqlitePool};

use crate::error::{Error, Result, database};
use crate::{Role, password};

/// The longest user name, in characters.
pub const NAME_LENGTH_MAX: usize = 64;
/// The longest display name kept, in characters.
const DISPLAY_NAME_LENGTH_MAX: usize = 100;

/// A user, without the password hash.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    /// What is typed at the login page: lower case.
    pub name: String,
    /// What pages show, such as "Nguyễn Thị Lan".
    pub display_name: String,
    /// What the user may do.
    pub role: Role,
    /// True if the user may not enter.
    pub disabled: bool,
    /// When the user was made.
    pub created: Timestamp,
}

/// Makes a user. The name is folded to lower case.
///
/// # Errors
/// [`Error::BadName`], [`Error::BadPassword`], [`Error::UserExists`], [`Error::Database`].
pub async fn create(
    db: &SqlitePool,
    name: &str,
    display_name: &str,
    role: Role,
    password: &str,
    now: Timestamp,
) -> Result<()> {
    let name = fold(name)?;
    let hash = hash(&name, password).await?;
    let display_name = display_name.trim();
    let display_name = if display_name.is_empty() { &name } else { display_name };
    let display_name: String = display_name.chars().take(DISPLAY_NAME_LENGTH_MAX).collect();
    let done = sqlx::query(
        "INSERT INTO console_user
             (name, display_name, role, password_hash, created_at, changed_at)
         VALUES ($1, $2, $3, $4, $5, $5) ON CONFLICT (name) DO NOTHING",
    )
    .bind(&name)
    .bind(display_name)
    .bind(role.as_str())
    .bind(hash)
    .bind(now.as_millis())
    .execute(db)
    .await
    .map_err(database("add a user"))?;
    if done.rows_affected() == 0 { Err(Error::UserExists(name)) } else { Ok(()) }
}

/// Sets a new password and ends every session and token of the user.
///
/// # Errors
/// [`Error::UnknownUser`], [`Error::BadPassword`], [`Error::Database`].
pub async fn set_password(
    db: &SqlitePool,
    name: &str,
    password: &str,
    now: Timestamp,
) -> Result<()> {
    let name = fold(name)?;
    let hash = hash(&name, password).await?;
    change(db, &name, "password_hash", hash, now).await
}

/// Gives the user another role. Running sessions have it from their next request on.
///
/// # Errors
/// [`Error::UnknownUser`], [`Error::LastAdmin`], [`Error::Database`].
pub async fn set_role(db: &SqlitePool, name: &str, role: Role, now: Timestamp) -> Result<()> {
    let name = fold(name)?;
    if role != Role::Admin {
        keep_an_admin(db, &name).await?;
    }
    change(db, &name, "role", role.as_str().to_owned(), now).await
}

/// Shuts the user out (ending every session and token) or lets the user in again.
///
/// # Errors
/// [`Error::UnknownUser`], [`Error::LastAdmin`], [`Error::Database`].
pub async fn set_disabled(
    db: &SqlitePool,
    name: &str,
    disabled: bool,
    now: Timestamp,
) -> Result<()> {
    let name = fold(name)?;
    if disabled {
        keep_an_admin(db, &name).await?;
    }
    change(db, &name, "disabled", i64::from(disabled), now).await
}

/// Returns every user, by name.
///
/// # Errors
/// [`Error::Database`].
pub async fn list(db: &SqlitePool) -> Result<Vec<User>> {
    let rows = sqlx::query(
        "SELECT name, display_name, role, disabled, created_at FROM console_user ORDER BY name",
    )
    .fetch_all(db)
    .await
    .map_err(database("list the users"))?;
    rows.iter().map(|row| read(row).map_err(database("read a user"))).collect()
}

/// Returns a user and the password hash.
pub(crate) async fn find_with_hash(db: &SqlitePool, name: &str) -> Result<Option<(User, String)>> {
    let row = sqlx::query(
        "SELECT name, display_name, role, disabled, created_at, password_hash
         FROM console_user WHERE name = $1",
    )
    .bind(name)
    .fetch_optional(db)
    .await
    .map_err(database("look up a user"))?;
    row.map(|row| {
        let both = read(&row).and_then(|user| Ok((user, row.try_get("password_hash")?)));
        both.map_err(database("read a user"))
    })
    .transpose()
}

/// Reads a user from a row of `console_user`.
pub(crate) fn read(row: &sqlx::sqlite::SqliteRow) -> std::result::Result<User, sqlx::Error> {
    let role: String = row.try_get("role")?;
    Ok(User {
        name: row.try_get("name")?,
        display_name: row.try_get("display_name")?,
        role: role.parse().map_err(|error: Error| sqlx::Error::Decode(Box::new(error)))?,
        disabled: row.try_get::<i64, _>("disabled")? != 0,
        created: Timestamp::from_millis(row.try_get("created_at")?),
    })
}

/// Returns the name as it is stored.
pub(crate) fn fold(name: &str) -> Result<String> {
    let folded = name.trim().to_lowercase();
    let fits = (1..=NAME_LENGTH_MAX).contains(&folded.len())
        && folded.bytes().all(|byte| {
            byte.is_ascii_lowercase() || byte.is_ascii_digit() || b".-_@".contains(&byte)
        });
    if fits { Ok(folded) } else { Err(Error::BadName(name.chars().take(80).collect())) }
}

async fn hash(name: &str, password: &str) -> Result<String> {
    let (name, password) = (name.to_owned(), password.to_owned());
    tokio::task::spawn_blocking(move || password::hash_new(&name, &password))
        .await
        .map_err(|error| Error::Hash(error.to_string()))?
}

/// Sets one column. Whatever changes, old sessions and tokens end, except on a change of role: the
/// role is read anew at each request.
async fn change<'q, V>(
    db: &SqlitePool,
    name: &'q str,
    column: &'static str,
    value: V,
    now: Timestamp,
) -> Result<()>
where
    V: sqlx::Encode<'q, sqlx::Sqlite> + sqlx::Type<sqlx::Sqlite> + Send + 'q,
{
    let statement = match column {
        "password_hash" => {
            "UPDATE console_user SET password_hash = $2, changed_at = $3 WHERE name = $1"
        }
        "role" => "UPDATE console_user SET role = $2, changed_at = $3 WHERE name = $1",
        _ => "UPDATE console_user SET disabled = $2, changed_at = $3 WHERE name = $1",
    };
    let mut tx = db.begin().await.map_err(database("begin a change of a user"))?;
    let done = sqlx::query(statement)
        .bind(name)
        .bind(value)
        .bind(now.as_millis())
        .execute(&mut *tx)
        .await
        .map_err(database("change a user"))?;
    if done.rows_affected() == 0 {
        return Err(Error::UnknownUser(name.to_owned()));
    }
    if column != "role" {
        sqlx::query("DELETE FROM console_credential WHERE user_name = $1")
            .bind(name)
            .execute(&mut *tx)
            .await
            .map_err(database("end a user's sessions"))?;
    }
    tx.commit().await.map_err(database("commit a change of a user"))
}

async fn keep_an_admin(db: &SqlitePool, name: &str) -> Result<()> {
    let others: i64 = sqlx::query_scalar(
        "SELECT COUNT(*) FROM console_user WHERE role = 'admin' AND disabled = 0 AND name <> $1",
    )
    .bind(name)
    .fetch_one(db)
    .await
    .map_err(database("count the administrators"))?;
    let is_admin: i64 = sqlx::query_scalar(
        "SELECT COUNT(*) FROM console_user WHERE role = 'admin' AND disabled = 0 AND name = $1",
    )
    .bind(name)
    .fetch_one(db)
    .await
    .map_err(database("count the administrators"))?;
    if others == 0 && is_admin == 1 { Err(Error::LastAdmin(name.to_owned())) } else { Ok(()) }
}
