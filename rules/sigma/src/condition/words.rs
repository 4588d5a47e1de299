//! Words of a condition, and patterns of names.

/// A word or sign and the character it starts at.
pub(super) struct Token<'t> {
    pub(super) text: &'t str,
    pub(super) offset: usize,
}

pub(super) fn tokens(text: &str) -> Vec<Token<'_>> {
    let mut tokens: Vec<Token<'_>> = Vec::new();
    let mut word: Option<(usize, usize)> = None;
    let mut push = |from: usize, to: usize, offset: usize| {
        if let Some(text) = text.get(from..to) {
            tokens.push(Token { text, offset });
        }
    };
    for (offset, (index, c)) in text.char_indices().enumerate() {
        let sign = matches!(c, '(' | ')' | '|');
        if (sign || c.is_whitespace())
            && let Some((from, at)) = word.take()
        {
            push(from, index, at);
        }
        if sign {
            push(index, index + 1, offset);
        } else if !c.is_whitespace() && word.is_none() {
            word = Some((index, offset));
        }
    }
    if let Some((from, at)) = word {
        push(from, text.len(), at);
    }
    tokens
}

/// Says whether `name` fits a pattern whose only wildcard is `*`.
pub(super) fn glob(pattern: &str, name: &str) -> bool {
    let mut pieces = pattern.split('*');
    let first = pieces.next().unwrap_or_default();
    let Some(mut rest) = name.strip_prefix(first) else { return false };
    let mut pieces: Vec<&str> = pieces.collect();
    let Some(last) = pieces.pop() else { return rest.is_empty() };
    for piece in pieces {
        let Some(found) = rest.find(piece) else { return false };
        rest = rest.get(found + piece.len()..).unwrap_or_default();
    }
    rest.ends_with(last)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_of_names() {
        assert!(glob("selection*", "selection") && glob("selection_*", "selection_a"));
        assert!(glob("*_a", "x_a") && glob("s*_a", "s_a_a") && glob("same", "same"));
        assert!(!glob("a*a", "a") && !glob("same", "same1") && !glob("x*", "y"));
    }
}
