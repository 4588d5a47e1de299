//! A running `vonglau-engine`, its client, and rows to send.

use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use clickhouse::{Client, Row};
use serde::{Deserialize, Serialize};

pub(crate) const PASSWORD: &str = "mật khẩu'\\";
/// Everything a test waits for has come by then, even on a busy machine.
pub(crate) const DEADLINE: Duration = Duration::from_secs(90);

/// Returns the library's path, or says why the test is skipped.
pub(crate) fn library() -> Option<PathBuf> {
    let path = std::env::var_os("VONGLAU_CHDB_LIB").map(PathBuf::from);
    if path.is_none() {
        eprintln!("skipped: VONGLAU_CHDB_LIB is not set (path of libchdb.so)");
    }
    path
}

/// Returns the program with all that every start needs.
pub(crate) fn command(library: &Path, data: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_vonglau-engine"));
    command
        .args(["serve", "--listen", "127.0.0.1:0", "--exit-with-parent"])
        .arg("--lib")
        .arg(library)
        .arg("--data")
        .arg(data)
        .env("VONGLAU_ENGINE_PASSWORD", PASSWORD)
        .env("VONGLAU_LOG", "warn")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped());
    command
}

/// A running engine; killed when dropped.
pub(crate) struct Running {
    pub(crate) child: Child,
    pub(crate) url: String,
    pub(crate) data: PathBuf,
    _directory: Option<tempfile::TempDir>,
}

impl Running {
    /// Starts an engine on a new directory; `None` when there is no library.
    pub(crate) fn start() -> Option<Self> {
        let library = library()?;
        let directory = tempfile::tempdir().unwrap();
        let mut running = Self::start_in(&library, &directory.path().join("data"));
        running._directory = Some(directory);
        Some(running)
    }

    /// Starts an engine on a given directory and waits until it is ready.
    pub(crate) fn start_in(library: &Path, data: &Path) -> Self {
        Self::from_command(command(library, data), data)
    }

    pub(crate) fn from_command(mut command: Command, data: &Path) -> Self {
        let mut child = command.spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let ready: serde_json::Value = serde_json::from_str(&line)
            .unwrap_or_else(|error| panic!("not ready: {line:?} {error}"));
        let url = format!("http://{}", ready["listening"].as_str().unwrap());
        Self { child, url, data: data.to_owned(), _directory: None }
    }

    /// Returns the official client, compressed or not.
    pub(crate) fn client(&self) -> Client {
        Client::default().with_url(&self.url).with_user("vonglau").with_password(PASSWORD)
    }

    /// Sends a bare request with a statement in the body.
    pub(crate) async fn post(
        &self,
        parameters: &[(&str, &str)],
        body: impl Into<reqwest::Body>,
    ) -> Answer {
        let request = reqwest::Client::new().post(&self.url).query(parameters).body(body);
        Answer::of(request.basic_auth("vonglau", Some(PASSWORD))).await
    }

    /// Returns the answer to a statement that must work, without the line end.
    pub(crate) async fn text(&self, sql: &str) -> String {
        let answer = self.post(&[], sql.to_owned()).await;
        assert_eq!(answer.status, 200, "{sql}: {}", answer.text);
        answer.text.trim_end().to_owned()
    }

    /// Waits until a statement answers as wanted.
    pub(crate) async fn until(&self, sql: &str, wanted: &str) {
        let started = Instant::now();
        loop {
            let answer = self.text(sql).await;
            if answer == wanted {
                return;
            }
            assert!(started.elapsed() < DEADLINE, "{sql} is {answer:?} and not {wanted:?}");
            tokio::task::yield_now().await;
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// An answer, read to its end.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: reqwest::header::HeaderMap,
    pub(crate) bytes: Vec<u8>,
    pub(crate) text: String,
}

impl Answer {
    pub(crate) async fn of(request: reqwest::RequestBuilder) -> Self {
        let response = request.send().await.unwrap();
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let bytes = response.bytes().await.unwrap().to_vec();
        let text = String::from_utf8_lossy(&bytes).into_owned();
        Self { status, headers, bytes, text }
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }
}

/// Waits for a process to end by itself; returns its code and what it said.
pub(crate) fn ended(mut child: Child) -> (Option<i32>, String) {
    let started = Instant::now();
    let status = loop {
        if let Some(status) = child.try_wait().unwrap() {
            break status;
        }
        if started.elapsed() > DEADLINE {
            drop(child.kill());
            panic!("the process does not end");
        }
        std::thread::yield_now();
    };
    let mut text = String::new();
    if let Some(mut stderr) = child.stderr.take() {
        stderr.read_to_string(&mut text).unwrap();
    }
    (status.code(), text)
}

/// A row of about 450 bytes in 26 columns, as events have.
#[derive(Debug, Clone, PartialEq, Row, Serialize, Deserialize)]
pub(crate) struct EventRow {
    pub(crate) id: u64,
    pub(crate) time: i64,
    pub(crate) host: String,
    pub(crate) dataset: String,
    pub(crate) action: String,
    pub(crate) original: String,
    pub(crate) extra: Vec<(String, String)>,
    pub(crate) c1: String,
    pub(crate) c2: String,
    pub(crate) c3: String,
    pub(crate) c4: String,
    pub(crate) c5: String,
    pub(crate) c6: String,
    pub(crate) c7: String,
    pub(crate) c8: String,
    pub(crate) n1: u64,
    pub(crate) n2: u64,
    pub(crate) n3: u64,
    pub(crate) n4: u64,
    pub(crate) n5: u32,
    pub(crate) n6: u32,
    pub(crate) n7: u32,
    pub(crate) n8: u16,
    pub(crate) n9: u16,
    pub(crate) maybe: Option<u64>,
    pub(crate) flag: bool,
}

impl EventRow {
    pub(crate) const TABLE: &str = "CREATE TABLE events (
        id UInt64, time DateTime64(6, 'UTC'), host LowCardinality(String), dataset LowCardinality(String),
        action LowCardinality(String), original String, extra Map(LowCardinality(String), String),
        c1 String, c2 String, c3 String, c4 String, c5 String, c6 String, c7 String, c8 String,
        n1 UInt64, n2 UInt64, n3 UInt64, n4 UInt64, n5 UInt32, n6 UInt32, n7 UInt32, n8 UInt16, n9 UInt16,
        maybe Nullable(UInt64), flag Bool
    ) ENGINE = MergeTree PARTITION BY toYYYYMMDD(time) ORDER BY (dataset, time)
    SETTINGS non_replicated_deduplication_window = 1000";

    pub(crate) fn number(id: u64) -> Self {
        let word = |salt: u64| format!("{:012x}", id.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ salt);
        Self {
            id,
            time: 1_795_000_000_000_000 + i64::try_from(id).unwrap(),
            host: format!("may-chu-{}", id % 50),
            dataset: "system.auth".into(),
            action: "ssh_login".into(),
            original: format!(
                "Nov 21 22:{:02}:01 may-chu-{} sshd[{}]: Failed password for invalid user admin from 203.0.113.{} port {} ssh2",
                id % 60,
                id % 50,
                id % 30_000,
                id % 256,
                id % 65_536
            ),
            extra: vec![("vonglau.auth.method".into(), "password".into())],
            c1: word(1),
            c2: word(2),
            c3: word(3),
            c4: word(4),
            c5: word(5),
            c6: word(6),
            c7: word(7),
            c8: word(8),
            n1: id,
            n2: id * 2,
            n3: id * 3,
            n4: id * 4,
            n5: 1,
            n6: 2,
            n7: 3,
            n8: 4,
            n9: 5,
            maybe: id.is_multiple_of(3).then_some(id),
            flag: id.is_multiple_of(2),
        }
    }
}
