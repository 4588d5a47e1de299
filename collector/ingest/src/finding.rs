//! Findings: what ingestion noticed and people should know.

use std::fmt;

use agent_wire::{AgentId, Lane};
use rules_event::{Level, Timestamp};

/// Something ingestion noticed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// What.
    pub kind: FindingKind,
    /// When the range was taken in hand.
    pub at: Timestamp,
    /// The agent it is about. Only proven for kinds other than `BadSignature` and `UnknownKey`.
    pub agent: Option<AgentId>,
    /// Its lane.
    pub lane: Option<Lane>,
    /// Its epoch.
    pub epoch: Option<u64>,
    /// First and last batch concerned.
    pub batches: Option<(u64, u64)>,
    /// A sentence fragment for people.
    pub detail: String,
}

/// What a finding is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum FindingKind {
    /// Batches are missing from a chain.
    ChainGap,
    /// Missing batches arrived after all.
    GapClosed,
    /// An agent began a new chain: new spool, new host image, or its log was set aside.
    NewEpoch,
    /// Two different batches claim one place in a chain. The later one is in quarantine. A host
    /// restored from a snapshot does this, and so does a stolen key.
    Fork,
    /// A signature does not fit: altered or forged. In quarantine.
    BadSignature,
    /// A key that nobody trusts or revoked. In quarantine until somebody decides.
    UnknownKey,
    /// A key that was revoked still sends. In quarantine.
    RevokedKey,
    /// Not a record at all. In quarantine.
    Undecodable,
    /// A genuine batch whose content cannot be read. In quarantine; the ledger shows its events as
    /// missing.
    BadContent,
    /// The broker deleted records before they were read.
    LostByRetention,
    /// A topic was deleted and made anew.
    TopicRecreated,
}

impl FindingKind {
    /// Returns the kind as a word, such as `chain_gap`: metric label and id of the built-in alert.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ChainGap => "chain_gap",
            Self::GapClosed => "gap_closed",
            Self::NewEpoch => "new_epoch",
            Self::Fork => "fork",
            Self::BadSignature => "bad_signature",
            Self::UnknownKey => "unknown_key",
            Self::RevokedKey => "revoked_key",
            Self::Undecodable => "undecodable",
            Self::BadContent => "bad_content",
            Self::LostByRetention => "lost_by_retention",
            Self::TopicRecreated => "topic_recreated",
        }
    }

    /// Returns how serious it is.
    #[must_use]
    pub fn level(self) -> Level {
        match self {
            Self::GapClosed | Self::NewEpoch => Level::Informational,
            Self::UnknownKey => Level::Low,
            Self::Undecodable | Self::BadContent | Self::RevokedKey => Level::Medium,
            Self::ChainGap | Self::BadSignature | Self::Fork | Self::TopicRecreated => Level::High,
            Self::LostByRetention => Level::Critical,
        }
    }
}

impl fmt::Display for FindingKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
