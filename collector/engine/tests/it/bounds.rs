//! Bounds: body size, statements at once, memory of a large answer, and clients that go away.

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::kit::{PASSWORD, Running};

#[tokio::test]
async fn an_overlong_insert_is_refused() {
    let Some(running) = Running::start() else { return };
    let body = vec![b'1'; 270 * 1024 * 1024];
    let answer = running.post(&[("query", "INSERT INTO t FORMAT CSV")], body).await;
    assert_eq!((answer.status, answer.header("x-clickhouse-exception-code")), (413, "307"));
    // Two kilobytes that say they hold gigabytes.
    let mut frame = vec![0_u8; 2048];
    frame[17..21].copy_from_slice(&2000_u32.to_le_bytes());
    frame[21..25].copy_from_slice(&u32::MAX.to_le_bytes());
    let bomb = [("query", "INSERT INTO t FORMAT CSV"), ("decompress", "1")];
    assert_eq!(running.post(&bomb, frame).await.status, 413);
}

#[tokio::test]
async fn a_query_ends_when_its_client_goes() {
    let Some(running) = Running::start() else { return };
    let address = running.url.trim_start_matches("http://").to_owned();
    let credentials = format!("X-ClickHouse-User: vonglau\r\nX-ClickHouse-Key: {PASSWORD}\r\n");
    let mine = "SELECT count() FROM system.processes WHERE query LIKE '%sipHash64%' AND query NOT LIKE '%processes%'";
    for sql in [
        // Silent until its end, and one that sends rows for ever.
        "SELECT count() FROM numbers(1e13) WHERE NOT ignore(sipHash64(number))",
        "SELECT number, sipHash64(number) FROM numbers(1e13)",
    ] {
        let mut socket = tokio::net::TcpStream::connect(&address).await.unwrap();
        let request = format!(
            "POST / HTTP/1.1\r\nHost: x\r\n{credentials}Content-Length: {}\r\n\r\n{sql}",
            sql.len()
        );
        socket.write_all(request.as_bytes()).await.unwrap();
        if sql.contains("number, ") {
            let mut begin = [0; 1000];
            socket.read_exact(&mut begin).await.unwrap();
        }
        running.until(mine, "1").await;
        drop(socket);
        running.until(mine, "0").await;
    }
}

#[tokio::test]
async fn too_many_statements_wait_and_then_are_refused() {
    let Some(running) = Running::start() else { return };
    // 16 run, 64 wait, 20 are too many.
    let answers = futures_util::future::join_all(
        (0..100).map(|_| running.post(&[("max_threads", "1")], "SELECT sleep(2)")),
    )
    .await;
    let refused: Vec<_> = answers.iter().filter(|answer| answer.status != 200).collect();
    assert!(!refused.is_empty() && refused.len() <= 20, "{} were refused", refused.len());
    for answer in refused {
        assert_eq!((answer.status, answer.header("x-clickhouse-exception-code")), (503, "202"));
    }
}

#[tokio::test]
async fn a_large_result_does_not_fill_the_memory() {
    let Some(running) = Running::start() else { return };
    let resident = || {
        let status =
            std::fs::read_to_string(format!("/proc/{}/status", running.child.id())).unwrap();
        let line = status.lines().find(|line| line.starts_with("VmRSS")).unwrap().to_owned();
        line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() / 1024
    };
    let idle = resident();
    let mut response = reqwest::Client::new()
        .post(&running.url)
        .basic_auth("vonglau", Some(PASSWORD))
        .body("SELECT number, repeat('x', 200) FROM numbers(5000000) FORMAT RowBinary")
        .send()
        .await
        .unwrap();
    let (mut bytes, mut most) = (0_u64, idle);
    while let Some(chunk) = response.chunk().await.unwrap() {
        bytes += chunk.len() as u64;
        if bytes.is_multiple_of(97) {
            most = most.max(resident());
        }
    }
    assert_eq!(bytes, 5_000_000 * (8 + 2 + 200));
    eprintln!("measured: idle {idle} MiB, {most} MiB while 1 GB was streamed");
    assert!(most < idle + 400, "{idle} MiB became {most} MiB");
}
