//! Facets: how the events of a query spread over time and over the values of a field.

use std::time::Duration;

use clickhouse::Row;
use serde::{Deserialize, Serialize};

use crate::promoted::{self, Kind};
use crate::{Error, EventQuery, Result, Store};

/// The most buckets of a histogram.
const BUCKETS_MAX: u32 = 500;
/// The most values of a field listed.
const VALUES_MAX: u32 = 100;

/// Events in one stretch of time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Row, Serialize, Deserialize)]
pub struct Bucket {
    /// Number of the bucket, from 0 at the start of the window.
    pub bucket: i64,
    /// Events in it.
    pub events: u64,
    /// Of these, events that some rule hit.
    pub hits: u64,
}

/// One value of a field.
#[derive(Debug, Clone, PartialEq, Eq, Row, Serialize, Deserialize)]
pub struct Facet {
    /// The value as text.
    pub value: String,
    /// Events that have it.
    pub events: u64,
}

impl Store {
    /// Returns how many events of the query fall into each of `buckets` (cut to 500) equal parts of
    /// its window, empty parts left out, and how long a part is. Limit and cursor do not count.
    ///
    /// # Errors
    /// As [`Store::search`].
    pub async fn histogram(
        &self,
        query: &EventQuery,
        buckets: u32,
    ) -> Result<(Duration, Vec<Bucket>)> {
        let sql = EventQuery { cursor: None, ..query.clone() }.conditions()?;
        let window = query.until.since(query.since).as_nanos();
        let width = window.div_ceil(u128::from(buckets.clamp(1, BUCKETS_MAX))).max(1);
        let width = i64::try_from(width).unwrap_or(i64::MAX);
        let text = format!(
            "SELECT intDiv(toUnixTimestamp64Nano(ts) - {{start:Int64}}, {{width:Int64}}) AS bucket, \
             count() AS events, countIf(notEmpty(rule_ids)) AS hits FROM events WHERE {} \
             GROUP BY bucket ORDER BY bucket",
            sql.text
        );
        let read =
            sql.bind(self.read(&text)).param("start", query.since.as_nanos()).param("width", width);
        let rows = self.rows("count events over time", read).await?;
        Ok((Duration::from_nanos(width.unsigned_abs()), rows))
    }

    /// Returns the most frequent values of a promoted field among the events of the query; at most
    /// `limit`, cut to 100. Limit and cursor of the query do not count.
    ///
    /// # Errors
    /// [`Error::BadQuery`] if the field has no column of its own; otherwise as [`Store::search`].
    pub async fn top(&self, query: &EventQuery, name: &str, limit: u32) -> Result<Vec<Facet>> {
        let (column, kind) = promoted::column(name)
            .ok_or_else(|| Error::BadQuery(format!("values of {name} cannot be counted")))?;
        let (value, present) = match kind {
            Kind::Text => (column.to_owned(), format!("{column} != ''")),
            Kind::Texts => (format!("arrayJoin({column})"), format!("notEmpty({column})")),
            Kind::Small | Kind::Level => (column.to_owned(), format!("{column} != 0")),
            Kind::Count => (column.to_owned(), format!("{column} >= 0")),
            Kind::Address => (
                format!("replaceOne(IPv6NumToString({column}), '::ffff:', '')"),
                format!("{column} != toIPv6('::')"),
            ),
        };
        let sql = EventQuery { cursor: None, ..query.clone() }.conditions()?;
        let text = format!(
            "SELECT toString({value}) AS value, count() AS events FROM events \
             WHERE {} AND {present} GROUP BY value ORDER BY events DESC, value LIMIT {}",
            sql.text,
            limit.clamp(1, VALUES_MAX)
        );
        self.rows("count values", sql.bind(self.read(&text))).await
    }
}
