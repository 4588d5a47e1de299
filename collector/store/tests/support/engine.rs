//! A real engine for tests: the embedded one, or the server at `CLICKHOUSE_URL`.
//!
//! Shared by the tests of `collector/ingest` by path.
#![expect(clippy::unwrap_used, reason = "a test that cannot start its engine has failed")]

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{SystemTime, UNIX_EPOCH};

use collector_store::{Store, StoreConfig};

/// A store with fresh tables, and the engine behind it, if it is ours.
pub(crate) struct Engine {
    pub(crate) store: Store,
    pub(crate) config: StoreConfig,
    ours: Option<Ours>,
}

struct Ours {
    binary: PathBuf,
    lib: String,
    dir: tempfile::TempDir,
    child: Child,
}

const PASSWORD: &str = "test-password";

impl Drop for Ours {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// Starts the engine on a data directory and returns it with the address it serves.
fn spawn(binary: &Path, lib: &str, dir: &Path, listen: &str) -> (Child, String) {
    let mut child = Command::new(binary)
        .args(["serve", "--exit-with-parent", "--listen", listen, "--lib", lib, "--data"])
        .arg(dir)
        .env("VONGLAU_ENGINE_PASSWORD", PASSWORD)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let ready: serde_json::Value = serde_json::from_str(&line).unwrap();
    (child, ready["listening"].as_str().unwrap().to_owned())
}

impl Engine {
    /// Kills our engine as `kill -9` does and starts it again at the same address; a server that is
    /// not ours is left alone.
    pub(crate) fn kill_and_restart(&mut self) {
        let Some(ours) = &mut self.ours else { return };
        ours.child.kill().unwrap();
        ours.child.wait().unwrap();
        let address = self.config.url.trim_start_matches("http://");
        (ours.child, _) = spawn(&ours.binary, &ours.lib, ours.dir.path(), address);
    }
}

/// Starts an engine and makes the tables; `None`, with a word on standard error, if there is none.
pub(crate) async fn engine(test: &str) -> Option<Engine> {
    let nanos = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_nanos();
    let database = format!("test_{test}_{nanos}");
    let (config, ours) = match (binary(), std::env::var("VONGLAU_CHDB_LIB")) {
        (Some(binary), Ok(lib)) => {
            let dir = tempfile::tempdir().unwrap();
            let (child, address) = spawn(&binary, &lib, dir.path(), "127.0.0.1:0");
            let (user, password) = ("vonglau".to_owned(), PASSWORD.to_owned());
            let url = format!("http://{address}");
            (StoreConfig { url, user, password, database }, Some(Ours { binary, lib, dir, child }))
        }
        _ => {
            let Ok(url) = std::env::var("CLICKHOUSE_URL") else {
                eprintln!(
                    "skipped: neither VONGLAU_TEST_ENGINE with VONGLAU_CHDB_LIB nor CLICKHOUSE_URL is set"
                );
                return None;
            };
            let user = std::env::var("CLICKHOUSE_USER").unwrap_or_else(|_| "default".into());
            let password = std::env::var("CLICKHOUSE_PASSWORD").unwrap_or_default();
            (StoreConfig { url, user, password, database }, None)
        }
    };
    let store = Store::connect(&config).await.unwrap();
    let engine = Engine { store, config, ours };
    assert_eq!(engine.store.migrate().await.unwrap().len(), 5);
    Some(engine)
}

/// The engine's binary: as told, or beside this test's own.
fn binary() -> Option<PathBuf> {
    if let Some(path) = std::env::var_os("VONGLAU_TEST_ENGINE") {
        return Some(path.into());
    }
    let beside = std::env::current_exe().ok()?.parent()?.parent()?.join("vonglau-engine");
    beside.is_file().then_some(beside)
}
