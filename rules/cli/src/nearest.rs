//! Did you mean: the known word nearest to one that is not known.

/// Returns the candidate that was probably meant, if one is near enough.
pub(crate) fn word<'c>(
    word: &str,
    candidates: impl IntoIterator<Item = &'c str>,
) -> Option<&'c str> {
    let word = word.to_lowercase();
    let bound = (word.chars().count() / 3).clamp(1, 3);
    candidates
        .into_iter()
        .map(|it| (strsim::damerau_levenshtein(&word, &it.to_lowercase()), it))
        .filter(|(distance, _)| *distance <= bound)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

#[cfg(test)]
mod tests {
    #[test]
    fn near_words_are_found_and_far_ones_are_not() {
        assert_eq!(
            super::word("ssh_rot_login", ["sudo", "ssh_root_login"]),
            Some("ssh_root_login")
        );
        assert_eq!(super::word("webshell", ["sudo", "ssh_root_login"]), None);
    }
}
