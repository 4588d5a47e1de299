//! An event that matches nothing is decided without touching the heap.

use rules_event::{Event, Timestamp, Value};
use rules_matcher::RuleSet;

fn event(fields: &[(&'static str, Value)]) -> Event {
    let mut event = Event::new(Timestamp::default(), String::new());
    for (name, value) in fields {
        event.set(*name, value.clone());
    }
    event
}

/// Events of several logs, ordinary in every way: long texts, numbers, lists, encoded and Vietnamese
/// texts (whose copies are made only where a copy can differ).
fn ordinary() -> Vec<Event> {
    let list = Value::List(vec!["one".into(), Value::Int(2), Value::Null]);
    vec![
        event(&[
            ("event.dataset", "nginx.access".into()),
            ("source.ip", "203.0.113.7".into()),
            ("http.request.method", "GET".into()),
            ("url.original", "/d%E1%BB%8Bch-v%E1%BB%A5/hồ-sơ?q=a%2520b+c&x=%ff".into()),
            ("url.path", "/dich-vu-cong/ho-so/danh-sach/trang".into()),
            ("http.response.status_code", Value::Int(304)),
            ("http.response.body.bytes", Value::Int(51_234)),
            ("user_agent.original", "Mozilla/5.0 (Windows NT 10.0; Win64; x64) Gecko".into()),
            ("event.original", Value::from("GET /dich-vu-cong ".repeat(40))),
        ]),
        event(&[
            ("event.dataset", "system.auth".into()),
            ("process.name", "sshd".into()),
            ("process.pid", Value::Int(4_711)),
            ("message", "Connection closed by 203.0.113.7 port 50022".into()),
            ("event.original", "Nov 21 08:30:00 web01 sshd[4711]: Connection closed".into()),
            ("tags", list),
            ("user.name", Value::Null),
            ("load", Value::Float(0.25)),
        ]),
        event(&[
            ("event.dataset", "system.syslog".into()),
            ("process.name", "cron".into()),
            ("message", Value::from("Sao lưu dữ liệu đã hoàn tất lúc nửa đêm".to_owned())),
        ]),
    ]
}

#[test]
fn an_event_that_matches_nothing_does_not_allocate() {
    let loaded = rules_pack::load_texts(rules_pack::shipped().iter().copied());
    let (set, _) = RuleSet::compile(loaded.rules);
    let events = ordinary();
    let mut hits = Vec::new();
    // The first round fills memory that later ones reuse: scratch, regular expressions' caches.
    for event in events.iter().chain(&events) {
        set.hits(event, &mut hits);
        assert!(hits.is_empty(), "{event:?} hits {hits:?}");
    }
    let measured = allocation_counter::measure(|| {
        for _ in 0..100 {
            for event in &events {
                set.hits(event, &mut hits);
            }
        }
    });
    assert_eq!(measured.count_total, 0, "{measured:?}");
}
