//! Certificates: until when they hold, and for whom. Only read, never judged: RFC 5280, X.690 (DER).

use std::path::Path;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use rules_event::Timestamp;

use super::files::read;
use super::item::Item;
use crate::expand;

/// Most certificates looked at.
const FILES_MAX: usize = 1_000;

/// From so many days before its end a certificate is told every day; before, only when it is another.
const TOLD_DAILY_DAYS: i64 = 60;

const COMMON_NAME: &[u8] = &[0x55, 0x04, 0x03];
const ALTERNATIVE_NAMES: &[u8] = &[0x55, 0x1d, 0x11];

const SEQUENCE: u8 = 0x30;
const SET: u8 = 0x31;
const OBJECT_ID: u8 = 0x06;
const OCTETS: u8 = 0x04;
const INTEGER: u8 = 0x02;
const UTC_TIME: u8 = 0x17;
const GENERALIZED_TIME: u8 = 0x18;
const DNS_NAME: u8 = 0x82;

pub(super) fn look(patterns: &[String], now: Timestamp) -> Option<Vec<Item>> {
    let mut items = Vec::new();
    for path in patterns.iter().flat_map(|pattern| expand::expand(pattern)).take(FILES_MAX) {
        items.extend(certificate(&path, now));
    }
    Some(items)
}

fn certificate(path: &Path, now: Timestamp) -> Option<Item> {
    let facts = Facts::read(&from_pem(&read(path)?)?)?;
    let end: Timestamp = facts.not_after.parse().ok()?;
    let seconds = (end.as_nanos() - now.as_nanos()).div_euclid(1_000_000_000);
    let days = seconds.div_euclid(86_400);
    let domain = facts.names.first().or(facts.subject.as_ref()).cloned().unwrap_or_default();
    let mut item = Item::new(path.display().to_string())
        .with("file.path", path.display().to_string())
        .with("url.domain", domain)
        .with("x509.subject.common_name", facts.subject.unwrap_or_default())
        .with("x509.issuer.common_name", facts.issuer.unwrap_or_default())
        .with("x509.alternative_names", facts.names.join(", "))
        .with("x509.serial_number", facts.serial)
        .with("x509.not_before", facts.not_before)
        .with("x509.not_after", facts.not_after);
    let name = "vonglau.certificate.days_left";
    item = if days < TOLD_DAILY_DAYS {
        item.with(name, days.to_string())
    } else {
        item.passing(name, days.to_string())
    };
    Some(item)
}

/// The first certificate of a file.
fn from_pem(text: &str) -> Option<Vec<u8>> {
    let (_, rest) = text.split_once("-----BEGIN CERTIFICATE-----")?;
    let (body, _) = rest.split_once("-----END CERTIFICATE-----")?;
    let body: String = body.split_ascii_whitespace().collect();
    STANDARD.decode(body).ok()
}

#[derive(Debug, Default, PartialEq, Eq)]
struct Facts {
    serial: String,
    issuer: Option<String>,
    subject: Option<String>,
    names: Vec<String>,
    not_before: String,
    not_after: String,
}

impl Facts {
    fn read(der: &[u8]) -> Option<Self> {
        let mut outer = der;
        let mut certificate = expect(&mut outer, SEQUENCE)?;
        let mut body = expect(&mut certificate, SEQUENCE)?;
        // [0] version, from version 2 on.
        if body.first() == Some(&0xa0) {
            element(&mut body)?;
        }
        let serial = expect(&mut body, INTEGER)?;
        expect(&mut body, SEQUENCE)?;
        let issuer = expect(&mut body, SEQUENCE)?;
        let mut validity = expect(&mut body, SEQUENCE)?;
        let not_before = time(&mut validity)?;
        let not_after = time(&mut validity)?;
        let subject = expect(&mut body, SEQUENCE)?;
        expect(&mut body, SEQUENCE)?;
        let mut names = Vec::new();
        while let Some((tag, content)) = element(&mut body) {
            // [3] extensions.
            if tag == 0xa3 {
                names = alternative_names(content).unwrap_or_default();
            }
        }
        Some(Self {
            serial: hex::encode(serial.strip_prefix(&[0]).unwrap_or(serial)),
            issuer: common_name(issuer),
            subject: common_name(subject),
            names,
            not_before,
            not_after,
        })
    }
}

/// One element: tag and content.
fn element<'a>(bytes: &mut &'a [u8]) -> Option<(u8, &'a [u8])> {
    let (&tag, rest) = bytes.split_first()?;
    let (&first, rest) = rest.split_first()?;
    let (length, rest) = if first < 0x80 {
        (usize::from(first), rest)
    } else {
        let count = usize::from(first & 0x7f);
        if count == 0 || count > 4 {
            return None;
        }
        let (digits, rest) = rest.split_at_checked(count)?;
        (digits.iter().fold(0_usize, |sum, digit| sum << 8 | usize::from(*digit)), rest)
    };
    let (content, rest) = rest.split_at_checked(length)?;
    *bytes = rest;
    Some((tag, content))
}

fn expect<'a>(bytes: &mut &'a [u8], wanted: u8) -> Option<&'a [u8]> {
    element(bytes).filter(|(tag, _)| *tag == wanted).map(|(_, content)| content)
}

fn common_name(mut name: &[u8]) -> Option<String> {
    let mut found = None;
    while let Some(mut set) = expect(&mut name, SET) {
        while let Some(mut pair) = expect(&mut set, SEQUENCE) {
            let id = expect(&mut pair, OBJECT_ID)?;
            let (_, value) = element(&mut pair)?;
            if id == COMMON_NAME {
                found = Some(String::from_utf8_lossy(value).into_owned());
            }
        }
    }
    found
}

fn alternative_names(mut bytes: &[u8]) -> Option<Vec<String>> {
    let mut extensions = expect(&mut bytes, SEQUENCE)?;
    while let Some(mut extension) = expect(&mut extensions, SEQUENCE) {
        let id = expect(&mut extension, OBJECT_ID)?;
        // A boolean may say that it is critical.
        let (mut tag, mut value) = element(&mut extension)?;
        if tag != OCTETS {
            (tag, value) = element(&mut extension)?;
        }
        if id == ALTERNATIVE_NAMES && tag == OCTETS {
            let mut names = expect(&mut value, SEQUENCE)?;
            let mut found = Vec::new();
            while let Some((tag, name)) = element(&mut names) {
                if tag == DNS_NAME {
                    found.push(String::from_utf8_lossy(name).into_owned());
                }
            }
            return Some(found);
        }
    }
    None
}

/// `YYMMDDHHMMSSZ` until 2049, `YYYYMMDDHHMMSSZ` after; as RFC 3339.
fn time(bytes: &mut &[u8]) -> Option<String> {
    let (tag, text) = element(bytes)?;
    let text = std::str::from_utf8(text).ok()?.strip_suffix('Z')?;
    let text = match tag {
        // RFC 5280, 4.1.2.5.1: 50 and above is of the last century.
        UTC_TIME if text.get(..2)? >= "50" => format!("19{text}"),
        UTC_TIME => format!("20{text}"),
        GENERALIZED_TIME => text.to_owned(),
        _ => return None,
    };
    let part = |from: usize, to: usize| text.get(from..to);
    Some(format!(
        "{}-{}-{}T{}:{}:{}Z",
        part(0, 4)?,
        part(4, 6)?,
        part(6, 8)?,
        part(8, 10)?,
        part(10, 12)?,
        part(12, 14)?
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Made with `openssl req -x509 -newkey ec`; its key is thrown away.
    const PEM: &str = include_str!("certificates/test.pem");

    #[test]
    fn a_certificate_tells_names_and_end() {
        let facts = Facts::read(&from_pem(PEM).unwrap()).unwrap();
        assert_eq!(facts.subject.as_deref(), Some("dichvucong.tinh.gov.vn"));
        assert_eq!(facts.names, ["dichvucong.tinh.gov.vn", "www.tinh.gov.vn"]);
        let end: Timestamp = facts.not_after.parse().unwrap();
        let begin: Timestamp = facts.not_before.parse().unwrap();
        assert_eq!((end.as_nanos() - begin.as_nanos()) / 86_400_000_000_000, 90);

        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("site.pem");
        std::fs::write(&path, format!("# a comment\n{PEM}")).unwrap();
        let patterns = [format!("{}/*.pem", dir.path().display())];
        let days = |now: Timestamp, item: fn(&Item) -> &Vec<(&'static str, String)>| {
            let items = look(&patterns, now).unwrap();
            let name = "vonglau.certificate.days_left";
            item(&items[0]).iter().find(|(own, _)| *own == name).map(|(_, days)| days.clone())
        };
        let day = std::time::Duration::from_secs(86_400);
        assert_eq!(days(begin, |item| &item.passing).as_deref(), Some("90"));
        assert_eq!(days(end.saturating_sub(10 * day), |item| &item.fields).as_deref(), Some("10"));
        assert_eq!(days(end.saturating_add(2 * day), |item| &item.fields).as_deref(), Some("-2"));
    }

    #[test]
    fn nothing_of_a_certificate_makes_us_stumble() {
        let der = from_pem(PEM).unwrap();
        for cut in 0..der.len() {
            let _ = Facts::read(&der[..cut]);
        }
        for at in 0..der.len() {
            for bit in 0..8 {
                let mut broken = der.clone();
                broken[at] ^= 1 << bit;
                let _ = Facts::read(&broken);
            }
        }
    }
}
