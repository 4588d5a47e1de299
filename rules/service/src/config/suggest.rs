//! Did you mean: the known word nearest to one that is not known.

/// Returns the candidate that was probably meant, if one is near enough.
#[must_use]
pub fn nearest<'c>(word: &str, candidates: impl IntoIterator<Item = &'c str>) -> Option<&'c str> {
    let word = word.to_lowercase();
    let bound = (word.chars().count() / 3).clamp(1, 3);
    candidates
        .into_iter()
        .map(|it| (strsim::damerau_levenshtein(&word, &it.to_lowercase()), it))
        .filter(|(distance, _)| *distance <= bound)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// Returns the word that was probably meant, for a message of serde that names an unknown word and
/// those it expects, all in backticks.
#[must_use]
pub fn for_message(message: &str) -> Option<&str> {
    if !message.contains("unknown field") && !message.contains("unknown variant") {
        return None;
    }
    let mut words = message.split('`').skip(1).step_by(2);
    let unknown = words.next()?;
    nearest(unknown, words)
}

/// Returns `; did you mean 'x'?`, or nothing.
pub(super) fn help(message: &str) -> String {
    for_message(message).map_or_else(String::new, |word| format!("; did you mean '{word}'?"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn near_words_are_found_and_far_ones_are_not() {
        assert_eq!(nearest("heartbeet", ["spool", "heartbeat"]), Some("heartbeat"));
        assert_eq!(nearest("webshell", ["spool", "heartbeat"]), None);
        assert_eq!(for_message("unknown field `hots`, expected `host` or `spool`"), Some("host"));
        assert_eq!(for_message("invalid type: string `hots`, expected `host`"), None);
    }
}
