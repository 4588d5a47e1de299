//! Windows: what the event log says becomes what the rules for Windows look for.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on should stop")]

use std::collections::HashSet;
use std::path::PathBuf;
use std::sync::Arc;

use agent_inputs::{Format, Line, SourceMeta};
use agent_pipeline::{AgentFacts, Pipeline, Scratch};
use rules_event::{Event, field};
use rules_matcher::RuleSet;

fn data(name: &str) -> Option<PathBuf> {
    let folder = std::env::var_os("VONGLAU_TEST_DATA").map_or_else(
        || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data"),
        PathBuf::from,
    );
    let folder = folder.join(name);
    if !folder.is_dir() {
        eprintln!("skipped: {} is not there; set VONGLAU_TEST_DATA", folder.display());
        return None;
    }
    Some(folder)
}

fn pipeline(builtin: bool, dirs: &[PathBuf]) -> (Pipeline, usize) {
    let loaded = rules_pack::load(builtin, dirs).unwrap();
    let (set, _) = RuleSet::compile(loaded.rules);
    let agent = AgentFacts {
        agent_id: [1; 16],
        agent_id_text: "01".repeat(16),
        host: "soc-1".to_owned(),
        organization: None,
        system: None,
        timezone: agent_pipeline::timezone("Asia/Ho_Chi_Minh").unwrap(),
    };
    (Pipeline::new(agent, Some(Arc::clone(set.matcher()))), set.rules().len())
}

fn process(pipeline: &Pipeline, json: &str) -> Event {
    let source = Arc::new(SourceMeta {
        key: "evtx".to_owned(),
        path: None,
        format: Format::Evtx,
        dataset: None,
        ..SourceMeta::default()
    });
    let line = Line { offset: 0, bytes: json.as_bytes(), truncated: false };
    let read_at = "2026-11-26T00:00:00Z".parse().unwrap();
    pipeline.line(&source, read_at, line, &mut Scratch::default()).event.clone()
}

/// Samples of SigmaHQ whose rule must hit; may only improve.
const HITS_MIN: usize = 115;

#[test]
fn the_samples_of_sigma_are_hit_by_their_rules() {
    let Some(folder) = data("sigma_regression") else { return };
    let (pipeline, rules) = pipeline(false, &[folder.join("rules")]);
    let (mut events, mut hit, mut missed) = (0, HashSet::new(), Vec::new());
    for entry in std::fs::read_dir(folder.join("events")).unwrap() {
        let path = entry.unwrap().path();
        let id = path.file_stem().unwrap().to_str().unwrap().to_owned();
        for line in std::fs::read_to_string(&path).unwrap().lines() {
            events += 1;
            let event = process(&pipeline, line);
            assert_eq!(event.get_str(field::EVENT_MODULE), Some("windows"), "{line}");
            if event.rule_ids().any(|rule| rule == id) {
                hit.insert(id.clone());
            }
        }
        if !hit.contains(&id) {
            missed.push(id);
        }
    }
    eprintln!(
        "{} of {} samples hit, {rules} rules, {events} events; missed: {missed:?}",
        hit.len(),
        hit.len() + missed.len()
    );
    assert!(hit.len() >= HITS_MIN, "{}", hit.len());
}

#[test]
fn a_failed_logon_has_the_fields_of_the_taxonomy() {
    let json = r##"{"Event":{"System":{"Provider":{"#attributes":{"Name":
        "Microsoft-Windows-Security-Auditing","Guid":"54849625"}},"EventID":{"#attributes":
        {"Qualifiers":""},"#text":4625},"Version":0,"Level":0,"Task":12544,"Opcode":0,"Keywords":
        "0x8010000000000000","TimeCreated":{"#attributes":{"SystemTime":"2026-11-26T01:02:03.5Z"}},
        "EventRecordID":77,"Correlation":null,"Execution":{"#attributes":{"ProcessID":4,"ThreadID":8}},
        "Channel":"Security","Computer":"dc-1.tinh.gov.vn","Security":null},"EventData":{
        "SubjectUserName":"-","TargetUserName":"quantri","TargetDomainName":"TINH","LogonType":10,
        "WorkstationName":"-","IpAddress":"203.0.113.9","IpPort":"51000"}}}"##;
    let (pipeline, _) = pipeline(true, &[]);
    let event = process(&pipeline, json);
    assert_eq!(event.time.to_string(), "2026-11-26T01:02:03.5Z");
    for (name, wanted) in [
        (field::EVENT_DATASET, "windows.security"),
        ("event.code", "4625"),
        (field::EVENT_OUTCOME, "failure"),
        (field::EVENT_CATEGORY, "authentication"),
        ("winlog.channel", "Security"),
        ("winlog.computer_name", "dc-1.tinh.gov.vn"),
        ("winlog.keywords", "0x8010000000000000"),
        (field::SOURCE_IP, "203.0.113.9"),
        ("winlog.event_data.IpAddress", "203.0.113.9"),
        (field::USER_NAME, "quantri"),
        ("user.domain", "TINH"),
    ] {
        assert_eq!(event.get_str(name), Some(wanted), "{name}");
    }
    assert_eq!(event.get("winlog.record_id").and_then(rules_event::ValueRef::as_int), Some(77));
    assert!(event.rule_ids().count() > 0, "our own rule on failed logons");
}

#[test]
fn a_new_process_is_not_its_creator_and_unnamed_data_are_a_list() {
    let (pipeline, _) = pipeline(false, &[]);
    let system = |provider: &str, code: u32, channel: &str| {
        format!(
            r##""System":{{"Provider":{{"#attributes":{{"Name":"{provider}"}}}},"EventID":{code},"Channel":"{channel}","Computer":"w"}}"##
        )
    };
    let head = system("Microsoft-Windows-Security-Auditing", 4688, "Security");
    let event = process(
        &pipeline,
        &format!(
            r##"{{"Event":{{{head},"EventData":{{"SubjectUserName":"lan","NewProcessId":"0x10","NewProcessName":"C:\\Windows\\cmd.exe","ProcessId":"0x4","ParentProcessName":"C:\\w3wp.exe","CommandLine":"cmd /c whoami"}}}}}}"##
        ),
    );
    assert_eq!(event.get_str(field::PROCESS_EXECUTABLE), Some("C:\\Windows\\cmd.exe"));
    assert_eq!(event.get_str(field::PROCESS_PARENT_EXECUTABLE), Some("C:\\w3wp.exe"));
    assert_eq!(event.get_str(field::PROCESS_PID), Some("0x10"));
    assert_eq!(event.get_str(field::PROCESS_NAME), Some("cmd.exe"));
    assert_eq!(event.get_str("event.type"), Some("start"));
    assert_eq!(event.get_str(field::USER_NAME), Some("lan"));

    let head = system("PowerShell", 400, "Windows PowerShell");
    let event = process(
        &pipeline,
        &format!(
            r##"{{"Event":{{{head},"EventData":{{"Data":{{"#text":["Available","None","\tNewEngineState=Available\n\tHostApplication=powershell -enc AAAA\n"]}},"Binary":null}}}}}}"##
        ),
    );
    assert_eq!(event.get_str(field::EVENT_DATASET), Some("windows.powershell_classic"));
    assert_eq!(event.get_str("winlog.event_data.param1"), Some("Available"));
    assert_eq!(event.get("winlog.event_data.Data").map(|list| list.items().count()), Some(3));
    assert_eq!(event.get_str(field::PROCESS_COMMAND_LINE), Some("powershell -enc AAAA"));

    let head = system("Microsoft-Windows-Eventlog", 1102, "Security");
    let event = process(
        &pipeline,
        &format!(
            r##"{{"Event":{{{head},"UserData":{{"LogFileCleared":{{"#attributes":{{"xmlns":"x"}},"SubjectUserName":"an"}}}}}}}}"##
        ),
    );
    assert_eq!(event.get_str("winlog.event_data.SubjectUserName"), Some("an"));
    // Not an event of Windows at all.
    for text in ["{}", "[]", "x", r#"{"Event":{}}"#, r#"{"Event":{"System":[]}}"#] {
        let event = process(&pipeline, text);
        assert_eq!(event.get_str(field::EVENT_DATASET), Some("text"), "{text}");
    }
}
