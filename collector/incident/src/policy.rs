//! Policy: the law as data — deadlines, yearly reports, retention — read from a TOML file.
//!
//! Nothing here knows an hour or an article; `deploy/policy/*.toml` does, one file per regime.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::Duration;

use rules_event::{Level, Timestamp};
use serde::{Deserialize, Serialize};

use crate::{Error, Incident, Result, moment};

/// The regime that is in force when nobody chooses another.
const SHIPPED: &str = include_str!("../../../deploy/policy/vn-2026.toml");
/// The longest deadline taken: ten years. A longer one is a slip of the pen.
const HOURS_MAX: u32 = 87_660;

/// A regime.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Policy {
    /// Short name, such as `vn-2026`.
    pub name: String,
    /// Title in Vietnamese.
    pub title_vi: String,
    /// Title in English.
    pub title_en: String,
    /// First day in force, `YYYY-MM-DD`.
    pub valid_from: String,
    /// Incidents at least this severe count as serious, unless a person rules otherwise.
    #[serde(with = "moment::level")]
    pub serious_severity_min: Level,
    /// The words a person may use for why that bound was chosen.
    pub serious_basis: String,
    /// Deadlines of an incident, most urgent first.
    #[serde(rename = "deadline")]
    pub deadlines: Vec<DeadlineRule>,
    /// Reports of the year.
    #[serde(rename = "yearly", default)]
    pub yearly: Vec<Yearly>,
    /// Least months that logs are kept, by level of the system (`"1"` to `"5"`).
    #[serde(default)]
    pub log_retention_months: BTreeMap<String, u32>,
    /// Groups of incidents, `N1` to `N9`: Vietnamese names.
    #[serde(default)]
    pub incident_types_vi: BTreeMap<String, String>,
    /// The same in English.
    #[serde(default)]
    pub incident_types_en: BTreeMap<String, String>,
}

/// Which incidents a deadline is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Applies {
    /// All of them.
    Every,
    /// Serious ones.
    Serious,
    /// Those that disrupt a system or threaten public order.
    Disruption,
    /// Those that affect personal data; that clock starts when it became known.
    PersonalData,
}

/// One deadline.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DeadlineRule {
    /// Stable id.
    pub id: String,
    /// Which incidents.
    pub applies: Applies,
    /// Hours from T0; 0 is at once.
    pub after_h: u32,
    /// Hours before it is due at which people are warned.
    #[serde(default)]
    pub warn_before_h: Vec<u32>,
    /// Kind of report that meets it, such as `initial`.
    pub report: String,
    /// What is due, in Vietnamese.
    pub title_vi: String,
    /// What is due, in English.
    pub title_en: String,
    /// Whom it goes to, in Vietnamese.
    pub to_vi: String,
    /// Article it rests on.
    pub basis: String,
}

impl DeadlineRule {
    pub(crate) fn after(&self) -> Duration {
        Duration::from_secs(u64::from(self.after_h) * 3600)
    }
}

/// A report of the year.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Yearly {
    /// Stable id.
    pub id: String,
    /// Last day of the data, `MM-DD`.
    pub data_until: String,
    /// Due before this day, `MM-DD`.
    pub due_before: String,
    /// What is due, in Vietnamese.
    pub title_vi: String,
    /// What is due, in English.
    pub title_en: String,
    /// Article it rests on.
    pub basis: String,
}

/// How a deadline stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DeadlineState {
    /// Met in time.
    Met,
    /// Met, too late.
    MetLate,
    /// Time remains.
    Running,
    /// Inside the longest warning before it is due.
    Soon,
    /// Missed.
    Overdue,
}

/// A deadline of one incident.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Deadline {
    /// Id in the policy.
    pub id: String,
    /// What is due, in Vietnamese.
    pub title_vi: String,
    /// What is due, in English.
    pub title_en: String,
    /// Kind of report that meets it.
    pub report: String,
    /// Article it rests on.
    pub basis: String,
    /// When.
    #[serde(with = "moment")]
    pub due: Timestamp,
    /// How it stands.
    pub state: DeadlineState,
    /// When it was met.
    #[serde(with = "moment::option")]
    pub met_at: Option<Timestamp>,
}

impl Policy {
    /// Returns the regime shipped with the product: `deploy/policy/vn-2026.toml`.
    ///
    /// # Errors
    /// Never in a product that was tested; the type says so rather than a panic.
    pub fn shipped() -> Result<Self> {
        Self::parse("vn-2026.toml (shipped)", SHIPPED)
    }

    /// Reads a regime from a file.
    ///
    /// # Errors
    /// [`Error::PolicyInvalid`] if it cannot be read, and as [`Policy::parse`].
    pub fn load(path: &Path) -> Result<Self> {
        let name = path.display().to_string();
        match std::fs::read_to_string(path) {
            Ok(text) => Self::parse(&name, &text),
            Err(error) => Err(Error::PolicyInvalid { name, problem: error.to_string() }),
        }
    }

    /// Reads a regime from text; `name` is for errors.
    ///
    /// # Errors
    /// [`Error::Policy`] with line and column, or [`Error::PolicyInvalid`] with the remedy.
    pub fn parse(name: &str, text: &str) -> Result<Self> {
        let policy: Self = toml::from_str(text)
            .map_err(|source| Error::Policy { name: name.into(), source: Box::new(source) })?;
        let bad = |problem: String| Err(Error::PolicyInvalid { name: name.into(), problem });
        if policy.valid_from.parse::<jiff::civil::Date>().is_err() {
            return bad(format!("valid_from '{}' is not a day YYYY-MM-DD", policy.valid_from));
        }
        let mut ids = BTreeSet::new();
        for rule in &policy.deadlines {
            if rule.id.is_empty() || !ids.insert(&rule.id) {
                return bad(format!("deadline id '{}' is empty or occurs twice", rule.id));
            }
            if rule.after_h > HOURS_MAX {
                return bad(format!("deadline {}: more than {HOURS_MAX} hours", rule.id));
            }
            if rule.basis.trim().is_empty() {
                return bad(format!("deadline {}: name the article it rests on (basis)", rule.id));
            }
        }
        for report in &policy.yearly {
            for day in [&report.data_until, &report.due_before] {
                if format!("2000-{day}").parse::<jiff::civil::Date>().is_err() {
                    return bad(format!("yearly {}: '{day}' is not a day MM-DD", report.id));
                }
            }
        }
        Ok(policy)
    }

    /// Whether the incident counts as serious: a person's ruling, else its severity.
    #[must_use]
    pub fn is_serious(&self, incident: &Incident) -> bool {
        incident.serious.unwrap_or(incident.severity >= self.serious_severity_min)
    }

    /// Returns the deadlines of an incident, in the order of the policy. A drill has none, nor has
    /// what was closed as false, benign or a duplicate.
    #[must_use]
    pub fn deadlines(&self, incident: &Incident, now: Timestamp) -> Vec<Deadline> {
        let moot = incident.close_reason.is_some_and(|why| why != crate::CloseReason::TruePositive);
        if incident.exercise || moot {
            return Vec::new();
        }
        let of = |rule: &DeadlineRule| {
            let start = match rule.applies {
                Applies::Every => Some(incident.detected_at),
                Applies::Serious => self.is_serious(incident).then_some(incident.detected_at),
                Applies::Disruption => incident.disruption.then_some(incident.detected_at),
                Applies::PersonalData => incident.personal_data_at,
            };
            start.map(|start| deadline(rule, start.saturating_add(rule.after()), incident, now))
        };
        self.deadlines.iter().filter_map(of).collect()
    }

    /// Returns the ids of the deadlines that a delivered report of this kind meets.
    pub fn met_by<'a>(&'a self, report: &'a str) -> impl Iterator<Item = &'a str> {
        self.deadlines.iter().filter(move |rule| rule.report == report).map(|rule| rule.id.as_str())
    }
}

fn deadline(rule: &DeadlineRule, due: Timestamp, incident: &Incident, now: Timestamp) -> Deadline {
    let met_at = incident.deadlines_met.iter().find(|met| met.id == rule.id).map(|met| met.at);
    let warn_h = rule.warn_before_h.iter().copied().max().unwrap_or(0);
    let warn = Duration::from_secs(u64::from(warn_h) * 3600);
    let state = match met_at {
        Some(at) if at <= due => DeadlineState::Met,
        Some(_) => DeadlineState::MetLate,
        None if now > due => DeadlineState::Overdue,
        None if now >= due.saturating_sub(warn) => DeadlineState::Soon,
        None => DeadlineState::Running,
    };
    Deadline {
        id: rule.id.clone(),
        title_vi: rule.title_vi.clone(),
        title_en: rule.title_en.clone(),
        report: rule.report.clone(),
        basis: rule.basis.clone(),
        due,
        state,
        met_at,
    }
}
