//! The web rules against requests that others wrote: how many attacks are seen, how much is noise.
//!
//! Attacks and negatives: the regression tests of the OWASP Core Rule Set. Its negatives mean "this
//! one rule of that set stays silent"; many of them are attacks of another kind. Benign: 10,000
//! lines of a real access log. The tally may only improve: a better figure is written into it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use rules_event::{Event, Level, field};
use rules_matcher::RuleSet;
use serde_json::Value as Json;

/// What is reached: family, hits on what an access log shows, hits with body and cookies, and how
/// many attacks there are of either kind. Hits may only grow. Families that test the protocol and
/// not attacks (911, 920, 943 …) are only printed.
const REACHED: &[(&str, usize, usize, usize, usize)] = &[
    // family, seen in the access log, of, seen with body and cookies, of
    ("922-ATTACK", 0, 0, 13, 17),
    ("930-LFI", 42, 42, 44, 46),
    ("931-RFI", 1, 2, 1, 2),
    ("932-RCE", 242, 252, 420, 483),
    ("933-PHP", 54, 56, 74, 110),
    ("934-GENERIC", 73, 75, 92, 100),
    ("941-XSS", 25, 25, 74, 87),
    ("942-SQLI", 59, 71, 250, 325),
    ("944-JAVA", 1, 1, 527, 579),
    ("951-SQL", 0, 0, 1, 8),
    ("955-SHELLS", 0, 0, 6, 8),
];

/// Hits of medium and above on the benign lines: at most 0.1 %.
const BENIGN_MAX: usize = 10;

/// What is reached on them; may only shrink.
const BENIGN_REACHED: usize = 1;

/// Negatives of the Core Rule Set that are hit; may only shrink.
const NEGATIVES_MAX: usize = 83;

fn data(name: &str) -> Option<String> {
    let root = std::env::var_os("VONGLAU_TEST_DATA").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data"),
        PathBuf::from,
    );
    let path = root.join("web").join(name);
    let Ok(bytes) = std::fs::read(&path) else {
        eprintln!("skipped: no {}", path.display());
        return None;
    };
    Some(String::from_utf8_lossy(&bytes).into_owned())
}

fn rules() -> RuleSet {
    let loaded = rules_pack::load(true, &[]).expect("the pack is built in");
    RuleSet::compile(loaded.rules).0
}

/// Returns the names of the rules from a level on that hit.
fn hits(rules: &RuleSet, event: &Event, from: Level, found: &mut Vec<usize>) -> Vec<String> {
    rules.hits(event, found);
    let rules = found.iter().map(|index| &rules.rules()[*index]);
    rules
        .filter(|rule| rule.level >= from)
        .map(|rule| rule.name.clone().unwrap_or_default())
        .collect()
}

fn request(method: &str, target: &str, status: i64) -> Event {
    let mut event = Event::default();
    event.set(field::EVENT_DATASET, "nginx.access");
    event.set(field::HTTP_REQUEST_METHOD, method.to_owned());
    event.set(field::URL_ORIGINAL, target.to_owned());
    let (path, query) = target.split_once('?').map_or((target, None), |(p, q)| (p, Some(q)));
    event.set(field::URL_PATH, path.to_owned());
    if let Some(query) = query {
        event.set(field::URL_QUERY, query.to_owned());
    }
    event.set(field::HTTP_RESPONSE_STATUS, status);
    event
}

/// Makes the event of a request; `whole` adds what an access log leaves out.
fn attack(case: &Json, whole: bool) -> Event {
    let text = |name: &str| case[name].as_str().unwrap_or_default();
    let mut event = request(text("method"), text("uri"), 403);
    for (name, value) in case["headers"].as_object().into_iter().flatten() {
        let field = match name.to_ascii_lowercase().as_str() {
            "user-agent" => field::USER_AGENT,
            "referer" => field::HTTP_REFERRER,
            "cookie" if whole => "http.request.headers.cookie",
            _ => continue,
        };
        event.set(field, value.as_str().unwrap_or_default().to_owned());
    }
    if whole && !text("data").is_empty() {
        event.set("http.request.body.content", text("data").to_owned());
    }
    event
}

/// Whether the line of an access log differs from that of an honest request: a query, a path that
/// is not of plain words, a referrer, or a user agent other than that of the test tool.
fn shows(event: &Event) -> bool {
    let path = event.get_str(field::URL_PATH).unwrap_or_default();
    let plain = path.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'/');
    !plain
        || event.get_str(field::URL_QUERY).is_some()
        || event.get_str(field::HTTP_REFERRER).is_some()
        || !event.get_str(field::USER_AGENT).unwrap_or("OWASP").starts_with("OWASP")
}

#[derive(Default)]
struct Family {
    shown: usize,
    seen_shown: usize,
    all: usize,
    seen_all: usize,
    negatives: usize,
    hit_negatives: usize,
}

#[test]
fn attacks_of_the_core_rule_set_are_seen() {
    let Some(text) = data("crs_requests.jsonl") else { return };
    let (rules, mut found) = (rules(), Vec::new());
    let mut families: BTreeMap<String, Family> = BTreeMap::new();
    for line in text.lines() {
        let case: Json = serde_json::from_str(line).unwrap();
        let mut words = case["family"].as_str().unwrap().split('-').skip(1);
        let name = format!("{}-{}", words.next().unwrap(), words.last().unwrap());
        let family = families.entry(name).or_default();
        let (line, whole) = (attack(&case, false), attack(&case, true));
        let mut is_seen =
            |event: &Event| usize::from(!hits(&rules, event, Level::Medium, &mut found).is_empty());
        if case["expect_attack"] == true {
            if shows(&line) {
                family.shown += 1;
                family.seen_shown += is_seen(&line);
            }
            family.all += 1;
            family.seen_all += is_seen(&whole);
        } else {
            family.negatives += 1;
            family.hit_negatives += is_seen(&whole);
        }
    }
    let mut sum = Family::default();
    for (name, it) in &families {
        eprintln!(
            "measured: {name}: {} of {} shown in an access log, {} of {} with body and cookies, \
             negatives hit: {} of {}",
            it.seen_shown, it.shown, it.seen_all, it.all, it.hit_negatives, it.negatives
        );
        sum.shown += it.shown;
        sum.seen_shown += it.seen_shown;
        sum.all += it.all;
        sum.seen_all += it.seen_all;
        sum.negatives += it.negatives;
        sum.hit_negatives += it.hit_negatives;
    }
    eprintln!(
        "measured: all families: {} of {} shown, {} of {} whole, negatives hit: {} of {}",
        sum.seen_shown, sum.shown, sum.seen_all, sum.all, sum.hit_negatives, sum.negatives
    );
    for (name, seen_shown, shown, seen_all, all) in REACHED {
        let it = &families[*name];
        assert_eq!((it.shown, it.all), (*shown, *all), "{name}: other data than the tally's");
        assert!(it.seen_shown >= *seen_shown && it.seen_all >= *seen_all, "{name} became worse");
    }
    assert!(sum.hit_negatives <= NEGATIVES_MAX, "more negatives are hit");
}

/// `1.2.3.4 - - [time] "GET /x HTTP/1.1" 200 5 "referrer" "agent"`; no line of the log needs more.
fn access(line: &str) -> Option<Event> {
    let (_, rest) = line.split_once("] \"")?;
    let (request_line, rest) = rest.split_once("\" ")?;
    let (method, target) = request_line.split_once(' ')?;
    let target = target.rsplit_once(" HTTP/").map_or(target, |(target, _)| target);
    let (status, rest) = rest.split_once(' ')?;
    let mut event = request(method, target, status.parse().ok()?);
    let mut quoted = rest.split_once(" \"")?.1.splitn(2, "\" \"");
    for name in [field::HTTP_REFERRER, field::USER_AGENT] {
        let value = quoted.next().unwrap_or_default().trim_end_matches('"');
        if !matches!(value, "-" | "") {
            event.set(name, value.to_owned());
        }
    }
    Some(event)
}

#[test]
fn benign_lines_stay_silent() {
    let Some(text) = data("apache_access_10k.log") else { return };
    let (rules, mut found) = (rules(), Vec::new());
    let (mut lines, mut noisy, mut any) = (0, 0, 0);
    let mut by_rule: BTreeMap<String, usize> = BTreeMap::new();
    for line in text.lines() {
        let event = access(line).unwrap_or_else(|| panic!("not decoded: {line}"));
        lines += 1;
        let all = hits(&rules, &event, Level::Informational, &mut found);
        any += usize::from(!all.is_empty());
        for name in all {
            *by_rule.entry(name).or_default() += 1;
        }
        if !hits(&rules, &event, Level::Medium, &mut found).is_empty() {
            noisy += 1;
            eprintln!("a benign line is hit: {line}");
        }
    }
    eprintln!("measured: {noisy} of {lines} benign lines hit by rules of medium and above");
    eprintln!("measured: {any} of {lines} benign lines hit by rules of any level: {by_rule:?}");
    assert_eq!(lines, 10_000, "other data than the bound's");
    assert!(noisy <= BENIGN_MAX.min(BENIGN_REACHED), "{noisy} benign lines are hit");
}

/// What visitors, officials, search engines and machines of a province really ask a portal for, and
/// what has been taken for an attack elsewhere.
const HONEST: &[&str] = &[
    "/van-ban?sort=id",
    "/van-ban?page=2&order=ngay&sort=desc",
    "/x?lang=id",
    "/tim-kiem?q=find+jobs",
    "/tim-kiem?q=cat+food",
    "/tim-kiem?q=who+is",
    "/tim-kiem?q=time+table",
    "/tim-kiem?q=m%C3%A8o+(cat)",
    "/tim-kiem?q=%22war%22+and+%22peace%22",
    "/tim-kiem?q=trang+thai+or+ket+qua",
    "/tim-kiem?q=C%26A+%7C+Th%E1%BB%9Di+trang",
    "/tim-kiem?q=Nguy%E1%BB%85n+V%C4%83n+A;+Tr%E1%BA%A7n+B",
    "/tim-kiem?q=%C4%90i%E1%BB%81u+5,+kho%E1%BA%A3n+2+%26+m%E1%BB%A5c+3;+ngh%E1%BB%8B+%C4%91%E1%BB%8Bnh+12/2020",
    "/a?action=ping",
    "/tai-lieu/bao-cao-(id).pdf",
    "/download?file=B%C3%A1o+c%C3%A1o+th%C3%A1ng+10+(l%E1%BA%A7n+2).docx",
    "/bai-viet-2014--",
    "/bai-viet/cat-giam-thu-tuc-hanh-chinh",
    "/huong-dan/python-co-ban.pdf",
    "/docs/update-table-from-excel",
    "/x;jsessionid=74B0CB414BD77D17B5680A6386EF1666?a=b",
    "/api?select=id,name&from=2026-01-01",
    "/api?filter[name]=a&order[0][column]=1&columns[0][data]=id",
    "/rss?type=sql",
    "/?_gl=1*abc*_ga*MTIz..&utm_source=a|b",
    "/lich?d=2026-11-20T08:00:00+07:00",
    "/ban-do?bbox=105.1,20.9,105.9,21.3&layers=a:b",
    "/cas/login?service=https%3A%2F%2Fdichvucong.tinh.gov.vn%2Fcas%2Flogin%3Fnext%3Dx",
    "/dang-nhap?returnUrl=http://10.20.1.5/portal",
    "/x?data=%7B%22a%22%3A%7B%22b%22%3A1%7D%7D",
    "/combo?3.1.0/build/yui/yui-min.js&3.1.0/build/loader.js",
    "/c/portal/layout?p_l_id=1&p_p_id=3&p_p_state=maximized",
    "/ScriptResource.axd?d=abc&t=ffff",
    "/gop-y?email=a%40b.vn&nd=Xin+ch%C3%A0o!+T%C3%B4i+h%E1%BB%8Fi:+%22th%E1%BB%A7+t%E1%BB%A5c+A%22+v%C3%A0+%22B%22?",
    "/mail/lan.nsf/iNotes/Proxy/?OpenDocument&Form=s_ReadViewEntries&PresetFields=FolderName;($Inbox)&Count=30",
    "/names.nsf?Login",
    "/zabbix.php?action=dashboard.view&dashboardid=1",
    "/status?json&full",
    "/owa/?ae=Item&t=IPM.Note&id=RgAAAAB%2bx",
    "/autodiscover/autodiscover.xml",
    "/_layouts/15/start.aspx#/SitePages/Home.aspx",
    "/wp-admin/admin-ajax.php?action=heartbeat",
    "/wp-content/plugins/elementor/assets/js/frontend.min.js?ver=3.21",
    "/api/v1/backup?include=media&from=2026-11-01",
];

#[test]
fn honest_requests_of_a_portal_stay_silent() {
    let (rules, mut found) = (rules(), Vec::new());
    let noisy: Vec<_> = HONEST
        .iter()
        .map(|target| {
            (target, hits(&rules, &request("GET", target, 200), Level::Medium, &mut found))
        })
        .filter(|(_, hits)| !hits.is_empty())
        .collect();
    assert!(noisy.is_empty(), "{noisy:#?}");
}
