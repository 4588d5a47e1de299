//! Faults: whatever the centre answers, nothing is lost, nothing is doubled, and nothing is called
//! delivered without a receipt.

use std::time::Duration;

use collector_forward::{ReportKind, ReportState, discard, get, list, preview, retry, status};
use collector_incident::{Amendment, DeadlineState, Policy, Role, amend};
use proptest::prelude::*;
use rules_event::Timestamp;
use rules_service::meter;

use super::centre::{Centre, Fault};
use super::{actor, approved, approved_at, at, base, drive, incident, incident_at, sender, taxii};

/// The ids with versions of a report.
async fn sent(db: &sqlx::SqlitePool, report: &str) -> Vec<(String, String)> {
    let mut sent: Vec<_> = status(db, report)
        .await
        .unwrap()
        .objects
        .into_iter()
        .map(|it| (it.id, it.version))
        .collect();
    sent.sort();
    sent
}

/// Drives one report through faults and checks that the centre ends up with all of it, once.
#[track_caller]
fn check(faults: &[Fault], bytes_max: Option<usize>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let base = base().await;
        let centre = Centre::start(faults).await;
        centre.inner.lock().unwrap().bytes_max = bytes_max;
        let it = approved(&base.db, &incident(&base.db, "web01").await, ReportKind::Initial).await;
        let state = drive(&base.db, &taxii(&centre.url, None), &it.id).await;
        assert_eq!(state, ReportState::Delivered, "{faults:?}");
        assert_eq!(centre.held(), sent(&base.db, &it.id).await, "{faults:?}");
        let status = status(&base.db, &it.id).await.unwrap();
        assert!(!status.receipts.is_empty() && status.report.delivered_at.is_some());
        assert!(
            status.objects.iter().all(|it| matches!(it.outcome.as_str(), "delivered" | "already"))
        );
        assert_eq!(status.report.problem, None);
    });
}

#[test]
fn every_fault_alone() {
    for fault in [
        Fault::Status(401),
        Fault::Status(403),
        Fault::Status(404),
        Fault::Status(406),
        Fault::Status(413),
        Fault::Status(500),
        Fault::Later(429, "7200"),
        Fault::Later(503, "Sun, 21 Oct 2255 07:28:00 GMT"),
        Fault::Broken,
        Fault::Pending(3),
        Fault::Forgotten,
        Fault::Lost,
        Fault::CountsOnly,
    ] {
        check(&[fault], None);
    }
}

#[test]
fn a_bad_day() {
    use Fault::{Broken, Forgotten, Later, Lost, Pending, Status};
    let day = [
        Status(401),
        Status(403),
        Later(503, "60"),
        Broken,
        Status(413),
        Status(502),
        Lost,
        Broken,
        Status(413),
        Pending(2),
        Forgotten,
        Later(429, "1"),
        Broken,
    ];
    check(&day, None);
}

#[test]
fn a_small_server_gets_small_requests() {
    check(&[], Some(3500));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]
    #[test]
    fn any_order_of_faults(order in proptest::collection::vec(0usize..9, 0..12)) {
        use Fault::{Broken, CountsOnly, Forgotten, Later, Lost, Pending, Status};
        let kinds = [
            Status(401), Status(413), Status(503), Later(503, "5"), Broken, Pending(1), Forgotten,
            Lost, CountsOnly,
        ];
        // "Too large" five times halves the envelope down to one object, which is then refused for good:
        // that is no fault that passes.
        let mut too_large = 0;
        let passes = |it: &&usize| {
            too_large += usize::from(**it == 1);
            **it != 1 || too_large < 5
        };
        let faults: Vec<_> = order.iter().filter(passes).map(|it| kinds[*it].clone()).collect();
        check(&faults, None);
    }
}

#[tokio::test]
async fn every_try_has_the_same_bytes() {
    let base = base().await;
    let faults = [Fault::Status(500), Fault::Broken, Fault::Later(503, "1"), Fault::Broken];
    let centre = Centre::start(&faults).await;
    let it = approved(&base.db, &incident(&base.db, "web01").await, ReportKind::Initial).await;
    drive(&base.db, &taxii(&centre.url, None), &it.id).await;
    let bodies = centre.inner.lock().unwrap().bodies.clone();
    assert_eq!(bodies.len(), 5);
    assert!(bodies.iter().all(|it| *it == bodies[0]));
    assert_eq!(bodies[0], preview(&base.db, &it.id).await.unwrap());
}

#[tokio::test]
async fn refused_content_waits_for_a_person_and_holds_only_its_incident() {
    let base = base().await;
    let centre = Centre::start(&[Fault::Status(422)]).await;
    let config = taxii(&centre.url, None);
    let (one, two) = (incident(&base.db, "web01").await, incident(&base.db, "web02").await);
    let first = approved(&base.db, &one, ReportKind::Initial).await;
    assert_eq!(drive(&base.db, &config, &first.id).await, ReportState::Rejected);
    let second = approved(&base.db, &one, ReportKind::Full).await;
    let other = approved(&base.db, &two, ReportKind::Initial).await;
    assert_eq!(drive(&base.db, &config, &other.id).await, ReportState::Delivered);
    assert_eq!(get(&base.db, &second.id).await.unwrap().state, ReportState::Approved);
    assert_eq!(sender(&base.db, &config).forwarder.step_all(at(300)).await.unwrap(), 0);

    let dead = get(&base.db, &first.id).await.unwrap();
    assert!(dead.problem.as_deref().unwrap().contains("no: because"), "{:?}", dead.problem);
    let analyst = actor("an", Role::Analyst);
    assert!(retry(&base.db, &dead.id, dead.revision, &analyst, at(301)).await.is_err());
    let lead = actor("bình", Role::Lead);
    retry(&base.db, &dead.id, dead.revision, &lead, at(1)).await.unwrap();
    assert_eq!(drive(&base.db, &config, &first.id).await, ReportState::Delivered);
    assert_eq!(drive(&base.db, &config, &second.id).await, ReportState::Delivered);
}

#[tokio::test]
async fn a_report_given_up_lets_the_next_one_go() {
    let base = base().await;
    let centre = Centre::start(&[Fault::Status(400)]).await;
    let config = taxii(&centre.url, None);
    let one = incident(&base.db, "web01").await;
    let first = approved(&base.db, &one, ReportKind::Initial).await;
    drive(&base.db, &config, &first.id).await;
    let second = approved(&base.db, &one, ReportKind::Update).await;
    let (dead, lead) = (get(&base.db, &first.id).await.unwrap(), actor("bình", Role::Lead));
    assert!(discard(&base.db, &dead.id, dead.revision, " ", &lead, at(2)).await.is_err());
    let why = "gửi bằng văn bản số 12/BC-SOC";
    discard(&base.db, &dead.id, dead.revision, why, &lead, at(2)).await.unwrap();
    assert_eq!(drive(&base.db, &config, &second.id).await, ReportState::Delivered);
}

#[tokio::test]
async fn objects_refused_for_good_make_a_partial_report() {
    let base = base().await;
    let centre = Centre::start(&[Fault::Refuse("note")]).await;
    let config = taxii(&centre.url, None);
    let it = approved(&base.db, &incident(&base.db, "web01").await, ReportKind::Initial).await;
    assert_eq!(drive(&base.db, &config, &it.id).await, ReportState::Partial);
    let found = status(&base.db, &it.id).await.unwrap();
    let refused: Vec<_> = found.objects.iter().filter(|it| it.outcome == "rejected").collect();
    assert_eq!(refused.len(), 1);
    assert!(
        refused[0].id.starts_with("note--") && refused[0].message == "Unable to process object"
    );
    assert!(found.report.delivered_at.is_none());
    retry(&base.db, &it.id, found.report.revision, &actor("bình", Role::Admin), at(1))
        .await
        .unwrap();
    assert_eq!(drive(&base.db, &config, &it.id).await, ReportState::Delivered);
    assert_eq!(centre.held(), sent(&base.db, &it.id).await);
}

#[tokio::test]
async fn a_server_without_version_lists_is_asked_for_the_object() {
    let base = base().await;
    let centre = Centre::start(&[Fault::Broken]).await;
    centre.inner.lock().unwrap().has_versions = false;
    let it = approved(&base.db, &incident(&base.db, "web01").await, ReportKind::Initial).await;
    let config = taxii(&centre.url, None);
    assert_eq!(drive(&base.db, &config, &it.id).await, ReportState::Delivered);
    assert_eq!(centre.held(), sent(&base.db, &it.id).await);
}

#[tokio::test]
async fn a_collection_that_cannot_be_read_leaves_no_doubt_unsaid() {
    let base = base().await;
    let centre = Centre::start(&[Fault::Broken]).await;
    centre.inner.lock().unwrap().can_read = false;
    let config = taxii(&centre.url, None);
    let it = approved(&base.db, &incident(&base.db, "web01").await, ReportKind::Initial).await;
    for hour in 2..8 {
        sender(&base.db, &config).forwarder.step_all(at(hour)).await.unwrap();
    }
    let waiting = get(&base.db, &it.id).await.unwrap();
    assert_eq!(waiting.state, ReportState::Sending);
    assert!(waiting.problem.unwrap().contains("read access"));
    centre.inner.lock().unwrap().can_read = true;
    assert_eq!(drive(&base.db, &config, &it.id).await, ReportState::Delivered);
}

#[tokio::test]
async fn an_incident_made_a_drill_never_leaves() {
    let base = base().await;
    let centre = Centre::start(&[]).await;
    let id = incident(&base.db, "web01").await;
    let it = approved(&base.db, &id, ReportKind::Initial).await;
    let change = Amendment { exercise: Some(true), ..Amendment::default() };
    amend(&base.db, &id, 1, &change, &actor("an", Role::Analyst), at(1)).await.unwrap();
    assert_eq!(drive(&base.db, &taxii(&centre.url, None), &it.id).await, ReportState::Rejected);
    assert!(centre.inner.lock().unwrap().bodies.is_empty());
}

#[tokio::test]
async fn an_alert_that_must_stay_stops_what_was_approved_before_it() {
    let base = base().await;
    let centre = Centre::start(&[]).await;
    let id = incident(&base.db, "web01").await;
    let it = approved(&base.db, &id, ReportKind::Initial).await;
    super::approval::keep(&base.db, "web01").await;
    assert_eq!(drive(&base.db, &taxii(&centre.url, None), &it.id).await, ReportState::Rejected);
    assert!(centre.inner.lock().unwrap().bodies.is_empty());
    let problem = get(&base.db, &it.id).await.unwrap().problem.unwrap();
    assert!(problem.contains("forward: never"), "{problem}");
}

#[tokio::test]
async fn a_delivered_report_meets_its_deadline() {
    let base = base().await;
    let centre = Centre::start(&[]).await;
    let id = incident(&base.db, "web01").await;
    let it = approved(&base.db, &id, ReportKind::Initial).await;
    assert_eq!(drive(&base.db, &taxii(&centre.url, None), &it.id).await, ReportState::Delivered);
    let incident = collector_incident::get(&base.db, &id).await.unwrap();
    let deadlines = Policy::shipped().unwrap().deadlines(&incident, at(5));
    assert_eq!(deadlines[0].state, DeadlineState::Met);
    assert!(matches!(deadlines[1].state, DeadlineState::Running));
    let verified = collector_incident::verify_journal(&base.db).await.unwrap();
    assert!(verified.broken.is_none() && verified.entries >= 6);
}

#[tokio::test]
async fn the_worker_sends_side_by_side_says_what_is_wrong_and_stops() {
    let base = base().await;
    let centre = Centre::start(&[Fault::Status(401)]).await;
    let config = taxii(&centre.url, None);
    // The worker goes by the clock of the wall: what it must not find overdue has happened just now.
    let now = std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap();
    let now = Timestamp::from_seconds(i64::try_from(now.as_secs()).unwrap());
    for n in 0..6 {
        let id = incident_at(&base.db, &format!("web{n}"), now).await;
        approved_at(&base.db, &id, ReportKind::Initial, now).await;
    }
    let sender = sender(&base.db, &config);
    let stop = tokio_util::sync::CancellationToken::new();
    let worker = tokio::spawn(sender.forwarder.run(stop.clone()));
    let delivered = async {
        loop {
            let all = list(&base.db, &Default::default()).await.unwrap();
            // The trouble of the first attempt is over a moment after its report is delivered.
            if all.iter().all(|it| it.state == ReportState::Delivered)
                && sender.health.problems().is_empty()
            {
                return;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), delivered).await.expect("delivered in time");
    stop.cancel();
    worker.await.unwrap();
    let text = meter::render(&sender.registry);
    assert!(text.contains("vonglau_forward_delivered_total 6"), "{text}");
    assert!(text.contains("vonglau_forward_attempts_total{code=\"401\"} 1"), "{text}");
    assert!(sender.health.problems().is_empty());
    centre.held();
}

#[tokio::test]
async fn a_refused_account_is_a_health_problem_with_a_remedy() {
    let base = base().await;
    let centre = Centre::start(&[Fault::Status(401)]).await;
    approved(&base.db, &incident(&base.db, "web01").await, ReportKind::Initial).await;
    let sender = sender(&base.db, &taxii(&centre.url, None));
    sender.forwarder.step_all(at(2)).await.unwrap();
    let problems = sender.health.problems();
    assert!(problems[0].contains("correct user or password file"), "{problems:?}");
    sender.forwarder.step_all(at(3)).await.unwrap();
    assert!(sender.health.problems().is_empty());
}

#[tokio::test]
async fn a_centre_that_is_down_is_tried_for_ever_with_bounded_delays() {
    let base = base().await;
    // A port that was free a moment ago.
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/taxii2/", listener.local_addr().unwrap());
    drop(listener);
    let it = approved(&base.db, &incident(&base.db, "web01").await, ReportKind::Initial).await;
    let config = taxii(&url, None);
    for hour in 2..40 {
        assert_eq!(sender(&base.db, &config).forwarder.step_all(at(hour)).await.unwrap(), 1);
        let now = get(&base.db, &it.id).await.unwrap();
        assert!(now.next_at.since(at(hour)) <= Duration::from_millis(100));
        assert!(now.problem.unwrap().contains("cannot reach the centre"));
    }
    assert_eq!(get(&base.db, &it.id).await.unwrap().attempts, 38);
}
