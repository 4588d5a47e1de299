//! Colour: on a terminal only, and never when `NO_COLOR` is set.

use std::borrow::Cow;
use std::ffi::OsStr;
use std::io::IsTerminal;

/// Whether and how text is coloured.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Paint {
    on: bool,
}

impl Paint {
    pub(crate) fn for_stdout() -> Self {
        Self::decide(std::env::var_os("NO_COLOR").as_deref(), std::io::stdout().is_terminal())
    }

    /// An empty `NO_COLOR` counts as none (no-color.org).
    fn decide(no_color: Option<&OsStr>, terminal: bool) -> Self {
        Self { on: terminal && no_color.is_none_or(OsStr::is_empty) }
    }

    /// Returns one that never colours.
    #[cfg(test)]
    pub(crate) fn none() -> Self {
        Self { on: false }
    }

    pub(crate) fn good(self, text: &str) -> String {
        self.with("32", text)
    }

    pub(crate) fn bad(self, text: &str) -> String {
        self.with("1;31", text)
    }

    /// Colours what a diagnostic or explanation prints, line by line.
    ///
    /// Values come from logs, which strangers write: they cannot speak to the terminal.
    pub(crate) fn rendered(self, text: &str) -> String {
        let text = &safe_lines(text);
        if !self.on {
            return text.to_owned();
        }
        let line = |line: &str| {
            let start = line.trim_start();
            let code = if start.starts_with("error[") || start.starts_with('✘') {
                "1;31"
            } else if start.starts_with("warning[") {
                "1;33"
            } else if start.starts_with("= help") {
                "36"
            } else if start.starts_with('✔') {
                "32"
            } else if start.starts_with("-->") || start.starts_with('|') && start.ends_with('^') {
                "34"
            } else {
                return format!("{line}\n");
            };
            format!("{}\n", self.with(code, line))
        };
        text.lines().map(line).collect()
    }

    /// Returns a line as it may stand on a screen; for a file or another program it is left alone.
    pub(crate) fn screen(self, line: &str) -> Cow<'_, str> {
        if self.on { Cow::Owned(safe_lines(line)) } else { Cow::Borrowed(line) }
    }

    fn with(self, code: &str, text: &str) -> String {
        if self.on { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
    }
}

/// Returns text of which no character can move, colour or reorder what a terminal shows.
pub(crate) fn safe(text: &str) -> String {
    escaped(text, |_| false)
}

/// As [`safe`], but lines and tabs stay.
pub(crate) fn safe_lines(text: &str) -> String {
    escaped(text, |letter| matches!(letter, '\n' | '\t'))
}

fn escaped(text: &str, keep: fn(char) -> bool) -> String {
    let mut safe = String::with_capacity(text.len());
    for letter in text.chars() {
        // Overrides and isolates of writing direction (Unicode Standard Annex 9).
        let tricks = matches!(letter, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
        if (letter.is_control() && !keep(letter)) || tricks {
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
        assert_eq!(
            safe("\x1b]0;owned\x07 đăng\n\u{202e}"),
            "\\u{1b}]0;owned\\u{7} đăng\\n\\u{202e}"
        );
        assert_eq!(Paint { on: false }.rendered("a\tb\x1b[2J\n"), "a\tb\\u{1b}[2J\n");
    }

    #[test]
    fn colour_is_for_terminals_and_for_those_who_want_it() {
        let on =
            |no_color: Option<&str>, terminal| Paint::decide(no_color.map(OsStr::new), terminal).on;
        assert!(on(None, true) && on(Some(""), true));
        assert!(!on(Some("1"), true) && !on(None, false) && !on(Some(""), false));
    }

    #[test]
    fn what_is_rendered_is_coloured_by_the_line() {
        let text = "error[R012]: x\n | ^^\n  = help: y\n  ✔ z\nplain\n";
        assert_eq!(Paint { on: false }.rendered(text), text);
        let coloured = Paint { on: true }.rendered(text);
        let expected = "\x1b[1;31merror[R012]: x\x1b[0m\n\x1b[34m | ^^\x1b[0m\n\x1b[36m  = help: \
                        y\x1b[0m\n\x1b[32m  ✔ z\x1b[0m\nplain\n";
        assert_eq!(coloured, expected);
    }
}
