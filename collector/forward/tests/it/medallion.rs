//! Medallion: the OASIS reference server, when it is there.

use std::process::{Child, Command, Stdio};
use std::time::Duration;

use collector_forward::{ReportKind, ReportState, status};
use serde_json::json;

use super::{approved, base, drive, incident, taxii};

/// Ended with the test.
struct Server(Child);

impl Drop for Server {
    fn drop(&mut self) {
        let ended = self.0.kill().and_then(|()| self.0.wait());
        drop(ended);
    }
}

async fn start(program: &str, dir: &std::path::Path) -> (Server, String) {
    let collection = |id: &str, can_write: bool| {
        json!({
            "id": id, "title": id, "can_read": true, "can_write": can_write,
            "media_types": ["application/stix+json;version=2.1"], "manifest": [], "objects": [],
            "responses": [],
        })
    };
    let data = json!({
        "/discovery": { "title": "t", "default": "http://127.0.0.1/root/", "api_roots": [] },
        "root": {
            "information": {
                "title": "r", "versions": ["application/taxii+json;version=2.1"],
                "max_content_length": 9_765_625,
            },
            "status": [],
            "collections": [
                collection("91a7b528-80eb-42ed-a74d-c6fbd5a26116", true),
                collection("52892447-4d7e-4f70-b94d-d7f22742ff63", false),
            ],
        },
    });
    let config = json!({
        "backend": {
            "module": "medallion.backends.memory_backend", "module_class": "MemoryBackend",
            "filename": dir.join("data.json"),
        },
        // ASCII: with other letters this server answers 500 to a wrong password.
        "users": { "soc": "open-sesame" },
        "taxii": { "max_page_size": 100 },
    });
    // It cannot choose a port itself: one that was free a moment ago, and another if that was taken.
    for _ in 0..5 {
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let mut data = data.clone();
        data["/discovery"]["default"] = json!(format!("http://127.0.0.1:{port}/root/"));
        data["/discovery"]["api_roots"] = json!([format!("http://127.0.0.1:{port}/root/")]);
        std::fs::write(dir.join("data.json"), data.to_string()).unwrap();
        std::fs::write(dir.join("config.json"), config.to_string()).unwrap();
        let child = Command::new(program)
            .args(["--host", "127.0.0.1", "--port", &port.to_string()])
            .arg(dir.join("config.json"))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut server = Server(child);
        for _ in 0..600 {
            if tokio::net::TcpStream::connect(("127.0.0.1", port)).await.is_ok() {
                return (server, format!("http://127.0.0.1:{port}/taxii2/"));
            }
            if server.0.try_wait().unwrap().is_some() {
                break;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
    panic!("medallion did not start");
}

#[tokio::test]
async fn push_receipt_and_a_second_push_delivered_once() {
    let Ok(program) = std::env::var("VONGLAU_TEST_MEDALLION") else {
        eprintln!("skipped: VONGLAU_TEST_MEDALLION is not set");
        return;
    };
    let base = base().await;
    let (_server, url) = start(&program, base.dir.path()).await;
    let password = base.dir.path().join("password");
    let mut config = taxii(&url, Some(password.clone()));
    let it = approved(&base.db, &incident(&base.db, "web01").await, ReportKind::Initial).await;

    // The wrong password first: it waits, and the right one needs no restart.
    std::fs::write(&password, "sai\n").unwrap();
    let sender = super::sender(&base.db, &config);
    sender.forwarder.step_all(super::at(2)).await.unwrap();
    let waiting = collector_forward::get(&base.db, &it.id).await.unwrap();
    assert!(waiting.problem.as_deref().is_some_and(|it| it.contains("401")), "{waiting:?}");
    assert!(sender.health.problems()[0].contains("401"), "{:?}", sender.health.problems());
    std::fs::write(&password, "open-sesame\n").unwrap();
    sender.forwarder.step_all(super::at(3)).await.unwrap();

    assert_eq!(drive(&base.db, &config, &it.id).await, ReportState::Delivered);
    let first = status(&base.db, &it.id).await.unwrap();
    assert!(first.objects.iter().all(|it| it.outcome == "delivered"), "{:?}", first.objects);
    assert_eq!((first.receipts[0].http_status, first.receipts[0].request.as_str()), (202, "push"));
    assert!(first.receipts[0].status_id.is_some());

    // As if the process had died after the centre took the push and before that was stored.
    let undo = [
        "UPDATE report SET state = 'sending', delivered_at = NULL",
        "UPDATE report_part SET state = 'waiting', status_id = NULL",
        "UPDATE report_object SET outcome = 'waiting'",
        "DELETE FROM report_receipt",
    ];
    for sql in undo {
        sqlx::query(sql).execute(&base.db).await.unwrap();
    }
    assert_eq!(drive(&base.db, &config, &it.id).await, ReportState::Delivered);
    let second = status(&base.db, &it.id).await.unwrap();
    assert!(second.objects.iter().all(|it| it.outcome == "already"), "{:?}", second.objects);

    // A collection we may only read is a problem for a person, not a lost report.
    config.collection = "52892447-4d7e-4f70-b94d-d7f22742ff63".into();
    approved(&base.db, &incident(&base.db, "web02").await, ReportKind::Initial).await;
    let sender = super::sender(&base.db, &config);
    sender.forwarder.step_all(super::at(400)).await.unwrap();
    assert!(sender.health.problems()[0].contains("read-only"), "{:?}", sender.health.problems());
}
