//! IIS: access logs in the W3C's extended format, and the error log of HTTP.sys.
//!
//! Spec: W3C, "Extended Log File Format" (WD-logfile-960323); Microsoft, "W3C Extended Log File Format
//! (IIS 6.0)" and "Error logging in HTTP APIs". Times are UTC, whatever the zone of the server.

use std::borrow::Cow;
use std::sync::{Arc, OnceLock};

use agent_inputs::Format;
use jiff::tz::TimeZone;
use rules_event::{Event, Value, ValueRef, field};

use super::columns::{COLUMNS_MAX, Columns, Head};
use super::source::is_address;
use super::table::{As, Row, find, moved, put_str, set_dataset};
use super::{Context, url};
use crate::moment;

/// Ordered by name. `date`, `time`, `cs-uri-stem` and `cs-uri-query` are put together, see `decode`.
pub(super) const ROWS: &[Row] = &[
    moved("X-Forwarded-For", "network.forwarded_ip", As::Same),
    moved("c-ip", field::SOURCE_IP, As::Source),
    moved("c-port", field::SOURCE_PORT, As::SourcePort),
    moved("cs(Cookie)", "http.request.headers.cookie", As::Same),
    moved("cs(Referer)", field::HTTP_REFERRER, As::Same),
    moved("cs(User-Agent)", field::USER_AGENT, As::Plus),
    moved("cs(X-Forwarded-For)", "network.forwarded_ip", As::Same),
    moved("cs-bytes", "http.request.body.bytes", As::Int),
    moved("cs-host", field::URL_DOMAIN, As::Same),
    moved("cs-method", field::HTTP_REQUEST_METHOD, As::Same),
    moved("cs-uri", field::URL_ORIGINAL, As::Url),
    moved("cs-username", field::USER_NAME, As::User),
    moved("cs-version", field::HTTP_VERSION, As::Version),
    moved("s-computername", "iis.access.server_name", As::Same),
    moved("s-ip", field::DESTINATION_IP, As::Destination),
    moved("s-port", field::DESTINATION_PORT, As::DestinationPort),
    moved("s-queuename", "iis.error.queue_name", As::Same),
    moved("s-reason", "iis.error.reason_phrase", As::Same),
    moved("s-sitename", "iis.access.site_name", As::Same),
    moved("sc-bytes", field::HTTP_RESPONSE_BYTES, As::Int),
    moved("sc-status", field::HTTP_RESPONSE_STATUS, As::Int),
    moved("sc-substatus", "iis.access.sub_status", As::Int),
    moved("sc-win32-status", "iis.access.win32_status", As::Int),
    moved("time-taken", "event.duration", As::Milliseconds),
];

/// The columns that IIS writes unless told otherwise, by their number: up to 7.5, from 8 on, and with
/// the one that administrators add behind a load balancer.
const DEFAULTS: [&str; 3] = [
    "date time s-ip cs-method cs-uri-stem cs-uri-query s-port cs-username c-ip cs(User-Agent) \
     sc-status sc-substatus sc-win32-status time-taken",
    "date time s-ip cs-method cs-uri-stem cs-uri-query s-port cs-username c-ip cs(User-Agent) \
     cs(Referer) sc-status sc-substatus sc-win32-status time-taken",
    "date time s-ip cs-method cs-uri-stem cs-uri-query s-port cs-username c-ip cs(User-Agent) \
     cs(Referer) sc-status sc-substatus sc-win32-status time-taken X-Forwarded-For",
];

/// The columns of a log.
#[derive(Debug)]
pub(super) struct Layout {
    columns: Vec<Column>,
    is_error: bool,
}

#[derive(Debug)]
enum Column {
    Date,
    Time,
    Stem,
    Query,
    Row(&'static Row),
    /// A column of the administrator's own: under its own name.
    Other(Cow<'static, str>),
}

/// Takes a line of a head; false when it is none of this format.
pub(super) fn learn(head: &mut Head, line: &str) -> bool {
    if let Some(fields) = line.strip_prefix("#Fields:") {
        head.columns = Some(Arc::new(Columns::W3c(Layout::new(fields))));
        return true;
    }
    ["#Software:", "#Version:", "#Date:", "#Start-Date:", "#End-Date:", "#Remark:"]
        .iter()
        .any(|word| line.starts_with(word))
}

impl Layout {
    fn new(fields: &str) -> Self {
        let fields = || fields.split_ascii_whitespace().take(COLUMNS_MAX);
        let columns = fields().map(|name| match name {
            "date" => Column::Date,
            "time" => Column::Time,
            "cs-uri-stem" => Column::Stem,
            "cs-uri-query" => Column::Query,
            _ => find(ROWS, name).map_or_else(
                || Column::Other(rules_event::intern(&format!("iis.access.{name}"))),
                Column::Row,
            ),
        });
        Self { columns: columns.collect(), is_error: fields().any(|name| name == "s-reason") }
    }

    fn default_of(count: usize) -> Option<Arc<Columns>> {
        static LAYOUTS: OnceLock<[Arc<Columns>; 3]> = OnceLock::new();
        let layouts = LAYOUTS
            .get_or_init(|| DEFAULTS.map(|fields| Arc::new(Columns::W3c(Self::new(fields)))));
        layouts.get(count.checked_sub(14)?).cloned()
    }
}

/// Whether a line begins as one of IIS with its usual columns: date, time, address, method.
pub(super) fn is_line(text: &str) -> bool {
    let mut words = text.split(' ');
    let (Some(date), Some(time)) = (words.next(), words.next()) else { return false };
    let is_time = date.len() == 10 && time.len() == 8;
    let address = words.next().unwrap_or_default();
    let method = words.next().unwrap_or_default();
    is_time
        && is_address(address)
        && !method.is_empty()
        && method.bytes().all(|b| b.is_ascii_uppercase() || b == b'_')
}

/// Whether a log is in this format, by its head.
pub(super) fn is_log(context: &Context<'_>) -> bool {
    let columns = context.headers.of(context.source, context.path);
    columns.is_some_and(|columns| matches!(columns.as_ref(), Columns::W3c(_)))
}

/// Decodes a line; false when its columns are not known.
pub(super) fn decode(text: &str, context: &Context<'_>, event: &mut Event) -> bool {
    let count = memchr::memchr_iter(b' ', text.as_bytes()).count() + 1;
    let fits = |columns: &Arc<Columns>| match columns.as_ref() {
        Columns::W3c(layout) => layout.columns.len() == count,
        Columns::Zeek(_) => false,
    };
    let known = context.headers.of(context.source, context.path).filter(fits);
    let columns = known.or_else(|| {
        let is_ours = context.format == Format::Iis || is_line(text);
        Layout::default_of(count).filter(|_| is_ours)
    });
    let Some(columns) = columns else { return false };
    let Columns::W3c(layout) = columns.as_ref() else { return false };
    decode_line(text, layout, event).is_some()
}

fn decode_line(text: &str, layout: &Layout, event: &mut Event) -> Option<()> {
    let (mut date, mut time, mut stem, mut query) = ("", "", "", "");
    // The time first: without one this is no line of the log, and nothing may be set.
    for (column, cell) in layout.columns.iter().zip(text.split(' ')) {
        match column {
            Column::Date => date = cell,
            Column::Time => time = cell,
            Column::Stem => stem = cell,
            Column::Query => query = cell,
            _ => {}
        }
    }
    let mut parts = date.split('-');
    let (year, month, day) = (parts.next()?, parts.next()?, parts.next()?);
    event.time = moment::parts(year, month, day, time, &TimeZone::UTC)?;
    if layout.is_error {
        set_dataset(event, "iis", "iis.error");
    } else {
        set_dataset(event, "iis", "iis.access");
    }
    event.set(field::EVENT_CATEGORY, "web");
    for (column, cell) in layout.columns.iter().zip(text.split(' ')) {
        if matches!(cell, "-" | "") {
            continue;
        }
        match column {
            Column::Row(row) if row.key == "cs-host" => url::set_authority(event, cell),
            Column::Row(row) => put_str(row, cell, event),
            Column::Other(name) => event.set(name.clone(), Value::text(cell)),
            _ => {}
        }
    }
    if !matches!(stem, "-" | "") {
        let has_query = !matches!(query, "-" | "");
        let target = if has_query { Cow::Owned(format!("{stem}?{query}")) } else { stem.into() };
        event.set_text(field::URL_ORIGINAL, &target);
        event.set_text(field::URL_PATH, stem);
        url::set_extension(event, stem);
        if has_query {
            event.set_text(field::URL_QUERY, query);
        }
    }
    finish(text, layout, event);
    Some(())
}

fn finish(text: &str, layout: &Layout, event: &mut Event) {
    if let Some(status) = event.get(field::HTTP_RESPONSE_STATUS).and_then(ValueRef::as_int) {
        event.set(field::EVENT_OUTCOME, if status < 400 { "success" } else { "failure" });
    }
    if !layout.is_error {
        event.set(field::EVENT_ACTION, "web_request");
    }
    let method = event.get_str(field::HTTP_REQUEST_METHOD);
    let message = match (method, event.get_str(field::URL_ORIGINAL)) {
        (Some(method), Some(target)) => Value::from(format!("{method} {target}")),
        _ => Value::text(text),
    };
    event.set(field::MESSAGE, message);
}
