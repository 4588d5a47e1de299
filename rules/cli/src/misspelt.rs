//! Fields that look like misspelt ones: such a rule loads, and never matches.

use rules_event::field;
use rules_matcher::taxonomy::{self, Mapping};
use rules_sigma::{Body, Diagnostic, Item, Rule, Severity, codes};

/// Shorter names are near to too many others.
const NAME_CHARS_MIN: usize = 8;

/// Returns a warning for each field that is one slip away from a field that events have.
pub(crate) fn fields(rule: &Rule) -> Vec<Diagnostic> {
    let mut found = Vec::new();
    for search in &rule.detection.searches {
        walk(&search.body, rule, &mut found);
    }
    found
}

fn walk(body: &Body, rule: &Rule, found: &mut Vec<Diagnostic>) {
    match body {
        Body::All(parts) | Body::Any(parts) => parts.iter().for_each(|it| walk(it, rule, found)),
        Body::Item(item) => found.extend(item_of(item, rule)),
    }
}

fn item_of(item: &Item, rule: &Rule) -> Option<Diagnostic> {
    let name = item.field.as_deref()?;
    let near = slip(name)?;
    // What a table names, or what stands under a prefix of its own, is meant as it is written.
    if !matches!(taxonomy::mapping(&rule.logsource, name).1, Mapping::Dotted | Mapping::AsIs) {
        return None;
    }
    let message = format!("no event of ours has the field '{name}'");
    let help = format!("did you mean '{near}'?");
    Some(rule.diagnose(codes::MISSPELT_KEY, Severity::Warning, item.span, message, help))
}

/// Returns the field that differs by one letter too many, too few, another, or two swapped.
fn slip(name: &str) -> Option<&'static str> {
    let known = || field::ALL.iter().map(|(name, _)| *name);
    if name.chars().count() < NAME_CHARS_MIN || known().any(|it| it == name) {
        return None;
    }
    known()
        .find(|it| it.len().abs_diff(name.len()) <= 1 && strsim::damerau_levenshtein(it, name) == 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_slip_is_seen_and_other_fields_are_let_be() {
        assert_eq!(slip("event.acton"), Some("event.action"));
        assert_eq!(slip("soruce.ip"), Some("source.ip"));
        assert_eq!(slip("event.action"), None);
        assert_eq!(slip("event.provider"), None);
        assert_eq!(slip("CommandLine"), None);
    }
}
