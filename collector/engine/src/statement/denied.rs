//! What no statement may do here: read or write files, open connections, run programs, end the process.
//!
//! A ClickHouse server bounds these by `user_files_path`, grants and profiles. The embedded engine
//! runs as a local tool and has none of them: `file()` reads any file, `INTO OUTFILE` writes one even
//! in read-only mode, `SYSTEM SHUTDOWN` ends the process. So they are refused by name. The list
//! covers every table function and engine of 26.7 that leaves the database; a test compares it with
//! `system.table_functions`, so that a newer engine cannot slip one in.

use super::lexer::{Kind, Token};
use crate::exception::{Exception, code};

/// Table functions, table and database engines, dictionary sources and functions that leave the
/// database, lower-case, sorted.
pub(crate) const OUTSIDE: &[&str] = &[
    "arrowflight",
    "arrowstream",
    "azureblobstorage",
    "azureblobstoragecluster",
    "azurequeue",
    "backup",
    "cassandra",
    "catboostevaluate",
    "clickhouse",
    "cosn",
    "datalakecatalog",
    "deltalake",
    "deltalakeazure",
    "deltalakeazurecluster",
    "deltalakecluster",
    "deltalakelocal",
    "deltalakes3",
    "deltalakes3cluster",
    "distributed",
    "embeddedrocksdb",
    "eval",
    "executable",
    "executablepool",
    "file",
    "filecluster",
    "filelog",
    "filesystem",
    "fuzzquery",
    "gcs",
    "hdfs",
    "hdfscluster",
    "http",
    "hudi",
    "hudicluster",
    "iceberg",
    "icebergazure",
    "icebergazurecluster",
    "icebergcluster",
    "iceberghdfs",
    "iceberghdfscluster",
    "iceberglocal",
    "iceberglocalcluster",
    "icebergs3",
    "icebergs3cluster",
    "jdbc",
    "kafka",
    "keepermap",
    "materializedpostgresql",
    "mongodb",
    "mysql",
    "nats",
    "odbc",
    "oss",
    "paimon",
    "paimonazure",
    "paimonazurecluster",
    "paimoncluster",
    "paimonhdfs",
    "paimonhdfscluster",
    "paimonlocal",
    "paimons3",
    "paimons3cluster",
    "postgresql",
    "python",
    "queryrunner",
    "rabbitmq",
    "redis",
    "remote",
    "remotesecure",
    "s3",
    "s3cluster",
    "s3queue",
    "sqlite",
    "url",
    "urlcluster",
    "yamlregexptree",
    "ytsaurus",
];

/// `SYSTEM …` that ends or deafens the process.
const SYSTEM: &[&str] = &["shutdown", "kill", "suspend", "listen", "failpoint", "coverage"];

/// Checks a statement that starts with `first`.
pub(super) fn check(first: &Token<'_>, rest: &[Token<'_>]) -> Result<(), Exception> {
    if first.is("system") {
        let word = rest.iter().find_map(|token| SYSTEM.iter().find(|word| token.is(word)));
        return word
            .map_or(Ok(()), |word| Err(refused(format!("SYSTEM … {}", word.to_uppercase()))));
    }
    if first.is("backup") || first.is("restore") {
        // The engine keeps these inside the directory given with --backups.
        return Ok(());
    }
    if first.is("attach") {
        let path = rest.windows(2).any(|pair| pair[0].is("from") && pair[1].kind == Kind::Text);
        if path {
            return Err(refused("ATTACH … FROM a path"));
        }
    }
    check_tokens(rest)
}

/// Checks the tokens of a statement for ways out of the database.
pub(super) fn check_tokens(tokens: &[Token<'_>]) -> Result<(), Exception> {
    let local = !tokens.iter().any(|token| token.is("host"));
    for (index, token) in tokens.iter().enumerate() {
        let next = tokens.get(index + 1);
        if token.is("outfile") || token.is("infile") {
            return Err(refused(String::from_utf8_lossy(token.bytes)));
        }
        let called = next.is_some_and(|next| next.kind == Kind::Mark(b'('));
        if called {
            check_name(token, local)?;
        }
        if token.is("engine") {
            let equals = next.is_some_and(|next| next.kind == Kind::Mark(b'='));
            if let Some(engine) = tokens.get(index + if equals { 2 } else { 1 }) {
                check_name(engine, local)?;
            }
        }
    }
    Ok(())
}

fn check_name(token: &Token<'_>, local: bool) -> Result<(), Exception> {
    match token.name() {
        // A dictionary over an own table; with HOST it would be a connection.
        Some(name) if name == "clickhouse" && local => Ok(()),
        Some(name) if OUTSIDE.binary_search(&name.as_str()).is_ok() => Err(refused(name)),
        _ => Ok(()),
    }
}

fn refused(what: impl std::fmt::Display) -> Exception {
    let message = format!(
        "{what} reaches outside the database, which the embedded engine does not allow; \
         use a ClickHouse server for it"
    );
    Exception::new(code::ACCESS_DENIED, "ACCESS_DENIED", message)
}

#[cfg(test)]
mod tests {
    use super::OUTSIDE;

    #[test]
    fn the_list_is_sorted_for_the_search() {
        assert!(OUTSIDE.is_sorted());
    }
}
