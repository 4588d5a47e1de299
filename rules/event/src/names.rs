//! Names: field names that come from outside, each kept once for the life of the program.

use std::borrow::Cow;
use std::cell::RefCell;
use std::collections::HashSet;
use std::sync::{Mutex, PoisonError};

/// Names kept; further ones are copied each time. Logs name some hundred fields; only an attacker
/// names more, and must not fill memory with them.
const NAMES_MAX: usize = 4_096;
/// Longest name kept, in bytes.
const NAME_BYTES_MAX: usize = 128;

static NAMES: Mutex<Option<HashSet<&'static str>>> = Mutex::new(None);

thread_local! {
    /// What this thread has seen of [`NAMES`]: looked up without a lock.
    static SEEN: RefCell<HashSet<&'static str>> = RefCell::default();
}

/// Returns a field name as one that lives as long as the program, if there is room for it.
///
/// Such a name costs no allocation per event, and its address alone tells it from others.
#[must_use]
pub fn intern(name: &str) -> Cow<'static, str> {
    SEEN.with_borrow_mut(|seen| {
        if let Some(known) = seen.get(name) {
            return Cow::Borrowed(*known);
        }
        match shared(name) {
            Some(known) => {
                seen.insert(known);
                Cow::Borrowed(known)
            }
            None => Cow::Owned(name.to_owned()),
        }
    })
}

fn shared(name: &str) -> Option<&'static str> {
    let mut names = NAMES.lock().unwrap_or_else(PoisonError::into_inner);
    let names = names.get_or_insert_default();
    if let Some(known) = names.get(name) {
        return Some(known);
    }
    if names.len() >= NAMES_MAX || name.len() > NAME_BYTES_MAX {
        return None;
    }
    let kept: &'static str = Box::leak(name.to_owned().into_boxed_str());
    names.insert(kept);
    Some(kept)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_kept_once_and_within_bounds() {
        let (Cow::Borrowed(first), Cow::Borrowed(second)) = (intern("a.name"), intern("a.name"))
        else {
            panic!("a short name is kept")
        };
        assert!(std::ptr::eq(first, second));
        let other = std::thread::spawn(|| intern("a.name")).join().unwrap();
        assert!(matches!(other, Cow::Borrowed(third) if std::ptr::eq(first, third)));
        let long = "x".repeat(NAME_BYTES_MAX + 1);
        assert!(matches!(intern(&long), Cow::Owned(_)));
        let kept =
            (0..NAMES_MAX * 2).filter(|n| matches!(intern(&n.to_string()), Cow::Borrowed(_)));
        assert!(kept.count() < NAMES_MAX);
        assert!(matches!(intern("a.name"), Cow::Borrowed(_)));
    }
}
