//! Store: the connection to ClickHouse; every read and write of this crate passes through here.

use std::fmt;
use std::future::Future;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use clickhouse::query::Query;
use clickhouse::{Client, Row, RowOwned, RowRead, RowWrite};

use crate::{Error, Result};

/// The most rows one insert may carry: 100,000. Beyond that memory grows and nothing gets faster
/// (measured on 26.7: 10k rows a batch reach 90 % of the rate of 100k).
pub const INSERT_ROWS_MAX: usize = 100_000;

/// How long a chunk of an insert may take to leave.
const SEND_TIMEOUT: Duration = Duration::from_secs(30);

/// How long the server may take to confirm an insert.
const INSERT_TIMEOUT: Duration = Duration::from_secs(120);

/// How long a read may take; the server is told the same, so that it stops working, too.
const READ_TIMEOUT: Duration = Duration::from_secs(60);

/// Added to [`READ_TIMEOUT`] on our side, so that the server's own error arrives first.
const READ_GRACE: Duration = Duration::from_secs(5);

/// Where ClickHouse is, and who we are there.
#[derive(Clone)]
pub struct StoreConfig {
    /// `http://HOST:PORT` or `https://…`.
    pub url: String,
    /// User name.
    pub user: String,
    /// Password; never printed.
    pub password: String,
    /// Database, made by [`Store::migrate`] if absent: 1 to 64 letters, digits, underscores.
    pub database: String,
}

impl fmt::Debug for StoreConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { url, user, database, .. } = self;
        write!(f, "StoreConfig({user} at {url}, database {database})")
    }
}

/// A connection to ClickHouse; clones share it.
#[derive(Clone)]
pub struct Store {
    /// Behind a lock because the server may move: see [`Store::move_to`].
    client: Arc<RwLock<Client>>,
    pub(crate) url: String,
    pub(crate) database: String,
}

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Store({} database {})", self.url, self.database)
    }
}

impl Store {
    /// Checks the configuration and that the server answers and lets us in.
    ///
    /// # Errors
    /// [`Error::BadName`] for a database name that cannot be used; [`Error::ClickHouse`] or
    /// [`Error::Slow`] if the server does not answer (see [`Error::is_transient`]).
    pub async fn connect(config: &StoreConfig) -> Result<Self> {
        let name = &config.database;
        let good = |c: char| c.is_ascii_alphanumeric() || c == '_';
        if name.is_empty() || name.len() > 64 || !name.chars().all(good) {
            return Err(Error::BadName { what: "name of the database", value: name.clone() });
        }
        let client = Client::default()
            .with_url(&config.url)
            .with_user(&config.user)
            .with_password(&config.password)
            .with_product_info("vonglau", env!("CARGO_PKG_VERSION"));
        let query = client.query("SELECT 1");
        let client = Arc::new(RwLock::new(client.clone().with_database(name)));
        let store = Self { client, url: config.url.clone(), database: name.clone() };
        store.timed("connect", query.fetch_one::<u8>()).await?;
        Ok(store)
    }

    /// Points this store and its clones at another address of the same server: an embedded engine
    /// that was started again listens elsewhere.
    pub fn move_to(&self, url: &str) {
        let mut client = self.client.write().unwrap_or_else(PoisonError::into_inner);
        *client = client.clone().with_url(url);
    }

    fn client(&self) -> Client {
        self.client.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Returns a read; `?fields` stands for the columns of the row type, values come as `.param()`.
    pub(crate) fn read(&self, sql: &str) -> Query {
        self.client()
            .query(sql)
            .with_setting("max_execution_time", READ_TIMEOUT.as_secs().to_string())
    }

    /// Runs a statement that returns nothing; `database` is false before the database is there.
    pub(crate) async fn statement(&self, doing: &str, sql: &str, database: bool) -> Result<()> {
        let query = match database {
            true => self.client().query_raw(sql),
            // The client has no way to unset a database; `default` always exists.
            false => self.client().with_database("default").query_raw(sql),
        };
        self.execute(doing, query).await
    }

    /// Runs a query that returns nothing.
    pub(crate) async fn execute(&self, doing: &str, query: Query) -> Result<()> {
        self.timed(doing, query.execute()).await
    }

    /// Returns every row of a read.
    pub(crate) async fn rows<T: RowOwned + RowRead>(
        &self,
        doing: &str,
        query: Query,
    ) -> Result<Vec<T>> {
        self.timed(doing, query.fetch_all::<T>()).await
    }

    /// Calls `each` for every row of a read, holding one row at a time.
    pub(crate) async fn each<T: Row + RowRead>(
        &self,
        doing: &str,
        query: Query,
        mut each: impl FnMut(T::Value<'_>) -> Result<()>,
    ) -> Result<()> {
        let mut cursor = query.fetch::<T>().map_err(|source| self.failed(doing, source))?;
        loop {
            let next = tokio::time::timeout(READ_TIMEOUT + READ_GRACE, cursor.next()).await;
            match next {
                Ok(Ok(Some(row))) => each(row)?,
                Ok(Ok(None)) => return Ok(()),
                Ok(Err(source)) => return Err(self.failed(doing, source)),
                Err(_) => return Err(self.slow(doing, READ_TIMEOUT)),
            }
        }
    }

    /// Inserts rows as one block under a deduplication token: repeated with the same token, it
    /// changes nothing. No rows, no insert.
    pub(crate) async fn insert<T: RowWrite>(
        &self,
        table: &'static str,
        token: &str,
        rows: &[T::Value<'_>],
    ) -> Result<()> {
        if rows.is_empty() {
            return Ok(());
        }
        if rows.len() > INSERT_ROWS_MAX {
            return Err(Error::TooManyRows { rows: rows.len(), bound: INSERT_ROWS_MAX });
        }
        let doing = format!("insert into {table}");
        let failed = |source| self.failed(&doing, source);
        // Without validation rows travel as plain RowBinary: no extra request for the schema. The
        // tests against the engine hold columns and types together instead.
        let client = self.client().with_validation(false);
        let mut insert = client
            .insert::<T>(table)
            .await
            .map_err(failed)?
            .with_timeouts(Some(SEND_TIMEOUT), Some(INSERT_TIMEOUT))
            // Asynchronous inserts are the default since 26.x; they would merge ours with others.
            .with_setting("async_insert", "0")
            .with_setting("insert_deduplication_token", token);
        for row in rows {
            insert.write(row).await.map_err(failed)?;
        }
        insert.end().await.map_err(failed)
    }

    async fn timed<T>(
        &self,
        doing: &str,
        work: impl Future<Output = clickhouse::error::Result<T>>,
    ) -> Result<T> {
        match tokio::time::timeout(READ_TIMEOUT + READ_GRACE, work).await {
            Ok(done) => done.map_err(|source| self.failed(doing, source)),
            Err(_) => Err(self.slow(doing, READ_TIMEOUT)),
        }
    }

    fn failed(&self, doing: &str, source: clickhouse::error::Error) -> Error {
        Error::ClickHouse {
            doing: doing.to_owned(),
            url: self.url.clone(),
            source: Box::new(source),
        }
    }

    fn slow(&self, doing: &str, bound: Duration) -> Error {
        Error::Slow { doing: doing.to_owned(), url: self.url.clone(), seconds: bound.as_secs() }
    }
}
