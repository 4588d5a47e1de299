//! Events: what the console asks of the event store, so that tests can stand in for it.

use collector_store::{EventQuery, HuntWindow, Ledger, LedgerQuery, SeenAgent, Store, StoredEvent};
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use rules_matcher::sql::Sql;

/// What the event store answers.
pub type Answer<'a, T> = BoxFuture<'a, collector_store::Result<T>>;

/// What the console asks of the event store. [`Store`] is the real one.
pub trait EventStore: Send + Sync {
    /// Returns the events the query asks for, newest first.
    fn search<'a>(&'a self, query: &'a EventQuery) -> Answer<'a, Vec<StoredEvent>>;
    /// Returns the events with these ids, oldest first. Ids that are not stored are left out.
    fn by_ids<'a>(&'a self, ids: &'a [String]) -> Answer<'a, Vec<StoredEvent>>;
    /// Returns the events of a time window on which a rule's predicate holds, newest first.
    fn hunt<'a>(&'a self, predicate: &'a Sql, window: HuntWindow) -> Answer<'a, Vec<StoredEvent>>;
    /// Returns the last heartbeat of each agent that has sent one.
    fn agents_seen(&self) -> Answer<'_, Vec<SeenAgent>>;
    /// Compares what was received with what is stored.
    fn ledger<'a>(&'a self, query: &'a LedgerQuery) -> Answer<'a, Ledger>;
}

impl EventStore for Store {
    fn search<'a>(&'a self, query: &'a EventQuery) -> Answer<'a, Vec<StoredEvent>> {
        Self::search(self, query).boxed()
    }

    fn by_ids<'a>(&'a self, ids: &'a [String]) -> Answer<'a, Vec<StoredEvent>> {
        self.events_by_id(ids).boxed()
    }

    fn hunt<'a>(&'a self, predicate: &'a Sql, window: HuntWindow) -> Answer<'a, Vec<StoredEvent>> {
        Self::hunt(self, predicate, window).boxed()
    }

    fn agents_seen(&self) -> Answer<'_, Vec<SeenAgent>> {
        Self::agents_seen(self).boxed()
    }

    fn ledger<'a>(&'a self, query: &'a LedgerQuery) -> Answer<'a, Ledger> {
        Self::ledger(self, query).boxed()
    }
}
