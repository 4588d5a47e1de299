//! Terms: our groups and techniques in the vocabulary of the Incident Core Extension.

/// Returns the terms for an incident's group (`N1` to `N9`) and techniques, sorted, without repeats.
pub(super) fn incident_types(group: Option<&str>, techniques: &[String]) -> Vec<&'static str> {
    let mut terms: Vec<_> = techniques.iter().filter_map(|it| of_technique(it)).collect();
    terms.extend(group.and_then(of_group));
    terms.sort_unstable();
    terms.dedup();
    terms
}

fn of_group(group: &str) -> Option<&'static str> {
    Some(match group {
        "N1" => "infected-by-known-malware",
        "N2" => "unauthorized-access-system",
        "N3" => "packet-flood",
        "N4" => "theft-access-credentials",
        "N5" => "modification-information",
        _ => return None,
    })
}

fn of_technique(technique: &str) -> Option<&'static str> {
    Some(match technique.split('.').next()? {
        "T1110" => "password-cracking-attempt",
        "T1190" | "T1210" => "exploit-attempt",
        "T1595" | "T1046" => "network-scanning",
        "T1486" => "ransomware",
        "T1491" => "vandalism",
        "T1496" => "illegitimate-use-resources",
        "T1498" | "T1499" => "packet-flood",
        "T1505" => "infected-by-known-malware",
        "T1565" => "modification-information",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    #[test]
    fn terms_are_sorted_and_unique() {
        let techniques = ["T1595.002", "T1110.001", "T1110.003", "T9999"].map(String::from);
        let terms = super::incident_types(Some("N2"), &techniques);
        assert_eq!(
            terms,
            ["network-scanning", "password-cracking-attempt", "unauthorized-access-system"]
        );
    }
}
