//! Colour: on a terminal only, and never when `NO_COLOR` is set.

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
    pub(crate) fn rendered(self, text: &str) -> String {
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

    fn with(self, code: &str, text: &str) -> String {
        if self.on { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
