//! Style: colour on a terminal, and log lines that cannot speak to it.

use std::io::IsTerminal;

/// Whether to colour.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Style {
    colour: bool,
}

impl Style {
    /// Colour if standard output is a terminal and `NO_COLOR` (no-color.org) is unset or empty.
    pub(crate) fn detect() -> Self {
        let refused = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        Self { colour: std::io::stdout().is_terminal() && !refused }
    }

    #[cfg(test)]
    pub(crate) fn plain() -> Self {
        Self { colour: false }
    }

    /// Returns the escape sequence for a word that speaks of severity or state.
    pub(crate) fn code(self, word: &str) -> Option<&'static str> {
        if !self.colour {
            return None;
        }
        match word {
            "critical" | "overdue" | "met_late" | "revoked" | "rejected" | "partial" | "OPEN" => {
                Some("\x1b[1;31m")
            }
            "high" | "soon" => Some("\x1b[31m"),
            "medium" | "unknown" | "pending_approval" | "silent" => Some("\x1b[33m"),
            "trusted" | "delivered" | "met" | "closes" => Some("\x1b[32m"),
            _ => None,
        }
    }

    /// Returns a heading.
    pub(crate) fn bold(self, text: &str) -> String {
        if self.colour { format!("\x1b[1m{text}\x1b[0m") } else { text.to_owned() }
    }

    /// Returns a word in its colour.
    pub(crate) fn word(self, word: &str) -> String {
        match self.code(word) {
            Some(code) => format!("{code}{word}\x1b[0m"),
            None => word.to_owned(),
        }
    }
}

/// Returns text that a terminal shows and does not obey: what an attacker wrote into a log must not
/// move the cursor or change the title. Direction marks (Unicode TR 36) are shown, too.
pub(crate) fn safe(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for letter in text.chars() {
        let tricks = matches!(letter, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
        if letter.is_control() || tricks {
            safe.extend(letter.escape_default());
        } else {
            safe.push(letter);
        }
    }
    safe
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_line_cannot_speak_to_the_terminal() {
        assert_eq!(safe("\x1b]0;owned\x07 đăng nhập"), "\\u{1b}]0;owned\\u{7} đăng nhập");
        assert_eq!(safe("a\nb\u{202e}c"), "a\\nb\\u{202e}c");
        assert_eq!(Style::plain().word("critical"), "critical");
    }
}
