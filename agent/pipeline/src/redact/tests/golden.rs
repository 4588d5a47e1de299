//! The table of texts, and what the settings change.

use super::{redactor, with};
use crate::redact::{RedactionConfig, Redactor};

/// Texts with what they become.
pub(super) fn table() -> Vec<(&'static str, &'static str)> {
    let mut rows = Vec::new();
    let mut text = "";
    for line in include_str!("../../../tests/redaction.cases").lines() {
        if let Some(input) = line.strip_prefix("< ") {
            text = input;
        } else if let Some(output) = line.strip_prefix("> ") {
            rows.push((text, output));
        } else if line == "=" {
            rows.push((text, text));
        } else {
            assert!(line.is_empty() || line.starts_with('#'), "{line}");
        }
    }
    rows
}

#[test]
fn the_table() {
    let redactor = redactor();
    let rows = table();
    let stay = rows.iter().filter(|(text, expected)| text == expected).count();
    assert!(rows.len() > 200 && stay > 70, "{} rows, {stay} of them stay", rows.len());
    let mut wrong = Vec::new();
    for (text, expected) in rows {
        let (got, hidden) = redactor.redact(text);
        if got != expected {
            wrong.push(format!("  text {text}\n  want {expected}\n  got  {got}"));
        }
        assert_eq!(hidden.is_empty(), got == text, "{text}");
        let (again, _) = redactor.redact(&got);
        if again != got {
            wrong.push(format!("  once {got}\n twice {again}"));
        }
    }
    assert!(wrong.is_empty(), "{} wrong:\n{}", wrong.len(), wrong.join("\n\n"));
}

#[test]
fn kinds_are_switched() {
    let text = "password=S3cret token=abc123 CCCD 001088012345, 0912345678, lan@tinh.gov.vn";
    let off = with(|config| config.off = vec!["password".to_owned()]);
    assert_eq!(off.redact(text).0, text.replace("abc123", "[redacted:token]"));
    let personal = with(|config| {
        config.personal = ["cccd", "phone", "email"].map(str::to_owned).to_vec();
    });
    let (all, hidden) = personal.redact(text);
    assert_eq!(
        all,
        "password=[redacted:password] token=[redacted:token] CCCD [redacted:cccd], [redacted:phone], \
         [redacted:email]@tinh.gov.vn"
    );
    let names: Vec<&str> = personal.names(hidden).collect();
    assert_eq!(names, ["password", "token", "cccd", "phone", "email"]);
    for number in ["1700000000123", "000088012345", "21/11/2026", "0212345678", "id1_001088012345"]
    {
        assert_eq!(personal.redact(number).0, number);
    }
}

#[test]
fn names_and_patterns_of_the_configuration() {
    let own = with(|config| {
        config.names = vec!["pin".to_owned(), "ma_ho_so".to_owned()];
        config.patterns = [("ho_so", r"HS-(?<secret>\d{4})-x"), ("so_the", r"THE\d{3}")]
            .map(|(name, pattern)| (name.to_owned(), pattern.to_owned()))
            .into();
    });
    let text = "/a?pin=1234&MA_HO_SO=77 spin=1 HS-1234-x THE123";
    let (out, hidden) = own.redact(text);
    assert_eq!(
        out,
        "/a?pin=[redacted:token]&MA_HO_SO=[redacted:token] spin=1 HS-[redacted:ho_so]-x [redacted:so_the]"
    );
    assert_eq!(own.names(hidden).collect::<Vec<_>>(), ["token", "ho_so", "so_the"]);
    assert_eq!(own.redact(&out).0, out);
}

#[test]
fn digests_tell_secrets_apart() {
    let keyed = with(|config| config.digest = true);
    let out = |text: &str| keyed.redact(text).0.into_owned();
    let (one, same, other) = (out("password=a1"), out("pass=\"a1\""), out("password=b2"));
    let digest = |text: &str| text.split(':').nth(2).unwrap()[..8].to_owned();
    assert_eq!(digest(&one), digest(&same));
    assert_ne!(digest(&one), digest(&other));
    assert_eq!(out(&one), one);
}

#[test]
fn switched_off_and_exempted() {
    let off = with(|config| config.enabled = false);
    assert!(off.passes(None) && off.passes(Some("/var/log/x")));
    let some = with(|config| config.exempt = vec!["/var/log/app/*.log".to_owned()]);
    assert!(some.passes(Some("/var/log/app/a.log")) && !some.passes(Some("/var/log/a.log")));
    assert!(!some.passes(None));
}

#[test]
fn mistakes_are_named_with_their_remedy() {
    type Change = fn(&mut RedactionConfig);
    let wrong: [(Change, &str); 8] = [
        (
            |it| it.off = vec!["passwords".to_owned()],
            "redaction.off: 'passwords' is no kind here; give",
        ),
        (|it| it.off = vec!["cccd".to_owned()], "redaction.off: 'cccd'"),
        (|it| it.personal = vec!["jwt".to_owned()], "redaction.personal: 'jwt'"),
        (|it| it.names = vec!["a=b".to_owned()], "redaction.names: 'a=b' is no name"),
        (|it| it.names = vec!["ab".to_owned()], "give 3 to 64 bytes"),
        (
            |it| drop(it.patterns.insert("x".to_owned(), "(".to_owned())),
            "redaction.patterns.x: no regular",
        ),
        (|it| drop(it.patterns.insert("x".to_owned(), "a*".to_owned())), "matches an empty text"),
        (|it| drop(it.patterns.insert("jwt".to_owned(), "a".to_owned())), "is a kind of ours"),
    ];
    for (change, expected) in wrong {
        let mut config = RedactionConfig::default();
        change(&mut config);
        let error = Redactor::new(&config, &[0; 32]).map(|_| ()).unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    }
    let patterns = (0..33).map(|number| (format!("p{number}"), format!("x{number}"))).collect();
    let many = RedactionConfig { patterns, ..RedactionConfig::default() };
    assert!(Redactor::new(&many, &[0; 32]).is_err());
}
