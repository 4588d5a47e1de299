//! Journal: every change is there, and no edit goes unseen.

use collector_incident::journal::{Break, entries};
use collector_incident::{Role, assign, comment, verify_journal};

use super::{actor, alert, at, base, record};

#[tokio::test]
async fn every_kind_of_tampering_is_found_at_its_place() {
    let cases = [
        ("UPDATE journal SET detail = '{\"text\":\"khác\"}' WHERE seq = 4", 4),
        ("UPDATE journal SET who = 'mallory' WHERE seq = 2", 2),
        ("UPDATE journal SET at = at + 1 WHERE seq = 5", 5),
        ("UPDATE journal SET incident_id = NULL WHERE seq = 3", 3),
        ("UPDATE journal SET hash = '00' WHERE seq = 3", 3),
        ("DELETE FROM journal WHERE seq = 3", 3),
        ("DELETE FROM journal WHERE seq = 1", 1),
        ("DELETE FROM journal WHERE seq = 3; UPDATE journal SET seq = seq - 1 WHERE seq > 3", 3),
        (
            "UPDATE journal SET seq = 99 WHERE seq = 2; UPDATE journal SET seq = 2 WHERE seq = 3; \
          UPDATE journal SET seq = 3 WHERE seq = 99",
            2,
        ),
    ];
    for (sql, place) in cases {
        let base = base().await;
        let made = record(&base.db, &alert("1", "host.name=a"), at(0)).await;
        let who = actor("an", Role::Analyst);
        assign(&base.db, &made.incident, 1, Some("an"), &who, at(1)).await.unwrap();
        for n in 0..4 {
            comment(&base.db, &made.incident, &format!("ghi chú {n}"), &who, at(2)).await.unwrap();
        }
        let good = verify_journal(&base.db).await.unwrap();
        assert_eq!((good.entries, good.broken.as_ref()), (6, None));
        sqlx::raw_sql(sql).execute(&base.db).await.unwrap();
        let found = verify_journal(&base.db).await.unwrap().broken;
        assert!(matches!(&found, Some(Break { seq, .. }) if *seq == place), "{sql}: {found:?}");
    }
}

#[tokio::test]
async fn the_end_cut_off_shows_in_the_head() {
    let base = base().await;
    let made = record(&base.db, &alert("1", "host.name=a"), at(0)).await;
    comment(&base.db, &made.incident, "x", &actor("an", Role::Lead), at(1)).await.unwrap();
    let head = verify_journal(&base.db).await.unwrap().head;
    sqlx::query("DELETE FROM journal WHERE seq = 2").execute(&base.db).await.unwrap();
    let after = verify_journal(&base.db).await.unwrap();
    assert!(after.broken.is_none() && after.head != head);
}

#[tokio::test]
async fn entries_say_who_did_what_from_where() {
    let base = base().await;
    let made = record(&base.db, &alert("1", "host.name=a"), at(0)).await;
    record(&base.db, &alert("2", "host.name=b"), at(0)).await;
    let who = actor("bình", Role::Lead);
    comment(&base.db, &made.incident, "xem lại", &who, at(1)).await.unwrap();
    let all = entries(&base.db, None, 0, 100).await.unwrap();
    assert_eq!(all.len(), 3);
    let one = entries(&base.db, Some(&made.incident), 0, 100).await.unwrap();
    let last = one.last().unwrap();
    assert_eq!(one.len(), 2);
    assert_eq!(
        (last.who.as_str(), last.role.as_str(), last.address.as_str()),
        ("bình", "lead", "192.0.2.7")
    );
    assert_eq!(
        (last.action.as_str(), last.detail["text"].as_str()),
        ("commented", Some("xem lại"))
    );
    assert_eq!(entries(&base.db, None, 1, 1).await.unwrap()[0].seq, 2);
}
