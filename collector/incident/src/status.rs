//! Status: where an incident stands, and the one table of legal moves.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// Where an incident stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// Nobody has looked yet.
    New,
    /// Somebody finds out whether it is real.
    Triage,
    /// It is real and being worked.
    InProgress,
    /// It can do no more harm; repair and report remain.
    Contained,
    /// Done, with a reason.
    Closed,
    /// Was closed, and is not done after all.
    Reopened,
}

impl Status {
    /// Every status, in the order of life.
    pub const ALL: [Self; 6] =
        [Self::New, Self::Triage, Self::InProgress, Self::Contained, Self::Closed, Self::Reopened];

    /// Returns where an incident may go from here: the table of legal moves.
    #[must_use]
    pub fn next(self) -> &'static [Self] {
        match self {
            Self::New => &[Self::Triage, Self::InProgress, Self::Closed],
            Self::Triage => &[Self::InProgress, Self::Closed],
            Self::InProgress => &[Self::Contained, Self::Closed],
            Self::Contained => &[Self::InProgress, Self::Closed],
            Self::Closed => &[Self::Reopened],
            Self::Reopened => &[Self::Triage, Self::InProgress, Self::Contained, Self::Closed],
        }
    }

    /// Returns the word stored and used in APIs.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::New => "new",
            Self::Triage => "triage",
            Self::InProgress => "in_progress",
            Self::Contained => "contained",
            Self::Closed => "closed",
            Self::Reopened => "reopened",
        }
    }

    /// Whether work remains.
    #[must_use]
    pub fn is_open(self) -> bool {
        self != Self::Closed
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Status {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        Self::ALL.into_iter().find(|status| status.as_str() == text).ok_or(())
    }
}

/// Why an incident was closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CloseReason {
    /// It was an attack.
    TruePositive,
    /// The rule was wrong.
    FalsePositive,
    /// The rule was right, and what it saw was allowed.
    Benign,
    /// Another incident covers it.
    Duplicate,
}

impl CloseReason {
    /// Every reason.
    pub const ALL: [Self; 4] =
        [Self::TruePositive, Self::FalsePositive, Self::Benign, Self::Duplicate];

    /// Returns the word stored and used in APIs.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::TruePositive => "true_positive",
            Self::FalsePositive => "false_positive",
            Self::Benign => "benign",
            Self::Duplicate => "duplicate",
        }
    }
}

impl fmt::Display for CloseReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for CloseReason {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        Self::ALL.into_iter().find(|reason| reason.as_str() == text).ok_or(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_word_reads_back() {
        for status in Status::ALL {
            assert_eq!(status.as_str().parse(), Ok(status));
            assert!(!status.next().contains(&status), "{status} leads to itself");
        }
        for reason in CloseReason::ALL {
            assert_eq!(reason.as_str().parse(), Ok(reason));
        }
    }

    #[test]
    fn every_open_status_can_be_closed_and_only_closed_reopens() {
        for status in Status::ALL {
            assert_eq!(status.next().contains(&Status::Closed), status.is_open());
            assert_eq!(status.next().contains(&Status::Reopened), !status.is_open());
            assert!(!status.next().contains(&Status::New), "nothing becomes new again");
        }
    }
}
