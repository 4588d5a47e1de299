//! Statements as clients send them.

use super::Statement;
use crate::exception::code;

fn read(format: Option<&str>, streamable: bool) -> Statement {
    Statement::Read { format: format.map(str::to_owned), streamable }
}

#[track_caller]
fn check(sql: &str, expected: &Statement) {
    assert_eq!(Statement::parse(sql.as_bytes()).as_ref(), Ok(expected), "{sql}");
}

#[track_caller]
fn check_insert(sql: &str, head: &str, format: &str, data: &str) {
    match Statement::parse(sql.as_bytes()) {
        Ok(Statement::Insert { head: head_end, format: found, data: start }) => {
            assert_eq!((&sql[..head_end], found.as_str(), &sql[start..]), (head, format, data));
        }
        other => panic!("{sql}: {other:?}"),
    }
}

#[track_caller]
fn check_error(sql: &str, expected: u32) {
    let error = Statement::parse(sql.as_bytes()).expect_err(sql);
    assert_eq!(error.code, expected, "{sql}: {}", error.text);
}

#[test]
fn reads_and_their_formats() {
    check("SELECT 1", &read(None, true));
    check(" /* a */ (select 1) FORMAT JSON", &read(Some("JSON"), true));
    check("WITH x AS (SELECT 1 FORMAT y) SELECT * FROM x format CSV;", &read(Some("CSV"), true));
    check("SELECT format FROM t", &read(None, true));
    check("SELECT 1 FORMAT TSV SETTINGS max_threads = 1", &read(Some("TSV"), true));
    check("SELECT k, count() FROM t GROUP BY k WITH TOTALS", &read(None, false));
    check("describe table t", &read(None, false));
    check("SHOW TABLES FORMAT JSON", &read(Some("JSON"), false));
    check("EXPLAIN INSERT INTO t SELECT 1", &read(None, false));
}

#[test]
fn writes() {
    for sql in [
        "CREATE TABLE t (a Int8) ENGINE = MergeTree ORDER BY a",
        "ALTER TABLE t ADD COLUMN b String",
        "INSERT INTO t SELECT * FROM u",
        "INSERT INTO t (a) (SELECT 1)",
        "INSERT INTO t WITH x AS (SELECT 1) SELECT * FROM x",
        "WITH x AS (SELECT 1) INSERT INTO t SELECT * FROM x",
        "DROP TABLE t;",
        "SYSTEM FLUSH LOGS",
        "CREATE DICTIONARY d (a Int8) PRIMARY KEY a SOURCE(CLICKHOUSE(TABLE 't')) LAYOUT(FLAT())",
        "BACKUP TABLE t TO File('/b/x')",
    ] {
        check(sql, &Statement::Write { format: None });
    }
}

#[test]
fn inserts_and_where_their_data_begins() {
    check_insert("INSERT INTO t(a,b) FORMAT RowBinary", "INSERT INTO t(a,b) ", "RowBinary", "");
    check_insert("insert into t format CSV\n1,2\n", "insert into t ", "CSV", "1,2\n");
    check_insert("INSERT INTO t FORMAT CSV \r\n\n1", "INSERT INTO t ", "CSV", "\n1");
    check_insert("INSERT INTO t VALUES (1, 'a;b')", "INSERT INTO t ", "Values", " (1, 'a;b')");
    check_insert("INSERT INTO t", "INSERT INTO t", "Values", "");
    check_insert("INSERT INTO t ;", "INSERT INTO t", "Values", "");
    check_insert(
        "INSERT INTO d.t SETTINGS async_insert=0 FORMAT JSONEachRow {\"format\": 1}; SELECT",
        "INSERT INTO d.t SETTINGS async_insert=0 ",
        "JSONEachRow",
        "{\"format\": 1}; SELECT",
    );
    let binary = b"INSERT INTO t FORMAT RowBinary\n\xff'\"`\x00";
    let Ok(Statement::Insert { data, .. }) = Statement::parse(binary) else { panic!("no insert") };
    assert_eq!(&binary[data..], b"\xff'\"`\x00");
}

#[test]
fn several_statements_and_none_are_refused() {
    for sql in
        ["", "  -- only words\n", "SELECT 1; SELECT 2", "INSERT INTO t SELECT 1; DROP TABLE t"]
    {
        check_error(sql, code::SYNTAX_ERROR);
    }
    check("SELECT ';' ;; ", &read(None, true));
}

#[test]
fn ways_out_of_the_database_are_refused() {
    for sql in [
        "SELECT * FROM file('/etc/passwd', LineAsString)",
        "SELECT `file` ('/etc/passwd')",
        "SELECT FILE/**/('/etc/passwd')",
        "SELECT * FROM url('http://x', CSV)",
        "SELECT 1 INTO OUTFILE '/tmp/x'",
        "INSERT INTO FUNCTION file('/tmp/x') SELECT 1",
        "INSERT INTO t SELECT * FROM s3('x')",
        "INSERT INTO FUNCTION url('http://x') FORMAT CSV 1",
        "INSERT INTO t FROM INFILE '/etc/passwd' FORMAT CSV",
        "CREATE TABLE t (a String) ENGINE = File(CSV, '/x')",
        "CREATE TABLE t (a String) ENGINE Kafka SETTINGS kafka_broker_list = 'x'",
        "CREATE DATABASE d ENGINE = Filesystem",
        "CREATE DICTIONARY d (a String) PRIMARY KEY a SOURCE(EXECUTABLE(COMMAND 'x')) LAYOUT(FLAT())",
        "CREATE DICTIONARY d (a Int8) PRIMARY KEY a SOURCE(CLICKHOUSE(HOST 'x' TABLE 't'))",
        "ATTACH TABLE t FROM '/x' (a String) ENGINE = MergeTree ORDER BY a",
        "SYSTEM SHUTDOWN",
        "system stop listen http",
        "SELECT * FROM eval('SELECT * FROM file(''x'')')",
    ] {
        check_error(sql, code::ACCESS_DENIED);
    }
    check("SELECT file, url FROM t WHERE url = 'file(1)'", &read(None, true));
}
