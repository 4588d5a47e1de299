//! A real engine for tests: the embedded one, or the server at `CLICKHOUSE_URL`.
//!
//! Shared by the tests of `collector/ingest` by path.

use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{SystemTime, UNIX_EPOCH};

use collector_store::{Store, StoreConfig};

/// A store with fresh tables, and the engine behind it, if it is ours.
pub(crate) struct Engine {
    pub(crate) store: Store,
    pub(crate) config: StoreConfig,
    child: Option<Child>,
    _dir: Option<tempfile::TempDir>,
}

impl Drop for Engine {
    fn drop(&mut self) {
        if let Some(child) = &mut self.child {
            drop(child.kill());
            drop(child.wait());
        }
    }
}

/// Starts an engine and makes the tables; `None`, with a word on standard error, if there is none.
pub(crate) async fn engine(test: &str) -> Option<Engine> {
    let nanos = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_nanos();
    let database = format!("test_{test}_{nanos}");
    let (config, child, dir) = match (binary(), std::env::var("VONGLAU_CHDB_LIB")) {
        (Some(binary), Ok(lib)) => {
            let dir = tempfile::tempdir().unwrap();
            let password = "test-password";
            let mut child = Command::new(binary)
                .args(["serve", "--listen", "127.0.0.1:0", "--exit-with-parent", "--lib"])
                .arg(lib)
                .arg("--data")
                .arg(dir.path())
                .env("VONGLAU_ENGINE_PASSWORD", password)
                .stdin(Stdio::piped())
                .stdout(Stdio::piped())
                .spawn()
                .unwrap();
            let mut line = String::new();
            BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
            let ready: serde_json::Value = serde_json::from_str(&line).unwrap();
            let url = format!("http://{}", ready["listening"].as_str().unwrap());
            let (user, password) = ("vonglau".to_owned(), password.to_owned());
            (StoreConfig { url, user, password, database }, Some(child), Some(dir))
        }
        _ => {
            let Ok(url) = std::env::var("CLICKHOUSE_URL") else {
                eprintln!("skipped: neither VONGLAU_TEST_ENGINE with VONGLAU_CHDB_LIB nor CLICKHOUSE_URL is set");
                return None;
            };
            let user = std::env::var("CLICKHOUSE_USER").unwrap_or_else(|_| "default".into());
            let password = std::env::var("CLICKHOUSE_PASSWORD").unwrap_or_default();
            (StoreConfig { url, user, password, database }, None, None)
        }
    };
    let store = Store::connect(&config).await.unwrap();
    let engine = Engine { store, config, child, _dir: dir };
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
