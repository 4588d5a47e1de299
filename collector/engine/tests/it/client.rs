//! The official crate, unmodified: what `collector/store` does with it.

use std::time::{Duration, Instant};

use clickhouse::error::Error;
use clickhouse::{Client, Compression, Row};
use serde::{Deserialize, Serialize};

use crate::kit::{EventRow, Running};

#[derive(Debug, Clone, PartialEq, Row, Serialize, Deserialize)]
struct Small {
    id: u64,
    text: String,
}

const SMALL: &str = "CREATE TABLE small (id UInt64, text String) ENGINE = MergeTree ORDER BY id \
                     SETTINGS non_replicated_deduplication_window = 100";

fn clients(running: &Running) -> Vec<(&'static str, Client)> {
    let client = running.client();
    vec![
        ("lz4, checked", client.clone()),
        ("lz4, unchecked", client.clone().with_validation(false)),
        ("plain, checked", client.clone().with_compression(Compression::None)),
        ("plain, unchecked", client.with_compression(Compression::None).with_validation(false)),
    ]
}

async fn insert(client: &Client, token: &str, ids: std::ops::Range<u64>) -> Result<(), Error> {
    let mut insert =
        client.insert::<Small>("small").await?.with_setting("insert_deduplication_token", token);
    for id in ids {
        insert.write(&Small { id, text: format!("dòng {id}") }).await?;
    }
    insert.end().await
}

#[tokio::test]
async fn rows_come_back_as_they_went() {
    let Some(running) = Running::start() else { return };
    running.client().query(EventRow::TABLE).execute().await.unwrap();
    for (index, (name, client)) in clients(&running).into_iter().enumerate() {
        let rows: Vec<_> = (0..300).map(|id| EventRow::number(index as u64 * 1000 + id)).collect();
        let mut insert = client.insert::<EventRow>("events").await.unwrap();
        for row in &rows {
            insert.write(row).await.unwrap();
        }
        insert.end().await.unwrap();
        let found = client
            .query("SELECT ?fields FROM events WHERE id >= ? AND id < ? ORDER BY id")
            .bind(index as u64 * 1000)
            .bind(index as u64 * 1000 + 1000)
            .fetch_all::<EventRow>()
            .await
            .unwrap();
        assert_eq!(found, rows, "{name}");
    }
}

#[tokio::test]
async fn a_token_stores_one_copy_whatever_the_chunks() {
    let Some(running) = Running::start() else { return };
    running.client().query(SMALL).execute().await.unwrap();
    // Compressed or not, checked or not: other formats and other cuts, the same token.
    for (name, client) in clients(&running).into_iter().chain(clients(&running)) {
        insert(&client, "topic/0/1-100000", 0..100_000).await.unwrap();
        assert_eq!(
            running.text("SELECT count(), uniqExact(id) FROM small").await,
            "100000\t100000",
            "{name}"
        );
    }
    // One insert is one block is one part.
    let parts = "SELECT count(), max(rows) FROM system.parts WHERE table = 'small' AND active";
    assert_eq!(running.text(parts).await, "1\t100000");
    // Another token is another insert, even with the same rows.
    insert(&running.client(), "topic/0/100001-100002", 0..2).await.unwrap();
    assert_eq!(running.text("SELECT count() FROM small").await, "100002");
}

#[tokio::test]
async fn inserts_of_more_rows_than_a_default_block_are_one_block_too() {
    let Some(running) = Running::start() else { return };
    running
        .client()
        .query("CREATE TABLE n (id UInt64) ENGINE = MergeTree ORDER BY id SETTINGS non_replicated_deduplication_window = 100")
        .execute()
        .await
        .unwrap();
    let data: Vec<u8> = (0..2_500_000_u64).flat_map(u64::to_le_bytes).collect();
    let parameters =
        [("query", "INSERT INTO n FORMAT RowBinary"), ("insert_deduplication_token", "big")];
    for _ in 0..2 {
        let answer = running.post(&parameters, data.clone()).await;
        assert_eq!(answer.status, 200, "{}", answer.text);
        let parts = "SELECT count(), sum(rows) FROM system.parts WHERE table = 'n' AND active";
        assert_eq!(running.text(parts).await, "1\t2500000");
    }
}

#[tokio::test]
async fn the_inserter_of_the_crate() {
    let Some(running) = Running::start() else { return };
    running.client().query(SMALL).execute().await.unwrap();
    let mut inserter = running
        .client()
        .inserter::<Small>("small")
        .with_max_rows(1000)
        .with_period(Some(Duration::from_secs(3600)));
    for id in 0..2500 {
        inserter.write(&Small { id, text: id.to_string() }).await.unwrap();
        inserter.commit().await.unwrap();
    }
    inserter.end().await.unwrap();
    assert_eq!(running.text("SELECT count(), uniqExact(id) FROM small").await, "2500\t2500");
}

#[tokio::test]
async fn parameters_settings_and_databases() {
    let Some(running) = Running::start() else { return };
    for (name, client) in clients(&running) {
        let odd = "a'b\\c\n\tđ\u{0}\"`{x}";
        let found: String =
            client.query("SELECT {text:String}").param("text", odd).fetch_one().await.unwrap();
        assert_eq!(found, odd, "{name}");
        let sum: u64 = client
            .query("SELECT arraySum({list:Array(UInt32)}) + {one:UInt8}")
            .param("list", vec![1_u32, 2, 3])
            .param("one", 1_u8)
            .fetch_one()
            .await
            .unwrap();
        assert_eq!(sum, 7, "{name}");
        let bound: String = client.query("SELECT ?").bind(odd).fetch_one().await.unwrap();
        assert_eq!(bound, odd, "{name}");
    }
    let client = running.client();
    client.query("CREATE DATABASE `bộ-một`").execute().await.unwrap();
    let inside = client.clone().with_database("bộ-một");
    inside.query(SMALL).execute().await.unwrap();
    insert(&inside, "t", 0..3).await.unwrap();
    assert_eq!(running.text("SELECT count() FROM `bộ-một`.small").await, "3");
    assert!(matches!(insert(&client, "t", 0..3).await, Err(Error::BadResponse(_))));
    let threads: String = client
        .query("SELECT toString(getSetting('max_threads'))")
        .with_setting("max_threads", "1")
        .fetch_one()
        .await
        .unwrap();
    assert_eq!(threads, "1");
}

#[track_caller]
fn bad_response(result: Result<impl std::fmt::Debug, Error>) -> String {
    match result {
        Err(Error::BadResponse(text)) => text,
        other => panic!("not a BadResponse: {other:?}"),
    }
}

#[tokio::test]
async fn errors_are_bad_responses_with_code_and_name() {
    let Some(running) = Running::start() else { return };
    for (name, client) in clients(&running) {
        for (sql, start, word) in [
            ("SELECT * FROM nothing", "Code: 60. DB::Exception: ", "UNKNOWN_TABLE"),
            ("SELEC 1", "Code: 62. DB::Exception: ", "SYNTAX_ERROR"),
            ("SELECT 1; SELECT 2", "Code: 62. DB::Exception: ", "Multi-statements"),
            ("SELECT throwIf(number = 3) FROM numbers(5)", "Code: 395. ", "throwIf"),
            ("SELECT * FROM file('/etc/passwd')", "Code: 497. ", "ACCESS_DENIED"),
        ] {
            let text = bad_response(client.query(sql).execute().await);
            assert!(text.starts_with(start) && text.contains(word), "{name}: {text}");
            assert!(text.contains("(version 26."), "{name}: {text}");
        }
        let error = client.query("SELECT 1").with_setting("max_thread", "1").execute().await;
        let text = bad_response(error);
        assert!(text.starts_with("Code: 115.") && text.contains("max_thread "), "{text}");
        // Late: the first megabyte is out before the error happens.
        let late = client
            .query("SELECT number, throwIf(number = 900000) FROM numbers(1000000)")
            .fetch_all::<(u64, u8)>()
            .await;
        let text = bad_response(late);
        assert!(text.starts_with("Code: 395."), "{name}: {text}");
    }
    let wrong = running.client().with_password("wrong").query("SELECT 1").execute().await;
    assert!(bad_response(wrong).starts_with("Code: 516."));
    let nobody = Client::default().with_url(&running.url).query("SELECT 1").execute().await;
    assert!(bad_response(nobody).starts_with("Code: 194."));
}

#[tokio::test]
async fn an_insert_that_is_refused_says_why() {
    let Some(running) = Running::start() else { return };
    running.client().query(SMALL).execute().await.unwrap();
    for (name, client) in clients(&running) {
        let wrong = insert(&client.clone().with_password("wrong"), "t", 0..50_000).await;
        assert!(bad_response(wrong).starts_with("Code: 516."), "{name}");
        let unchecked = client.with_validation(false);
        let mut insert = unchecked.insert::<Small>("nothing").await.unwrap();
        insert.write(&Small { id: 1, text: "x".into() }).await.unwrap();
        assert!(bad_response(insert.end().await).starts_with("Code: 60."), "{name}");
    }
    assert_eq!(running.text("SELECT count() FROM small").await, "0");
}

#[tokio::test]
async fn an_insert_that_is_not_ended_stores_nothing() {
    let Some(running) = Running::start() else { return };
    running.client().query(SMALL).execute().await.unwrap();
    let mut insert = running.client().insert::<Small>("small").await.unwrap();
    for id in 0..100_000 {
        insert.write(&Small { id, text: "bỏ dở".into() }).await.unwrap();
    }
    drop(insert);
    // The broken body is counted before this test looks.
    let broken = "vonglau_engine_requests_total{kind=\"none\",outcome=\"210\"} 1";
    let started = Instant::now();
    while !reqwest::get(format!("{}/metrics", running.url))
        .await
        .unwrap()
        .text()
        .await
        .unwrap()
        .contains(broken)
    {
        assert!(started.elapsed() < crate::kit::DEADLINE);
        tokio::task::yield_now().await;
    }
    assert_eq!(running.text("SELECT count() FROM small").await, "0");
}

#[tokio::test]
async fn large_results_stream_whole_and_in_order() {
    let Some(running) = Running::start() else { return };
    for (name, client) in clients(&running) {
        let mut cursor = client
            .query("SELECT number, toString(number) FROM numbers(1000000)")
            .fetch::<(u64, String)>()
            .unwrap();
        let mut expected = 0;
        while let Some((number, text)) = cursor.next().await.unwrap() {
            assert_eq!((number, text.parse()), (expected, Ok(expected)), "{name}");
            expected += 1;
        }
        assert_eq!(expected, 1_000_000, "{name}");
    }
    // Every block filtered empty but the last row: heads alone must not end the stream.
    let client = running.client();
    let rows = client
        .query("SELECT number FROM numbers(5000000) WHERE number = 4999999")
        .fetch_all::<u64>()
        .await
        .unwrap();
    assert_eq!(rows, [4_999_999]);
    let none = client.query("SELECT number FROM numbers(10) WHERE number > 10");
    assert!(none.fetch_all::<u64>().await.unwrap().is_empty());
}

#[tokio::test]
async fn queries_run_side_by_side() {
    let Some(running) = Running::start() else { return };
    running.client().query(SMALL).execute().await.unwrap();
    let tasks: Vec<_> = (0..40_u64)
        .map(|task| {
            let client = running.client();
            tokio::spawn(async move {
                insert(&client, &format!("task {task}"), task * 100..task * 100 + 100).await?;
                let query = client.query("SELECT count() FROM small WHERE intDiv(id, 100) = ?");
                query.bind(task).fetch_one::<u64>().await
            })
        })
        .collect();
    for task in tasks {
        assert_eq!(task.await.unwrap().unwrap(), 100);
    }
    assert_eq!(running.text("SELECT count(), uniqExact(id) FROM small").await, "4000\t4000");
}

/// Not a test of truth but of size: prints what the machine does, for the report.
#[tokio::test]
async fn measure_inserts() {
    let Some(running) = Running::start() else { return };
    let started = Instant::now();
    let second = Running::start().unwrap();
    eprintln!("measured: start {:?}", started.elapsed());
    drop(second);
    running.client().query(EventRow::TABLE).execute().await.unwrap();
    for (name, client) in clients(&running) {
        for batch in [10_000, 100_000_u64] {
            let rows: Vec<_> = (0..batch).map(EventRow::number).collect();
            let mut insert = client
                .insert::<EventRow>("events")
                .await
                .unwrap()
                .with_setting("insert_deduplication_token", format!("{name} {batch}"));
            for row in &rows {
                insert.write(row).await.unwrap();
            }
            let sent = Instant::now();
            insert.end().await.unwrap();
            let seconds = sent.elapsed().as_secs_f64();
            eprintln!(
                "measured: {name}, {batch} rows: {:.0} rows/s in the engine",
                batch as f64 / seconds
            );
        }
    }
    let status = std::fs::read_to_string(format!("/proc/{}/status", running.child.id())).unwrap();
    let memory = status.lines().find(|line| line.starts_with("VmRSS")).unwrap_or_default();
    eprintln!("measured: after it {memory}, data in {}", running.data.display());
    assert_eq!(running.text("SELECT count() FROM events").await, "440000");
}
