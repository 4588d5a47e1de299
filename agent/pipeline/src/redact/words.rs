//! Words: what the filter looks for, and the check that stands behind each.
//!
//! The list was made from what the log files of our own tests hold and from what others look for:
//! gitleaks (MIT, config/gitleaks.toml: prefixes of tokens and their lengths), the OpenTelemetry
//! redaction processor and Grafana's loki.secretfilter (Apache-2.0: which kinds, how to configure),
//! Vector's `redact` (MPL-2.0: own patterns beside named filters), Datadog's Sensitive Data Scanner (its
//! public list of rules). Prefixes of tokens are those their makers document. No expression was copied:
//! each check is written by hand, and looks only where a word was found.

use super::kind::Kind;
use super::names::Rule;

/// What is checked where a word stands.
#[derive(Debug, Clone, Copy)]
pub(super) enum Check {
    /// The word is part of a name, and a value follows.
    Name(Kind, Rule),
    /// `Authorization: …`
    Authorization,
    /// `Bearer …` by itself.
    Bearer,
    /// `Cookie: …`, `Set-Cookie: …`
    Cookie,
    /// `code=` beside `state=`.
    OauthCode,
    /// A Vietnamese name with its marks, in UTF-8 or in percent: it ends at its separator.
    Vietnamese(Kind),
    /// `eyJ….eyJ…`
    Jwt,
    /// `-----BEGIN … PRIVATE KEY-----`
    Pem,
    /// A token with a telling beginning.
    Shape(&'static Shape),
    /// `123456789:AA…`
    Telegram,
    /// `https%3A%2F%2Fuser%3Apass%40host`
    EncodedUrl,
    /// A program whose options hold secrets.
    Program,
    /// `net user NAME PASS`
    NetUser,
    /// `… | sudo -S`
    Piped,
    /// `ConvertTo-SecureString X`
    SecureString,
    /// `IDENTIFIED BY '…'`
    Identified,
    /// `Login incorrect: [user/password]` of FreeRADIUS.
    Radius,
    /// `proctitle=` and others that audit writes in hexadecimal.
    Hex,
    /// `argc=` of an EXECVE record.
    Execve,
    /// `"MESSAGE":[104,…]` of a journal entry.
    ByteArray,
}

/// A token that begins with a word and goes on with so many characters.
#[derive(Debug)]
pub(super) struct Shape {
    pub(super) word: &'static str,
    pub(super) kind: Kind,
    /// Fewest characters behind the word.
    pub(super) more: usize,
    /// Which they are.
    pub(super) of: Alphabet,
}

/// Characters of a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Alphabet {
    /// `A-Z0-9`
    Upper,
    /// `A-Za-z0-9`
    Word,
    /// `A-Za-z0-9_-`
    Url,
    /// `A-Za-z0-9_.-`
    Dotted,
    /// `A-Za-z0-9/_-`
    Path,
}

impl Alphabet {
    pub(super) fn holds(self, byte: u8) -> bool {
        match self {
            Self::Upper => byte.is_ascii_uppercase() || byte.is_ascii_digit(),
            Self::Word => byte.is_ascii_alphanumeric(),
            Self::Url => byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-'),
            Self::Dotted => byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.'),
            Self::Path => byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'/'),
        }
    }
}

const fn shape(word: &'static str, kind: Kind, more: usize, of: Alphabet) -> Shape {
    Shape { word, kind, more, of }
}

/// Tokens that their makers gave a telling beginning.
pub(super) static SHAPES: &[Shape] = &[
    // AWS, IAM identifiers: unique ID prefixes.
    shape("AKIA", Kind::ApiKey, 16, Alphabet::Upper),
    shape("ASIA", Kind::ApiKey, 16, Alphabet::Upper),
    shape("ABIA", Kind::ApiKey, 16, Alphabet::Upper),
    // GitHub, "About authentication to GitHub": token formats.
    shape("ghp_", Kind::Token, 30, Alphabet::Word),
    shape("gho_", Kind::Token, 30, Alphabet::Word),
    shape("ghu_", Kind::Token, 30, Alphabet::Word),
    shape("ghs_", Kind::Token, 30, Alphabet::Word),
    shape("ghr_", Kind::Token, 30, Alphabet::Word),
    shape("github_pat_", Kind::Token, 22, Alphabet::Url),
    // GitLab, "Token overview": token prefixes.
    shape("glpat-", Kind::Token, 20, Alphabet::Dotted),
    shape("gldt-", Kind::Token, 20, Alphabet::Dotted),
    shape("glrt-", Kind::Token, 20, Alphabet::Dotted),
    shape("glcbt-", Kind::Token, 20, Alphabet::Dotted),
    shape("glptt-", Kind::Token, 20, Alphabet::Dotted),
    // Slack, "Token types"; incoming webhooks.
    shape("xoxb-", Kind::Token, 10, Alphabet::Url),
    shape("xoxp-", Kind::Token, 10, Alphabet::Url),
    shape("xoxa-", Kind::Token, 10, Alphabet::Url),
    shape("xoxr-", Kind::Token, 10, Alphabet::Url),
    shape("xoxs-", Kind::Token, 10, Alphabet::Url),
    shape("xoxe-", Kind::Token, 10, Alphabet::Url),
    shape("xoxe.", Kind::Token, 10, Alphabet::Dotted),
    shape("xapp-1-A", Kind::Token, 10, Alphabet::Url),
    shape("hooks.slack.com/services/", Kind::Token, 20, Alphabet::Path),
    shape("discord.com/api/webhooks/", Kind::Token, 30, Alphabet::Path),
    // Google Cloud, "API keys", "Client secrets".
    shape("AIza", Kind::ApiKey, 35, Alphabet::Url),
    shape("ya29.", Kind::Token, 20, Alphabet::Dotted),
    shape("GOCSPX-", Kind::Token, 20, Alphabet::Url),
    // Package registries, payment, mail, hosting, as their makers document them.
    shape("npm_", Kind::Token, 36, Alphabet::Word),
    shape("pypi-", Kind::Token, 50, Alphabet::Url),
    shape("dckr_pat_", Kind::Token, 20, Alphabet::Url),
    shape("sk_live_", Kind::ApiKey, 16, Alphabet::Word),
    shape("sk_test_", Kind::ApiKey, 16, Alphabet::Word),
    shape("rk_live_", Kind::ApiKey, 16, Alphabet::Word),
    shape("sk-ant-", Kind::ApiKey, 20, Alphabet::Url),
    shape("sk-proj-", Kind::ApiKey, 20, Alphabet::Url),
    shape("sk-svcacct-", Kind::ApiKey, 20, Alphabet::Url),
    shape("dop_v1_", Kind::Token, 64, Alphabet::Word),
    shape("shpat_", Kind::Token, 32, Alphabet::Word),
    shape("hvs.", Kind::Token, 24, Alphabet::Dotted),
    shape("hvb.", Kind::Token, 24, Alphabet::Dotted),
    shape("ATATT3xFf", Kind::Token, 40, Alphabet::Dotted),
    shape("AGE-SECRET-KEY-1", Kind::PrivateKey, 50, Alphabet::Upper),
];

/// What may follow a name of three letters, as words of the filter must have four.
const BEHIND: &[&str] = &["=", ":", "\"", "'", "]", " =", "%", "\\", "_", "1", ">"];

/// Names of three letters.
const SHORT: &[(&str, Kind)] =
    &[("pwd", Kind::Password), ("otp", Kind::Otp), ("psk", Kind::Password)];

use Kind::{ApiKey, OauthCode, Otp, Password, Saml, Session, Token};

/// Words with their checks.
const WORDS: &[(&str, Check)] = &[
    ("pass", Check::Name(Password, Rule::Pass)),
    ("bindpw", Check::Name(Password, Rule::Part)),
    ("rootpw", Check::Name(Password, Rule::Part)),
    ("credential", Check::Name(Password, Rule::Part)),
    ("community", Check::Name(Password, Rule::Part)),
    ("presharedkey", Check::Name(Password, Rule::Part)),
    ("pre-shared-key", Check::Name(Password, Rule::Part)),
    ("pre_shared_key", Check::Name(Password, Rule::Part)),
    ("matkhau", Check::Name(Password, Rule::Part)),
    ("mat_khau", Check::Name(Password, Rule::Part)),
    ("mat-khau", Check::Name(Password, Rule::Part)),
    ("matma", Check::Name(Password, Rule::Whole)),
    ("mat_ma", Check::Name(Password, Rule::Whole)),
    ("m\u{1ead}t kh\u{1ea9}u", Check::Vietnamese(Password)),
    ("m\u{1ead}t_kh\u{1ea9}u", Check::Vietnamese(Password)),
    ("m\u{1ead}tkh\u{1ea9}u", Check::Vietnamese(Password)),
    ("M\u{1eac}T KH\u{1ea8}U", Check::Vietnamese(Password)),
    ("m\u{1ead}t m\u{e3}", Check::Vietnamese(Password)),
    ("m%e1%ba%adt", Check::Vietnamese(Password)),
    ("token", Check::Name(Token, Rule::Token)),
    ("secret", Check::Name(Token, Rule::Token)),
    ("client_assertion", Check::Name(Token, Rule::Token)),
    ("cli_auth", Check::Name(Password, Rule::Part)),
    ("apikey", Check::Name(ApiKey, Rule::Part)),
    ("api_key", Check::Name(ApiKey, Rule::Part)),
    ("api-key", Check::Name(ApiKey, Rule::Part)),
    ("api.key", Check::Name(ApiKey, Rule::Part)),
    ("accesskey", Check::Name(ApiKey, Rule::Part)),
    ("access_key", Check::Name(ApiKey, Rule::Part)),
    ("access-key", Check::Name(ApiKey, Rule::Part)),
    ("accountkey", Check::Name(ApiKey, Rule::Part)),
    ("account_key", Check::Name(ApiKey, Rule::Part)),
    ("authkey", Check::Name(ApiKey, Rule::Part)),
    ("auth_key", Check::Name(ApiKey, Rule::Part)),
    ("auth-key", Check::Name(ApiKey, Rule::Part)),
    ("privatekey", Check::Name(ApiKey, Rule::Part)),
    ("private_key", Check::Name(ApiKey, Rule::Part)),
    ("private-key", Check::Name(ApiKey, Rule::Part)),
    ("encryption_key", Check::Name(ApiKey, Rule::Part)),
    ("encryptionkey", Check::Name(ApiKey, Rule::Part)),
    ("signing_key", Check::Name(ApiKey, Rule::Part)),
    ("signingkey", Check::Name(ApiKey, Rule::Part)),
    ("sig=", Check::Name(ApiKey, Rule::Query)),
    ("x-amz-signature", Check::Name(ApiKey, Rule::Part)),
    ("x-goog-signature", Check::Name(ApiKey, Rule::Part)),
    ("sessionid", Check::Name(Session, Rule::Session)),
    ("session_id", Check::Name(Session, Rule::Session)),
    ("session-id", Check::Name(Session, Rule::Session)),
    ("phpsessid", Check::Name(Session, Rule::Session)),
    ("sess_id", Check::Name(Session, Rule::Session)),
    ("connect.sid", Check::Name(Session, Rule::Session)),
    ("aspxauth", Check::Name(Session, Rule::Session)),
    ("onetimecode", Check::Name(Otp, Rule::Part)),
    ("one_time_code", Check::Name(Otp, Rule::Part)),
    ("verification_code", Check::Name(Otp, Rule::Part)),
    ("verificationcode", Check::Name(Otp, Rule::Part)),
    ("maxacthuc", Check::Name(Otp, Rule::Part)),
    ("ma_xac_thuc", Check::Name(Otp, Rule::Part)),
    ("maxacnhan", Check::Name(Otp, Rule::Part)),
    ("ma_xac_nhan", Check::Name(Otp, Rule::Part)),
    ("m\u{e3} x\u{e1}c th\u{1ef1}c", Check::Vietnamese(Otp)),
    ("m\u{e3} x\u{e1}c nh\u{1ead}n", Check::Vietnamese(Otp)),
    ("ma_pin", Check::Name(Otp, Rule::Whole)),
    ("m\u{e3} pin", Check::Vietnamese(Otp)),
    ("samlresponse", Check::Name(Saml, Rule::Whole)),
    ("samlrequest", Check::Name(Saml, Rule::Whole)),
    ("wresult", Check::Name(Saml, Rule::Whole)),
    ("ticket=", Check::Name(OauthCode, Rule::Ticket)),
    ("ticket%3d", Check::Name(OauthCode, Rule::Ticket)),
    ("?code=", Check::OauthCode),
    ("&code=", Check::OauthCode),
    ("%3fcode%3d", Check::OauthCode),
    ("%26code%3d", Check::OauthCode),
    ("authorization", Check::Authorization),
    ("bearer ", Check::Bearer),
    ("bearer%20", Check::Bearer),
    ("cookie", Check::Cookie),
    (".eyj", Check::Jwt),
    ("eyjh", Check::Jwt),
    ("eyj0", Check::Jwt),
    ("eyjr", Check::Jwt),
    ("eyjl", Check::Jwt),
    ("eyjj", Check::Jwt),
    ("private key", Check::Pem),
    ("%3a%2f%2f", Check::EncodedUrl),
    ("mysql", Check::Program),
    ("mariadb", Check::Program),
    ("curl -", Check::Program),
    ("curl h", Check::Program),
    ("curl \"", Check::Program),
    ("curl '", Check::Program),
    ("curl\",", Check::Program),
    ("curl.exe", Check::Program),
    ("ldap", Check::Program),
    ("smbclient", Check::Program),
    ("smbget", Check::Program),
    ("smbmap", Check::Program),
    ("rpcclient", Check::Program),
    ("redis-cli", Check::Program),
    ("mongo", Check::Program),
    ("sqlcmd", Check::Program),
    ("osql", Check::Program),
    ("psexec", Check::Program),
    ("plink ", Check::Program),
    ("plink.exe", Check::Program),
    ("pscp", Check::Program),
    ("psftp", Check::Program),
    ("schtasks", Check::Program),
    ("rdesktop", Check::Program),
    ("xfreerdp", Check::Program),
    ("ipmitool", Check::Program),
    ("snmp", Check::Program),
    ("useradd", Check::Program),
    ("usermod -", Check::Program),
    ("htpasswd", Check::Program),
    ("sshpass", Check::Program),
    ("docker", Check::Program),
    ("podman", Check::Program),
    ("openssl", Check::Program),
    ("zip -p", Check::Program),
    ("zip -r", Check::Program),
    ("7z a", Check::Program),
    ("7za a", Check::Program),
    (" net use", Check::NetUser),
    ("\"net use", Check::NetUser),
    ("\\net use", Check::NetUser),
    ("net1 use", Check::NetUser),
    ("net.exe", Check::NetUser),
    ("net1.exe", Check::NetUser),
    ("sudo -s", Check::Piped),
    ("| kinit", Check::Piped),
    ("d --stdin", Check::Piped),
    ("chpasswd", Check::Piped),
    ("smbpasswd", Check::Piped),
    ("securestring", Check::SecureString),
    ("identified by", Check::Identified),
    ("identified with", Check::Identified),
    ("login incorrect", Check::Radius),
    ("login ok:", Check::Radius),
    ("proctitle=", Check::Hex),
    (" cmd=", Check::Hex),
    (" data=", Check::Hex),
    ("argc=", Check::Execve),
    ("\"message\":[", Check::ByteArray),
];

/// Every word with its check, those of the configuration behind ours.
pub(super) fn all(own: &[String]) -> Vec<(Vec<u8>, Check)> {
    let mut all: Vec<(Vec<u8>, Check)> = Vec::new();
    all.extend(WORDS.iter().map(|(word, check)| (word.as_bytes().to_vec(), *check)));
    for (name, kind) in SHORT {
        short(name, Check::Name(*kind, Rule::Short), &mut all);
    }
    // Most URLs hold "tp:", so this word waits for what stands before.
    all.retain(|(word, _)| word != b"otp:");
    all.extend(
        [" otp:", "_otp:"].map(|word| (word.as_bytes().to_vec(), Check::Name(Otp, Rule::Short))),
    );
    for shape in SHAPES {
        all.push((shape.word.as_bytes().to_vec(), Check::Shape(shape)));
    }
    all.extend((b'0'..=b'9').map(|digit| (vec![digit, b':', b'A', b'A'], Check::Telegram)));
    for name in own {
        if name.len() < super::filter::WORD_BYTES_MIN {
            short(name, Check::Name(Token, Rule::Whole), &mut all);
        } else {
            all.push((name.as_bytes().to_vec(), Check::Name(Token, Rule::Whole)));
        }
    }
    all
}

fn short(name: &str, check: Check, all: &mut Vec<(Vec<u8>, Check)>) {
    all.extend(BEHIND.iter().map(|behind| (format!("{name}{behind}").into_bytes(), check)));
    all.push((format!("-{name} ").into_bytes(), check));
}
