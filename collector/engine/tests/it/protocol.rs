//! Bare HTTP: what other clients (curl, clickhouse-connect, Grafana) rely on.

use std::io::Write as _;

use crate::kit::{Answer, PASSWORD, Running};

#[tokio::test]
async fn health_needs_no_password_and_everything_else_does() {
    let Some(running) = Running::start() else { return };
    let get = async |path: &str| {
        Answer::of(reqwest::Client::new().get(format!("{}{path}", running.url))).await
    };
    for (path, text) in [("/ping", "Ok.\n"), ("/", "Ok.\n"), ("/healthz", "ok\n")] {
        let answer = get(path).await;
        assert_eq!((answer.status, answer.text.as_str()), (200, text), "{path}");
    }
    assert!(get("/metrics").await.text.contains("vonglau_engine_running"));
    assert_eq!(get("/nothing").await.status, 404);
    let nobody = get("/?query=SELECT%201").await;
    assert_eq!((nobody.status, nobody.header("x-clickhouse-exception-code")), (401, "194"));
    assert!(nobody.header("www-authenticate").starts_with("Basic"));
    let wrong = get("/?query=SELECT%201&user=vonglau&password=x").await;
    assert_eq!((wrong.status, wrong.header("x-clickhouse-exception-code")), (403, "516"));
    let client = reqwest::Client::new();
    let url = [("user", "vonglau"), ("password", PASSWORD), ("query", "SELECT 1")];
    assert_eq!(Answer::of(client.get(&running.url).query(&url)).await.text, "1\n");
    let headers = client
        .post(&running.url)
        .header("X-ClickHouse-User", "vonglau")
        .header(
            "X-ClickHouse-Key",
            reqwest::header::HeaderValue::from_bytes(PASSWORD.as_bytes()).unwrap(),
        )
        .body("SELECT 1");
    assert_eq!(Answer::of(headers).await.text, "1\n");
}

#[tokio::test]
async fn a_get_only_reads() {
    let Some(running) = Running::start() else { return };
    running.text("CREATE TABLE t (a Int32) ENGINE = MergeTree ORDER BY a").await;
    let get = async |sql: &str| {
        let request = reqwest::Client::new().get(&running.url).query(&[("query", sql)]);
        Answer::of(request.basic_auth("vonglau", Some(PASSWORD))).await
    };
    assert_eq!(get("SELECT count() FROM t").await.text, "0\n");
    assert_eq!(get("SELECT 1 SETTINGS max_threads = 1").await.text, "1\n");
    for sql in [
        "INSERT INTO t VALUES (1)",
        "INSERT INTO t SELECT 1",
        "DROP TABLE t",
        "CREATE TABLE u (a Int32) ENGINE = Memory",
        "SET readonly = 0",
        "SELECT 1 SETTINGS readonly = 0",
        "ALTER TABLE t DELETE WHERE 1",
        "KILL QUERY WHERE 1",
    ] {
        let answer = get(sql).await;
        assert_eq!(answer.header("x-clickhouse-exception-code"), "164", "{sql}: {}", answer.text);
    }
    assert_eq!(running.text("SELECT count() FROM t").await, "0");
}

#[tokio::test]
async fn statements_and_data_in_every_place() {
    let Some(running) = Running::start() else { return };
    running.text("CREATE TABLE t (a Int32, b String) ENGINE = MergeTree ORDER BY a").await;
    let cases: [(&str, &str); 8] = [
        ("INSERT INTO t FORMAT CSV", "1,x\n"),
        ("", "INSERT INTO t FORMAT CSV\n2,x\n"),
        ("INSERT INTO t", "(3,'x;y')"),
        ("", "INSERT INTO t (a, b) VALUES (4, 'x'), (5, 'y');"),
        ("INSERT INTO t FORMAT JSONEachRow {\"a\":6}", "{\"a\":7}"),
        ("INSERT INTO t SELECT 8, ", "'x'"),
        ("", "INSERT INTO t SELECT 9, 'x'"),
        ("INSERT INTO t SETTINGS max_threads=1 FORMAT TSV", "10\tx\n"),
    ];
    for (query, body) in cases {
        let answer = running.post(&[("query", query)], body).await;
        assert_eq!(answer.status, 200, "{query} + {body}: {}", answer.text);
        assert!(answer.header("x-clickhouse-summary").contains("\"written_rows\":\""), "{query}");
    }
    let listed = running.text("SELECT groupArray(a) FROM (SELECT a FROM t ORDER BY a)").await;
    assert_eq!(listed, "[1,2,3,4,5,6,7,8,9,10]");
    assert_eq!(running.post(&[("query", "SELECT 1,")], "2").await.text, "1\t2\n");
    assert_eq!(running.post(&[], "").await.header("x-clickhouse-exception-code"), "62");
    let broken = running.post(&[("query", "INSERT INTO t FORMAT CSV")], "11,x\nzwölf,x\n").await;
    assert_eq!(broken.status, 400, "{}", broken.text);
    assert_eq!(running.text("SELECT count() FROM t").await, "10");
}

#[tokio::test]
async fn headers_tell_about_the_answer() {
    let Some(running) = Running::start() else { return };
    let parameters = [("query_id", "my-id"), ("default_format", "JSONEachRow")];
    let answer = running.post(&parameters, "SELECT number AS n FROM numbers(3)").await;
    assert_eq!(answer.text, "{\"n\":0}\n{\"n\":1}\n{\"n\":2}\n");
    assert_eq!(answer.header("x-clickhouse-query-id"), "my-id");
    assert_eq!(answer.header("x-clickhouse-format"), "JSONEachRow");
    assert_eq!(answer.header("x-clickhouse-server-display-name"), "vonglau-engine");
    assert!(!answer.header("x-clickhouse-timezone").is_empty());
    assert!(answer.header("content-type").starts_with("application/x-ndjson"));
    let summary: serde_json::Value =
        serde_json::from_str(answer.header("x-clickhouse-summary")).unwrap();
    assert_eq!(summary["read_rows"], "3");
    let json = running.post(&[], "SELECT 1 AS x FORMAT JSON").await;
    assert_eq!(json.header("x-clickhouse-format"), "JSON");
    let document: serde_json::Value = serde_json::from_str(&json.text).unwrap();
    assert_eq!((&document["data"][0]["x"], &document["rows"]), (&1.into(), &1.into()));
    let large = running.post(&[], "SELECT number FROM numbers(300000) FORMAT JSON").await;
    let document: serde_json::Value = serde_json::from_str(&large.text).unwrap();
    assert_eq!(document["rows"], 300_000);
    let totals =
        "SELECT number % 2 AS k, count() FROM numbers(4) GROUP BY k WITH TOTALS ORDER BY k";
    assert_eq!(running.text(totals).await, "0\t2\n1\t2\n\n0\t4");
}

#[tokio::test]
async fn status_by_kind_of_error() {
    let Some(running) = Running::start() else { return };
    for (sql, status, code) in [
        ("SELEC", 400, "62"),
        ("SELECT * FROM nothing", 404, "60"),
        ("SELECT no_such_function()", 404, "46"),
        ("SELECT 1 FORMAT Nothing", 404, "73"),
        ("SELECT toUInt8('x')", 400, "6"),
        ("SELECT throwIf(1)", 500, "395"),
        ("SYSTEM SHUTDOWN", 403, "497"),
        ("SELECT {x:UInt8}", 400, "456"),
    ] {
        let answer = running.post(&[], sql).await;
        assert_eq!(
            (answer.status, answer.header("x-clickhouse-exception-code")),
            (status, code),
            "{sql}: {}",
            answer.text
        );
    }
    let unknown = running.post(&[("database", "nothing")], "SELECT 1").await;
    assert_eq!((unknown.status, unknown.header("x-clickhouse-exception-code")), (404, "81"));
    let setting = running.post(&[("path", "/etc")], "SELECT 1").await;
    assert_eq!((setting.status, setting.header("x-clickhouse-exception-code")), (404, "115"));
    let slow = [("max_execution_time", "1")];
    let slow = running
        .post(&slow, "SELECT count() FROM numbers(1e12) WHERE NOT ignore(sipHash64(number))")
        .await;
    assert_eq!((slow.status, slow.header("x-clickhouse-exception-code")), (408, "159"));
    for sql in [
        "SELECT toString(number) || repeat('x', 1000) FROM numbers(1000000) FORMAT JSON",
        "SELECT repeat('x', 1000) FROM numbers(300000) FORMAT JSON",
    ] {
        let large = running.post(&[], sql).await;
        assert_eq!(
            large.header("x-clickhouse-exception-code"),
            "396",
            "{sql}: {}",
            large.text.len()
        );
    }
}

#[tokio::test]
async fn compression_both_ways() {
    let Some(running) = Running::start() else { return };
    running.text("CREATE TABLE t (a UInt64) ENGINE = MergeTree ORDER BY a").await;
    let mut zstd = zstd_of(b"INSERT INTO t FORMAT CSV\n1\n2\n");
    let request = |body: Vec<u8>, encoding: &str| {
        reqwest::Client::new()
            .post(&running.url)
            .basic_auth("vonglau", Some(PASSWORD))
            .header("content-encoding", encoding)
            .body(body)
    };
    assert_eq!(Answer::of(request(zstd.clone(), "zstd")).await.status, 200);
    let mut lz4 = lz4_flex::frame::FrameEncoder::new(Vec::new());
    lz4.write_all(b"INSERT INTO t FORMAT CSV\n3\n").unwrap();
    assert_eq!(Answer::of(request(lz4.finish().unwrap(), "lz4")).await.status, 200);
    zstd.truncate(20);
    assert_eq!(
        Answer::of(request(zstd, "zstd")).await.header("x-clickhouse-exception-code"),
        "271"
    );
    assert_eq!(Answer::of(request(vec![1], "gzip")).await.status, 501);
    assert_eq!(running.text("SELECT sum(a) FROM t").await, "6");
    let sql = "SELECT number FROM numbers(500000)";
    let plain = running.text(sql).await;
    let accept = reqwest::Client::new()
        .post(&running.url)
        .basic_auth("vonglau", Some(PASSWORD))
        .header("accept-encoding", "zstd")
        .body(sql);
    let answer = Answer::of(accept).await;
    assert_eq!(answer.header("content-encoding"), "zstd");
    assert_eq!(zstd::decode_all(answer.bytes.as_slice()).unwrap(), (plain + "\n").into_bytes());
    // Native frames, written and read back by the engine itself.
    let framed =
        running.post(&[("compress", "1")], "SELECT number FROM numbers(200000) FORMAT CSV").await;
    let insert = [("query", "INSERT INTO t FORMAT CSV"), ("decompress", "1")];
    assert_eq!(running.post(&insert, framed.bytes.clone()).await.status, 200);
    assert_eq!(running.text("SELECT count() FROM t").await, "200003");
    let mut broken = framed.bytes;
    broken[40] ^= 1;
    let answer = running.post(&insert, broken).await;
    assert_eq!((answer.status, answer.header("x-clickhouse-exception-code")), (400, "271"));
}

fn zstd_of(data: &[u8]) -> Vec<u8> {
    zstd::bulk::compress(data, 1).unwrap()
}

#[tokio::test]
async fn every_allowed_setting_exists_and_no_way_out_is_missing() {
    let Some(running) = Running::start() else { return };
    let source = include_str!("../../src/settings.rs");
    let list = source.split("ALLOWED: &[&str] = &[").nth(1).unwrap().split("];").next().unwrap();
    let names: Vec<&str> = list.split(',').map(str::trim).filter(|name| !name.is_empty()).collect();
    assert!(names.len() > 50);
    for name in names.iter().map(|name| name.trim_matches('"')) {
        let known = format!("SELECT count() FROM system.settings WHERE name = '{name}'");
        assert_eq!(running.text(&known).await, "1", "{name} is no setting of this version");
    }
    let source = include_str!("../../src/statement/denied.rs");
    let denied = |name: &str| source.contains(&format!("\"{}\"", name.to_lowercase()));
    // What stays inside the database.
    let inside = [
        "SQLStandardValues",
        "cluster",
        "clusterAllReplicas",
        "dictionary",
        "format",
        "fuzzJSON",
        "generateRandom",
        "generateSeries",
        "generate_series",
        "input",
        "loop",
        "merge",
        "mergeTreeAnalyzeIndexes",
        "mergeTreeAnalyzeIndexesUUID",
        "mergeTreeIndex",
        "mergeTreeProjection",
        "mergeTreeTextIndex",
        "null",
        "numbers",
        "numbers_mt",
        "primes",
        "prometheusQuery",
        "prometheusQueryRange",
        "timeSeriesData",
        "timeSeriesMetrics",
        "timeSeriesSamples",
        "timeSeriesSelector",
        "timeSeriesTags",
        "values",
        "view",
        "viewExplain",
        "viewIfPermitted",
        "zeros",
        "zeros_mt",
        "Alias",
        "Buffer",
        "Dictionary",
        "GenerateRandom",
        "Join",
        "Log",
        "Loop",
        "MaterializedView",
        "Memory",
        "Merge",
        "Null",
        "Set",
        "StripeLog",
        "TimeSeries",
        "TinyLog",
        "View",
        "WindowView",
        "FuzzJSON",
    ];
    let listed = "SELECT name FROM system.table_functions UNION DISTINCT SELECT name FROM system.table_engines";
    for name in running.text(listed).await.lines() {
        let safe = inside.contains(&name) || name.ends_with("MergeTree");
        assert!(safe || denied(name), "{name} is new: does it leave the database?");
    }
}
