//! Role: what a user is, and therefore may do.

use std::fmt;
use std::str::FromStr;

use crate::Error;

/// The four roles. What each may do is written in one place, the route table.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize, utoipa::ToSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Works incidents and drafts reports.
    Analyst,
    /// An analyst who also approves what goes to the national centre.
    Lead,
    /// Reads everything, the audit log too; changes nothing.
    Auditor,
    /// Everything, including which agents are trusted.
    Admin,
}

impl Role {
    /// Every role.
    pub const ALL: [Self; 4] = [Self::Analyst, Self::Lead, Self::Auditor, Self::Admin];

    /// Returns the word stored in the database.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Analyst => "analyst",
            Self::Lead => "lead",
            Self::Auditor => "auditor",
            Self::Admin => "admin",
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Role {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let known = Self::ALL.into_iter().find(|role| role.as_str() == text);
        known.ok_or_else(|| Error::BadRole(text.chars().take(32).collect()))
    }
}
