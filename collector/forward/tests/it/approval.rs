//! Approval: two people, no drills, no state secrets, no stale eyes.

use collector_forward::{
    Draft, Error, Report, ReportKind, ReportState, approve, edit, preview, refuse, request, submit,
};
use collector_incident::{Actor, Alert, Amendment, Role, amend, journal::entries, record_alert};

use super::{actor, alert, at, base, draft, incident, profile};

#[tokio::test]
async fn whoever_wrote_it_cannot_approve_it() {
    let base = base().await;
    let id = incident(&base.db, "web01").await;
    let (lead, other) = (actor("lan", Role::Lead), actor("minh", Role::Lead));
    let it =
        request(&base.db, &profile(), &id, &draft(ReportKind::Initial), &Actor::system(), at(1))
            .await
            .unwrap();
    assert_eq!((it.author.as_str(), it.state), ("system", ReportState::Draft));
    assert!(matches!(
        approve(&base.db, &it.id, it.revision, &lead, at(1)).await,
        Err(Error::WrongState { .. })
    ));
    let it =
        edit(&base.db, &profile(), &it.id, it.revision, &draft(ReportKind::Initial), &lead, at(1))
            .await
            .unwrap();
    assert_eq!(it.author, "lan");
    let it = submit(&base.db, &it.id, it.revision, &lead, at(1)).await.unwrap();
    let own = approve(&base.db, &it.id, it.revision, &lead, at(1)).await;
    assert!(matches!(own, Err(Error::OwnReport { .. })));
    let analyst = actor("an", Role::Analyst);
    let low = approve(&base.db, &it.id, it.revision, &analyst, at(1)).await;
    assert!(matches!(low, Err(Error::Forbidden { .. })));
    let stale = approve(&base.db, &it.id, it.revision - 1, &other, at(1)).await;
    assert!(matches!(stale, Err(Error::Stale { .. })));
    let it = approve(&base.db, &it.id, it.revision, &other, at(2)).await.unwrap();
    assert_eq!((it.state, it.approver.as_deref()), (ReportState::Approved, Some("minh")));
    let late = edit(&base.db, &profile(), &it.id, it.revision, &it.draft, &other, at(3)).await;
    assert!(matches!(late, Err(Error::WrongState { .. })));
    let words: Vec<_> = entries(&base.db, Some(&id), 0, 100)
        .await
        .unwrap()
        .into_iter()
        .map(|it| it.action)
        .collect();
    assert_eq!(
        words,
        ["created", "report_drafted", "report_edited", "report_submitted", "report_approved"]
    );
}

#[tokio::test]
async fn an_edit_after_submission_needs_a_new_submission() {
    let base = base().await;
    let id = incident(&base.db, "web01").await;
    let (an, lead) = (actor("an", Role::Analyst), actor("lan", Role::Lead));
    let it =
        request(&base.db, &profile(), &id, &draft(ReportKind::Full), &an, at(1)).await.unwrap();
    let it = submit(&base.db, &it.id, it.revision, &an, at(1)).await.unwrap();
    let it =
        refuse(&base.db, &it.id, it.revision, "thiếu nguyên nhân", &lead, at(1)).await.unwrap();
    assert_eq!((it.state, it.problem.as_deref()), (ReportState::Draft, Some("thiếu nguyên nhân")));
    let it = submit(&base.db, &it.id, it.revision, &an, at(2)).await.unwrap();
    let more = Draft { cause: "Mật khẩu yếu".into(), ..draft(ReportKind::Full) };
    let edited = edit(&base.db, &profile(), &it.id, it.revision, &more, &an, at(3)).await.unwrap();
    assert_eq!(edited.state, ReportState::Draft);
    assert_ne!(edited.digest, it.digest);
    let text = String::from_utf8(preview(&base.db, &it.id).await.unwrap()).unwrap();
    assert!(text.contains("Mật khẩu yếu"));
}

#[tokio::test]
async fn drills_and_state_secrets_are_blocked() {
    let base = base().await;
    let id = incident(&base.db, "web01").await;
    let an = actor("an", Role::Analyst);
    let secret =
        Draft { scope: "Lộ công văn TỐI MẬT số 5".into(), ..draft(ReportKind::Initial) };
    let blocked = request(&base.db, &profile(), &id, &secret, &an, at(1)).await;
    let Err(error @ Error::StateSecret { .. }) = blocked else { panic!("{blocked:?}") };
    assert!(error.to_string().contains("Phạm vi ảnh hưởng"), "{error}");
    let last = entries(&base.db, Some(&id), 0, 100).await.unwrap().pop().unwrap();
    assert_eq!((last.action.as_str(), last.who.as_str()), ("forward_blocked", "an"));

    let it =
        request(&base.db, &profile(), &id, &draft(ReportKind::Initial), &an, at(1)).await.unwrap();
    let it = submit(&base.db, &it.id, it.revision, &an, at(1)).await.unwrap();
    let change = Amendment { exercise: Some(true), ..Amendment::default() };
    amend(&base.db, &id, 1, &change, &an, at(1)).await.unwrap();
    let lead = actor("lan", Role::Lead);
    assert!(matches!(
        approve(&base.db, &it.id, it.revision, &lead, at(2)).await,
        Err(Error::Drill { .. })
    ));
    let drill = request(&base.db, &profile(), &id, &draft(ReportKind::Initial), &an, at(2)).await;
    assert!(matches!(drill, Err(Error::Drill { .. })));
    let viewer = actor("xem", Role::Viewer);
    let denied =
        request(&base.db, &profile(), &id, &draft(ReportKind::Initial), &viewer, at(2)).await;
    assert!(matches!(denied, Err(Error::Forbidden { .. })));
}

/// Records the alert of an incident again, now by a rule that says `forward: never`.
pub(crate) async fn keep(db: &sqlx::SqlitePool, host: &str) {
    let mut tx = db.begin_with("BEGIN IMMEDIATE").await.unwrap();
    let alert = Alert { never_forward: true, ..alert(&format!("alert-{host}"), host) };
    record_alert(&mut tx, &alert, at(1)).await.unwrap();
    tx.commit().await.unwrap();
}

#[tokio::test]
async fn what_a_rule_keeps_at_home_is_refused_at_every_step() {
    let base = base().await;
    let (an, lead) = (actor("an", Role::Analyst), actor("lan", Role::Lead));
    let refused = |result: Result<Report, Error>| {
        let Err(error @ Error::Kept { .. }) = result else { panic!("{result:?}") };
        let text = error.to_string();
        assert!(text.contains("nothing of") && text.contains("không nội dung nào"), "{text}");
        assert!(text.contains("Dò mật khẩu SSH") && text.contains("INC-2026-"), "{text}");
    };
    let id = incident(&base.db, "web01").await;
    let write = draft(ReportKind::Initial);
    let it = request(&base.db, &profile(), &id, &write, &an, at(1)).await.unwrap();
    let other = request(&base.db, &profile(), &id, &write, &an, at(1)).await.unwrap();
    let it = submit(&base.db, &it.id, it.revision, &an, at(1)).await.unwrap();
    keep(&base.db, "web01").await;
    refused(approve(&base.db, &it.id, it.revision, &lead, at(2)).await);
    refused(submit(&base.db, &other.id, other.revision, &an, at(2)).await);
    refused(edit(&base.db, &profile(), &it.id, it.revision, &write, &an, at(2)).await);
    refused(request(&base.db, &profile(), &id, &write, &an, at(2)).await);
    let last = entries(&base.db, Some(&id), 0, 100).await.unwrap().pop().unwrap();
    assert_eq!((last.action.as_str(), last.who.as_str()), ("forward_blocked", "an"));
    let free = incident(&base.db, "web02").await;
    assert!(request(&base.db, &profile(), &free, &write, &an, at(2)).await.is_ok());
}
