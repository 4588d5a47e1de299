//! Case folding: under which texts are compared.

/// Returns the representative of a character's case class: two characters are equal when case is
/// ignored exactly when their representatives are.
///
/// Spec: Unicode simple case folding (CaseFolding.txt, status C and S), up to the choice of the
/// representative. A test compares it with the tables of the regex engine.
#[must_use]
pub fn fold(c: char) -> char {
    if c.is_ascii() {
        return c.to_ascii_lowercase();
    }
    match c {
        // Lower-case of I only in Turkish; the default folding leaves it alone.
        'ı' => return c,
        // Upper-cased by several characters, but with simple foldings of their own.
        'ẞ' => return 'ß',
        '\u{1fd3}' => return '\u{390}',
        '\u{1fe3}' => return '\u{3b0}',
        '\u{fb05}' => return '\u{fb06}',
        _ => {}
    }
    let upper = single(c.to_uppercase()).unwrap_or(c);
    single(upper.to_lowercase()).unwrap_or(upper)
}

fn single(mut chars: impl Iterator<Item = char>) -> Option<char> {
    let first = chars.next()?;
    chars.next().is_none().then_some(first)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn folding_agrees_with_the_tables_of_the_regex_engine() {
        // Every character that has a case partner, by regex's own tables.
        for c in ('\u{80}'..=char::MAX).filter(|c| {
            fold(*c) != *c
                || c.is_uppercase()
                || c.is_lowercase()
                || c.is_alphabetic() && *c < '\u{2000}'
        }) {
            let class = regex_syntax::Parser::new().parse(&format!("(?i)[\\x{{{:x}}}]", c as u32));
            let hir = class.unwrap();
            let partners: Vec<char> = match hir.kind() {
                regex_syntax::hir::HirKind::Class(regex_syntax::hir::Class::Unicode(class)) => {
                    class.iter().flat_map(|range| range.start()..=range.end()).collect()
                }
                _ => vec![c],
            };
            for partner in partners {
                assert_eq!(fold(c), fold(partner), "{c:?} and {partner:?}");
            }
        }
        assert_ne!(fold('ı'), fold('i'));
        assert_ne!(fold('İ'), fold('i'));
    }

    proptest! {
        /// The other half of the folding test: characters with one representative are partners.
        #[test]
        fn folding_joins_only_partners(a in any::<char>(), b in any::<char>()) {
            if a != b && fold(a) == fold(b) {
                let class = format!("(?i)^\\x{{{:x}}}$", a as u32);
                prop_assert!(regex::Regex::new(&class).unwrap().is_match(&b.to_string()));
            }
        }
    }
}
