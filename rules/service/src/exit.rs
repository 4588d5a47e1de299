//! Exit codes: one enum for all programs, documented in every `--help`.

use std::process::ExitCode;

/// What a program tells its caller by its exit code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// 0: done.
    Done,
    /// 1: it ran, and found problems (a rule with errors, a failed case, a broken ledger).
    Problems,
    /// 2: misuse of flags; clap uses the same number.
    Misuse,
    /// 3: the configuration is wrong.
    Config,
    /// 4: something it needs is unavailable (server down, no permission, wrong password).
    Unavailable,
    /// 70: a bug of ours (`EX_SOFTWARE` of sysexits.h).
    Bug,
}

/// The table that every `--help` ends with.
pub const EXIT_CODES_HELP: &str = "Exit codes: 0 done, 1 problems found, 2 misuse, 3 configuration, \
4 unavailable (server down, access denied), 70 bug";

impl Exit {
    /// Returns the number.
    #[must_use]
    pub fn code(self) -> u8 {
        match self {
            Self::Done => 0,
            Self::Problems => 1,
            Self::Misuse => 2,
            Self::Config => 3,
            Self::Unavailable => 4,
            Self::Bug => 70,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}
