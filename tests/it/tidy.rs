//! The rules of the house, as a test: file heads, floors, where dangerous things may stand.

#![expect(clippy::unwrap_used, reason = "a test that cannot look must fail loudly")]

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;

use tests::root;

/// Every crate of ours, ground floor first. A crate may import only what stands before it.
const FLOORS: &[&str] = &[
    "rules-event",
    "rules-service",
    "rules-sigma",
    "rules-matcher",
    "rules-correlate",
    "rules-pack",
    "agent-wire",
    "rules-cli",
    "agent-spool",
    "agent-inputs",
    "agent-pipeline",
    "agent-shipper",
    "agent-daemon",
    "collector-engine",
    "collector-store",
    "collector-ingest",
    "collector-incident",
    "collector-forward",
    "collector-console",
    "collector-cli",
    "collector-daemon",
    "tests",
    "benches",
];

/// Crates that do no I/O: none of these may be among what they are built from.
const PURE: &[&str] =
    &["rules-event", "rules-sigma", "rules-matcher", "rules-correlate", "agent-wire"];
const IMPURE: &[&str] = &["tokio", "hyper", "reqwest", "rdkafka", "sqlx", "clickhouse", "tracing"];

/// Licences whose terms a government buyer can meet without asking anyone.
const LICENCES: &[&str] = &[
    "MIT",
    "Apache-2.0",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "ISC",
    "Zlib",
    "Unicode-3.0",
    "MPL-2.0",
    "CC0-1.0",
    "0BSD",
    "BSL-1.0",
    "Unlicense",
    "CDLA-Permissive-2.0",
    "MIT-0",
    "Apache-2.0 WITH LLVM-exception",
    "OpenSSL",
    "bzip2-1.0.6",
    "NCSA",
    "WTFPL",
];

/// Files git knows or would add.
fn files() -> Vec<PathBuf> {
    let output = Command::new("git")
        .args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"])
        .current_dir(root())
        .output()
        .unwrap();
    assert!(output.status.success(), "git ls-files failed");
    let list = String::from_utf8(output.stdout).unwrap();
    list.split('\0')
        .filter(|name| !name.is_empty())
        .map(PathBuf::from)
        .filter(|p| root().join(p).is_file())
        .collect()
}

fn sources() -> Vec<(PathBuf, String)> {
    files()
        .into_iter()
        .filter(|path| path.extension().is_some_and(|ending| ending == "rs"))
        .map(|path| {
            let text = std::fs::read_to_string(root().join(&path)).unwrap();
            (path, text)
        })
        .collect()
}

fn metadata() -> serde_json::Value {
    let output = Command::new(env!("CARGO"))
        .args([
            "metadata",
            "--format-version",
            "1",
            "--locked",
            "--offline",
            "--filter-platform",
            "x86_64-unknown-linux-gnu",
        ])
        .current_dir(root())
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

#[track_caller]
fn none(what: &str, found: &[String]) {
    assert!(found.is_empty(), "{what}:\n  {}", found.join("\n  "));
}

#[test]
fn every_source_file_opens_by_saying_what_it_is_for() {
    let bad: Vec<String> = sources()
        .iter()
        .filter(|(_, text)| {
            !text.lines().next().is_some_and(|line| line.starts_with("//! ") && line.len() > 8)
        })
        .map(|(path, _)| path.display().to_string())
        .collect();
    none("files without a //! first line", &bad);
}

#[test]
fn imports_run_downwards_only() {
    let metadata = metadata();
    let mut bad = Vec::new();
    for package in metadata["packages"].as_array().unwrap() {
        let name = package["name"].as_str().unwrap();
        let Some(floor) = FLOORS.iter().position(|crate_name| *crate_name == name) else {
            if package["source"].is_null() {
                bad.push(format!("{name} has no floor in tests/it/tidy.rs"));
            }
            continue;
        };
        for dependency in package["dependencies"].as_array().unwrap() {
            let target = dependency["name"].as_str().unwrap();
            if dependency["kind"].is_string() {
                continue; // dev-dependencies may look anywhere
            }
            if let Some(below) = FLOORS.iter().position(|crate_name| *crate_name == target)
                && below >= floor
            {
                bad.push(format!("{name} imports {target}, which stands above it"));
            }
            let crosses = (name.starts_with("agent-") && target.starts_with("collector-"))
                || (name.starts_with("rules-")
                    && target.starts_with("agent-")
                    && target != "agent-wire");
            if crosses {
                bad.push(format!("{name} imports {target} from another building"));
            }
        }
    }
    none("imports that run upwards", &bad);
}

#[test]
fn pure_crates_stay_pure() {
    let metadata = metadata();
    let mut bad = Vec::new();
    for package in metadata["packages"].as_array().unwrap() {
        let name = package["name"].as_str().unwrap();
        if !PURE.contains(&name) {
            continue;
        }
        for dependency in package["dependencies"].as_array().unwrap() {
            let target = dependency["name"].as_str().unwrap();
            if dependency["kind"].is_null() && IMPURE.contains(&target) {
                bad.push(format!("{name} imports {target}"));
            }
        }
    }
    for (path, text) in sources() {
        let path = path.display().to_string();
        let pure = [
            "rules/event/",
            "rules/sigma/src",
            "rules/matcher/src",
            "rules/correlate/src",
            "agent/wire/src",
        ];
        if !pure.iter().any(|folder| path.starts_with(folder)) || path.contains("tests") {
            continue;
        }
        let code: String = text.split("#[cfg(test)]").next().unwrap_or_default().to_owned();
        for word in [
            "std::fs",
            "TcpStream",
            "TcpListener",
            "UdpSocket",
            "SystemTime::now",
            "Instant::now",
            "std::thread",
        ] {
            if code.contains(word) {
                bad.push(format!("{path} uses {word}"));
            }
        }
    }
    none("pure crates that do I/O or read a clock", &bad);
}

#[test]
fn dangerous_things_stand_where_they_may() {
    // Who sends, who asks what was sent, who reads.
    let kafka = [
        "agent/shipper/src/producer.rs",
        "agent/shipper/src/inquiry.rs",
        "collector/ingest/src/kafka.rs",
    ];
    let places: BTreeMap<&str, &[&str]> = BTreeMap::from([
        ("use rdkafka", &kafka[..]),
        ("rdkafka::", &kafka[..]),
        ("use clickhouse", &["collector/store/"][..]),
        // One request of the kernel that no crate wraps.
        (
            "unsafe {",
            &[
                "collector/engine/src/ffi.rs",
                "agent/inputs/src/files/version.rs",
                "agent/daemon/src/handback.rs",
            ][..],
        ),
        ("unsafe fn", &["collector/engine/src/ffi.rs"][..]),
        ("unsafe impl", &["collector/engine/src/ffi.rs"][..]),
        (concat!("to", "do!("), &[][..]),
        (concat!("unimple", "mented!("), &[][..]),
        (concat!("#[ig", "nore"), &[][..]),
    ]);
    let mut bad = Vec::new();
    for (path, text) in sources() {
        let path = path.display().to_string();
        if path.contains("/tests/") || path.starts_with("tests/") || path.starts_with("benches/") {
            continue;
        }
        for (word, allowed) in &places {
            let code = text.lines().filter(|line| !line.trim_start().starts_with("//"));
            if code.into_iter().any(|line| line.contains(word))
                && !allowed.iter().any(|place| path.starts_with(place))
            {
                bad.push(format!("{path} contains '{word}'"));
            }
        }
    }
    none("things out of place", &bad);
}

#[test]
fn every_shipped_rule_has_cases_and_every_code_a_page() {
    let files: BTreeSet<String> = files().iter().map(|path| path.display().to_string()).collect();
    let mut bad = Vec::new();
    for file in files.iter().filter(|file| {
        file.starts_with("rules/pack/") && file.ends_with(".yml") && !file.ends_with(".case.yml")
    }) {
        if !files.contains(&file.replace(".yml", ".case.yml")) {
            bad.push(format!("{file} has no .case.yml"));
        }
    }
    let mut codes = BTreeSet::new();
    for (path, text) in sources() {
        if path.starts_with("rules/sigma/src")
            || path.starts_with("rules/matcher/src")
            || path.starts_with("rules/pack/src")
        {
            codes.extend(
                text.split('"')
                    .filter(|word| {
                        word.len() == 4
                            && word.starts_with('R')
                            && word[1..].bytes().all(|byte| byte.is_ascii_digit())
                    })
                    .map(str::to_owned),
            );
        }
    }
    assert!(codes.len() > 5, "no diagnostic codes found: has their form changed?");
    for code in codes {
        if !files.contains(&format!("docs/rules/{code}.md")) {
            bad.push(format!("diagnostic {code} has no page docs/rules/{code}.md"));
        }
    }
    none("rules and codes", &bad);
}

#[test]
fn dependencies_carry_licences_we_may_ship() {
    let metadata = metadata();
    let mut bad = Vec::new();
    for package in metadata["packages"].as_array().unwrap() {
        let (name, licence) =
            (package["name"].as_str().unwrap(), package["license"].as_str().unwrap_or("none"));
        let fine = licence.replace('/', " OR ").split(" OR ").any(|choice| {
            choice.split(" AND ").all(|part| {
                LICENCES.contains(&part.trim_matches(|c: char| c == '(' || c == ')' || c == ' '))
            })
        });
        if !fine {
            bad.push(format!("{name}: {licence}"));
        }
    }
    none("licences to look at", &bad);
}

#[test]
fn nothing_is_large_and_no_text_names_a_builders_machine() {
    let mut bad = Vec::new();
    // Split so that this file does not name them itself.
    let own = [
        concat!("/wo", "rk/main"),
        concat!("/wo", "rk/shared"),
        concat!("/tmp/", "prep"),
        concat!("/.libr", "ary/"),
    ];
    for path in files() {
        let full = root().join(&path);
        let size = std::fs::metadata(&full).unwrap().len();
        if size > 1024 * 1024 {
            bad.push(format!("{} has {size} bytes", path.display()));
        }
        let Ok(text) = std::fs::read_to_string(&full) else { continue };
        for word in own {
            if text.contains(word) && path != Path::new("Cargo.lock") {
                bad.push(format!("{} names {word}", path.display()));
            }
        }
    }
    none("files", &bad);
}
