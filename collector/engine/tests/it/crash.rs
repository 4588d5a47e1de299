//! `kill -9` in the middle of inserts: what was acknowledged is there once, what was not can be sent
//! again under its token.

use std::time::{Duration, Instant};

use crate::kit::{Running, library};

const ROUNDS: u32 = 5;
const ROWS: u64 = 5000;

#[tokio::test]
async fn acknowledged_inserts_survive_exactly_once() {
    let Some(library) = library() else { return };
    let directory = tempfile::tempdir().unwrap();
    let data = directory.path().join("data");
    let mut batch = 0_u64;
    for round in 0..ROUNDS {
        let running = Running::start_in(&library, &data);
        if round == 0 {
            running
                .text(
                    "CREATE TABLE t (batch UInt64, row UInt64) ENGINE = MergeTree ORDER BY batch \
                     SETTINGS non_replicated_deduplication_window = 1000",
                )
                .await;
        }
        // The kill comes at another moment of an insert in every round.
        let life = Duration::from_millis(700 + 37 * u64::from(round));
        let pid = running.child.id().to_string();
        let killer = std::thread::spawn(move || {
            let started = Instant::now();
            while started.elapsed() < life {
                std::thread::park_timeout(life.saturating_sub(started.elapsed()));
            }
            std::process::Command::new("kill").args(["-9", &pid]).status().unwrap()
        });
        let client = running.client();
        loop {
            // The first batch of a round is the one whose fate the last kill left open.
            let mut insert = client
                .insert_formatted_with("INSERT INTO t FORMAT RowBinary")
                .with_setting("insert_deduplication_token", format!("batch {batch}"));
            let rows: Vec<u8> = (0..ROWS)
                .flat_map(|row| [batch.to_le_bytes(), row.to_le_bytes()].concat())
                .collect();
            if insert.send(rows.into()).await.is_err() || insert.end().await.is_err() {
                break;
            }
            batch += 1;
        }
        assert!(killer.join().unwrap().success());
    }
    assert!(batch > 20, "only {batch} inserts in {ROUNDS} rounds");
    let running = Running::start_in(&library, &data);
    let whole = running
        .text("SELECT count(), min(n), max(n), max(u) FROM (SELECT batch, count() AS n, uniqExact(row) AS u FROM t GROUP BY batch)")
        .await;
    eprintln!("measured: {batch} acknowledged inserts over {ROUNDS} kills, store says {whole}");
    let (batches, rest) = whole.split_once('\t').unwrap();
    // The last one may be stored without its acknowledgement having arrived.
    let batches: u64 = batches.parse().unwrap();
    assert!(batches == batch || batches == batch + 1, "{batches} stored, {batch} acknowledged");
    assert_eq!(rest, format!("{ROWS}\t{ROWS}\t{ROWS}"));
}
