//! Header: what every audit record begins with.

use rules_event::Timestamp;

/// The beginning of an audit record: `node=N type=T msg=audit(SECONDS.MS:SERIAL): `.
///
/// Spec: audit-userspace, "Audit event format"; Linux `kernel/audit.c`, `audit_log_start`. auditd adds
/// the node (when told to by `name_format`) and the type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header<'a> {
    /// The host that wrote it; empty when not said.
    pub node: &'a [u8],
    /// Type of the record: `SYSCALL`, `PATH`, `UNKNOWN[1334]`, or its number.
    pub kind: &'a [u8],
    /// When the event began.
    pub time: Timestamp,
    /// Serial number of the event; with the time it names the event.
    pub serial: u64,
    /// Where the rest of the record begins.
    pub body: usize,
}

/// Most digits of seconds, and of a serial number: of 2^64.
const DIGITS_MAX: usize = 20;

impl<'a> Header<'a> {
    /// Reads the header of a line; `None` when it is no audit record.
    #[must_use]
    pub fn parse(line: &'a [u8]) -> Option<Self> {
        let mut at = line.iter().take_while(|byte| **byte == b' ').count();
        let mut node: &[u8] = b"";
        if let Some(rest) = line.get(at..)?.strip_prefix(b"node=") {
            let end = memchr::memchr(b' ', rest)?;
            node = rest.get(..end)?;
            at += b"node=".len() + end + 1;
        }
        let rest = line.get(at..)?.strip_prefix(b"type=")?;
        let end = memchr::memchr(b' ', rest)?;
        let kind = rest.get(..end)?;
        at += b"type=".len() + end + 1;
        let rest = line.get(at..)?;
        // In the kernel's own log there is no `msg=`.
        let rest_at = if rest.starts_with(b"msg=") { at + b"msg=".len() } else { at };
        let stamp = line.get(rest_at..)?.strip_prefix(b"audit(")?;
        let (time, serial, used) = stamp_of(stamp)?;
        let mut body = rest_at + b"audit(".len() + used;
        // DAEMON_CONFIG of old versions leaves the colon out.
        body += usize::from(line.get(body) == Some(&b':'));
        body += usize::from(line.get(body) == Some(&b' '));
        (!kind.is_empty()).then_some(Self { node, kind, time, serial, body })
    }
}

/// Reads `1492037289.295:49)`; returns how many bytes that were.
fn stamp_of(text: &[u8]) -> Option<(Timestamp, u64, usize)> {
    let (seconds, at) = number(text, 0)?;
    if text.get(at) != Some(&b'.') {
        return None;
    }
    let (fraction, colon) = number(text, at + 1)?;
    if text.get(colon) != Some(&b':') {
        return None;
    }
    let (serial, end) = number(text, colon + 1)?;
    if text.get(end) != Some(&b')') {
        return None;
    }
    // Milliseconds, always three digits; other writers may be finer.
    let digits = u32::try_from(colon - at - 1).ok().filter(|digits| *digits <= 9)?;
    let nanos = i64::try_from(fraction).ok()?.checked_mul(10_i64.checked_pow(9 - digits)?)?;
    let seconds = i64::try_from(seconds).ok()?.checked_mul(1_000_000_000)?;
    Some((Timestamp::from_nanos(seconds.checked_add(nanos)?), serial, end + 1))
}

fn number(text: &[u8], from: usize) -> Option<(u64, usize)> {
    let mut value: u64 = 0;
    let mut at = from;
    while let Some(digit) = text.get(at).map(|byte| byte.wrapping_sub(b'0')).filter(|d| *d < 10) {
        if at - from >= DIGITS_MAX {
            return None;
        }
        value = value.checked_mul(10)?.checked_add(u64::from(digit))?;
        at += 1;
    }
    (at > from).then_some((value, at))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_of_all_writers() {
        let line = b"node=web01 type=PATH msg=audit(1614788539.386:13232): item=0";
        let header = Header::parse(line).unwrap();
        assert_eq!((header.node, header.kind), (&b"web01"[..], &b"PATH"[..]));
        assert_eq!(header.time, Timestamp::from_nanos(1_614_788_539_386_000_000));
        assert_eq!((header.serial, &line[header.body..]), (13_232, &b"item=0"[..]));
        let line = b"type=DAEMON_CONFIG msg=audit(1490239800.477:34) config changed, auid=0";
        let header = Header::parse(line).unwrap();
        assert!(line[header.body..].starts_with(b"config changed"));
        let line = b"type=1400 audit(1.5:7): apparmor=\"DENIED\"";
        let header = Header::parse(line).unwrap();
        assert_eq!((header.kind, header.time.as_nanos()), (&b"1400"[..], 1_500_000_000));
        assert_eq!(Header::parse(b"type=EOE msg=audit(1.000:2):").unwrap().body, 28);
    }

    #[test]
    fn what_is_no_header() {
        for line in [
            "",
            "type=",
            "type=X msg=?",
            "type=X msg=audit(",
            "type=X msg=audit(1.:2):",
            "type=X msg=audit(1.5:)",
            "type=X msg=audit(99999999999999999999.5:1):",
            "type=X msg=audit(1.5:123456789012345678901):",
            "type= msg=audit(1.5:2):",
            "node=a",
        ] {
            assert_eq!(Header::parse(line.as_bytes()), None, "{line}");
        }
    }
}
