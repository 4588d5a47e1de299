//! State secrets: what carries a mark never leaves the log it stands in, by no way.

use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::Stdio;

use agent_spool::{LANE_ALERTS, LANE_EVENTS};
use rules_event::field;

use crate::agent::{Running, Site, until};

/// What the records say beside their mark: found anywhere, the record is.
const CONTENT: &str = "Zq9PhuongAnTacChien";

/// Records with a mark: as written, in letters composed of several characters (both orders),
/// percent-encoded once and twice, escaped in JSON where no field of ours holds it, as a request.
fn secrets() -> Vec<(&'static str, String)> {
    let app = |text: &str| format!("Nov 21 08:00:01 web-1 vanthu[7]: {text} {CONTENT}");
    vec![
        ("auth.log", app("Mở tệp TUYỆT MẬT")),
        ("auth.log", app("Đính kèm [TỐI MẬT]")),
        ("auth.log", app("Mở tệp TUYE\u{323}\u{302}T MA\u{323}\u{302}T")),
        ("auth.log", app("Mở tệp=TUYE\u{302}\u{323}T MA\u{302}\u{323}T")),
        ("auth.log", app("GET /tai-ve?ten=TUY%E1%BB%86T%20M%E1%BA%ACT")),
        ("auth.log", app("GET /tai-ve?ten=T%25E1%25BB%2590I%2520M%25E1%25BA%25ACT")),
        ("app.json", format!(r#"{{"message":"saved","ten":"TUY\u1ec6T M\u1eacT {CONTENT}"}}"#)),
        (
            "access.log",
            format!(
                "203.0.113.5 - - [21/Nov/2026:08:00:01 +0700] \"GET /{CONTENT}/Tuy%E1%BB%87t%20\
                 m%E1%BA%ADt.docx HTTP/1.1\" 200 512 \"-\" \"Mozilla/5.0\""
            ),
        ),
    ]
}

/// Whether some bytes say a mark, or what stands beside it.
fn tells(bytes: &[u8]) -> Option<String> {
    let text = String::from_utf8_lossy(bytes);
    let marks = [
        CONTENT,
        "TUYỆT MẬT",
        "TỐI MẬT",
        "TUYE\u{323}\u{302}T",
        "TUYE\u{302}\u{323}T",
        "M%E1%BA%ACT",
        "M%25E1%25BA%25ACT",
        r"M\u1eacT",
        "m%E1%BA%ADt",
    ];
    marks.into_iter().find(|mark| text.contains(mark)).map(str::to_owned)
}

fn files(dir: &Path, found: &mut Vec<std::path::PathBuf>) {
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { files(&path, found) } else { found.push(path) }
    }
}

#[test]
fn a_record_with_a_mark_leaves_its_log_by_no_way() {
    let site = Site::new();
    site.configure("");
    let dir = site.dir.path();
    let config = dir.join("agent.toml");
    let text = fs::read_to_string(&config).unwrap();
    let all = ["auth.log", "app.json", "access.log"];
    let paths: Vec<String> =
        all.iter().map(|it| format!("\"{}\"", dir.join(it).display())).collect();
    let one = format!("\"{}\"", dir.join("auth.log").display());
    fs::write(&config, text.replace(&one, &paths.join(", "))).unwrap();
    let secrets = secrets();
    for name in all {
        let mut log =
            fs::OpenOptions::new().create(true).append(true).open(dir.join(name)).unwrap();
        for (of, text) in &secrets {
            if *of == name {
                writeln!(log, "{text}").unwrap();
            }
        }
    }
    fs::OpenOptions::new()
        .append(true)
        .open(dir.join("auth.log"))
        .unwrap()
        .write_all("Nov 21 08:00:02 web-1 vanthu[7]: đổi mật khẩu\n".as_bytes())
        .unwrap();

    // The agent's own log, as loud as it gets.
    let said = dir.join("said.log");
    let mut command = site.command("run");
    command.env("VONGLAU_LOG", "trace").stderr(fs::File::create(&said).unwrap());
    let agent = Running::of(command);
    let count = secrets.len() as u64;
    let status = || site.ask("status", &["--json"]).stdout;
    until("spooling", || {
        let status: serde_json::Value = serde_json::from_slice(&status()).unwrap();
        status["spooled"].as_u64() == Some(count + 1) && status["closes"] == true
    });
    let status: serde_json::Value = serde_json::from_slice(&status()).unwrap();
    assert_eq!(status["quarantined"].as_u64(), Some(count), "{status}");
    let text = site.ask("status", &[]).stdout;
    assert!(String::from_utf8_lossy(&text).contains("8 records with the mark of a state secret"));

    for bytes in [agent.get("/metrics").into_bytes(), agent.get("/healthz").into_bytes(), text] {
        assert_eq!(tells(&bytes), None);
    }
    let tail = site.ask("tail", &["--dry-run", "--from", "start", "--events", "9"]);
    assert!(!tail.stdout.is_empty(), "{}", String::from_utf8_lossy(&tail.stderr));
    assert_eq!((tells(&tail.stdout), tells(&tail.stderr)), (None, None));
    assert_eq!(agent.stop(), 0);
    assert_eq!(tells(&fs::read(&said).unwrap()), None, "in the log of the agent");

    let mut decode = site.command("decode");
    let mut decode = decode.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    decode.stdin.take().unwrap().write_all(secrets[0].1.as_bytes()).unwrap();
    let decoded = decode.wait_with_output().unwrap();
    assert!(decoded.status.success() && tells(&decoded.stdout).is_none());
    assert!(String::from_utf8_lossy(&decoded.stdout).contains("\"vonglau.quarantined\":true"));
    let examined = site.ask("examine", &[dir.join("auth.log").to_str().unwrap()]);
    assert_eq!((tells(&examined.stdout), tells(&examined.stderr)), (None, None));

    // What is in the spool, compressed and not, and whatever else the agent keeps.
    let mut kept = Vec::new();
    files(&dir.join("state"), &mut kept);
    for path in kept {
        let found = tells(&fs::read(&path).unwrap());
        // The rules name the marks they look for.
        let is_rules = path.ends_with("rules.compiled");
        let found = found.filter(|mark| !is_rules || mark == CONTENT);
        assert_eq!(found, None, "in {}", path.display());
    }
    let mut stubs = 0;
    for record in [LANE_ALERTS, LANE_EVENTS].into_iter().flat_map(|lane| site.records(lane)) {
        assert_eq!(tells(&record.raw().unwrap()), None, "in the spool");
        let is_alert = record.header.lane == agent_wire::Lane::Alerts;
        for event in record.events().unwrap() {
            if event.get("vonglau.quarantined") != Some(rules_event::ValueRef::Bool(true)) {
                continue;
            }
            stubs += 1;
            assert!(is_alert && event.rule_ids().next().is_some(), "{event:?}");
            // The owner finds the record by what the stub says, in his own log.
            let number = |name: &str| {
                usize::try_from(event.get(name).and_then(rules_event::ValueRef::as_int).unwrap())
                    .unwrap()
            };
            let log = fs::read(event.get_str(field::LOG_FILE_PATH).unwrap()).unwrap();
            let (offset, length) = (number(field::LOG_OFFSET), number("vonglau.quarantine.bytes"));
            let record = &log[offset..offset + length];
            assert!(tells(record).is_some());
            assert!(log[..offset].is_empty() || log[offset - 1] == b'\n');
            assert_eq!(log[offset + length], b'\n');
            assert_eq!(event.get_str("vonglau.quarantine.digest").map(str::len), Some(64));
        }
    }
    assert_eq!(stubs, count);
}

/// Logs that the rules of the pack look into for little else: a firewall, Windows, what a failing command
/// says, a device of unknown make. The same spellings.
#[test]
fn a_mark_is_seen_in_every_log_there_is() {
    let site = Site::new();
    let dir = site.dir.path();
    let (forti, windows, odd) = (dir.join("forti.log"), dir.join("win.jsonl"), dir.join("odd.log"));
    let place = |path: &Path| path.display().to_string();
    let say = format!("echo {CONTENT} TUYỆT MẬT.docx >&2; exit 3");
    site.configure(&format!(
        "[[input.files]]\npaths = [\"{}\"]\n[[input.files]]\npaths = [\"{}\"]\nformat = \"evtx\"\n\
         [[input.files]]\npaths = [\"{}\"]\nformat = \"text\"\ndataset = \"nobody.knows\"\n\
         [[input.exec]]\nname = \"backup\"\ncommand = [\"/bin/sh\", \"-c\", \"{say}\"]\n\
         interval_s = 86400\n",
        place(&forti),
        place(&windows),
        place(&odd)
    ));
    let fortigate = |text: &str| {
        format!(
            "date=2026-11-21 time=08:00:01 devname=\"FGT60\" devid=\"FGT60D4615007833\" \
             logid=\"0317013312\" type=\"utm\" subtype=\"webfilter\" eventtype=\"ftgd_allow\" \
             level=\"notice\" srcip=10.1.1.9 dstip=198.51.100.7 hostname=\"198.51.100.7\" \
             url=\"{text}\" msg=\"{CONTENT}\"\n"
        )
    };
    let event = |id: u32, data: &str| {
        format!(
            r##"{{"Event":{{"System":{{"Provider":{{"#attributes":{{"Name":"Microsoft-Windows-Security-Auditing"}}}},"EventID":{id},"Channel":"Security","Computer":"fs01","EventRecordID":7,"TimeCreated":{{"#attributes":{{"SystemTime":"2026-11-21T01:00:01Z"}}}}}},"EventData":{{"SubjectUserName":"{CONTENT}",{data}}}}}}}"##
        ) + "\n"
    };
    let texts = [
        "TUYỆT MẬT",
        "TỐI MẬT",
        "TUYE\u{323}\u{302}T MA\u{323}\u{302}T",
        "TUYE\u{302}\u{323}T MA\u{302}\u{323}T",
        "TUY%E1%BB%86T%20M%E1%BA%ACT",
        "T%25E1%25BB%2590I%2520M%25E1%25BA%25ACT",
    ];
    let lower = ["/up/Tuy%E1%BB%87t%20m%E1%BA%ADt.docx", "/up/tối_mật.docx"];
    let mut of_forti: String = texts.iter().map(|text| fortigate(&format!("/up/{text}"))).collect();
    of_forti.extend(lower.iter().map(|text| fortigate(text)));
    let named = texts.iter().map(|text| event(4663, &format!(r#""ObjectName":"D:\\{text}.docx""#)));
    let mut of_windows: String = named.collect();
    of_windows += &event(4663, r#""ObjectName":"D:\\Văn thư\\Tuyệt mật 12.docx""#);
    of_windows += &event(5145, r#""ShareName":"D","RelativeTargetName":"Tối mật\\12.docx""#);
    of_windows +=
        &event(4688, r#""NewProcessName":"C:\\x.exe","CommandLine":"x TUY\u1ec6T M\u1eacT""#);
    let of_odd: String = texts.iter().map(|text| format!("{text} {CONTENT}\n")).collect();
    let harmless = format!(
        "{}{}",
        fortigate("/doi-mat-khau?q=100%25"),
        fortigate("/Lu%E1%BA%ADt-b%E1%BA%A3o-v%E1%BB%87-Tuy%E1%BB%87t%20m%E1%BA%ADt")
    )
    .replace(CONTENT, "open");
    let secrets = texts.len() * 3 + lower.len() + 3 + 1;
    fs::write(&forti, of_forti + &harmless).unwrap();
    fs::write(&windows, of_windows).unwrap();
    fs::write(&odd, of_odd).unwrap();

    let agent = site.start();
    let status = || -> serde_json::Value {
        serde_json::from_slice(&site.ask("status", &["--json"]).stdout).unwrap()
    };
    until("spooling", || {
        let status = status();
        status["spooled"].as_u64() >= Some(secrets as u64 + 2) && status["closes"] == true
    });
    assert_eq!(status()["quarantined"].as_u64(), Some(secrets as u64), "{}", status());
    assert_eq!(agent.stop(), 0);
    let mut kept = Vec::new();
    files(&dir.join("state"), &mut kept);
    for path in kept.iter().filter(|path| !path.ends_with("rules.compiled")) {
        assert_eq!(tells(&fs::read(path).unwrap()), None, "in {}", path.display());
    }
    let mut stubs = 0;
    for record in [LANE_ALERTS, LANE_EVENTS].into_iter().flat_map(|lane| site.records(lane)) {
        let raw = record.raw().unwrap();
        let open = String::from_utf8_lossy(&raw).replace("m%E1%BA%ADt", "");
        assert_eq!(tells(open.as_bytes()), None, "in the spool");
        for event in record.events().unwrap() {
            stubs += usize::from(event.get("vonglau.quarantined").is_some());
        }
    }
    assert_eq!(stubs, secrets);
}
