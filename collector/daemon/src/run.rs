//! Run: the one place where the collector's stages meet.

use std::io::Write;
use std::sync::Arc;
use std::time::Duration;

use agent_wire::PublicKey;
use anyhow::Context;
use collector_console::ConsoleState;
use collector_forward::Forwarder;
use collector_ingest::{Ingest, IngestConfig, KafkaSource, Source, SpoolSource};
use collector_store::{Store, StoreConfig};
use prometheus::Registry;
use rules_service::backoff::Backoff;
use rules_service::meter::Health;
use sqlx::SqlitePool;
use tokio_util::sync::CancellationToken;

use crate::children::{self, ChildProcess, StandaloneAgent};
use crate::config::Config;
use crate::observe::{self, Watch};
use crate::{forwarding, users};

/// The SQLite file in the state directory.
pub(crate) const DATABASE_FILE: &str = "collector.db";
/// User of the embedded engine.
const ENGINE_USER: &str = "vonglau";
/// How long stages get to finish when asked to stop.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(20);

/// Says whether a configuration could run, without starting anything.
pub(crate) fn check(config: &Config, standalone: bool) -> anyhow::Result<String> {
    anyhow::ensure!(
        standalone || config.kafka.is_some(),
        "[kafka] bootstrap is not set; set it, or use `vonglau-collector standalone`"
    );
    anyhow::ensure!(
        !config.clickhouse.url.is_empty() || config.engine.library.is_some(),
        "set engine.library for the embedded ClickHouse (deploy/lib/fetch-chdb.sh fetches it), or \
         clickhouse.url for a server"
    );
    let policy = forwarding::policy(config)?;
    trusted(config, None)?;
    if let Some(kafka) = &config.kafka {
        KafkaSource::new(
            kafka.clone(),
            collector_ingest::Metrics::register(&Registry::new())?,
            Health::default(),
        )?;
    }
    if let Some(path) = config.forward.taxii.as_ref().and_then(|taxii| taxii.password_file.as_ref())
    {
        std::fs::read_to_string(path)
            .with_context(|| format!("forward.taxii.password_file {}", path.display()))?;
    }
    let profile = forwarding::profile(config, policy)?;
    let loaded = rules_pack::load(config.rules.builtin, &config.rules.dirs)?;
    for diagnostic in &loaded.diagnostics {
        tracing::warn!("{}", diagnostic.render());
    }
    Ok(format!(
        "configuration is good: {} rules, {} correlations, {} rule texts for reports\n",
        loaded.rules.len(),
        loaded.correlations.len(),
        profile.rules.len()
    ))
}

/// Runs until a signal. Everything that can be waited for is waited for; what cannot is an error.
pub(crate) async fn run(config: Config, standalone: bool) -> anyhow::Result<()> {
    let stop = rules_service::shutdown::on_signals()?;
    let (registry, health) = (Registry::new(), Health::default());
    crate::config::create_private(&config.state_dir)?;
    let policy = forwarding::policy(&config)?;
    let profile = Arc::new(forwarding::profile(&config, policy.clone())?);
    let db = open_database(&config).await?;
    users::ensure_admin(&db, &config.state_dir).await?;

    // The engine and the agent stop after the stages that need them.
    let children_stop = CancellationToken::new();
    let mut children: Vec<ChildProcess> = Vec::new();
    let outcome = async {
        let store = open_store(&config, &health, &stop, &children_stop, &mut children).await?;
        let agent = match standalone {
            true => Some(children::agent(&config, &health, &children_stop).await?),
            false => None,
        };
        let stages = Stages { config, db, store, policy, profile, registry, health, stop };
        stages.run(agent, &mut children).await
    }
    .await;
    children_stop.cancel();
    for child in children {
        if child.task.await.is_err() {
            tracing::warn!("a child's supervisor ended badly");
        }
    }
    outcome
}

async fn open_database(config: &Config) -> anyhow::Result<SqlitePool> {
    let db = collector_store::database::open(&config.state(DATABASE_FILE)).await?;
    collector_ingest::migrate(&db).await?;
    collector_incident::migrate(&db).await?;
    collector_forward::migrate(&db).await?;
    collector_console::migrate(&db).await?;
    Ok(db)
}

/// Returns the store: a server by its URL, or the embedded engine, started here.
async fn open_store(
    config: &Config,
    health: &Health,
    stop: &CancellationToken,
    children_stop: &CancellationToken,
    children: &mut Vec<ChildProcess>,
) -> anyhow::Result<Store> {
    let wanted = &config.clickhouse;
    let or = |text: &str, default: &str| {
        if text.is_empty() { default.to_owned() } else { text.to_owned() }
    };
    let database = or(&wanted.database, "vonglau");
    let mut engine_ready = None;
    let mut access = if wanted.url.is_empty() {
        let engine = children::engine(config, health, children_stop)?;
        let ready = engine.child.ready.clone();
        children.push(engine.child);
        engine_ready = Some(ready);
        let url = String::new();
        StoreConfig { url, user: ENGINE_USER.into(), password: engine.password, database }
    } else {
        let password = match &wanted.password_file {
            Some(path) => std::fs::read_to_string(path)
                .with_context(|| format!("cannot read {}", path.display()))?
                .trim()
                .to_owned(),
            None => String::new(),
        };
        StoreConfig {
            url: wanted.url.clone(),
            user: or(&wanted.user, "default"),
            password,
            database,
        }
    };
    let mut backoff = Backoff::new(Duration::from_millis(200), Duration::from_secs(10));
    loop {
        // Asked for in every try: an engine that was started again listens elsewhere.
        if let Some(ready) = &mut engine_ready {
            let line = tokio::select! {
                () = stop.cancelled() => anyhow::bail!("stopped before the engine was ready"),
                line = crate::supervise::when_ready(ready) => line?,
            };
            access.url = children::engine_url(&line)?;
        }
        let opened = async {
            let store = Store::connect(&access).await?;
            for migration in store.migrate().await? {
                tracing::info!(migration, "applied");
            }
            collector_store::Result::Ok(store)
        };
        match opened.await {
            Ok(store) => {
                health.resolved("clickhouse");
                if let Some(ready) = engine_ready {
                    children::follow_engine(ready, store.clone());
                }
                return Ok(store);
            }
            Err(error) if error.is_transient() => {
                let text = rules_service::logs::chain(&error);
                tracing::warn!(
                    url = access.url,
                    reason = text,
                    "ClickHouse is not available; waiting"
                );
                health.problem("clickhouse", text);
            }
            Err(error) => return Err(error.into()),
        }
        tokio::select! {
            () = stop.cancelled() => anyhow::bail!("stopped before ClickHouse was available"),
            () = tokio::time::sleep(backoff.next_delay()) => {}
        }
    }
}

/// Returns the keys trusted from the start: the configured ones and standalone's own.
fn trusted(config: &Config, own: Option<&str>) -> anyhow::Result<Vec<PublicKey>> {
    let configured = config.agents.trusted_keys.iter().map(String::as_str);
    configured
        .chain(own)
        .map(|key| {
            key.parse().map_err(|_| {
                anyhow::anyhow!(
                    "agents.trusted_keys: '{key}' is not a key of 64 hexadecimal digits"
                )
            })
        })
        .collect()
}

/// Everything the stages share.
struct Stages {
    config: Config,
    db: SqlitePool,
    store: Store,
    policy: collector_incident::Policy,
    profile: Arc<collector_forward::Profile>,
    registry: Registry,
    health: Health,
    stop: CancellationToken,
}

impl Stages {
    async fn run(
        self,
        agent: Option<StandaloneAgent>,
        children: &mut Vec<ChildProcess>,
    ) -> anyhow::Result<()> {
        let own_key = agent.as_ref().map(|agent| agent.public_key.as_str());
        let ingest_config = IngestConfig { auto_trust: trusted(&self.config, own_key)? };
        let listener = tokio::net::TcpListener::bind(self.config.api.listen)
            .await
            .with_context(|| format!("cannot listen on {}", self.config.api.listen))?;
        let address = listener.local_addr()?;
        let state = ConsoleState::new(
            self.db.clone(),
            Arc::new(self.store.clone()),
            self.policy.clone(),
            self.profile.clone(),
            self.config.api.console(address.ip()),
            self.health.clone(),
            self.registry.clone(),
        )?;
        let router = collector_console::router(state)
            .into_make_service_with_connect_info::<std::net::SocketAddr>();
        let stop = self.stop.clone();
        let serve = tokio::spawn(async move {
            axum::serve(listener, router).with_graceful_shutdown(stop.cancelled_owned()).await
        });
        let forwarder = Forwarder::new(
            self.db.clone(),
            Some(self.policy.clone()),
            self.config.forward.taxii.as_ref(),
            &self.registry,
            self.health.clone(),
        )?;
        let forward = tokio::spawn(forwarder.run(self.stop.clone()));
        ready(address, self.config.state_dir.display())?;

        let stop = self.stop.clone();
        let ingest = async {
            match agent {
                Some(agent) => {
                    let source = |_| Ok(SpoolSource::new(&agent.spool, self.health.clone()));
                    let done = self.ingest(source, &ingest_config).await;
                    children.push(agent.child);
                    done
                }
                None => {
                    let kafka = self.config.kafka.clone().context("kafka.bootstrap is not set")?;
                    let source =
                        |metrics| KafkaSource::new(kafka.clone(), metrics, self.health.clone());
                    self.ingest(source, &ingest_config).await
                }
            }
        };
        let done = ingest.await;
        stop.cancel();
        let finish = async {
            let (served, forwarded) = tokio::join!(serve, forward);
            if let Err(error) = forwarded {
                tracing::warn!(%error, "the forwarder ended badly");
            }
            anyhow::Ok(served??)
        };
        match tokio::time::timeout(DRAIN_TIMEOUT, finish).await {
            Ok(finished) => finished?,
            Err(_) => tracing::warn!("open connections were cut after {DRAIN_TIMEOUT:?}"),
        }
        done
    }

    /// Ingests until told to stop. An error that a new start may cure is followed by one: the
    /// memory of correlations is then rebuilt, too.
    async fn ingest<S: Source>(
        &self,
        source: impl Fn(collector_ingest::Metrics) -> collector_ingest::Result<S>,
        config: &IngestConfig,
    ) -> anyhow::Result<()> {
        let ingest_metrics = collector_ingest::Metrics::register(&self.registry)?;
        let watch_metrics = observe::Metrics::register(&self.registry)?;
        let mut backoff = Backoff::new(Duration::from_millis(200), Duration::from_secs(30));
        while !self.stop.is_cancelled() {
            let rules = self.config.rules.clone();
            let watch = Watch::new(
                self.store.clone(),
                self.db.clone(),
                Box::new(move || Ok(rules_pack::load(rules.builtin, &rules.dirs)?)),
                watch_metrics.clone(),
                self.health.clone(),
            );
            let attempt = async {
                let ingest = Ingest::new(
                    source(ingest_metrics.clone())?,
                    self.store.clone(),
                    self.db.clone(),
                    watch.await?,
                    config.clone(),
                    ingest_metrics.clone(),
                    self.health.clone(),
                );
                anyhow::Ok(ingest.run(self.stop.clone()).await?)
            };
            let ended = tokio::select! {
                () = self.stop.cancelled() => return Ok(()),
                ended = attempt => ended,
            };
            let Err(error) = ended else { return Ok(()) };
            let text = format!("{error:#}");
            tracing::error!(reason = text, "ingestion stopped; starting it again");
            self.health.problem(observe::INGEST, text);
            tokio::select! {
                () = self.stop.cancelled() => {}
                () = tokio::time::sleep(backoff.next_delay()) => {}
            }
        }
        Ok(())
    }
}

/// Says on standard output where we are, as one JSON line for whoever started us.
fn ready(address: std::net::SocketAddr, state_dir: std::path::Display<'_>) -> anyhow::Result<()> {
    tracing::info!(api = %address, "ready");
    let line = serde_json::json!({"api": address.to_string(), "state": state_dir.to_string()});
    let mut out = std::io::stdout().lock();
    writeln!(out, "{line}")?;
    out.flush()?;
    Ok(())
}
