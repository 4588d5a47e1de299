//! Policy: the shipped regime holds, clocks run, and mistakes are named.

use collector_incident::{
    Amendment, CloseReason, DeadlineState, Policy, Role, Status, Transition, amend, get,
    meet_deadline, overdue, transition,
};
use rules_event::Level;

use super::{actor, alert, at, base, record};

#[test]
fn the_shipped_regime_says_24_and_72_hours() {
    let policy = Policy::shipped().unwrap();
    let hours: Vec<_> = policy.deadlines.iter().map(|it| (it.id.as_str(), it.after_h)).collect();
    assert_eq!(
        hours,
        [("at-once", 0), ("initial-24h", 24), ("report-72h", 72), ("personal-data-72h", 72)]
    );
    assert_eq!(policy.log_retention_months["3"], 3);
    assert_eq!(policy.met_by("initial").collect::<Vec<_>>(), ["at-once", "initial-24h"]);
    let back = toml::to_string(&policy).unwrap();
    assert_eq!(Policy::parse("again", &back).unwrap(), policy);
}

#[test]
fn every_regime_in_the_repository_reads() {
    let dir = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../deploy/policy");
    let files = std::fs::read_dir(dir).unwrap().map(|it| it.unwrap().path());
    let regimes: Vec<_> =
        files.filter(|it| it.extension().is_some_and(|it| it == "toml")).collect();
    assert!(regimes.len() >= 2);
    for file in regimes {
        let policy = Policy::load(&file).unwrap();
        assert_eq!(Some(policy.name.as_str()), file.file_stem().and_then(|it| it.to_str()));
    }
}

#[test]
fn mistakes_are_named_with_a_remedy() {
    let shipped = include_str!("../../../../deploy/policy/vn-2026.toml");
    #[track_caller]
    fn check(text: &str, expect: &str) {
        let error = Policy::parse("site.toml", text).unwrap_err();
        let all = format!(
            "{error}: {}",
            std::error::Error::source(&error).map(ToString::to_string).unwrap_or_default()
        );
        assert!(all.contains("site.toml") && all.contains(expect), "{all}");
    }
    check(&shipped.replace("after_h = 24", "after_hours = 24"), "after_hours");
    check(&shipped.replace("after_h = 24", "after_h = 999999"), "hours");
    check(&shipped.replace("initial-24h", "at-once"), "occurs twice");
    check(&shipped.replace("2026-08-19", "19/08/2026"), "YYYY-MM-DD");
    check(&shipped.replace("12-14", "13-14"), "MM-DD");
    check(&shipped.replace("\"high\"", "\"severe\""), "not a level");
}

#[tokio::test]
async fn clocks_run_from_detection_until_met() {
    let base = base().await;
    let policy = Policy::shipped().unwrap();
    let mut it = alert("1", "host.name=a");
    it.level = Level::High;
    let made = record(&base.db, &it, at(0)).await;
    let id = made.incident.as_str();
    let states = async |hours: i64| -> Vec<(String, DeadlineState)> {
        let incident = get(&base.db, id).await.unwrap();
        policy
            .deadlines(&incident, at(hours * 60))
            .into_iter()
            .map(|it| (it.id, it.state))
            .collect()
    };
    let s = |id: &str, state| (id.to_owned(), state);
    use DeadlineState::{MetLate, Overdue, Running, Soon};
    assert_eq!(states(1).await, [s("initial-24h", Running), s("report-72h", Running)]);
    assert_eq!(states(19).await, [s("initial-24h", Soon), s("report-72h", Running)]);
    assert_eq!(states(25).await, [s("initial-24h", Overdue), s("report-72h", Running)]);
    let count = async |hours: i64| overdue(&base.db, &policy, at(hours * 60)).await.unwrap();
    let late = |n| {
        [
            ("at-once".into(), 0),
            ("initial-24h".into(), n),
            ("report-72h".into(), 0),
            ("personal-data-72h".into(), 0),
        ]
    };
    assert_eq!(count(25).await, late(1));

    let system = collector_incident::Actor::system();
    for fresh in [true, false] {
        let mut tx = base.db.begin_with("BEGIN IMMEDIATE").await.unwrap();
        let done =
            meet_deadline(&mut tx, id, "initial-24h", "report r", &system, at(26 * 60)).await;
        assert_eq!(done.unwrap(), fresh);
        tx.commit().await.unwrap();
    }
    assert_eq!(states(27).await[0], s("initial-24h", MetLate));
    assert_eq!(count(27).await, late(0));

    // Another clock starts when personal data turns out to be affected.
    let who = actor("an", Role::Analyst);
    let change = Amendment { personal_data: Some(true), ..Amendment::default() };
    amend(&base.db, id, 1, &change, &who, at(50 * 60)).await.unwrap();
    assert_eq!(states(100).await[2], s("personal-data-72h", Running));
    // A drill and a false alarm owe nothing.
    let close = Transition {
        to: Status::Closed,
        reason: Some(CloseReason::FalsePositive),
        note: "x".into(),
    };
    transition(&base.db, id, 2, &close, &who, at(60 * 60)).await.unwrap();
    assert!(states(999).await.is_empty());
    assert!(count(999).await.iter().all(|(_, n)| *n == 0));
}
