//! Recording: exactly once, growing only, grouped by entity and window.

use collector_incident::{Alert, LinkKind, Query, Status, detail, get, kept_by, list};
use proptest::prelude::*;
use rules_event::Level;

use super::{alert, at, base, record};

#[tokio::test]
async fn the_same_alert_is_recorded_once_and_only_grows() {
    let base = base().await;
    let mut it = alert("a", "source.ip=203.0.113.9");
    let first = record(&base.db, &it, at(2)).await;
    assert!(first.created && first.new_alert);
    let again = record(&base.db, &it, at(3)).await;
    assert!(!again.created && !again.new_alert && again.incident == first.incident);

    it.count = 10;
    it.last = at(9);
    it.level = Level::High;
    it.event_ids.push("late".into());
    record(&base.db, &it, at(10)).await;
    let mut older = alert("a", "source.ip=203.0.113.9");
    older.count = 5;
    older.last = at(4);
    record(&base.db, &older, at(11)).await;

    let detail = detail(&base.db, &first.incident).await.unwrap();
    let (incident, stored) = (&detail.incident, &detail.alerts[0].alert);
    assert_eq!((stored.count, stored.last, stored.level), (10, at(9), Level::High));
    assert_eq!((incident.event_count, incident.alert_count), (10, 1));
    assert_eq!(detail.event_ids.len(), 4);
    assert_eq!((incident.detected_at, incident.severity), (at(2), Level::High));
    assert_eq!((incident.occurred_first, incident.occurred_last), (at(0), at(9)));
    assert_eq!(incident.number, "INC-2026-000001");
    assert_eq!(incident.revision, 1, "alerts do not lock people out");
    assert_eq!(get(&base.db, "INC-2026-000001").await.unwrap().id, first.incident);
}

#[tokio::test]
async fn entities_group_within_the_window() {
    let base = base().await;
    let one = record(&base.db, &alert("1", "source.ip=1.1.1.1 user.name=root"), at(0)).await;
    let sub = record(&base.db, &alert("2", "source.ip=1.1.1.1"), at(1)).await;
    assert_eq!(sub.incident, one.incident);
    let over = record(&base.db, &alert("3", "source.ip=1.1.1.1 user.name=bob"), at(2)).await;
    assert!(over.created);
    let links = detail(&base.db, &over.incident).await.unwrap().links;
    assert_eq!(links.len(), 1);
    assert_eq!(
        (links[0].other_id.as_str(), links[0].kind),
        (one.incident.as_str(), LinkKind::Overlaps)
    );
    let back = detail(&base.db, &one.incident).await.unwrap().links;
    assert!(!back[0].outgoing && back[0].other_id == over.incident);

    // 24 hours after the last event and a minute: too late
    let mut late = alert("4", "source.ip=1.1.1.1 user.name=root");
    (late.first, late.last) = (at(24 * 60 + 2), at(24 * 60 + 2));
    assert!(record(&base.db, &late, at(24 * 60 + 3)).await.created);
    let mut edge = alert("5", "source.ip=2.2.2.2");
    record(&base.db, &edge, at(0)).await;
    (edge.id, edge.first, edge.last) = ("6".into(), at(24 * 60 + 1), at(24 * 60 + 1));
    assert!(!record(&base.db, &edge, at(24 * 60 + 1)).await.created);
}

#[tokio::test]
async fn alerts_about_nobody_are_grouped_by_rule() {
    let base = base().await;
    let one = record(&base.db, &alert("1", ""), at(0)).await;
    assert_eq!(record(&base.db, &alert("2", ""), at(1)).await.incident, one.incident);
    let mut other = alert("3", "");
    other.rule_id = "rule-2".into();
    assert!(record(&base.db, &other, at(2)).await.created);
}

#[tokio::test]
async fn the_year_of_a_number_is_vietnams_and_numbers_have_no_gaps() {
    let base = base().await;
    let eve = "2026-12-31T17:30:00Z".parse().unwrap();
    record(&base.db, &alert("1", "host.name=a"), eve).await;
    record(&base.db, &alert("2", "host.name=b"), eve).await;
    record(&base.db, &alert("3", "host.name=c"), at(0)).await;
    let query = Query { limit: 10, ..Query::default() };
    let mut numbers: Vec<_> =
        list(&base.db, &query).await.unwrap().incidents.into_iter().map(|it| it.number).collect();
    numbers.sort();
    assert_eq!(numbers, ["INC-2026-000001", "INC-2027-000001", "INC-2027-000002"]);
}

#[tokio::test]
async fn a_rolled_back_alert_leaves_nothing() {
    let base = base().await;
    let mut tx = base.db.begin_with("BEGIN IMMEDIATE").await.unwrap();
    let it = alert("1", "host.name=a");
    collector_incident::record_alert(&mut tx, &it, at(0)).await.unwrap();
    tx.rollback().await.unwrap();
    assert!(list(&base.db, &Query::default()).await.unwrap().incidents.is_empty());
    assert!(record(&base.db, &it, at(1)).await.created);
    let verified = collector_incident::verify_journal(&base.db).await.unwrap();
    assert_eq!((verified.entries, verified.broken), (1, None));
}

#[tokio::test]
async fn lists_filter_search_without_marks_and_page() {
    let base = base().await;
    for n in 0..7 {
        let mut it = alert(&format!("{n}"), &format!("source.ip=198.51.100.{n}"));
        it.level = if n == 3 { Level::Critical } else { Level::Medium };
        record(&base.db, &it, at(n)).await;
    }
    let all = |query: Query| {
        let db = base.db.clone();
        async move { list(&db, &query).await.unwrap() }
    };
    let mut seen = Vec::new();
    let mut cursor = None;
    loop {
        let page = all(Query { limit: 3, cursor, ..Query::default() }).await;
        seen.extend(page.incidents.into_iter().map(|it| it.detected_at));
        cursor = page.next;
        if cursor.is_none() {
            break;
        }
    }
    assert_eq!(seen, (0..7).rev().map(at).collect::<Vec<_>>());
    let count = async |query: Query| all(query).await.incidents.len();
    assert_eq!(count(Query { text: "dang nhap 100.3".into(), ..Query::default() }).await, 1);
    assert_eq!(count(Query { text: "T1110 ĐĂNG".into(), ..Query::default() }).await, 7);
    assert_eq!(count(Query { text: "mot-cua 100.3".into(), ..Query::default() }).await, 1);
    assert_eq!(count(Query { text: "100%".into(), ..Query::default() }).await, 0);
    assert_eq!(count(Query { severity_min: Some(Level::High), ..Query::default() }).await, 1);
    let entity = Some(("source.ip".to_owned(), "198.51.100.5".to_owned()));
    assert_eq!(count(Query { entity, ..Query::default() }).await, 1);
    assert_eq!(count(Query { organizations: Some(vec![]), ..Query::default() }).await, 0);
    let mine = Some(vec!["H49.01".to_owned(), "x".to_owned()]);
    assert_eq!(count(Query { organizations: mine, ..Query::default() }).await, 7);
    assert_eq!(count(Query { status: vec![Status::Closed], ..Query::default() }).await, 0);
    assert_eq!(count(Query { assignee: Some(String::new()), ..Query::default() }).await, 7);
    assert_eq!(
        count(Query { rule_id: Some("rule-1".into()), until: Some(at(3)), ..Query::default() })
            .await,
        3
    );
    let bad = Query { cursor: Some("x".into()), ..Query::default() };
    assert!(list(&base.db, &bad).await.is_err());
    let counts = collector_incident::counts(&base.db).await.unwrap();
    assert_eq!((counts.by_status["new"], counts.open_by_severity["critical"]), (7, 1));
    assert_eq!((counts.open_unassigned, counts.alerts), (7, 7));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    /// Whatever comes in whatever order and however often: every alert belongs to one incident, and
    /// the sums close.
    #[test]
    fn sums_close(steps in proptest::collection::vec((0u8..6, 0u8..4, 1u64..50, 0i64..3000), 1..40)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let base = base().await;
            let mut highest = std::collections::BTreeMap::<u8, u64>::new();
            for (id, host, count, minute) in steps {
                let entity = format!("source.ip=10.0.0.{} host.name=h{}", id % 3, (id + host) % 2);
                let mut it = alert(&id.to_string(), &entity);
                (it.count, it.first, it.last) = (count, at(minute), at(minute + 1));
                record(&base.db, &it, at(minute)).await;
                let entry = highest.entry(id).or_default();
                *entry = (*entry).max(count);
            }
            let all = list(&base.db, &Query { limit: 200, ..Query::default() }).await.unwrap().incidents;
            assert_eq!(all.iter().map(|it| it.alert_count).sum::<u64>(), highest.len() as u64);
            assert_eq!(all.iter().map(|it| it.event_count).sum::<u64>(), highest.values().sum::<u64>());
        });
    }
}

#[tokio::test]
async fn what_must_not_be_forwarded_has_incidents_of_its_own() {
    let base = base().await;
    let entity = "host.name=web01";
    let kept = |id: &str| Alert { never_forward: true, ..alert(id, entity) };
    let open = record(&base.db, &alert("1", entity), at(0)).await;
    let home = record(&base.db, &kept("2"), at(1)).await;
    assert!(home.created, "nobody can hold back a report by writing a mark into a log");
    let more = record(&base.db, &alert("3", "host.name=web01 user.name=x"), at(2)).await;
    assert_eq!(more.incident, open.incident);
    assert_eq!(record(&base.db, &kept("4"), at(3)).await.incident, home.incident);
    let by = |incident: String| {
        let db = base.db.clone();
        async move { kept_by(&mut db.acquire().await.unwrap(), &incident).await.unwrap() }
    };
    assert_eq!(by(open.incident.clone()).await, None);
    assert_eq!(by(home.incident.clone()).await.unwrap().rule_id, "rule-1");
    for (incident, is_kept) in [(&open.incident, false), (&home.incident, true)] {
        let one = get(&base.db, incident).await.unwrap();
        assert_eq!(one.kept_by.is_some(), is_kept);
        let all = list(&base.db, &Query { limit: 9, ..Query::default() }).await.unwrap().incidents;
        assert!(all.contains(&one), "a list says the same");
    }
    let stored = detail(&base.db, &home.incident).await.unwrap().alerts;
    assert!(stored.iter().all(|it| it.alert.never_forward));
    // A rule that says so later keeps the whole incident back, and what is kept back stays.
    record(&base.db, &kept("1"), at(4)).await;
    assert!(by(open.incident.clone()).await.is_some());
    record(&base.db, &alert("1", entity), at(5)).await;
    assert!(by(open.incident).await.is_some());
}

#[tokio::test]
async fn an_incident_is_of_the_system_of_its_first_alert_that_has_one() {
    let base = base().await;
    let of = |id: &str, system: Option<&str>| Alert {
        system: system.map(str::to_owned),
        ..alert(id, "source.ip=203.0.113.9")
    };
    let first = record(&base.db, &of("a", None), at(0)).await;
    let look = async || get(&base.db, &first.incident).await.unwrap().system;
    assert_eq!(look().await, None);
    record(&base.db, &of("b", Some("mot-cua")), at(1)).await;
    assert_eq!(look().await.as_deref(), Some("mot-cua"));
    record(&base.db, &of("c", Some("lgsp")), at(2)).await;
    assert_eq!(look().await.as_deref(), Some("mot-cua"), "it does not change under the reader");
}
