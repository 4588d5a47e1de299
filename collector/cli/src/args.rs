//! Arguments: what can be typed, with an example each.

use std::path::PathBuf;

use clap::{Args as Group, Parser, Subcommand, ValueEnum};
use rules_service::exit::EXIT_CODES_HELP;

/// Work incidents, search events, trust agents, send reports and check the ledger of Vọng Lâu.
#[derive(Debug, Parser)]
#[command(name = "vonglau", version, max_term_width = 100, after_help = EXIT_CODES_HELP,
    after_long_help = AFTER)]
pub(crate) struct Args {
    /// The collector's address, such as https://soc.tinh.gov.vn; else the one last logged in at.
    #[arg(long, global = true, env = "VONGLAU_SERVER", value_name = "URL")]
    pub(crate) server: Option<String>,
    /// A token to use instead of the stored one.
    #[arg(
        long,
        global = true,
        env = "VONGLAU_TOKEN",
        value_name = "TOKEN",
        hide_env_values = true
    )]
    pub(crate) token: Option<String>,
    /// A PEM file of further certificate authorities to trust, such as the province's own.
    #[arg(long, global = true, env = "VONGLAU_CA", value_name = "FILE")]
    pub(crate) ca: Option<PathBuf>,
    /// Print the server's answer as JSON.
    #[arg(long, global = true)]
    pub(crate) json: bool,
    /// Language of titles.
    #[arg(long, global = true, env = "VONGLAU_LANG", default_value = "vi", value_name = "LANG")]
    pub(crate) lang: Lang,
    #[command(subcommand)]
    pub(crate) command: Command,
}

const AFTER: &str = "\
Examples:
  vonglau login --server https://soc.tinh.gov.vn
  vonglau incidents list --mine
  vonglau incidents show INC-2026-000012
  vonglau incidents close INC-2026-000012 --reason false-positive --note 'own scanner'
  vonglau events search 'failed password' --where source.ip=203.0.113.0/24 --since 7d
  vonglau ledger || echo 'something is missing'

Times are shown in this computer's time zone; --json has them in UTC.
Colour is used on a terminal only, and never if NO_COLOR is set.

Exit codes:
  0   done
  1   the answer is no: unknown incident, a move that is not allowed, a ledger that does not close
  2   misuse of arguments
  3   configuration: no server is known, the credentials file cannot be read or written
  4   unavailable: server down, not logged in, wrong password, role not sufficient
  70  bug";

/// Language of titles.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Lang {
    /// Vietnamese.
    Vi,
    /// English.
    En,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Log in and keep the token in ~/.config/vonglau/credentials.toml (mode 0600).
    #[command(after_help = "Example: vonglau login --server https://soc.tinh.gov.vn --name lan")]
    Login(Login),
    /// End the stored login.
    Logout,
    /// Incidents: list, show, assign, move, close, note.
    #[command(subcommand, visible_alias = "incident")]
    Incidents(Incidents),
    /// Events: search.
    #[command(subcommand, visible_alias = "event")]
    Events(Events),
    /// Agents: list, trust, revoke.
    #[command(subcommand, visible_alias = "agent")]
    Agents(Agents),
    /// Reports to the national centre: request, approve, refuse, retry, status.
    #[command(subcommand, visible_alias = "reports")]
    Forward(Forward),
    /// Check that nothing was lost or doubled; exits 1 if the ledger does not close.
    #[command(after_help = "Example: vonglau ledger --since 24h")]
    Ledger {
        /// Only what arrived since: 24h, 7d, a day or an RFC 3339 time.
        #[arg(long)]
        since: Option<String>,
    },
    /// Print a completion script for a shell.
    #[command(after_help = "Example: vonglau completions bash > /etc/bash_completion.d/vonglau")]
    Completions {
        /// The shell.
        shell: clap_complete::Shell,
    },
}

/// How to log in.
#[derive(Debug, Group)]
pub(crate) struct Login {
    /// User name; asked for if absent.
    #[arg(long, short)]
    pub(crate) name: Option<String>,
    /// File that holds the password; `-` for standard input.
    #[arg(long, value_name = "FILE")]
    pub(crate) password_file: Option<PathBuf>,
}

/// Verbs of incidents.
#[derive(Debug, Subcommand)]
pub(crate) enum Incidents {
    /// List incidents, latest first; open ones unless told otherwise.
    #[command(after_help = "Example: vonglau incidents list --severity high -q 'dò mật khẩu'")]
    List {
        /// Only these statuses: new, triage, in_progress, contained, closed, reopened.
        #[arg(long, value_delimiter = ',')]
        status: Vec<String>,
        /// Closed ones, too.
        #[arg(long, conflicts_with = "status")]
        all: bool,
        /// Only mine.
        #[arg(long)]
        mine: bool,
        /// At least this severe: informational, low, medium, high, critical.
        #[arg(long)]
        severity: Option<String>,
        /// Words in number, title, entity or technique; marks do not matter.
        #[arg(long, short)]
        q: Option<String>,
        /// Detected since: 24h, 7d, a day or an RFC 3339 time.
        #[arg(long)]
        since: Option<String>,
        /// At most this many, 1 to 200.
        #[arg(long, default_value_t = 50)]
        limit: u32,
        /// Continue where the page before ended.
        #[arg(long)]
        cursor: Option<String>,
    },
    /// Show an incident with its evidence, journal, deadlines and reports.
    Show {
        /// Number or id.
        id: String,
    },
    /// Take an incident, or give it to somebody.
    #[command(after_help = "Example: vonglau incidents assign INC-2026-000012 --to minh")]
    Assign {
        /// Number or id.
        id: String,
        /// To whom; to yourself if absent.
        #[arg(long)]
        to: Option<String>,
        /// To nobody.
        #[arg(long, conflicts_with = "to")]
        nobody: bool,
    },
    /// Move an incident to another status.
    #[command(after_help = "Example: vonglau incidents move INC-2026-000012 in_progress")]
    Move {
        /// Number or id.
        id: String,
        /// triage, in_progress, contained or reopened.
        status: String,
        /// What was found or done.
        #[arg(long, default_value = "")]
        note: String,
    },
    /// Close an incident.
    #[command(after_help = "Example: vonglau incidents close INC-2026-000012 \
        --reason true-positive --note 'blocked, password changed'")]
    Close {
        /// Number or id.
        id: String,
        /// Why.
        #[arg(long)]
        reason: Reason,
        /// What was found.
        #[arg(long)]
        note: String,
    },
    /// Write a comment into an incident's journal.
    Note {
        /// Number or id.
        id: String,
        /// The comment.
        text: String,
    },
}

/// Why an incident is closed.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum Reason {
    /// It was an attack.
    #[value(alias = "true_positive")]
    TruePositive,
    /// The rule was wrong.
    #[value(alias = "false_positive")]
    FalsePositive,
    /// The rule was right, and what it saw was allowed.
    Benign,
    /// Another incident covers it.
    Duplicate,
}

impl Reason {
    /// Returns the API's word.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::TruePositive => "true_positive",
            Self::FalsePositive => "false_positive",
            Self::Benign => "benign",
            Self::Duplicate => "duplicate",
        }
    }
}

/// Verbs of events.
#[derive(Debug, Subcommand)]
pub(crate) enum Events {
    /// Search events, newest first.
    #[command(after_help = "Example: vonglau events search sshd --where user.name=root --since 7d")]
    Search {
        /// Words of the line, in any order and case.
        #[arg(default_value = "")]
        q: String,
        /// A field and its exact value, such as source.ip=203.0.113.9; may be given often.
        #[arg(long = "where", short = 'w', value_name = "FIELD=VALUE")]
        filters: Vec<String>,
        /// A rule that hit, by its id.
        #[arg(long)]
        rule: Option<String>,
        /// Since: 24h, 7d, a day or an RFC 3339 time. The last 24 hours if absent.
        #[arg(long)]
        since: Option<String>,
        /// Until, likewise.
        #[arg(long)]
        until: Option<String>,
        /// At most this many, 1 to 200.
        #[arg(long, default_value_t = 50)]
        limit: u32,
        /// Continue where the page before ended; give the same --since and --until.
        #[arg(long)]
        cursor: Option<String>,
    },
}

/// Verbs of agents.
#[derive(Debug, Subcommand)]
pub(crate) enum Agents {
    /// List agents with their trust and last heartbeat.
    List,
    /// Trust an agent: what it signs is taken in, also what waits in quarantine.
    #[command(after_help = "Example: vonglau agents trust 3f0c…e1 --name web01")]
    Trust {
        /// Public key or agent id, as listed.
        key: String,
        /// A name for it.
        #[arg(long, default_value = "")]
        name: String,
    },
    /// Withdraw trust: what it signs from now on is quarantined.
    Revoke {
        /// Public key or agent id, as listed.
        key: String,
    },
}

/// Verbs of reports.
#[derive(Debug, Subcommand)]
pub(crate) enum Forward {
    /// Draft a report of an incident and hand it in for approval.
    #[command(after_help = "Example: vonglau forward request INC-2026-000012 --kind initial \
        --text 'Dò mật khẩu SSH từ một địa chỉ nước ngoài'")]
    Request {
        /// Number or id of the incident.
        incident: String,
        /// initial, full, update, closing or personal-data.
        #[arg(long, default_value = "initial")]
        kind: String,
        /// What happened, in Vietnamese.
        #[arg(long, default_value = "")]
        text: String,
        /// Cause.
        #[arg(long, default_value = "")]
        cause: String,
        /// Scope of impact.
        #[arg(long, default_value = "")]
        scope: String,
        /// Measures taken and planned.
        #[arg(long, default_value = "")]
        measures: String,
        /// Help asked of the centre.
        #[arg(long = "ask", default_value = "", value_name = "TEXT")]
        help_wanted: String,
    },
    /// Approve a report that somebody else wrote.
    Approve {
        /// Id of the report.
        report: String,
    },
    /// Send a report back to its authors.
    Refuse {
        /// Id of the report.
        report: String,
        /// What they should change.
        #[arg(long)]
        reason: String,
    },
    /// Send a refused report again, after the cause was cleared.
    Retry {
        /// Id of the report.
        report: String,
    },
    /// Show one report with its receipts, or list them all.
    Status {
        /// Id of the report; all if absent.
        report: Option<String>,
        /// Print the exact outgoing document and nothing else.
        #[arg(long, requires = "report")]
        document: bool,
    },
}
