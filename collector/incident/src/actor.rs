//! Actor: who does something, in which role, from where.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::{Error, Result};

/// What somebody may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Reads.
    Viewer,
    /// Reads everything, the journal above all; changes nothing.
    Auditor,
    /// Works incidents.
    Analyst,
    /// Works incidents and approves what leaves the house.
    Lead,
    /// Runs the system; may do all of it.
    Admin,
    /// The collector itself.
    System,
}

impl Role {
    /// Every role.
    pub const ALL: [Self; 6] =
        [Self::Viewer, Self::Auditor, Self::Analyst, Self::Lead, Self::Admin, Self::System];

    /// Returns the word stored and shown in APIs.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Viewer => "viewer",
            Self::Auditor => "auditor",
            Self::Analyst => "analyst",
            Self::Lead => "lead",
            Self::Admin => "admin",
            Self::System => "system",
        }
    }

    /// Whether the role may change incidents.
    #[must_use]
    pub fn may_work(self) -> bool {
        !matches!(self, Self::Viewer | Self::Auditor)
    }

    /// Whether the role may approve a report to the national centre.
    #[must_use]
    pub fn may_approve(self) -> bool {
        matches!(self, Self::Lead | Self::Admin)
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Role {
    type Err = ();

    fn from_str(text: &str) -> std::result::Result<Self, ()> {
        Self::ALL.into_iter().find(|role| role.as_str() == text).ok_or(())
    }
}

/// Who does something, for the journal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Actor {
    /// Account name.
    pub name: String,
    /// Role at this moment.
    pub role: Role,
    /// Network address it came from; `local` for the collector itself.
    pub address: String,
}

impl Actor {
    /// Returns the collector itself.
    #[must_use]
    pub fn system() -> Self {
        Self { name: "system".into(), role: Role::System, address: "local".into() }
    }

    pub(crate) fn must_work(&self) -> Result<()> {
        if self.role.may_work() {
            return Ok(());
        }
        Err(Error::Forbidden { name: self.name.clone(), role: self.role, needs: "analyst" })
    }
}
