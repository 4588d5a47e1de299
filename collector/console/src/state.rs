//! State: what every request may reach.

use std::net::IpAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use collector_forward::Profile;
use collector_incident::Policy;
use prometheus::{IntCounterVec, Opts, Registry};
use rules_service::meter::Health;
use sqlx::SqlitePool;

use crate::events::EventStore;
use crate::password::Passwords;
use crate::throttle::Throttle;

/// How the console is reached and how long people stay.
#[derive(Debug, Clone)]
pub struct ConsoleConfig {
    /// The origin people type, such as `https://soc.tinh.gov.vn`, without a path. Forms are taken
    /// from it alone. Absent: from the host that the request itself names.
    pub public_origin: Option<String>,
    /// True when browsers reach us over TLS (ours or a proxy's): cookies are then `Secure` and
    /// answers carry HSTS.
    pub secure: bool,
    /// True if `/metrics` answers anybody. Otherwise it takes a token.
    pub open_metrics: bool,
    /// Proxies whose `X-Forwarded-For` is believed.
    pub trusted_proxies: Vec<IpAddr>,
    /// How long a browser session lasts. The default, 10 h, is a shift and its handover.
    pub session_lifetime: Duration,
    /// How long a bearer token lasts. The default is 12 h.
    pub token_lifetime: Duration,
}

impl Default for ConsoleConfig {
    fn default() -> Self {
        Self {
            public_origin: None,
            secure: false,
            open_metrics: false,
            trusted_proxies: Vec::new(),
            session_lifetime: Duration::from_secs(10 * 60 * 60),
            token_lifetime: Duration::from_secs(12 * 60 * 60),
        }
    }
}

/// What every request may reach. Cheap to clone.
#[derive(Clone)]
pub struct ConsoleState(Arc<Inner>);

/// What a [`ConsoleState`] shares.
pub struct Inner {
    pub(crate) db: SqlitePool,
    pub(crate) events: Arc<dyn EventStore>,
    pub(crate) policy: Policy,
    pub(crate) profile: Arc<Profile>,
    pub(crate) config: ConsoleConfig,
    pub(crate) health: Health,
    pub(crate) registry: Registry,
    pub(crate) passwords: Passwords,
    pub(crate) throttle: Mutex<Throttle>,
    pub(crate) requests: IntCounterVec,
    pub(crate) logins: IntCounterVec,
}

impl ConsoleState {
    /// Returns the state of a console over these stores. `db` has been migrated by every crate that
    /// keeps tables in it. The console's counters are registered with `registry`.
    ///
    /// # Errors
    /// If `registry` holds a console's counters already.
    pub fn new(
        db: SqlitePool,
        events: Arc<dyn EventStore>,
        policy: Policy,
        profile: Arc<Profile>,
        config: ConsoleConfig,
        health: Health,
        registry: Registry,
    ) -> prometheus::Result<Self> {
        let requests = IntCounterVec::new(
            Opts::new("vonglau_console_requests_total", "Requests answered, by class of status"),
            &["status"],
        )?;
        let logins = IntCounterVec::new(
            Opts::new("vonglau_console_logins_total", "Attempts to log in, by outcome"),
            &["outcome"],
        )?;
        registry.register(Box::new(requests.clone()))?;
        registry.register(Box::new(logins.clone()))?;
        Ok(Self(Arc::new(Inner {
            db,
            events,
            policy,
            profile,
            config,
            health,
            registry,
            passwords: Passwords::new(),
            throttle: Mutex::default(),
            requests,
            logins,
        })))
    }
}

impl std::ops::Deref for ConsoleState {
    type Target = Inner;

    fn deref(&self) -> &Inner {
        &self.0
    }
}

impl std::fmt::Debug for ConsoleState {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ConsoleState").field("config", &self.config).finish_non_exhaustive()
    }
}
