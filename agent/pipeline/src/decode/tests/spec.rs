//! The page of decoders names what the tables hold.

use std::fs;
use std::path::PathBuf;

use super::super::table::Row;
use super::super::{devices, iis, services, suricata, wazuh, webjson, zeek};

/// Where the part of the page begins that is made here.
const MARK: &str = "<!-- Below: made by agent/pipeline/src/decode/tests/spec.rs;";

/// All tables, with their headings.
fn tables() -> Vec<(&'static str, &'static [Row])> {
    vec![
        ("Suricata, names under `suricata.eve.`", suricata::ROWS),
        ("Zeek, names of any log", zeek::COMMON),
        ("Zeek, names of one log, under `zeek.`", zeek::BY_LOG),
        ("Wazuh, names under `wazuh.`", wazuh::ROWS),
        ("IIS", iis::ROWS),
        ("FortiGate, names under `fortinet.firewall.`", devices::FORTIGATE),
        ("Sophos, names under `sophos.xg.`", devices::SOPHOS),
        ("SonicWall, names under `sonicwall.firewall.`", devices::SONICWALL),
        ("Check Point, names under `checkpoint.`", devices::CHECKPOINT),
        ("CEF, names under `cef.extensions.`", devices::CEF),
        ("Access logs as JSON lines", webjson::ROWS),
    ]
}

fn render() -> String {
    let mut page = String::from(
        "\n## Names\n\nA name with `+` is kept beside its ECS field; the others are moved there.\n",
    );
    for (heading, rows) in tables() {
        page.push_str(&format!("\n### {heading}\n\n| name | field |\n|---|---|\n"));
        for row in rows {
            let kept = if row.keep { " +" } else { "" };
            page.push_str(&format!("| `{}`{kept} | `{}` |\n", row.key, row.field));
        }
    }
    page.push_str(
        "\n## Sentences\n\nWhat programs say, `{…}` where it differs. `{user>}` ends at the last of the words behind it, \
         since a stranger chose it.\n",
    );
    for (program, sentences) in services::SENTENCES {
        page.push_str(&format!("\n`{program}`:\n\n"));
        for (words, action, outcome) in *sentences {
            let outcome = outcome.unwrap_or("no outcome");
            page.push_str(&format!("- `{words}`: `{action}`, {outcome}\n"));
        }
    }
    page
}

#[test]
fn the_page_of_decoders_is_in_step() {
    let file = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../docs/spec/decoders.md");
    let page = fs::read_to_string(&file).unwrap();
    let (written, rest) = page.split_once(MARK).expect("the mark");
    let mark = rest.lines().next().unwrap_or_default();
    let made = format!("{written}{MARK}{mark}\n{}", render());
    if std::env::var_os("VONGLAU_UPDATE_GOLDEN").is_some() {
        fs::write(&file, &made).unwrap();
        return;
    }
    assert!(
        page == made,
        "{} is behind the code: VONGLAU_UPDATE_GOLDEN=1 writes it",
        file.display()
    );
}

#[test]
fn tables_are_ordered() {
    for (heading, rows) in tables() {
        assert!(rows.is_sorted_by_key(|row| row.key), "{heading}");
        let twice = rows.windows(2).find(|pair| pair[0].key == pair[1].key);
        assert!(twice.is_none(), "{heading}: {twice:?}");
    }
    assert!(services::SENTENCES.is_sorted_by_key(|(program, _)| *program));
}
