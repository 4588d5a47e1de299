//! Temporary.
#![expect(clippy::unwrap_used, reason = "tests")]
#[path = "support/engine.rs"]
mod support;
use std::time::Instant;
use collector_store::*;
use rules_event::{Event, Timestamp, Value};
#[tokio::test(flavor = "multi_thread")]
async fn measure() {
    let Some(mut engine) = support::engine("measure").await else { return };
    if false { engine.kill_and_restart(); }
    let place = |n: usize| Place { agent: "0123456789abcdef0123456789abcdef".parse().unwrap(), lane: agent_wire::Lane::Events, epoch: 1, seq: n as u64 / 3000, index: (n % 3000) as u32, topic: "vonglau.events.v1".into(), partition: 0, offset: n as i64 / 3000, received: Timestamp::from_seconds(1_780_000_000) };
    for size in [10_000usize, 50_000, 100_000] {
        let total = 400_000;
        let mut spent = 0.0; let mut build = 0.0;
        for chunk in 0..total / size {
            let events: Vec<(Event, Place)> = (0..size).map(|i| {
                let n = chunk * size + i;
                let mut e = Event::new(Timestamp::from_nanos(1_780_000_000_000_000_000 + n as i64 * 1_000_000), format!("{:016x}{:016x}", (n as u64).wrapping_mul(0x9E3779B97F4A7C15), n));
                let line = format!("Nov 21 10:00:00 web sshd[{}]: Failed password for invalid user admin{} from 10.{}.{}.{} port {} ssh2", n % 32768, n % 100, n % 7, n % 251, n % 241, 1024 + n % 60000);
                e.set("event.original", line.clone()); e.set("message", line[30..].to_owned());
                e.set("event.dataset", "system.auth"); e.set("event.module", "system"); e.set("event.kind", "event"); e.set("event.category", "authentication"); e.set("event.action", "ssh_login"); e.set("event.outcome", "failure");
                e.set("user.name", format!("admin{}", n % 100)); e.set("source.ip", format!("10.{}.{}.{}", n % 7, n % 251, n % 241)); e.set("source.port", (1024 + n % 60000) as i64);
                e.set("process.name", "sshd"); e.set("process.pid", (n % 32768) as i64); e.set("host.hostname", "web"); e.set("host.name", "web"); e.set("log.file.path", "/var/log/auth.log"); e.set("log.offset", n as i64 * 120); e.set("agent.id", "0123456789abcdef0123456789abcdef");
                e.set("vonglau.auth.method", "password"); e.set("vonglau.auth.invalid_user", Value::Bool(true)); e.set("log.syslog.priority", 38i64);
                (e, place(n))
            }).collect();
            let t = Instant::now();
            let rows: Vec<_> = events.iter().map(|(e, p)| EventRow::new(e, p)).collect();
            build += t.elapsed().as_secs_f64();
            let t = Instant::now();
            engine.store.insert_events(&format!("{size}-{chunk}"), &rows).await.unwrap();
            spent += t.elapsed().as_secs_f64();
        }
        eprintln!("batch {size}: {:.0} rows/s insert, rows built {:.0}/s", total as f64 / spent, total as f64 / build);
    }
    let all = EventQuery::ever();
    for (what, q) in [
        ("newest 100", EventQuery { limit: 100, ..all.clone() }),
        ("user", EventQuery { limit: 100, filters: vec![Filter::is("user.name", "admin7")], ..all.clone() }),
        ("ip", EventQuery { limit: 100, filters: vec![Filter::is("source.ip", "10.3.17.99")], ..all.clone() }),
        ("phrase", EventQuery { limit: 100, text: Some("\"invalid user admin42\" 10.2.*".into()), ..all.clone() }),
        ("absent word", EventQuery { limit: 100, text: Some("nosuchword".into()), ..all.clone() }),
        ("extra", EventQuery { limit: 100, filters: vec![Filter::is("vonglau.auth.method", "publickey")], ..all.clone() }),
    ] {
        let t = Instant::now();
        let n = engine.store.search(&q).await.unwrap().len();
        eprintln!("{what}: {n} in {:?}", t.elapsed());
    }
    let t = Instant::now(); engine.store.ledger(&LedgerQuery::default()).await.unwrap(); eprintln!("ledger of 1.2M: {:?}", t.elapsed());
    let t = Instant::now(); let id = format!("{:016x}{:016x}", 77777u64.wrapping_mul(0x9E3779B97F4A7C15), 77777); let n = engine.store.events_by_id(&[id]).await.unwrap().len(); eprintln!("by id: {n} in {:?}", t.elapsed());
}
