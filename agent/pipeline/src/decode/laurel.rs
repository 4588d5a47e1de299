//! Laurel: audit events as JSON, one a line, as the plugin laurel of auditd writes them.
//!
//! They are turned back into the records they came from and decoded as these are, so the fields are the
//! same whichever way an event took. Spec: laurel's "JSON-based log format" (json-format.md): numbers are
//! numbers, hexadecimal and octal ones texts with `0x` and `0o`; bytes that are no printable ASCII, `%`
//! and `+` are percent-encoded; `a0`, `a1`… are `ARGV`; names that auditd found are in capitals.

use std::fmt::Write as _;

use rules_event::{Event, field};
use serde_json::{Map, Value};

use super::auditd;

/// How each of its lines begins.
const START: &str = "{\"ID\":\"";
/// Values that laurel adds to those of the kernel; its word for a parent is read below.
const ADDED: [&str; 3] = ["ENV", "PID", "PPID"];
/// Values that are texts of somebody's choice: one that begins with `0x` is no number.
const TEXTS: [&str; 6] = ["comm", "exe", "name", "key", "cwd", "acct"];

/// Says whether a line looks like one of laurel's.
pub(super) fn is_line(text: &str) -> bool {
    text.strip_prefix(START).is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()))
}

/// Decodes a line; false when it is none of laurel's.
pub(super) fn decode(text: &str, event: &mut Event) -> bool {
    let Ok(Value::Object(line)) = serde_json::from_str(text) else { return false };
    let Some(id) = line.get("ID").and_then(Value::as_str) else { return false };
    let mut records = String::with_capacity(text.len());
    let is_word = |text: &&str| text.bytes().all(|byte| byte.is_ascii_graphic());
    let node = line.get("NODE").and_then(Value::as_str).filter(is_word);
    let begin = |kind: &str, records: &mut String| {
        if let Some(node) = node {
            let _ = write!(records, "node={node} ");
        }
        // Writing into a String cannot fail.
        let _ = write!(records, "type={kind} msg=audit({id}):");
    };
    for (kind, value) in line.iter().filter(|(kind, _)| is_kind(kind)) {
        match value {
            Value::Object(record) => {
                begin(kind, &mut records);
                write_record(kind, record, &mut records);
            }
            Value::Array(all) => {
                for record in all.iter().filter_map(Value::as_object) {
                    begin(kind, &mut records);
                    write_record(kind, record, &mut records);
                }
            }
            _ => {}
        }
    }
    if !auditd::decode(&records, event) {
        return false;
    }
    let call = line.get("SYSCALL").and_then(Value::as_object);
    let parent = call.and_then(|call| call.get("PPID")).or_else(|| line.get("PARENT_INFO"));
    if let Some(parent) = parent.and_then(Value::as_object) {
        set_parent(parent, event);
    }
    true
}

/// Types of records are written in capitals; what laurel adds beside them is, too.
fn is_kind(name: &str) -> bool {
    let added = ["ID", "NODE", "PARENT_INFO", "CONTAINER_INFO", "LABELS"];
    let is_fine =
        |byte: u8| byte.is_ascii_uppercase() || byte.is_ascii_digit() || b"_[]".contains(&byte);
    !added.contains(&name) && !name.is_empty() && name.bytes().all(is_fine)
}

fn write_record(kind: &str, record: &Map<String, Value>, out: &mut String) {
    for (name, value) in record {
        match value {
            Value::Array(words) if name == "ARGV" => write_words(kind, words, out),
            Value::Array(words) => {
                let words: Vec<&str> = words.iter().filter_map(Value::as_str).collect();
                write_text(kind, name, &words.join(" "), out);
            }
            Value::String(text) if name == "ARGV_STR" && kind == "EXECVE" => {
                // The words were put together for good: one argument says all that is known.
                write_text(kind, "a0", text, out);
            }
            Value::String(text) => write_text(kind, name, text, out),
            Value::Number(number) => {
                let _ = write!(out, " {name}={number}");
            }
            // What programs say (USER_LOGIN …), within msg='…'.
            Value::Object(said) if !ADDED.contains(&name.as_str()) => {
                write_record(kind, said, out);
                out.pop();
            }
            _ => {}
        }
    }
    out.push('\n');
}

/// Arguments: of a call, of a program, or the title of a process.
fn write_words(kind: &str, words: &[Value], out: &mut String) {
    let words = words.iter().filter_map(Value::as_str);
    if kind == "PROCTITLE" {
        let bytes: Vec<Vec<u8>> = words.map(bytes_of).collect();
        let _ = write!(out, " proctitle={}", hex(&bytes.join(&0)));
        return;
    }
    for (number, word) in words.enumerate() {
        write_text(kind, &format!("a{number}"), word, out);
    }
}

/// Writes a text as the kernel would: bare, in quotes, or as hexadecimal digits.
fn write_text(kind: &str, name: &str, text: &str, out: &mut String) {
    if name == "SADDR" {
        return;
    }
    if matches!(kind, "SYSCALL" | "PATH") && !TEXTS.contains(&name) {
        // The kernel writes a mode with a zero before it. Spec: Linux kernel/auditsc.c, `mode=%#ho`.
        let (zero, number) = match text.strip_prefix("0o") {
            Some(octal) => ("0", Some(octal)),
            None => ("", text.strip_prefix("0x")),
        };
        if let Some(number) = number.filter(|it| it.bytes().all(|b| b.is_ascii_hexdigit())) {
            let _ = write!(out, " {name}={zero}{number}");
            return;
        }
    }
    let bytes = bytes_of(text);
    let plain = std::str::from_utf8(&bytes).ok().filter(|text| {
        // The last is how rsyslog writes the byte before the names that auditd found.
        !text.contains(|c: char| c == '"' || c.is_control()) && !text.contains("#035")
    });
    let _ = match plain.filter(|_| name != "saddr") {
        Some(text) => write!(out, " {name}=\"{text}\""),
        None => write!(out, " {name}={}", hex(&bytes)),
    };
}

/// Takes percent-encoding back.
fn bytes_of(text: &str) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&byte, after)) = rest.split_first() {
        let digits = after.get(..2).filter(|_| byte == b'%');
        let digits = digits.and_then(|digits| std::str::from_utf8(digits).ok());
        match digits.and_then(|digits| u8::from_str_radix(digits, 16).ok()) {
            Some(decoded) => {
                bytes.push(decoded);
                rest = after.get(2..).unwrap_or_default();
            }
            None => {
                bytes.push(byte);
                rest = after;
            }
        }
    }
    bytes
}

/// Upper-case digits, as the kernel writes them.
fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(2 * bytes.len()), |mut out, byte| {
        let _ = write!(out, "{byte:02X}");
        out
    })
}

/// What laurel knows of the parent.
fn set_parent(parent: &Map<String, Value>, event: &mut Event) {
    let text = |name: &str| parent.get(name).and_then(Value::as_str);
    let plain = |text: &str| rules_event::encode_lossless(&bytes_of(text)).0.into_owned();
    if let Some(program) = text("exe") {
        let program = plain(program);
        let name = program.rsplit('/').next().unwrap_or_default();
        event.set_text("process.parent.name", name);
        event.set_text(field::PROCESS_PARENT_EXECUTABLE, &program);
    } else if let Some(name) = text("comm") {
        event.set_text("process.parent.name", &plain(name));
    }
    if let Some(words) = parent.get("ARGV").and_then(Value::as_array) {
        let words: Vec<String> = words.iter().filter_map(Value::as_str).map(plain).collect();
        event.set_text("process.parent.command_line", &words.join(" "));
    }
}

#[cfg(test)]
mod tests {
    use agent_inputs::Format;

    use super::super::tests::decode;

    /// The records and laurel's line of the same event give the same fields, but for what laurel adds.
    fn same(records: &str, line: &str, added: &[&str]) {
        let expected = decode(records, Some("/var/log/audit/audit.log"), Format::Auditd);
        for format in [Format::Auto, Format::Auditd] {
            let found = decode(line, Some("/var/log/laurel/audit.log"), format);
            assert_eq!(found.time, expected.time);
            for (name, value) in expected.fields() {
                assert_eq!(found.get(name), Some(value), "{name}");
            }
            let more: Vec<&str> = found
                .fields()
                .map(|(name, _)| name)
                .filter(|name| expected.get(name).is_none())
                .collect();
            assert_eq!(more, added);
        }
    }

    #[test]
    fn a_program_that_starts() {
        let records = "node=web01 type=SYSCALL msg=audit(1795600000.720:3485): arch=c000003e syscall=59 success=yes \
            exit=0 a0=55c0 a1=55c1 a2=55c2 a3=8 items=2 ppid=722 pid=724 auid=1000 uid=0 gid=0 euid=0 \
            suid=0 fsuid=0 egid=0 sgid=0 fsgid=0 tty=pts3 ses=3 comm=\"perl\" exe=\"/usr/bin/perl\" \
            subj=unconfined key=\"exec\"\u{1d}ARCH=x86_64 SYSCALL=execve AUID=\"lan\" UID=\"root\"\n\
            node=web01 type=EXECVE msg=audit(1795600000.720:3485): argc=4 a0=\"perl\" a1=\"-e\" a2=7072696E74202261250A22 a3=\"0x41\"\n\
            node=web01 type=CWD msg=audit(1795600000.720:3485): cwd=\"/root\"\n\
            node=web01 type=PATH msg=audit(1795600000.720:3485): item=0 name=2F746D702F61206222 inode=40 dev=fd:01 mode=0100755 \
            ouid=0 ogid=0 rdev=00:00 nametype=NORMAL cap_fp=0\u{1d}OUID=\"root\"\n\
            node=web01 type=PROCTITLE msg=audit(1795600000.720:3485): proctitle=7065726C002D65";
        let line = r#"{"ID":"1795600000.720:3485","NODE":"web01","SYSCALL":{"arch":"0xc000003e","syscall":59,"success":"yes","exit":0,
            "items":2,"ppid":722,"pid":724,"auid":1000,"uid":0,"gid":0,"euid":0,"suid":0,"fsuid":0,"egid":0,"sgid":0,
            "fsgid":0,"tty":"pts3","ses":3,"comm":"perl","exe":"/usr/bin/perl","subj":"unconfined","key":"exec",
            "ARCH":"x86_64","SYSCALL":"execve","AUID":"lan","UID":"root","ARGV":["0x55c0","0x55c1","0x55c2","0x8"],
            "PPID":{"EVENT_ID":"1795599999.276:3273","comm":"sh","exe":"/usr/bin/dash","ppid":319}},
            "EXECVE":{"argc":4,"ARGV":["perl","-e","print \"a%25%0a\"","0x41"],"ENV":{}},"CWD":{"cwd":"/root"},
            "PATH":[{"item":0,"name":"/tmp/a b\"","inode":40,"dev":"fd:01","mode":"0o100755","ouid":0,"ogid":0,"rdev":"00:00",
            "nametype":"NORMAL","cap_fp":"0x0","OUID":"root"}],"PROCTITLE":{"ARGV":["perl","-e"]}}"#;
        same(
            records,
            &line.replace("\n            ", ""),
            &["process.parent.name", "process.parent.executable"],
        );
    }

    #[test]
    fn an_address_and_what_programs_say() {
        let records = "type=SYSCALL msg=audit(1795600000.1:7): arch=c000003e syscall=42 success=no exit=-111 a0=3 a1=7f a2=10 a3=0 \
            items=0 ppid=1 pid=9 auid=1000 uid=1000 comm=\"nc\" exe=\"/usr/bin/nc\" key=(null)\n\
            type=SOCKADDR msg=audit(1795600000.1:7): saddr=020001BBCB007105";
        let line = r#"{"ID":"1795600000.1:7","SYSCALL":{"arch":"0xc000003e","syscall":42,"success":"no","exit":-111,"items":0,"ppid":1,"pid":9,"auid":1000,"uid":1000,"comm":"nc","exe":"/usr/bin/nc","key":null,"ARGV":["0x3","0x7f","0x10","0x0"]},"SOCKADDR":[{"saddr":"%02%00%01%BB%CB%00q%05","SADDR":"{saddr_fam=inet laddr=203.0.113.5 lport=443}"}]}"#;
        same(records, line, &[]);
        let records = "type=USER_LOGIN msg=audit(1795600000.1:8): pid=12 uid=0 auid=4294967295 \
            msg='op=login acct=\"root\" exe=\"/usr/sbin/sshd\" hostname=? addr=203.0.113.5 terminal=sshd res=failed'";
        for said in [
            r#""msg":{"op":"login","acct":"root","exe":"/usr/sbin/sshd","hostname":"?","addr":"203.0.113.5","terminal":"sshd","res":"failed"}"#,
            r#""op":"login","acct":"root","exe":"/usr/sbin/sshd","hostname":"?","addr":"203.0.113.5","terminal":"sshd","res":"failed""#,
        ] {
            let line = format!(
                r#"{{"ID":"1795600000.1:8","USER_LOGIN":[{{"pid":12,"uid":0,"auid":4294967295,{said}}}]}}"#
            );
            same(records, &line, &[]);
        }
    }

    #[test]
    fn what_is_none_of_its_lines_is_json() {
        for line in [r#"{"ID":"17.1:x","SYSCALL":{"pid":1}}"#, r#"{"ID":"7"}"#, r#"{"ID":"1.1:1"}"#]
        {
            let event = decode(line, None, Format::Auto);
            assert_ne!(
                event.get("event.dataset"),
                Some(rules_event::ValueRef::Str("auditd.log")),
                "{line}"
            );
        }
    }
}
