//! Metadata of a rule: our additions, its dates and relations.

use std::fmt;
use std::time::Duration;

/// Our additions, under the top-level key `custom` in a map `vonglau`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Custom {
    /// Title in Vietnamese.
    pub title_vi: Option<String>,
    /// Description in Vietnamese.
    pub description_vi: Option<String>,
    /// What to do next, in Vietnamese.
    pub runbook_vi: Option<String>,
    /// What to do next, in English.
    pub runbook_en: Option<String>,
    /// Incident type of the national form, `N1` to `N9`.
    pub incident_type: Option<String>,
    /// Version of ATT&CK the tags speak of.
    pub attack_version: Option<String>,
    /// What forwarding does with its alerts: `approve`, or `never` when not even a word of them may
    /// leave.
    pub forward: Option<String>,
    /// True when the agent must keep the event back, such as one with marks of state secrets.
    pub quarantine: bool,
    /// Which of the numbered detections of the shipped pack it belongs to, from 1.
    pub detection: Vec<u16>,
    /// How long equal alerts are held back after one.
    pub suppress: Option<Suppress>,
    /// Ids that earlier versions of ATT&CK had for its techniques, such as `T1086`.
    pub attack_aliases: Vec<String>,
}

/// How long equal alerts are held back after one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Suppress {
    /// For so long, more than zero, at most 7 days.
    pub span: Duration,
    /// Fields that must be equal too, at most five.
    pub by: Vec<String>,
}

/// Parts of a rule that are seldom looked at.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Details {
    /// The `license` by its SPDX id, empty when absent.
    pub license: String,
    /// When it was made.
    pub date: Option<Date>,
    /// When it was last changed.
    pub modified: Option<Date>,
    /// Rules it comes from, replaces or resembles.
    pub related: Vec<Related>,
    /// Fields worth showing beside a hit.
    pub fields: Vec<String>,
    /// Kinds of machines it is meant for.
    pub scope: Vec<String>,
}

/// A day of the calendar.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Date {
    /// From 1000.
    pub year: u16,
    /// 1 to 12.
    pub month: u8,
    /// 1 to 31.
    pub day: u8,
}

impl fmt::Display for Date {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04}-{:02}-{:02}", self.year, self.month, self.day)
    }
}

/// Another rule, and what it is to this one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Related {
    /// Its id.
    pub id: String,
    /// How they relate.
    pub relation: Relation,
}

/// How a rule relates to another.
///
/// Spec: Sigma rules specification 2.1, "Identification".
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Relation {
    /// It comes from the other, which may stay in use.
    Derived,
    /// It replaces the other.
    Obsolete,
    /// It was made of several, which may stay in use.
    Merged,
    /// It had the other id before.
    Renamed,
    /// It resembles the other.
    Similar,
}

impl Relation {
    /// Every relation.
    pub const ALL: [Self; 5] =
        [Self::Derived, Self::Obsolete, Self::Merged, Self::Renamed, Self::Similar];

    /// Returns the Sigma word.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Derived => "derived",
            Self::Obsolete => "obsolete",
            Self::Merged => "merged",
            Self::Renamed => "renamed",
            Self::Similar => "similar",
        }
    }
}
