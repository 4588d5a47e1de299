//! Work: legal moves, revisions, roles.

use collector_incident::{
    Amendment, CloseReason, Error, Incident, LinkKind, Role, Status, Transition, amend, assign,
    comment, get, link, transition,
};
use rules_event::Level;
use sqlx::SqlitePool;

use super::{actor, alert, at, base, record};

async fn go(db: &SqlitePool, it: &Incident, to: Status) -> Result<Incident, Error> {
    let change =
        Transition { to, reason: Some(CloseReason::TruePositive), note: "đã xử lý".into() };
    transition(db, &it.id, it.revision, &change, &actor("an", Role::Analyst), at(5)).await
}

#[tokio::test]
async fn every_pair_of_states_obeys_the_table() {
    let base = base().await;
    // A way to each status from new.
    let ways: [(&[Status], Status); 6] = [
        (&[], Status::New),
        (&[Status::Triage], Status::Triage),
        (&[Status::InProgress], Status::InProgress),
        (&[Status::InProgress, Status::Contained], Status::Contained),
        (&[Status::Closed], Status::Closed),
        (&[Status::Closed, Status::Reopened], Status::Reopened),
    ];
    let mut n = 0;
    for (way, from) in ways {
        for to in Status::ALL {
            n += 1;
            let id = format!("{n}");
            let made = record(&base.db, &alert(&id, &format!("host.name=h{n}")), at(0)).await;
            let mut it = get(&base.db, &made.incident).await.unwrap();
            for step in way {
                it = go(&base.db, &it, *step).await.unwrap();
            }
            assert_eq!(it.status, from);
            match go(&base.db, &it, to).await {
                Ok(moved) => {
                    assert!(from.next().contains(&to), "{from} → {to}");
                    assert_eq!((moved.status, moved.revision), (to, it.revision + 1));
                    assert_eq!(moved.closed_at.is_some(), to == Status::Closed);
                    assert_eq!(moved.close_reason.is_some(), to == Status::Closed);
                    assert_eq!(moved.detected_at, it.detected_at);
                }
                Err(error) => {
                    assert!(!from.next().contains(&to), "{from} → {to}: {error}");
                    assert!(matches!(error, Error::IllegalMove { .. }), "{error}");
                    assert_eq!(get(&base.db, &it.id).await.unwrap(), it);
                }
            }
        }
    }
}

#[tokio::test]
async fn closing_needs_a_reason_and_a_note() {
    let base = base().await;
    let made = record(&base.db, &alert("1", "host.name=a"), at(0)).await;
    let who = actor("an", Role::Analyst);
    let close = |reason, note: &str| Transition { to: Status::Closed, reason, note: note.into() };
    let id = made.incident.as_str();
    let try_ = async |change: Transition| transition(&base.db, id, 1, &change, &who, at(1)).await;
    assert!(matches!(try_(close(None, "x")).await, Err(Error::ReasonMissing)));
    let benign = Some(CloseReason::Benign);
    assert!(matches!(try_(close(benign, "  ")).await, Err(Error::NoteMissing)));
    assert!(try_(close(benign, &"x".repeat(20_000))).await.is_err());
    assert!(try_(close(benign, "quét định kỳ của đơn vị")).await.is_ok());
}

#[tokio::test]
async fn a_closed_incident_is_followed_and_never_joined_again() {
    let base = base().await;
    let made = record(&base.db, &alert("1", "host.name=a"), at(0)).await;
    let it = get(&base.db, &made.incident).await.unwrap();
    go(&base.db, &it, Status::Closed).await.unwrap();
    let next = record(&base.db, &alert("2", "host.name=a"), at(9)).await;
    assert!(next.created);
    let links = collector_incident::detail(&base.db, &next.incident).await.unwrap().links;
    assert_eq!(links[0].kind, LinkKind::Follows);
    // An alert that goes on stays where it was.
    let mut more = alert("1", "host.name=a");
    more.count = 99;
    assert_eq!(record(&base.db, &more, at(10)).await.incident, made.incident);
}

#[tokio::test]
async fn of_many_at_once_one_wins() {
    let base = base().await;
    let made = record(&base.db, &alert("1", "host.name=a"), at(0)).await;
    let tasks: Vec<_> = (0..8)
        .map(|n| {
            let (db, id) = (base.db.clone(), made.incident.clone());
            tokio::spawn(async move {
                let who = actor(&format!("person{n}"), Role::Analyst);
                assign(&db, &id, 1, Some(&who.name), &who, at(1)).await
            })
        })
        .collect();
    let mut won = 0;
    for task in tasks {
        match task.await.unwrap() {
            Ok(it) => {
                won += 1;
                assert_eq!(it.revision, 2);
            }
            Err(Error::Stale { expected: 1, actual: 2, .. }) => {}
            Err(other) => panic!("{other}"),
        }
    }
    assert_eq!(won, 1);
    let verified = collector_incident::verify_journal(&base.db).await.unwrap();
    assert_eq!((verified.entries, verified.broken), (2, None));
}

#[tokio::test]
async fn readers_change_nothing_and_amendments_are_checked() {
    let base = base().await;
    let made = record(&base.db, &alert("1", "host.name=a"), at(0)).await;
    let id = made.incident.as_str();
    for role in [Role::Viewer, Role::Auditor] {
        let who = actor("reader", role);
        assert!(matches!(
            assign(&base.db, id, 1, None, &who, at(1)).await,
            Err(Error::Forbidden { .. })
        ));
        assert!(comment(&base.db, id, "x", &who, at(1)).await.is_err());
    }
    let who = actor("an", Role::Analyst);
    let bad = [
        Amendment { severity: Some("worst".into()), ..Amendment::default() },
        Amendment { incident_type: Some("N10".into()), ..Amendment::default() },
        Amendment { title_vi: Some(" ".into()), ..Amendment::default() },
    ];
    for change in bad {
        assert!(amend(&base.db, id, 1, &change, &who, at(1)).await.is_err());
    }
    let change = Amendment {
        severity: Some("low".into()),
        title_vi: Some("Rà quét SSH".into()),
        personal_data: Some(true),
        ..Amendment::default()
    };
    let it = amend(&base.db, id, 1, &change, &who, at(7)).await.unwrap();
    assert_eq!((it.severity, it.personal_data_at), (Level::Low, Some(at(7))));
    // What a person has set, alerts do not change.
    let mut loud = alert("2", "host.name=a");
    loud.level = Level::Critical;
    record(&base.db, &loud, at(8)).await;
    let it = get(&base.db, id).await.unwrap();
    assert_eq!((it.severity, it.title_vi.as_str(), it.alert_count), (Level::Low, "Rà quét SSH", 2));
    assert!(link(&base.db, id, id, LinkKind::Related, &who, at(9)).await.is_err());
    assert!(matches!(get(&base.db, "INC-1").await, Err(Error::NotFound { .. })));
}
