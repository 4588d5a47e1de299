//! Redaction: secrets and personal numbers are masked before bytes are fixed.

use std::borrow::Cow;
use std::net::IpAddr;

use regex::{Captures, Regex};
use sha2::{Digest, Sha256};

use crate::config::RedactionConfig;
use crate::{Error, Result};

/// What stands in the place of a secret.
const MASK: &str = "***";

/// Patterns with the part that stays as group 1 and, where something follows, group 2.
const SECRETS: [&str; 8] = [
    // Authorization: Basic …, Cookie: …, X-Api-Key: … up to the end of the line or quote
    r#"(?i)\b((?:proxy-)?authorization|set-cookie|cookie|x-api-key|x-auth-token)(\s*[:=]\s*)[^\r\n"']+"#,
    r"(?i)\b(bearer|basic)(\s+)[A-Za-z0-9._~+/=-]{8,}",
    // token=…, "password": "…", passwd:… in queries, forms, JSON and command lines
    concat!(
        r#"(?i)((?:[a-z0-9]+[_-])*(?:password|passwd|passwrd|passphrase|pwd|token|secret|api[_-]?key|"#,
        r#"access[_-]?key|private[_-]?key|credential|session[_-]?id|sessid|jsessionid|phpsessid|"#,
        r#"signature|sig|otp|pin|mat_?khau|matkhau))(["']?\s*(?:=|:|%3[dD])\s*["']?)[^\s&"';,}]+"#
    ),
    // --password VALUE
    r#"(?i)(--?(?:[a-z0-9]+-)*(?:password|passwd|pass|token|secret|api-key))(\s+)("[^"]*"|'[^']*'|[^\s"'-][^\s"']*)"#,
    // curl -u name:secret, sshpass -p secret, mysql -psecret
    r"((?:^|\s)(?:curl|wget)\b[^\n]*?\s(?:-u|--user)\s*[^\s:]+)(:)[^\s]+",
    r"(\bsshpass\s+-p)(\s*)[^\s]+",
    r"(\bmysql(?:dump|admin)?\b[^\n]*?\s-p)()[^\s-][^\s]*",
    // scheme://name:secret@host
    r"([a-zA-Z][a-zA-Z0-9+.-]*://[^\s/:@]*)(:)[^\s/@]+@",
];
/// 12 digits standing alone: a citizen's number (CCCD).
const CITIZEN: &str = r"\b(0[0-9]{2})[0-9]{6}([0-9]{3})\b";
/// A mobile number in Vietnam's numbering.
const PHONE: &str = r"(^|[^0-9.])(?:\+84|0084|0)([35789])[0-9]{6}([0-9]{2})($|[^0-9.])";
/// A mail address: the local part is masked.
const MAIL: &str = r"\b([A-Za-z0-9])[A-Za-z0-9._%+-]*@([A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)+)";
/// Something that may be an IPv4 address.
const ADDRESS: &str = r"\b[0-9]{1,3}(?:\.[0-9]{1,3}){3}\b";

/// Masks texts and counts what it masked.
pub(crate) struct Redactor {
    secrets: Vec<Regex>,
    citizen: Regex,
    phone: Regex,
    mail: Regex,
    address: Regex,
    internal_ips: bool,
    salt: String,
    masked: u64,
}

impl Redactor {
    pub(crate) fn new(config: &RedactionConfig) -> Result<Self> {
        let compile = |text: &str| {
            Regex::new(text).map_err(|error| Error::Config {
                key: "redaction",
                problem: format!("a shipped pattern is wrong, report this: {error}"),
            })
        };
        if config.internal_ips && config.salt.is_empty() {
            let problem = "set a salt; without one the hashes of addresses can be guessed".into();
            return Err(Error::Config { key: "redaction.salt", problem });
        }
        Ok(Self {
            secrets: SECRETS.iter().map(|text| compile(text)).collect::<Result<_>>()?,
            citizen: compile(CITIZEN)?,
            phone: compile(PHONE)?,
            mail: compile(MAIL)?,
            address: compile(ADDRESS)?,
            internal_ips: config.internal_ips,
            salt: config.salt.clone(),
            masked: 0,
        })
    }

    /// Returns how many texts were masked in all.
    pub(crate) fn masked(&self) -> u64 {
        self.masked
    }

    /// Returns the text with everything masked that must not leave.
    pub(crate) fn text(&mut self, text: &str) -> String {
        let mut count = 0;
        let mut out = Cow::Borrowed(text);
        for secret in &self.secrets {
            let userinfo = secret.as_str().ends_with('@');
            out = replace(secret, out, &mut count, |found| {
                let end = if userinfo { "@" } else { "" };
                format!("{}{}{MASK}{end}", &found[1], &found[2])
            });
        }
        out = replace(&self.citizen, out, &mut count, |it| format!("{}******{}", &it[1], &it[2]));
        out = replace(&self.phone, out, &mut count, |it| {
            format!("{}0{}******{}{}", &it[1], &it[2], &it[3], &it[4])
        });
        out = replace(&self.mail, out, &mut count, |it| format!("{}{MASK}@{}", &it[1], &it[2]));
        if self.internal_ips {
            let salt = &self.salt;
            out = replace(&self.address, out, &mut count, |it| match it[0].parse() {
                Ok(address) if is_internal(address) => alias(salt, &it[0]),
                _ => it[0].to_owned(),
            });
        }
        self.masked += count;
        out.into_owned()
    }

    /// Whether an address may leave as an address.
    pub(crate) fn may_leave(&mut self, address: IpAddr) -> bool {
        let stays = self.internal_ips && is_internal(address);
        self.masked += u64::from(stays);
        !stays
    }
}

/// The same address always gets the same alias, and nobody without the salt can turn it back.
fn alias(salt: &str, address: &str) -> String {
    let digest = Sha256::digest(format!("{salt}\0{address}"));
    format!("ip-{}", hex::encode(&digest[..6]))
}

fn replace<'a>(
    pattern: &Regex,
    text: Cow<'a, str>,
    count: &mut u64,
    with: impl Fn(&Captures<'_>) -> String,
) -> Cow<'a, str> {
    if !pattern.is_match(&text) {
        return text;
    }
    let replaced = pattern.replace_all(&text, |found: &Captures<'_>| {
        let new = with(found);
        *count += u64::from(new != found[0]);
        new
    });
    Cow::Owned(replaced.into_owned())
}

/// Private, loopback, link-local and carrier-grade addresses (RFC 1918, 6598, 3927, 4193, 4291).
fn is_internal(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(it) => {
            let [a, b, ..] = it.octets();
            it.is_private()
                || it.is_loopback()
                || it.is_link_local()
                || (a == 100 && (64..128).contains(&b))
        }
        IpAddr::V6(it) => match it.to_ipv4_mapped() {
            Some(inner) => is_internal(IpAddr::V4(inner)),
            None => it.is_loopback() || it.is_unique_local() || it.is_unicast_link_local(),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn redact(text: &str) -> String {
        // Compiling the patterns takes far longer than using them.
        static SHARED: std::sync::LazyLock<std::sync::Mutex<Redactor>> =
            std::sync::LazyLock::new(|| Redactor::new(&RedactionConfig::default()).unwrap().into());
        SHARED.lock().unwrap_or_else(std::sync::PoisonError::into_inner).text(text)
    }

    #[track_caller]
    fn check(text: &str, expect: &str) {
        assert_eq!(redact(text), expect);
        assert_eq!(redact(expect), expect, "masking twice changes nothing");
    }

    #[test]
    fn secrets_are_masked_and_the_rest_stays() {
        check("GET /x?token=abc123&id=7", "GET /x?token=***&id=7");
        check("/a?access_token=x.y.z&PASSWORD=hunter2", "/a?access_token=***&PASSWORD=***");
        check(r#"{"password": "hunter2", "a": 1}"#, r#"{"password": "***", "a": 1}"#);
        check("Authorization: Basic dXNlcjpwYXNz", "Authorization: ***");
        check(
            "curl -H 'Authorization: Bearer abcdefghij' http://x",
            "curl -H 'Authorization: ***' http://x",
        );
        check("Cookie: a=b; c=d", "Cookie: ***");
        check("mysql -h db -psecret123 prod", "mysql -h db -p*** prod");
        check("tool --db-password hunter2 --verbose", "tool --db-password *** --verbose");
        check("curl -s -u admin:hunter2 http://x", "curl -s -u admin:*** http://x");
        check(
            "git clone https://bob:hunter2@git.example/x",
            "git clone https://bob:***@git.example/x",
        );
        check("sshpass -p hunter2 ssh web01", "sshpass -p *** ssh web01");
        check("CCCD 001099012345 xong", "CCCD 001******345 xong");
        check("gọi 0912345678 ngay", "gọi 09******78 ngay");
        check("gửi nguyen.van.a@tinh.gov.vn", "gửi n***@tinh.gov.vn");
        check(
            "203.0.113.9 failed password for root from 10.0.0.1",
            "203.0.113.9 failed password for root from 10.0.0.1",
        );
    }

    #[test]
    fn internal_addresses_become_stable_aliases_when_asked() {
        let config = RedactionConfig { internal_ips: true, salt: "s".into() };
        let mut redactor = Redactor::new(&config).unwrap();
        let text = redactor.text("10.1.2.3 to 10.1.2.3 and 203.0.113.9");
        let words: Vec<_> = text.split(' ').collect();
        assert!(words[0].starts_with("ip-") && words[0] == words[2], "{text}");
        assert_eq!(words[4], "203.0.113.9");
        assert!(!redactor.may_leave("fd00::1".parse().unwrap()));
        assert!(redactor.may_leave("2001:db8::1".parse().unwrap()));
        assert_eq!(redactor.masked(), 3);
        let unsalted = RedactionConfig { internal_ips: true, salt: String::new() };
        assert!(Redactor::new(&unsalted).is_err());
    }

    proptest! {
        #[test]
        fn a_secret_never_survives(before in "[a-z /]{0,20}", secret in "[A-Za-z0-9]{6,24}", after in "( [a-z]{0,9})?") {
            for form in ["token=", "api_key=", "password: ", "--password ", "Authorization: Bearer "] {
                let text = redact(&format!("{before} {form}Zq9{secret}{after}"));
                let needle = format!("Zq9{}", secret);
                prop_assert!(!text.contains(&needle), "{}", text);
            }
        }
    }
}
