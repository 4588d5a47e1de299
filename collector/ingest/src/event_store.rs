//! EventStore: what ingestion needs of the store, small enough to be played by a fake.

use std::future::Future;

use agent_wire::{AgentId, Hash, Lane, PublicKey};
use collector_store::{BatchRow, EventRow, HeartbeatRow, QuarantineCursor, QuarantineRow, Store};

use crate::BoxError;

type Answer<T> = std::result::Result<T, BoxError>;

/// What ingestion needs of ClickHouse. Inserts repeated under one token must be stored once.
#[expect(missing_docs, reason = "each is the method of collector_store::Store of that name")]
pub trait EventStore: Send + Sync {
    fn insert_events(
        &self,
        token: &str,
        rows: &[EventRow<'_>],
    ) -> impl Future<Output = Answer<()>> + Send;
    fn insert_batches(
        &self,
        token: &str,
        rows: &[BatchRow],
    ) -> impl Future<Output = Answer<()>> + Send;
    fn insert_heartbeats(
        &self,
        token: &str,
        rows: &[HeartbeatRow],
    ) -> impl Future<Output = Answer<()>> + Send;
    fn insert_quarantine(
        &self,
        token: &str,
        rows: &[QuarantineRow],
    ) -> impl Future<Output = Answer<()>> + Send;
    fn batch_hashes(
        &self,
        agent: AgentId,
        lane: Lane,
        epoch: u64,
        from: u64,
        to: u64,
    ) -> impl Future<Output = Answer<Vec<(u64, Hash)>>> + Send;
    fn chain_heads(&self) -> impl Future<Output = Answer<Vec<(AgentId, Lane, u64, u64)>>> + Send;
    fn quarantined(
        &self,
        key: &PublicKey,
        reasons: &[&str],
        after: Option<&QuarantineCursor>,
        limit: u32,
    ) -> impl Future<Output = Answer<Vec<QuarantineRow>>> + Send;
}

impl EventStore for Store {
    async fn insert_events(&self, token: &str, rows: &[EventRow<'_>]) -> Answer<()> {
        Ok(Self::insert_events(self, token, rows).await?)
    }

    async fn insert_batches(&self, token: &str, rows: &[BatchRow]) -> Answer<()> {
        Ok(Self::insert_batches(self, token, rows).await?)
    }

    async fn insert_heartbeats(&self, token: &str, rows: &[HeartbeatRow]) -> Answer<()> {
        Ok(Self::insert_heartbeats(self, token, rows).await?)
    }

    async fn insert_quarantine(&self, token: &str, rows: &[QuarantineRow]) -> Answer<()> {
        Ok(Self::insert_quarantine(self, token, rows).await?)
    }

    async fn batch_hashes(
        &self,
        agent: AgentId,
        lane: Lane,
        epoch: u64,
        from: u64,
        to: u64,
    ) -> Answer<Vec<(u64, Hash)>> {
        Ok(Self::batch_hashes(self, agent, lane, epoch, from, to).await?)
    }

    async fn chain_heads(&self) -> Answer<Vec<(AgentId, Lane, u64, u64)>> {
        Ok(Self::chain_heads(self).await?)
    }

    async fn quarantined(
        &self,
        key: &PublicKey,
        reasons: &[&str],
        after: Option<&QuarantineCursor>,
        limit: u32,
    ) -> Answer<Vec<QuarantineRow>> {
        Ok(Self::quarantined(self, key, reasons, after, limit).await?)
    }
}
