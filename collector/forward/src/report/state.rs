//! States and kinds of reports, and their words.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

macro_rules! words {
    ($name:ident { $($variant:ident = $word:literal),* $(,)? }) => {
        impl $name {
            /// Every one.
            pub const ALL: &[Self] = &[$(Self::$variant),*];

            /// Returns the word stored and used in APIs.
            #[must_use]
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word),* }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.as_str())
            }
        }

        impl FromStr for $name {
            type Err = ();

            fn from_str(text: &str) -> Result<Self, ()> {
                Self::ALL.iter().copied().find(|it| it.as_str() == text).ok_or(())
            }
        }
    };
}

/// What a report is for; a policy names which deadline it meets.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ReportKind {
    /// The first notice.
    #[default]
    Initial,
    /// Cause, scope, measures.
    Full,
    /// What is new since.
    Update,
    /// Result, cause, damage, measures.
    Closing,
    /// Personal data is affected.
    PersonalData,
}

words!(ReportKind {
    Initial = "initial",
    Full = "full",
    Update = "update",
    Closing = "closing",
    PersonalData = "personal-data",
});

/// Where a report stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ReportState {
    /// Being written.
    Draft,
    /// Waits for a second person.
    PendingApproval,
    /// In the outbox; its bytes are fixed.
    Approved,
    /// At least one request was made.
    Sending,
    /// Every object has a receipt.
    Delivered,
    /// Some objects were refused: a person must look.
    Partial,
    /// All were refused, or it may not leave: a person must look.
    Rejected,
    /// A person gave it up.
    Discarded,
}

words!(ReportState {
    Draft = "draft",
    PendingApproval = "pending_approval",
    Approved = "approved",
    Sending = "sending",
    Delivered = "delivered",
    Partial = "partial",
    Rejected = "rejected",
    Discarded = "discarded",
});
