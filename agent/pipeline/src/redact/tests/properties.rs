//! What holds of every text: redacted twice is redacted once, the rest stays, time grows straight.

use proptest::prelude::*;

use super::golden::table;
use super::{redactor, with};
use crate::redact::Redactor;
use crate::redact::edit::{MARK, is_mark};

/// Pieces of the texts of the table, put together anew: words, separators and quotes meet in every way.
fn texts() -> impl Strategy<Value = String> {
    let rows = table();
    let piece = (any::<prop::sample::Index>(), any::<prop::sample::Index>(), 0usize..40).prop_map(
        move |(row, start, length)| {
            let chars: Vec<char> = rows[row.index(rows.len())].0.chars().collect();
            let start = start.index(chars.len());
            chars[start..].iter().take(length).collect::<String>()
        },
    );
    let sign = prop::sample::select(vec![
        "=",
        ":",
        "\"",
        "'",
        "\\",
        " ",
        "&",
        "?",
        "%",
        "@",
        ";",
        ",",
        "://",
        "{\"",
        "[redacted:token]",
        "%3D",
        "\\\"",
        "<",
        ">",
        "password",
        "token",
        "-p",
        "mật khẩu",
        "eyJ",
        "mysql ",
        "\n",
        "\u{0}",
    ])
    .prop_map(str::to_owned);
    prop::collection::vec(prop_oneof![3 => piece, 2 => sign], 1..12).prop_map(|all| all.concat())
}

/// Whether a redacted text is the text with pieces replaced by marks, or written anew in hexadecimal or
/// as JSON: walks both along.
fn keeps_the_rest(text: &str, out: &str) -> bool {
    let mut rest = text;
    for (number, piece) in out.split(MARK).enumerate() {
        let kept = match number {
            0 => piece,
            _ => piece.split_once(']').map_or("", |(_, kept)| kept),
        };
        // The marks of numbers in JSON brought quotes with them.
        let bare = kept.trim_matches(['"', '\\']);
        let Some(at) = rest.find(bare) else { return false };
        if number == 0 && at != 0 && kept == bare {
            return false;
        }
        rest = &rest[at + bare.len()..];
    }
    true
}

fn check(redactor: &Redactor, text: &str) {
    let (once, hidden) = redactor.redact(text);
    assert_eq!(hidden.is_empty(), once == text, "{text:?} became {once:?}");
    let (twice, _) = redactor.redact(&once);
    assert_eq!(twice, once, "a second time changes {text:?}");
    // A mark is some dozen bytes, twice as many in hexadecimal, and each needs an option before it.
    let longest = text.len() * 16 + 64;
    assert!(once.len() <= longest, "{} bytes became {}", text.len(), once.len());
    let is_written_anew =
        ["title=", "cmd=", "data=", "argc=", "MESSAGE"].iter().any(|it| text.contains(it));
    if !is_written_anew {
        assert!(keeps_the_rest(text, &once), "{text:?} became {once:?}");
    }
    assert_eq!(redactor.names(hidden).count() > 0, once != text);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_mixture(text in texts()) {
        check(&redactor_once(), &text);
    }

    #[test]
    fn any_text(text in "\\PC{0,200}") {
        check(&redactor_once(), &text);
    }
}

/// One redactor for all cases of this thread: making one takes longer than using it.
fn redactor_once() -> std::rc::Rc<Redactor> {
    thread_local!(static ONE: std::rc::Rc<Redactor> = std::rc::Rc::new(redactor()));
    ONE.with(std::rc::Rc::clone)
}

#[test]
fn marks_are_marks() {
    for (_, out) in table() {
        for piece in out.split(MARK).skip(1) {
            let mark = format!("{MARK}{}]", piece.split(']').next().unwrap());
            assert!(is_mark(&mark), "{mark} in {out}");
        }
    }
}

/// Found by the fuzzer: more signs than are looked at, of which the second look reaches further.
#[test]
fn a_password_of_many_signs_is_hidden_once() {
    for signs in [10, 255, 256, 257, 300, 500, 600] {
        check(&redactor(), &format!("https://a:S3cret{}host https://b:c@d", "@".repeat(signs)));
        let spread = format!("{} https://a:S3cret{}host", "@".repeat(200), "@".repeat(signs));
        check(&redactor(), &spread);
    }
}

/// A ticket is as long as one only with the mark of the password in it, whose bracket belongs to it.
#[test]
fn a_mark_at_the_end_of_a_parameter_stays_whole() {
    check(&redactor(), "/cas/serviceValidate?ticket=password=G");
    check(&redactor(), "/cas/serviceValidate?ticket=password=G')");
}

/// The bracket that closes a login is the last one; behind a hidden one there may be another mark's.
#[test]
fn a_login_that_is_hidden_stays_as_it_is() {
    check(&redactor(), "Login incorrect: [lan/S3cret] (fro=lan&password=S3cret HT");
}

/// How long this thread worked so far. Spec: proc(5), fields 14 and 15 in ticks of 10 ms.
fn cpu() -> std::time::Duration {
    let text = std::fs::read_to_string("/proc/thread-self/stat").unwrap_or_default();
    let ticks: Vec<u64> = text
        .rsplit_once(')')
        .map(|(_, rest)| rest.split(' ').skip(12).take(2).filter_map(|n| n.parse().ok()).collect())
        .unwrap_or_default();
    std::time::Duration::from_millis(ticks.iter().sum::<u64>() * 10)
}

#[test]
fn time_grows_straight() {
    /// Longest for a line of 64 KiB, unoptimised; what grows with the square takes many seconds.
    const LINE_MAX: std::time::Duration = std::time::Duration::from_millis(1_500);
    let redactor = with(|config| config.personal = vec!["cccd".to_owned(), "email".to_owned()]);
    let mut units: Vec<String> = [
        "password=\"",
        "password=",
        "password=)",
        "password='",
        "?password=%27union+select",
        "sig=",
        "token: ",
        "eyJheyJh",
        ".eyJ.eyJ",
        "eyJhbGciOiJIUzI1NiJ9.",
        "authorization: ",
        "cookie: a=b; ",
        "bearer ",
        "&state=&code=",
        "mysql -p",
        "mysql ",
        "echo | passwd --stdin ",
        "identified by ",
        "login ok: [",
        "proctitle=",
        "argc=1 a0=",
        " a0=6D a1=",
        "%3a%2f%2f",
        "x://a:",
        "@",
        "a:b@",
        "-----BEGIN PRIVATE KEY-----",
        "\"message\":[",
        "mật khẩu ",
        "mật khẩu=",
        "<password",
        "net user ",
        "sudo -S ",
        "password=,a=",
        "password=\\\"",
        "0:AA",
        "012345678901 ",
        "'",
        "\\",
        "[redacted:",
        "\"password\":[\"a\",",
        "--password ",
        "password 7 ",
        "ticket=",
        "AKIA",
        "/bot1:AA",
    ]
    .map(str::to_owned)
    .to_vec();
    units.extend(table().into_iter().map(|(text, _)| text.to_owned()));
    for unit in units {
        let text = unit.repeat(65_536 / unit.len());
        let before = cpu();
        let (out, _) = redactor.redact(&text);
        let took = cpu() - before;
        assert!(took < LINE_MAX, "{took:?} for many {unit:?}, {} bytes out", out.len());
    }
}

/// Found by the fuzzer: the window of a login ended with the mark of another secret, whose bracket was
/// taken for the login's, once a turn.
#[test]
fn a_login_does_not_end_with_the_bracket_of_a_mark() {
    let secret = "local-user lan password irreversible-cipher $1a$abc";
    for filler in 900..1_000 {
        let text = format!("Login incorrect: [lan {}=x/a {secret}\n", "é".repeat(filler / 2));
        let (once, _) = redactor().redact(&text);
        assert!(!once.contains("$1a$abc") && !once.contains("]]"), "{once}");
        assert_eq!(redactor().redact(&once).0, once);
    }
}
