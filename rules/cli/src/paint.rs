//! Colour: on a terminal only, and never when `NO_COLOR` is set.

use std::io::IsTerminal;

/// Whether and how text is coloured.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Paint {
    on: bool,
}

impl Paint {
    pub(crate) fn for_stdout() -> Self {
        let wanted = std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
        Self { on: wanted && std::io::stdout().is_terminal() }
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
