//! EventQuery: what people look for, and the SQL it becomes.
//!
//! The SQL is put together from constant pieces only; whatever a person typed is a parameter.

use std::fmt::{self, Write as _};
use std::net::{IpAddr, Ipv6Addr};
use std::str::FromStr;

use agent_wire::AgentId;
use clickhouse::query::Query;
use rules_event::{Level, Timestamp, field};

use crate::event_row::to_ipv6;
use crate::promoted::{self, Kind};
use crate::{Error, Result, value};

/// The most events one search returns.
pub const LIMIT_MAX: u32 = 1000;
/// The most ids one look-up takes.
pub const IDS_MAX: usize = 1000;
/// The most filters one search takes.
pub const FILTERS_MAX: usize = 20;
/// The most terms of a text search; ClickHouse takes 64 tokens.
const TERMS_MAX: usize = 20;
/// The longest text search or filter value, in bytes.
const TEXT_BYTES_MAX: usize = 4096;

/// What to look for. All conditions must hold.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct EventQuery {
    /// Earliest event time.
    pub since: Timestamp,
    /// Event times before this.
    pub until: Timestamp,
    /// Words that occur in `message` or `event.original`, in any order and case. `"several words"`
    /// must stand together; `wor*` is any text beginning so, also inside a word.
    pub text: Option<String>,
    /// Conditions on fields.
    pub filters: Vec<Filter>,
    /// Events that this rule hit.
    pub rule_id: Option<String>,
    /// Only events that some rule hit.
    pub hits_only: bool,
    /// Events with these ids; at most [`IDS_MAX`]. Empty means any.
    pub ids: Vec<String>,
    /// Events of this agent.
    pub agent: Option<AgentId>,
    /// At most this many, cut to [`LIMIT_MAX`]; 0 means [`LIMIT_MAX`].
    pub limit: u32,
    /// Continues after an earlier result.
    pub cursor: Option<Cursor>,
}

/// A condition on one field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Filter {
    /// Dotted ECS name.
    pub name: String,
    /// How it is compared.
    pub operator: Operator,
    /// What it is compared with. For an address also a network, such as `10.0.0.0/8`.
    pub value: String,
}

/// How a field is compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operator {
    /// It is this value; of several values, one is.
    Is,
    /// It is not this value, or absent.
    IsNot,
    /// Its text contains this, in any case. Not for numbers and addresses.
    Contains,
}

impl Filter {
    /// Returns the condition `name = value`.
    #[must_use]
    pub fn is(name: impl Into<String>, value: impl Into<String>) -> Self {
        Self { name: name.into(), operator: Operator::Is, value: value.into() }
    }
}

/// Where the next page begins: after the event of this time and id. Prints as text that is safe in
/// a URL.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cursor {
    /// Time of the last event seen.
    pub time: Timestamp,
    /// Its id.
    pub id: String,
}

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.time.as_nanos(), hex::encode(&self.id))
    }
}

impl FromStr for Cursor {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let parse = || {
            let (nanos, id) = text.split_once('.')?;
            Some(Self {
                time: Timestamp::from_nanos(nanos.parse().ok()?),
                id: String::from_utf8(hex::decode(id).ok()?).ok()?,
            })
        };
        parse().ok_or_else(|| Error::BadQuery("the cursor is not one this server gave".into()))
    }
}

/// SQL with its parameters, put together piece by piece.
#[derive(Debug, Default)]
pub(crate) struct Sql {
    pub(crate) text: String,
    params: Vec<(String, Param)>,
}

#[derive(Debug)]
enum Param {
    Text(String),
    Texts(Vec<String>),
    Int(i64),
}

impl Sql {
    /// Adds a parameter and returns its placeholder.
    fn param(&mut self, sql_type: &str, param: Param) -> String {
        let name = format!("p{}", self.params.len());
        let placeholder = format!("{{{name}:{sql_type}}}");
        self.params.push((name, param));
        placeholder
    }

    fn text(&mut self, text: &str) -> String {
        self.param("String", Param::Text(text.to_owned()))
    }

    fn and(&mut self, condition: impl fmt::Display) {
        let _ = write!(self.text, " AND {condition}");
    }

    /// Returns the query with every parameter bound.
    pub(crate) fn bind(&self, mut query: Query) -> Query {
        for (name, param) in &self.params {
            query = match param {
                Param::Text(text) => query.param(name, text),
                Param::Texts(texts) => query.param(name, texts),
                Param::Int(number) => query.param(name, number),
            };
        }
        query
    }
}

/// What the text index is built on; the query must say it in the very same words.
const HAYSTACK: &str = r"lowerUTF8(concat(message, '\n', original))";

impl EventQuery {
    /// Returns a query for everything.
    #[must_use]
    pub fn ever() -> Self {
        Self::window(Timestamp::from_nanos(i64::MIN), Timestamp::from_nanos(i64::MAX))
    }

    /// Returns a query for everything in `since..until`.
    #[must_use]
    pub fn window(since: Timestamp, until: Timestamp) -> Self {
        Self { since, until, ..Self::default() }
    }

    /// Returns the most events this query may return.
    pub(crate) fn limit(&self) -> u32 {
        if self.limit == 0 { LIMIT_MAX } else { self.limit.min(LIMIT_MAX) }
    }

    /// Returns the conditions, to stand behind `WHERE`.
    pub(crate) fn conditions(&self) -> Result<Sql> {
        self.check()?;
        let mut sql = Sql { text: "1".to_owned(), ..Sql::default() };
        // A window without ends has no conditions: times of broken clocks lie outside of what
        // ClickHouse can compare.
        if self.since.as_nanos() != i64::MIN {
            let since = sql.param("Int64", Param::Int(self.since.as_nanos()));
            sql.and(format_args!("ts >= fromUnixTimestamp64Nano({since})"));
        }
        if self.until.as_nanos() != i64::MAX {
            let until = sql.param("Int64", Param::Int(self.until.as_nanos()));
            sql.and(format_args!("ts < fromUnixTimestamp64Nano({until})"));
        }
        if let Some(cursor) = &self.cursor {
            let time = sql.param("Int64", Param::Int(cursor.time.as_nanos()));
            let id = sql.text(&cursor.id);
            sql.and(format_args!("ts <= fromUnixTimestamp64Nano({time})"));
            sql.and(format_args!("(ts, event_id) < (fromUnixTimestamp64Nano({time}), {id})"));
        }
        if let Some(agent) = &self.agent {
            let agent = sql.text(&agent.to_string());
            sql.and(format_args!("agent_id = {agent}"));
        }
        if let Some(rule) = &self.rule_id {
            let rule = sql.text(rule);
            sql.and(format_args!("has(rule_ids, {rule})"));
        }
        if self.hits_only {
            sql.and("notEmpty(rule_ids)");
        }
        if !self.ids.is_empty() {
            let ids = sql.param("Array(String)", Param::Texts(self.ids.clone()));
            sql.and(format_args!("event_id IN {ids}"));
        }
        for filter in &self.filters {
            filter.condition(&mut sql)?;
        }
        for term in self.text.as_deref().map(terms).unwrap_or_default() {
            term.condition(&mut sql);
        }
        Ok(sql)
    }

    fn check(&self) -> Result<()> {
        let long = |text: &str| text.len() > TEXT_BYTES_MAX;
        let problem = if self.filters.len() > FILTERS_MAX {
            format!("{} filters; the bound is {FILTERS_MAX}", self.filters.len())
        } else if self.ids.len() > IDS_MAX {
            format!("{} ids; the bound is {IDS_MAX}", self.ids.len())
        } else if self
            .text
            .as_deref()
            .is_some_and(|text| long(text) || terms(text).len() > TERMS_MAX)
        {
            format!("the text has more than {TERMS_MAX} words or {TEXT_BYTES_MAX} bytes")
        } else if self.filters.iter().any(|filter| long(&filter.name) || long(&filter.value)) {
            format!("a filter has more than {TEXT_BYTES_MAX} bytes")
        } else if self.since > self.until {
            format!("the time window ends ({}) before it begins ({})", self.until, self.since)
        } else {
            return Ok(());
        };
        Err(Error::BadQuery(problem))
    }
}

impl Filter {
    fn condition(&self, sql: &mut Sql) -> Result<()> {
        let condition = match self.operator {
            Operator::Is => self.equals(sql)?,
            Operator::IsNot => format!("NOT ({})", self.equals(sql)?),
            Operator::Contains => self.contains(sql)?,
        };
        sql.and(format_args!("({condition})"));
        Ok(())
    }

    fn bad(&self, expected: &str) -> Error {
        Error::BadQuery(format!("{} cannot be '{}': it holds {expected}", self.name, self.value))
    }

    fn equals(&self, sql: &mut Sql) -> Result<String> {
        let text = &self.value;
        let (column, kind) = match self.name.as_str() {
            field::EVENT_ID => ("event_id", Kind::Text),
            field::AGENT_ID => ("agent_id", Kind::Text),
            name => match promoted::column(name) {
                Some(column) => column,
                None => return Ok(self.equals_extra(sql)),
            },
        };
        Ok(match kind {
            Kind::Text => format!("{column} = {}", sql.text(text)),
            Kind::Texts => format!("has({column}, {})", sql.text(text)),
            Kind::Small | Kind::Count => {
                let number: i64 = text.parse().map_err(|_| self.bad("a whole number"))?;
                format!("{column} = {}", sql.param("Int64", Param::Int(number)))
            }
            Kind::Level => {
                let level: Level = text.parse().map_err(|()| self.bad("a level such as high"))?;
                let rank = i64::from(level.rank());
                format!("{column} = {}", sql.param("Int64", Param::Int(rank)))
            }
            Kind::Address => {
                let (low, high) = range(text).ok_or_else(|| self.bad("an address or a network"))?;
                let low_ip = sql.param("IPv6", Param::Text(low.to_string()));
                if low == high {
                    return Ok(format!("{column} = {low_ip}"));
                }
                let high = sql.param("IPv6", Param::Text(high.to_string()));
                format!("{column} BETWEEN {low_ip} AND {high}")
            }
        })
    }

    /// A field without a column: the value as text, as a typed scalar, or within a list of texts.
    fn equals_extra(&self, sql: &mut Sql) -> String {
        let text = &self.value;
        let mut values = vec![text.clone()];
        if matches!(
            serde_json::from_str::<serde_json::Value>(text),
            Ok(serde_json::Value::Bool(_) | serde_json::Value::Number(_))
        ) {
            values.push(format!("{}{text}", value::TYPED));
        }
        let name = sql.text(&self.name);
        let values = sql.param("Array(String)", Param::Texts(values));
        let text = sql.text(text);
        let list = sql.text(&format!("{}[", value::TYPED));
        format!(
            "mapContains(extra, {name}) AND (extra[{name}] IN {values} \
             OR (startsWith(extra[{name}], {list}) \
             AND has(JSONExtractArrayRaw(substring(extra[{name}], 2)), toJSONString({text}))))"
        )
    }

    fn contains(&self, sql: &mut Sql) -> Result<String> {
        let column = match promoted::column(&self.name) {
            Some((column, Kind::Text)) => column.to_owned(),
            Some(_) => {
                return Err(Error::BadQuery(format!(
                    "{} is no text; use '=' with a whole value",
                    self.name
                )));
            }
            None => format!("extra[{}]", sql.text(&self.name)),
        };
        let text = sql.text(&self.value);
        Ok(format!("positionCaseInsensitiveUTF8({column}, {text}) > 0"))
    }
}

/// One part of a text search.
#[derive(Debug, PartialEq)]
struct Term<'a> {
    text: &'a str,
    /// Whole words; otherwise any place in the text.
    words: bool,
}

impl Term<'_> {
    fn condition(&self, sql: &mut Sql) {
        let text = sql.text(self.text);
        if self.words && self.text.chars().any(char::is_alphanumeric) {
            sql.and(format_args!("hasAllTokens({HAYSTACK}, lowerUTF8({text}))"));
        }
        // The words are there; whether they stand together is for the text to say.
        if !self.words || !self.text.chars().all(char::is_alphanumeric) {
            sql.and(format_args!("position({HAYSTACK}, lowerUTF8({text})) > 0"));
        }
    }
}

/// Splits a text search into its terms; an open quote ends with the text.
fn terms(text: &str) -> Vec<Term<'_>> {
    let mut terms = Vec::new();
    for (index, part) in text.split('"').enumerate() {
        if index % 2 == 1 {
            terms.push(Term { text: part.trim(), words: true });
            continue;
        }
        terms.extend(part.split_whitespace().map(|word| match word.trim_matches('*') {
            bare if bare.len() == word.len() => Term { text: word, words: true },
            bare => Term { text: bare, words: false },
        }));
    }
    terms.retain(|term| !term.text.is_empty());
    terms
}

/// Returns first and last address of an address or a network in CIDR form.
fn range(text: &str) -> Option<(Ipv6Addr, Ipv6Addr)> {
    let Some((address, bits)) = text.split_once('/') else {
        let ip = to_ipv6(text.trim().parse().ok()?);
        return Some((ip, ip));
    };
    let address: IpAddr = address.trim().parse().ok()?;
    let bits: u32 = bits.trim().parse().ok()?;
    let (most, above) = if address.is_ipv4() { (32, 96) } else { (128, 0) };
    if bits > most {
        return None;
    }
    let host = u128::MAX.checked_shr(bits + above).unwrap_or(0);
    let low = u128::from(to_ipv6(address)) & !host;
    Some((Ipv6Addr::from(low), Ipv6Addr::from(low | host)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn networks_become_ranges() {
        let text = |net| range(net).map(|(low, high)| format!("{low} {high}"));
        assert_eq!(text("10.1.2.3/8").unwrap(), "::ffff:10.0.0.0 ::ffff:10.255.255.255");
        assert_eq!(text("10.1.2.3").unwrap(), "::ffff:10.1.2.3 ::ffff:10.1.2.3");
        assert_eq!(text("2001:db8::/127").unwrap(), "2001:db8:: 2001:db8::1");
        assert_eq!(text("0.0.0.0/0").unwrap(), "::ffff:0.0.0.0 ::ffff:255.255.255.255");
        assert_eq!(text("::/0").unwrap(), ":: ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff");
        assert_eq!((range("10.0.0.0/33"), range("ten")), (None, None));
    }

    #[test]
    fn text_is_split_into_words_and_phrases() {
        let word = |text| Term { text, words: true };
        assert_eq!(
            terms(r#"root "failed password" php*  10.0.0.1 "open"#),
            [
                word("root"),
                word("failed password"),
                Term { text: "php", words: false },
                word("10.0.0.1"),
                word("open")
            ]
        );
        assert!(terms(" \"\" ** ").is_empty());
    }

    #[test]
    fn a_cursor_survives_its_text() {
        let cursor = Cursor { time: Timestamp::from_nanos(-5), id: "đ'/?".into() };
        assert_eq!(cursor.to_string().parse::<Cursor>().unwrap(), cursor);
        assert!("x".parse::<Cursor>().is_err());
    }

    #[test]
    fn what_cannot_be_answered_is_refused_with_a_reason() {
        let check = |filter: Filter, part: &str| {
            let query = EventQuery { filters: vec![filter], ..EventQuery::default() };
            let error = query.conditions().unwrap_err().to_string();
            assert!(error.contains(part), "{error}");
        };
        check(Filter::is("source.port", "ssh"), "whole number");
        check(Filter::is("source.ip", "host"), "network");
        check(Filter::is("vonglau.level", "worst"), "level");
        let port = Filter { operator: Operator::Contains, ..Filter::is("source.port", "2") };
        check(port, "source.port");
        let late = EventQuery::window(Timestamp::from_seconds(2), Timestamp::from_seconds(1));
        assert!(late.conditions().is_err());
    }

    proptest! {
        /// Whatever is typed, none of it is in the SQL text.
        #[test]
        fn nothing_typed_becomes_sql(name in "Q[a-z'`\\\\?{}]{3,9}", value in "Q[a-z'`\\\\?{}]{3,9}") {
            let query = EventQuery {
                text: Some(value.clone()),
                rule_id: Some(value.clone()),
                ids: vec![value.clone()],
                filters: vec![
                    Filter::is(name.clone(), value.clone()),
                    Filter { operator: Operator::Contains, ..Filter::is(name, value.clone()) },
                    Filter { operator: Operator::IsNot, ..Filter::is("user.name", value) },
                ],
                ..EventQuery::default()
            };
            let text = query.conditions().unwrap().text;
            prop_assert!(!text.contains('Q') && !text.contains('?'), "{}", text);
        }
    }
}
