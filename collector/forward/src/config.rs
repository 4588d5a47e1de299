//! Configuration: who reports, to whom, and what never leaves.

use std::collections::HashMap;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// The `[forward]` table of the collector's configuration file.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct ForwardConfig {
    /// Who reports.
    pub reporter: Reporter,
    /// Marking of everything that leaves; AMBER+STRICT unless agreed otherwise with the centre.
    pub tlp: Tlp,
    /// What is masked.
    pub redaction: RedactionConfig,
    /// Regular expressions of marks that block forwarding; absent means the shipped list.
    pub state_secret_patterns: Option<Vec<String>>,
    /// The centre's TAXII 2.1 server; without it reports can be drafted and approved, and wait.
    pub taxii: Option<TaxiiConfig>,
}

/// Who reports.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Reporter {
    /// Name of the organisation that reports, such as the provincial SOC.
    pub name: String,
    /// Its organisation code (mã định danh); may be empty.
    pub organ_id: String,
    /// Duty contact, as the centre may call it; may be empty.
    pub contact: String,
}

/// Traffic Light Protocol 2.0 (FIRST, August 2022).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Tlp {
    /// No limit.
    Clear,
    /// Within the community.
    Green,
    /// Recipient's organisation and its clients.
    Amber,
    /// Recipient's organisation only.
    #[default]
    #[serde(rename = "amber+strict")]
    AmberStrict,
    /// Named recipients only.
    Red,
}

impl Tlp {
    /// Returns the word of the TLP 2.0 extension, such as `amber+strict`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Clear => "clear",
            Self::Green => "green",
            Self::Amber => "amber",
            Self::AmberStrict => "amber+strict",
            Self::Red => "red",
        }
    }
}

/// What is masked before bytes are fixed. Secrets and personal numbers always are.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct RedactionConfig {
    /// Also mask private and loopback addresses; each becomes a salted hash, so that two mentions of
    /// one address still look alike.
    pub internal_ips: bool,
    /// Salt of those hashes; set it once per site and keep it.
    #[serde(skip_serializing)]
    pub salt: String,
}

/// The centre's TAXII 2.1 server.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct TaxiiConfig {
    /// Address of the discovery page, such as `https://taxii.example/taxii2/`. `http` is taken for
    /// loopback only.
    pub url: String,
    /// Address of the API root; empty means the server's default.
    #[serde(default)]
    pub api_root: String,
    /// Id of the collection; empty means the only one we may write to.
    #[serde(default)]
    pub collection: String,
    /// Account; empty means no password is sent (client certificate only).
    #[serde(default)]
    pub user: String,
    /// File that holds the password. Read anew whenever a session starts, so it can be changed
    /// without a restart.
    #[serde(default)]
    pub password_file: Option<PathBuf>,
    /// PEM file of the authority that signed the server's certificate; absent means the system's.
    #[serde(default)]
    pub ca_file: Option<PathBuf>,
    /// PEM file with our certificate and key.
    #[serde(default)]
    pub identity_file: Option<PathBuf>,
    /// Shortest wait before a retry, in milliseconds.
    #[serde(default = "retry_delay_ms_min")]
    pub retry_delay_ms_min: u64,
    /// Longest wait before a retry, in milliseconds.
    #[serde(default = "retry_delay_ms_max")]
    pub retry_delay_ms_max: u64,
}

fn retry_delay_ms_min() -> u64 {
    5_000
}

/// 15 minutes: a centre that is back is noticed well inside a 24-hour clock.
fn retry_delay_ms_max() -> u64 {
    15 * 60 * 1000
}

/// What a report is built with.
#[derive(Debug, Clone, Default)]
pub struct Profile {
    /// The `[forward]` table.
    pub config: ForwardConfig,
    /// Legal deadlines, to be told to the centre and noted as met.
    pub policy: Option<collector_incident::Policy>,
    /// Texts of Sigma rules by rule id, for indicators. Rules without a text get no indicator.
    pub rules: HashMap<String, String>,
    /// Names of agencies by organisation code.
    pub organizations: HashMap<String, String>,
}
