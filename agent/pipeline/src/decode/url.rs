//! URLs: the parts of a request's target, as written.

use rules_event::{Event, field};

use crate::find;

/// Longest extension that is one, bytes.
const EXTENSION_BYTES_MAX: usize = 16;

/// Sets `url.original`, `url.path`, `url.query`, `url.extension`, and `url.domain` where the target
/// has one. Nothing is decoded: rules look at what was sent, and at decoded copies of it.
pub(super) fn set_target(event: &mut Event, target: &str) {
    if target.is_empty() || target == "-" {
        return;
    }
    event.set_text(field::URL_ORIGINAL, target);
    if target.starts_with('/') {
        set_path(event, target);
        return;
    }
    let path = match find::split(target, "://") {
        // Absolute form: somebody takes this server for a proxy. Spec: RFC 9112, 3.2.2.
        Some((scheme, rest)) if scheme.len() <= 8 && !scheme.contains(['/', '?']) => {
            let end = rest.find(['/', '?']).unwrap_or(rest.len());
            let (authority, path) = rest.split_at(end);
            event.set("url.scheme", scheme.to_ascii_lowercase());
            set_authority(event, authority);
            path
        }
        _ => target,
    };
    set_path(event, path);
}

/// Sets `url.path`, `url.query` and `url.extension`.
pub(super) fn set_path(event: &mut Event, target: &str) {
    let (path, query) = match memchr::memchr(b'?', target.as_bytes()) {
        Some(at) => (target.get(..at).unwrap_or_default(), target.get(at + 1..)),
        None => (target, None),
    };
    event.set_text(field::URL_PATH, path);
    if let Some(query) = query {
        event.set_text(field::URL_QUERY, query);
    }
    set_extension(event, path);
}

/// Sets `url.extension`, without its dot. Spec: ECS, url.extension.
pub(super) fn set_extension(event: &mut Event, path: &str) {
    let Some(at) = memchr::memrchr2(b'.', b'/', path.as_bytes()) else { return };
    // "/.git" is a name that begins with a dot.
    let is_hidden = path.as_bytes().get(at.wrapping_sub(1)).is_none_or(|before| *before == b'/');
    if is_hidden {
        return;
    }
    let extension = path.get(at..).and_then(|rest| rest.strip_prefix('.')).unwrap_or_default();
    let is_one = !extension.is_empty()
        && extension.len() <= EXTENSION_BYTES_MAX
        && extension.bytes().all(|b| b.is_ascii_alphanumeric());
    if is_one {
        event.set_text("url.extension", extension);
    }
}

/// Sets `url.domain` and `url.port` from `host`, `host:port` or `[address]:port`.
pub(super) fn set_authority(event: &mut Event, authority: &str) {
    let (domain, port) = match authority.rsplit_once(':') {
        Some((domain, port)) if !domain.ends_with(':') && !port.contains(']') => (domain, port),
        _ => (authority, ""),
    };
    if !domain.is_empty() && domain != "-" {
        event.set_text(field::URL_DOMAIN, domain);
    }
    if let Ok(port) = port.parse::<u16>() {
        event.set("url.port", i64::from(port));
    }
}
