//! Numbers and addresses in texts.

use std::net::{IpAddr, Ipv6Addr};

use rules_sigma::{Cidr, Comparison, Number, TimePart};

use super::literal::quote;
use super::values::Shared;
use crate::naive::{TIME_SHAPE, TIMES};

/// The whole number that a text spells in the usual way, if it fits: `Number::parse`.
pub(super) const WHOLE: &str = "(x -> if(match(x, '^-\\x3F(0|[1-9][0-9]*)$'), \
     accurateCastOrNull(x, 'Int64'), NULL))";

/// The number with a fraction or exponent that a text spells in the usual way, if it is finite. Read
/// as JSON, because that is exact to the last bit; `1.e5` is no JSON, so the point goes.
pub(super) const BROKEN: &str = "(x -> if(match(x, \
     '^-\\x3F(0|[1-9][0-9]*)([.][0-9]+|([.][0-9]*)\\x3F[eE][+-]\\x3F[0-9]+)$') \
     AND JSONType(replaceRegexpOne(x, '[.]([eE])', '\\\\1')) = 'Double', \
     JSONExtractFloat(replaceRegexpOne(x, '[.]([eE])', '\\\\1')), NULL))";

/// The address that a text spells, IPv4 as mapped into IPv6.
pub(super) const ADDRESS: &str = "(x -> toIPv6OrNull(x))";

/// Returns the function from a text to the seconds since 1970 that it says, or null.
pub(super) fn seconds() -> String {
    let (first, last) = (TIMES.start(), TIMES.end());
    let part = |from: &str| format!("toInt64OrZero(substring(x, {from}, 2))");
    let day = "toDate32OrNull(substring(x, 1, 10))";
    // A day that no month has is moved or refused by the engine; either way it reads differently.
    let moment = format!(
        "if(match(x, {}) AND ifNull(toString({day}) = substring(x, 1, 10), 0), \
         dateDiff('day', toDate32('1970-01-01'), {day}) * 86400 \
         + {} * 3600 + {} * 60 + {} - multiIf(endsWith(x, 'Z'), 0, \
         substring(x, length(x) - 5, 1) = '-', -1, 1) * ({} * 3600 + {} * 60), NULL)",
        quote(TIME_SHAPE),
        part("12"),
        part("15"),
        part("18"),
        part("length(x) - 4"),
        part("length(x) - 1"),
    );
    let (whole, broken) = (Shared::Whole.name(), Shared::Broken.name());
    format!(
        "(x -> arrayMap(s -> if(s BETWEEN {first} AND {last}, s, NULL), [coalesce({moment}, \
         {whole}(x), if({broken}(x) >= {first} AND {broken}(x) < {last} + 1, \
         toInt64(floor({broken}(x))), NULL))])[1])"
    )
}

/// Returns the condition that a part of the time that the text `x` says compares with a number.
pub(super) fn time_part(part: TimePart, op: Comparison, bound: i64) -> String {
    let seconds = format!("{}(x)", Shared::Seconds.name());
    let second = format!("positiveModulo({seconds}, 86400)");
    let day = format!("(toDate32('1970-01-01') + intDiv({seconds} - {second}, 86400))");
    let value = match part {
        TimePart::Minute => format!("intDiv({second}, 60) % 60"),
        TimePart::Hour => format!("intDiv({second}, 3600)"),
        TimePart::Day => format!("toDayOfMonth({day})"),
        TimePart::Week => format!("toISOWeek({day})"),
        TimePart::Month => format!("toMonth({day})"),
        TimePart::Year => format!("toYear({day})"),
    };
    format!("ifNull({value} {} toInt64('{bound}'), 0)", sign(op))
}

fn sign(op: Comparison) -> &'static str {
    match op {
        Comparison::Gte => ">=",
        Comparison::Gt => ">",
        Comparison::Lte => "<=",
        Comparison::Lt => "<",
        Comparison::Eq => "=",
        Comparison::Neq => "!=",
    }
}

/// Returns the condition that the text `x` compares with a number.
pub(super) fn compare(op: Comparison, bound: Number) -> String {
    let sign = sign(op);
    let bound = match bound {
        Number::Int(number) => format!("toInt64('{number}')"),
        // By its bits: no spelling of ours is read by another's reader.
        Number::Float(number) => {
            format!("reinterpret(toUInt64('{}'), 'Float64')", number.to_bits())
        }
    };
    let (whole, broken) = (Shared::Whole.name(), Shared::Broken.name());
    format!("(ifNull({whole}(x) {sign} {bound}, 0) OR ifNull({broken}(x) {sign} {bound}, 0))")
}

/// Returns the condition that the text `x` is an address in a network.
pub(super) fn within(cidr: &Cidr) -> String {
    let (low, high) = ends(cidr);
    let address = format!("{}(x)", Shared::Address.name());
    let inside = format!("ifNull({address} BETWEEN toIPv6('{low}') AND toIPv6('{high}'), 0)");
    match cidr.address {
        IpAddr::V4(_) => inside,
        // An IPv4 address is in no network of IPv6, though its mapped form would be in `::/0`.
        IpAddr::V6(_) => format!(
            "({inside} AND NOT ifNull({address} BETWEEN toIPv6('::ffff:0.0.0.0') \
             AND toIPv6('::ffff:255.255.255.255'), 0))"
        ),
    }
}

fn ends(cidr: &Cidr) -> (Ipv6Addr, Ipv6Addr) {
    let (low, free) = match cidr.address {
        IpAddr::V4(address) => (address.to_ipv6_mapped(), 32 - u32::from(cidr.prefix)),
        IpAddr::V6(address) => (address, 128 - u32::from(cidr.prefix)),
    };
    let host = u128::MAX.checked_shr(128 - free).unwrap_or(0);
    (low, Ipv6Addr::from_bits(low.to_bits() | host))
}

/// Returns the text of an address column as Rust prints it. They differ in `::a.b.c.d`, which Rust
/// prints as two groups.
pub(super) fn address_text(column: &str) -> String {
    format!(
        "multiIf({column} BETWEEN toIPv6('::ffff:0.0.0.0') AND toIPv6('::ffff:255.255.255.255'), \
         substring(toString({column}), 8), \
         {column} BETWEEN toIPv6('::0.1.0.0') AND toIPv6('::255.255.255.255'), \
         concat('::', replaceRegexpOne(lower(substring(hex({column}), 25, 4)), '^0+', ''), ':', \
         replaceRegexpOne(lower(substring(hex({column}), 29, 4)), '^0{{1,3}}', '')), \
         toString({column}))"
    )
}
