//! Keyed: values whose name says that they are secret: `password=…`, `"token":"…"`, `--secret …`.

use super::edit::{MARK, Put, is_in_mark};
use super::kind::Kind;
use super::names::{Name, Rule};
use super::scan::Scan;
use super::value::{Bare, Separator, Value};

/// Bytes before a name that are looked at for the query it belongs to.
const QUERY_BYTES_MAX: usize = 160;
/// Bytes of a value that are looked at for what makes it an attack.
const ATTACK_BYTES_MAX: usize = 1_024;
/// Bytes behind a Vietnamese name in which its separator stands.
const SEPARATOR_BYTES_MAX: usize = 48;

/// A value longer than this that is no secret is not looked into for others: a line made of names would
/// be read once for each.
const WORD_BYTES_MAX: usize = 512;

/// Bytes of a name that is too short for the filter.
const SHORT_BYTES: usize = 3;

/// What stands for no value.
const NOTHING: &[&str] = &[
    "-",
    "--",
    "?",
    "yes",
    "no",
    "true",
    "false",
    "null",
    "nil",
    "none",
    "undefined",
    "(null)",
    "(none)",
    "<nil>",
    "<none>",
    "hidden",
    "(hidden)",
    "<hidden>",
    "<password>",
    "redacted",
    "[redacted]",
    "<redacted>",
    "[filtered]",
    "[hidden]",
    "[masked]",
    "<masked>",
    "(not",
    "empty",
    "required",
    "...",
    "%s",
    "{}",
    "[]",
    "none,",
    "n/a",
    "%2a%2a%2a",
];

/// Words that go on a sentence after "password:" and "token:".
const PROSE: &[&str] = &[
    "for",
    "from",
    "user",
    "by",
    "is",
    "was",
    "has",
    "have",
    "must",
    "not",
    "invalid",
    "incorrect",
    "failed",
    "failure",
    "changed",
    "check",
    "authentication",
    "mismatch",
    "expired",
    "expires",
    "required",
    "too",
    "try",
    "please",
    "the",
    "a",
    "an",
    "access",
    "wrong",
    "denied",
    "policy",
    "reset",
    "set",
    "does",
    "cannot",
    "can't",
    "could",
    "missing",
    "unknown",
    "error",
    "unable",
    "login",
    "no",
    "account",
    "bad",
    "permission",
    "new",
    "old",
    "use",
    "using",
    "only",
    "at",
    "in",
    "on",
    "to",
    "and",
    "or",
    "of",
    "pam_unix",
    "chauthtok",
    "accepted",
    "rejected",
    "validation",
    "verification",
    "updated",
    "created",
    "deleted",
    "removed",
    "added",
    "will",
    "should",
    "may",
    "need",
    "needs",
    "it",
    "its",
    "đã",
    "không",
    "sai",
    "cho",
    "của",
    "bị",
    "chưa",
    "phải",
    "quá",
    "hết",
    "người",
    "đúng",
    "hợp",
    "đổi",
    "mới",
    "cũ",
    "tài",
    "và",
    "là",
    "được",
];

/// Services and stages of PAM: `pam_unix(passwd:chauthtok)`.
const PAM: &[&str] = &["auth", "account", "session", "chauthtok", "setcred"];

/// Hides the value behind a name that a word is part of.
pub(super) fn name(scan: &mut Scan<'_, '_>, start: usize, end: usize, kind: Kind, rule: Rule) {
    // A word may come with its separator, or with a sign that a name of three letters needed.
    let word = &scan.bytes[start..end];
    let lead = usize::from(matches!(word.first(), Some(b'&' | b'-' | b' ' | b'_')));
    let is_name = |byte: &&u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.');
    let mut word_end = start + lead + word[lead..].iter().take_while(is_name).count();
    if rule == Rule::Short || word_end == end && scan.is_short_name(word) {
        word_end = start + lead + SHORT_BYTES;
    }
    let start = start + lead;
    let Some(name) = Name::around(scan.bytes, start, word_end) else { return };
    let separator = Separator::read(scan.bytes, name.end);
    // Most of these words stand in prose: told apart before anything is looked at in full.
    if separator.is_none() && !super::markup::may_follow(scan, &name)
        || !name.is_secret(scan.bytes, rule)
    {
        return;
    }
    if let Some(separator) = separator {
        separated(scan, &name, separator, kind, rule);
    } else if !super::markup::element(scan, &name, kind)
        && !super::markup::option(scan, &name, kind)
    {
        super::markup::statement(scan, &name, kind);
    }
}

fn separated(scan: &mut Scan<'_, '_>, name: &Name, separator: Separator, kind: Kind, rule: Rule) {
    let is_path =
        rule == Rule::Session && scan.bytes.get(name.start.wrapping_sub(1)) == Some(&b';');
    let bare = Bare {
        is_query: is_path || is_query(scan.bytes, name.start),
        is_encoded: separator.is_encoded,
        is_path,
        is_json: separator.is_json || separator.is_escaped,
        has_escapes: scan.has_escapes(),
    };
    if matches!(rule, Rule::Query | Rule::Ticket) && !bare.is_query {
        return;
    }
    let Some(mut value) = Value::read(scan.bytes, separator.end, bare) else { return };
    if bare.is_query && !value.is_quoted {
        let closing = |byte: &&u8| matches!(byte, b'\'' | b')' | b',' | b']' | b';' | b'}');
        let here = &scan.bytes[value.start..value.end];
        if !scan.text[value.start..value.end].starts_with(MARK) {
            // The bracket of a mark belongs to it.
            let signs = (value.start..value.end).rev().zip(here.iter().rev());
            let signs = signs.take_while(|(_, byte)| closing(byte));
            value.end -= signs.take_while(|(at, _)| !is_in_mark(scan.text, *at)).count();
        }
    }
    let piece = scan.text.get(value.start..value.end).unwrap_or_default();
    if is_nothing(piece) {
        return;
    }
    if !is_plausible(scan, name, separator, value, rule, bare) {
        if piece.len() > WORD_BYTES_MAX {
            scan.pass_over(value.end);
        }
        return;
    }
    if bare.is_query && is_attack(piece) {
        scan.pass_over(value.end);
        return;
    }
    if bare.is_json && !value.is_quoted && separator.end == value.start {
        // A number becomes text; an object is looked into by itself.
        if !piece.starts_with(['{', '[']) {
            let quote = if separator.is_escaped { "\\\"" } else { "\"" };
            scan.put(value.start, value.end, kind, Put::Quoted(quote));
        }
        return;
    }
    scan.hide(value.start, value.end, kind);
    // The other texts of a list.
    if scan.bytes.get(separator.end) == Some(&b'[') && value.is_quoted {
        let mut at = value.end + 1;
        while let Some([b',', rest @ ..]) = scan.bytes.get(at..) {
            let blanks = rest.iter().take_while(|byte| **byte == b' ').count();
            let next = Value::read(scan.bytes, at + 1 + blanks, bare).filter(|next| next.is_quoted);
            let Some(next) = next else { break };
            scan.hide(next.start, next.end, kind);
            at = next.end + 1;
        }
    }
}

/// Whether a value may be a secret, by where it stands.
fn is_plausible(
    scan: &Scan<'_, '_>,
    name: &Name,
    separator: Separator,
    value: Value,
    rule: Rule,
    bare: Bare,
) -> bool {
    let piece = &scan.text[value.start..value.end];
    let own = &scan.text[name.start..name.end];
    let is_number = piece.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    match rule {
        Rule::Session if is_number || piece.len() < 6 || piece.starts_with("0x") => return false,
        Rule::Ticket => {
            let is_ticket = ["ST-", "PT-", "TGT-", "PGT-"].iter().any(|it| piece.starts_with(it));
            return is_ticket || piece.len() >= 20;
        }
        // What a request to a cloud is signed for: its date and region, no secret.
        Rule::Part if own.to_ascii_lowercase().ends_with("credential") && piece.contains("/20") => {
            return false;
        }
        // The working directory of a shell or of sudo.
        Rule::Short if !bare.is_query && is_directory(piece) => return false,
        // How many tests or checks went well.
        Rule::Pass if own.eq_ignore_ascii_case("pass") && is_number && piece.len() <= 3 => {
            return bare.is_query;
        }
        _ => {}
    }
    // A call whose result a script keeps: `$token = Get-Token -Id 5`.
    let is_code = own.starts_with('$') && !value.is_quoted && !bare.is_query;
    if is_code || separator.is_prose && piece.starts_with(['{', '[']) && !piece.starts_with(MARK) {
        return false;
    }
    if PAM.contains(&piece.split([')', '(', ']']).next().unwrap_or_default()) && !separator.is_json
    {
        return false;
    }
    if separator.is_prose && !value.is_quoted {
        let word = piece.trim_end_matches([':', ',', '.', ';', ')', '(', '\'']);
        let word = word.split(['(', '=']).next().unwrap_or_default().to_lowercase();
        if word.is_empty() || PROSE.contains(&word.as_str()) {
            return false;
        }
        if rule == Rule::Token {
            return piece.len() >= 16
                || piece.len() >= 6 && piece.bytes().any(|b| b.is_ascii_digit());
        }
    }
    true
}

/// Whether a value says that there is none: nothing, a placeholder, stars, a variable of a shell.
pub(super) fn is_nothing(piece: &str) -> bool {
    let is_filler = |sign: char| piece.chars().all(|it| it == sign);
    let is_variable = piece.strip_prefix('$').is_some_and(|name| {
        name.starts_with('{') && name.ends_with('}')
            || !name.is_empty() && name.bytes().all(|b| b.is_ascii_uppercase() || b == b'_')
    });
    piece.is_empty()
        || is_filler('*')
        || is_filler('\u{2022}')
        || piece.len() >= 3 && (is_filler('x') || is_filler('X'))
        || is_variable
        || NOTHING.iter().any(|nothing| nothing.eq_ignore_ascii_case(piece))
}

fn is_directory(piece: &str) -> bool {
    piece.starts_with('/')
        || piece.starts_with("~/")
        || piece == "~"
        || piece == "unknown"
        || piece.get(1..3) == Some(":\\")
}

/// Whether a name stands in the query of a URL or in a form: a `?` or `&` before it, and nothing
/// between that cannot stand in a name.
pub(super) fn is_query(text: &[u8], name: usize) -> bool {
    let from = name.saturating_sub(QUERY_BYTES_MAX);
    for byte in text[from..name].iter().rev() {
        match byte {
            b'?' | b'&' => return true,
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' => {}
            b'_' | b'-' | b'.' | b'%' | b'$' | b'[' | b']' | b'+' | b';' | b'\\' => {}
            _ => return false,
        }
    }
    false
}

/// Whether the value of a parameter is an attack on the server rather than a secret of its user: then
/// the rules have to see it.
pub(super) fn is_attack(piece: &str) -> bool {
    let mut plain = Vec::with_capacity(piece.len().min(ATTACK_BYTES_MAX));
    let mut rest = piece.as_bytes();
    while let [byte, more @ ..] = rest
        && plain.len() < ATTACK_BYTES_MAX
    {
        rest = more;
        let digits = more.get(..2).and_then(|digits| std::str::from_utf8(digits).ok());
        match (byte, digits.and_then(|digits| u8::from_str_radix(digits, 16).ok())) {
            (b'%', Some(value)) => {
                plain.push(value.to_ascii_lowercase());
                rest = more.get(2..).unwrap_or_default();
            }
            (b'+', _) => plain.push(b' '),
            (byte, _) => plain.push(byte.to_ascii_lowercase()),
        }
    }
    let has = |words: &[&str]| {
        words.iter().any(|word| memchr::memmem::find(&plain, word.as_bytes()).is_some())
    };
    let is_sql = has(&["'", "\"", ")"])
        && has(&[
            " or ",
            "'or",
            "\"or",
            " and ",
            "'and",
            "union",
            "select",
            "sleep(",
            "benchmark(",
            "waitfor",
            "'=",
            "='",
            "||",
            "xp_cmdshell",
            "--",
            "drop table",
            "/*",
        ]);
    is_sql
        || has(&["union"]) && has(&["select"])
        || has(&[
            "<script",
            "javascript:",
            "onerror=",
            "${jndi:",
            "../..",
            "..\\..",
            "/etc/passwd",
            "() {",
            "/dev/tcp/",
        ])
        || has(&[";", "|", "`", "$("])
            && has(&["wget ", "curl ", "/bin/", "cat ", "whoami", "ping ", "nc ", "id;"])
}

/// Hides the value behind a Vietnamese name with its marks.
pub(super) fn vietnamese(scan: &mut Scan<'_, '_>, end: usize, kind: Kind) {
    let behind = scan.bytes.get(end..).unwrap_or_default();
    let is_name = |byte: &&u8| {
        byte.is_ascii_alphanumeric()
            || byte.is_ascii_whitespace() && **byte == b' '
            || !byte.is_ascii()
            || matches!(byte, b'_' | b'+' | b'%' | b'-')
    };
    // "%20khau%3D": what is written in percent belongs to the name, but for a separator.
    let mut name_end = end;
    for _ in behind.iter().take(SEPARATOR_BYTES_MAX).take_while(is_name) {
        if let Some(separator) = Separator::read(scan.bytes, name_end) {
            let name = Name { start: end, end: name_end, word: end, word_end: name_end };
            separated(scan, &name, separator, kind, Rule::Part);
            return;
        }
        name_end += 1;
    }
    if let Some(separator) = Separator::read(scan.bytes, name_end) {
        let name = Name { start: end, end: name_end, word: end, word_end: name_end };
        separated(scan, &name, separator, kind, Rule::Part);
    }
}
