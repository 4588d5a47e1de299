//! Tests of what is kept: rates, determinism, limits by the clock of the log.

use agent_inputs::InputsConfig;
use proptest::prelude::*;
use sha2::Digest;

use super::*;

const START: i64 = 1_795_600_000;

fn event(number: u64, time: Timestamp) -> Event {
    Event::new(time, hex::encode(&sha2::Sha256::digest(number.to_be_bytes())[..16]))
}

fn at(seconds: f64) -> Timestamp {
    Timestamp::from_nanos(START * 1_000_000_000 + (seconds * 1e9) as i64)
}

fn flow(change: impl FnOnce(&mut PolicyConfig)) -> Flow {
    let mut config = InputsConfig::default();
    change(&mut config.journal.policy);
    Flow::new(config.policies())
}

fn course(flow: &Flow, key: &str) -> Course {
    let number = flow.names().iter().position(|name| name == "journal").unwrap();
    flow.course(u16::try_from(number).unwrap(), key, key)
}

/// Judges an event of 100 bytes that was read as it was written.
fn fate(course: &Course, is_alert: bool, is_hit: bool, event: &mut Event) -> Fate {
    let arrival = Arrival { read_at: event.time, bytes: 100 };
    course.decide(is_alert, is_hit, arrival, event)
}

fn rate(event: &Event) -> u64 {
    event.get(SAMPLE_RATE).and_then(rules_event::ValueRef::as_int).unwrap_or(1).unsigned_abs()
}

#[test]
fn each_policy_keeps_what_it_says() {
    for (ship, hit, other) in [
        (Ship::All, Fate::Events, Fate::Events),
        (Ship::Matched, Fate::Events, Fate::Left(Reason::Policy)),
        (Ship::Alerts, Fate::Left(Reason::Policy), Fate::Left(Reason::Policy)),
    ] {
        let flow = flow(|policy| (policy.ship, policy.sample) = (ship, 0));
        let course = course(&flow, "k");
        assert_eq!(course.is_plain(), ship == Ship::All);
        let mut event = event(1, at(0.0));
        assert_eq!(fate(&course, true, true, &mut event), Fate::Alerts, "{ship:?}");
        assert_eq!(fate(&course, false, true, &mut event), hit, "{ship:?}");
        assert_eq!(fate(&course, false, false, &mut event), other, "{ship:?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]
    /// The same events are drawn whenever and in whatever order they are judged, each with the same
    /// chance: within five standard deviations of the binomial distribution.
    #[test]
    fn a_sample_is_of_its_size_and_always_the_same(sample in 1_u32..200, from in any::<u32>()) {
        const COUNT: u64 = 8_000;
        let flow = flow(|policy| (policy.ship, policy.sample) = (Ship::Matched, sample));
        let course = course(&flow, "k");
        let numbers = u64::from(from)..u64::from(from) + COUNT;
        let mut judge = |number: u64| {
            let mut event = event(number, at(0.0));
            let kept = fate(&course, false, false, &mut event) == Fate::Events;
            prop_assert_eq!(rate(&event), if kept { u64::from(sample) } else { 1 });
            Ok(kept)
        };
        let kept = numbers.clone().map(&mut judge).collect::<Result<Vec<_>, _>>()?;
        let mut again = numbers.rev().map(judge).collect::<Result<Vec<_>, _>>()?;
        again.reverse();
        prop_assert_eq!(&kept, &again);
        let found = kept.iter().filter(|kept| **kept).count() as f64;
        let share = 1.0 / f64::from(sample);
        let expected = COUNT as f64 * share;
        let deviation = (expected * (1.0 - share)).sqrt();
        prop_assert!((found - expected).abs() <= 5.0 * deviation, "{} of {}", found, expected);
    }
}

/// What one run of a flood gave.
#[derive(Default)]
struct Flood {
    kept: u64,
    /// Of the last half of the time.
    kept_late: u64,
    hits: u64,
    extrapolated: u64,
}

/// So many events a second for so many seconds, one in a hundred of them a hit.
fn flood(course: &Course, first: u64, start: f64, per_s: u64, seconds: u64) -> Flood {
    let mut result = Flood::default();
    for number in 0..per_s * seconds {
        let since = number as f64 / per_s as f64;
        let mut event = event(first + number, at(start + since));
        let is_hit = number % 100 == 7;
        match fate(course, false, is_hit, &mut event) {
            Fate::Events if is_hit => result.hits += 1,
            Fate::Events => {
                result.kept += 1;
                result.kept_late += u64::from(since * 2.0 >= seconds as f64);
                result.extrapolated += rate(&event);
            }
            other => assert_eq!(other, Fate::Left(Reason::RateLimit)),
        }
    }
    result
}

#[test]
fn a_flood_is_thinned_out_to_the_limit_and_its_size_stays_known() {
    let flow = flow(|policy| (policy.events_per_s_max, policy.burst_s) = (1_000, 2));
    let course = course(&flow, "k");
    let quiet = flood(&course, 0, 0.0, 900, 10);
    assert_eq!((quiet.kept, quiet.hits), (9_000 - 90, 90), "below the limit nothing is left out");
    assert!(flow.look(at(10.0)).is_empty());

    let loud = flood(&course, 1 << 32, 10.0, 20_000, 40);
    assert_eq!(loud.hits, 8_000, "no hit is ever left out");
    // 200 hits a second leave 800 for the others, on average.
    let late = loud.kept_late + loud.hits / 2;
    assert!((15_000..25_000).contains(&late), "{late} of 20000 in 20 s");
    let true_count = 40 * 20_000 - 8_000;
    let error = (loud.extrapolated as f64 / f64::from(true_count) - 1.0).abs();
    assert!(error < 0.1, "{} for {true_count}", loud.extrapolated);

    let told = flow.look(at(50.0));
    assert_eq!(told.len(), 1);
    assert!(told[0].began && !told[0].ended && told[0].rate >= 10, "{told:?}");
    assert_eq!(told[0].left_out, u64::try_from(true_count).unwrap() - loud.kept);
    // A step up a second, once the bucket is full.
    let ended = (51..70).find_map(|now| flow.look(at(f64::from(now))).pop().filter(|it| it.ended));
    assert!(ended.is_some_and(|it| !it.began && it.rate_worst >= 10));
    assert!(flow.look(at(80.0)).is_empty());
}

#[test]
fn policies_are_changed_while_events_pass() {
    let with = |events_per_s_max: u64, ship: Ship| {
        let mut config = InputsConfig::default();
        config.journal.policy.burst_s = 1;
        (config.journal.policy.events_per_s_max, config.journal.policy.ship) =
            (events_per_s_max, ship);
        config.policies()
    };
    let flow = Flow::new(with(10, Ship::All));
    flood(&course(&flow, "k"), 0, 0.0, 1_000, 5);
    assert!(flow.look(at(5.0))[0].rate > 1);
    assert!(flow.change(with(100_000, Ship::All)));
    // Steps up a second each, until it is over.
    let ended = (6..20).find_map(|now| flow.look(at(f64::from(now))).pop().filter(|it| it.ended));
    assert!(ended.is_some());
    let wide = flood(&course(&flow, "k"), 1 << 32, 20.0, 1_000, 5);
    assert_eq!(wide.kept + wide.hits, 5_000);
    assert!(flow.change(with(10, Ship::All)));
    flood(&course(&flow, "k"), 2 << 32, 30.0, 1_000, 5);
    assert!(flow.change(with(0, Ship::Alerts)));
    assert!(flow.look(at(35.0))[0].ended, "what has no limit any more is told to be over");
    let fate = fate(&course(&flow, "k"), false, true, &mut event(1, at(36.0)));
    assert_eq!(fate, Fate::Left(Reason::Policy));
    assert!(!flow.change(Vec::new()), "of other inputs");
}

#[test]
fn bytes_are_bounded_like_events() {
    let flow = flow(|policy| (policy.bytes_per_s_max, policy.burst_s) = (50_000, 1));
    let course = course(&flow, "k");
    assert_eq!(flood(&course, 0, 0.0, 400, 5).kept, 1_980, "40 kB a second");
    let loud = flood(&course, 1 << 32, 5.0, 10_000, 20);
    let late = loud.kept_late + loud.hits / 2;
    assert!((3_000..7_000).contains(&late), "{late} of 5000 in 10 s");
}

#[test]
fn a_backlog_written_slowly_is_not_thinned_out_and_stuck_clocks_get_their_share() {
    let with = |time: fn(u64) -> f64, read: fn(u64) -> f64| {
        let flow = flow(|policy| (policy.events_per_s_max, policy.burst_s) = (100, 5));
        let course = course(&flow, "k");
        let kept = (0..20_000).filter(|number| {
            let mut event = event(*number, at(time(*number)));
            let arrival = Arrival { read_at: at(read(*number)), bytes: 100 };
            course.decide(false, false, arrival, &mut event) == Fate::Events
        });
        kept.count()
    };
    // 50 a second for 400 s, read in a blink an hour later.
    assert_eq!(with(|n| n as f64 / 50.0, |n| 4_000.0 + n as f64 / 1e6), 20_000);
    // The same with times that never move, read as it comes.
    assert_eq!(with(|_| 0.0, |n| n as f64 / 50.0), 20_000);
    // A thousand a second: times from the future buy nothing.
    assert!(with(|n| 1e4 * n as f64, |n| n as f64 / 1e3) < 5_000);
}

#[test]
fn each_log_has_its_own_limit_and_their_number_is_bounded() {
    let flow = flow(|policy| (policy.events_per_s_max, policy.burst_s) = (10, 1));
    let loud = course(&flow, "loud");
    flood(&loud, 0, 0.0, 1_000, 5);
    let quiet = course(&flow, "quiet");
    let kept = flood(&quiet, 0, 0.0, 5, 5);
    assert_eq!(kept.kept + kept.hits, 25);
    for number in 0..3 * LOGS_MAX {
        course(&flow, &format!("log {number}"));
        assert!(flow.logs().by_key.len() <= LOGS_MAX);
    }
    let told = flow.look(at(5.0));
    assert_eq!(told.len(), 1, "what is thinned out is not forgotten first");
    assert_eq!((told[0].policy.as_str(), told[0].log.as_str()), ("journal", "loud"));
}

#[test]
fn the_limit_of_the_agent_holds_for_all_and_leaves_backlogs_and_its_own_words_alone() {
    let flow = flow(|_| {});
    flow.limit_agent(Rates { events_per_s: 100, bytes_per_s: 0, burst_s: 1 });
    let course = course(&flow, "k");
    assert!(!course.is_plain());
    let kept = flood(&course, 0, 0.0, 10_000, 20).kept_late;
    assert!(kept < 2_000, "{kept}");
    assert_eq!(flow.look(at(20.0))[0].policy, "agent");
    let mut old = event(5, at(-3_600.0));
    let arrival = Arrival { read_at: at(20.0), bytes: 100 };
    for _ in 0..1_000 {
        assert_eq!(course.decide(false, false, arrival, &mut old), Fate::Events);
    }
    let mut own = event(6, at(20.0));
    own.set(field::EVENT_DATASET, "vonglau.agent");
    assert!(flow.course_of_sample(&own).is_plain());
    flow.limit_agent(Rates::default());
    assert!(course_is_plain(&flow));
}

fn course_is_plain(flow: &Flow) -> bool {
    course(flow, "k").is_plain()
}
