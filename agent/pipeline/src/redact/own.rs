//! Own patterns: regular expressions of the configuration.

use regex::Regex;

use super::edit::{Put, What};
use super::scan::Scan;

/// A pattern of the configuration.
pub(super) struct Own {
    pub(super) name: String,
    pub(super) regex: Regex,
}

/// Hides the group `secret` of each match, or all of it.
pub(super) fn find(scan: &mut Scan<'_, '_>) {
    let redactor = scan.redactor;
    for (number, own) in (0_u8..).zip(&redactor.own) {
        let whole = own.regex.capture_names().flatten().all(|name| name != "secret");
        if whole {
            for found in own.regex.find_iter(scan.text) {
                scan.push(found.start(), found.end(), What::Own(number), Put::Mark);
            }
            continue;
        }
        for found in own.regex.captures_iter(scan.text) {
            if let Some(secret) = found.name("secret") {
                scan.push(secret.start(), secret.end(), What::Own(number), Put::Mark);
            }
        }
    }
}
