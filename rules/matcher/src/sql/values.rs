//! Values: the texts that a rule sees in a field, as an array, from a row.
//!
//! What [`rules_event::Value::to_text`] gives for every element: numbers and flags as text, nothing
//! for null and for lists within lists.

use super::columns::{Kind, column};
use super::literal::quote;

/// A named expression that several rules share.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Shared {
    /// From the text stored in `extra` to the array of texts.
    Values,
    /// The same, with numbers as they are compared.
    Numbers,
    /// From a text to the whole number it spells, or null.
    Whole,
    /// From a text to the number with a fraction or an exponent that it spells, or null.
    Broken,
    /// From a text to the seconds since 1970 that it says, or null.
    Seconds,
    /// From a text to the address it spells, or null.
    Address,
    /// Percent-decoding; `+` is left alone.
    DecodedText,
    /// Percent-decoding of forms: `+` is a space.
    DecodedUrl,
    /// Vietnamese letters without their marks.
    Plain,
    /// The characters of words, for regular expressions.
    Word,
    /// Every character's case partner, and what both become.
    Folds,
}

impl Shared {
    /// Returns its name in SQL.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Values => "vl_values",
            Self::Numbers => "vl_numbers",
            Self::Whole => "vl_whole",
            Self::Broken => "vl_broken",
            Self::Seconds => "vl_seconds",
            Self::Address => "vl_address",
            Self::DecodedText => "vl_decoded",
            Self::DecodedUrl => "vl_decoded_url",
            Self::Plain => "vl_plain",
            Self::Word => "vl_word",
            Self::Folds => "vl_fold",
        }
    }

    /// Returns the expression.
    pub(super) fn expression(self) -> String {
        match self {
            Self::Values => scalars(&format!(
                "match(x, '^-\\x3F[0-9]+$') OR x IN ('true', 'false'), x, {FLOAT}"
            )),
            // Without an exponent a number with a fraction may look whole, and too large to be.
            Self::Numbers => scalars(
                "match(x, '^-\\x3F[0-9]+$') AND accurateCastOrNull(x, 'Int64') IS NULL, \
                 concat(x, '.0'), x",
            ),
            Self::Whole => super::numbers::WHOLE.to_owned(),
            Self::Broken => super::numbers::BROKEN.to_owned(),
            Self::Seconds => super::numbers::seconds(),
            Self::Address => super::numbers::ADDRESS.to_owned(),
            Self::DecodedText => decoded("decodeURLComponent"),
            Self::DecodedUrl => decoded("decodeURLFormComponent"),
            Self::Plain => super::text::plain(),
            Self::Word => quote(&super::regex::word_class()),
            Self::Folds => super::text::fold_all(),
        }
    }
}

/// JSON prints a number with a fraction or a large exponent as `1.0` or `1e300`; a rule sees `1` and
/// all 301 digits (Rust's `Display`). Both spell the shortest decimal that reads back, so the digits
/// are the same and only the point has to move.
const FLOAT: &str = "arrayMap(g -> concat(g[1], replaceRegexpOne(multiIf(\
     length(g[2]) + toInt32OrZero(g[4]) <= 0, \
     concat('0.', repeat('0', -(length(g[2]) + toInt32OrZero(g[4]))), g[2], g[3]), \
     length(g[2]) + toInt32OrZero(g[4]) >= length(g[2]) + length(g[3]), \
     concat(g[2], g[3], repeat('0', toInt32OrZero(g[4]) - length(g[3])), '.'), \
     concat(substring(concat(g[2], g[3]), 1, length(g[2]) + toInt32OrZero(g[4])), '.', \
     substring(concat(g[2], g[3]), length(g[2]) + toInt32OrZero(g[4]) + 1))), \
     '\\\\.\\x3F0*$', '')), \
     [extractGroups(x, '^(-\\x3F)([0-9]+)[.]\\x3F([0-9]*)[eE]\\x3F[+]\\x3F(-\\x3F[0-9]*)$')])[1]";

/// Returns the function that decodes as [`crate::Copies::decode`] does. The engine's own takes the two
/// characters after a `%` as they are when they are no digits (`%%41` stays), so a `%` that opens no
/// escape becomes `%25` first: every `%` does, and those with two digits behind are taken back.
fn decoded(function: &str) -> String {
    format!(
        "(x -> toValidUTF8({function}(replaceRegexpAll(\
         replaceRegexpAll(x, '%([0-9a-fA-F]{{2}})\\x3F', '%25\\\\1'), \
         '%25([0-9a-fA-F]{{2}})', '%\\\\1'))))"
    )
}

/// Returns the function from the text stored in `extra` to an array: of a text itself, of everything
/// else each scalar `x`, as JSON, as the rest of a `multiIf` says.
fn scalars(rest: &str) -> String {
    format!(
        "(e -> if(startsWith(e, '\\x01'), \
         arrayMap(x -> multiIf(startsWith(x, '\"'), JSONExtractString(x), {rest}), \
         arrayFilter(x -> NOT startsWith(x, '[') AND x NOT IN ('null', '-'), \
         if(startsWith(e, '\\x01['), JSONExtractArrayRaw(substring(e, 2)), [substring(e, 2)]))), \
         [e]))"
    )
}

/// Returns the array of a field's texts, or of its numbers as texts.
pub(super) fn texts(field: &str, shared: Shared) -> String {
    let name = quote(field);
    let there = format!("mapContains(extra, {name})");
    let extra = format!("{}(extra[{name}])", shared.name());
    let Some((column, kind)) = column(field) else {
        return format!("if({there}, {extra}, [])");
    };
    let plain = match kind {
        Kind::Text => format!("if({column} = '', [], [toString({column})])"),
        Kind::Small => format!("if({column} = 0, [], [toString({column})])"),
        Kind::Count => format!("if({column} < 0, [], [toString({column})])"),
        Kind::Address => {
            format!("if({column} = toIPv6('::'), [], [{}])", super::numbers::address_text(column))
        }
        Kind::Level => format!(
            "if({column} = 0, [], [transform({column}, [2, 3, 4], ['low', 'medium', 'high'], \
             if({column} > 4, 'critical', 'informational'))])"
        ),
        Kind::Texts => format!("CAST({column}, 'Array(String)')"),
    };
    format!("if({there}, {extra}, {plain})")
}

/// Returns the condition that a field is there.
pub(super) fn exists(field: &str) -> String {
    there(field, "!= '\\x01-'")
}

/// Returns the condition that a field is there and not null.
pub(super) fn has_value(field: &str) -> String {
    there(field, "NOT IN ('\\x01null', '\\x01-')")
}

/// `allowed` is what the text in `extra` must be; U+0001 and a hyphen say that the field is absent
/// though its column is not.
fn there(field: &str, allowed: &str) -> String {
    let name = quote(field);
    let extra = format!("extra[{name}] {allowed}");
    let there = format!("mapContains(extra, {name})");
    let Some((column, kind)) = column(field) else {
        return format!("({there} AND {extra})");
    };
    let plain = match kind {
        Kind::Text => format!("{column} != ''"),
        Kind::Small | Kind::Level => format!("{column} != 0"),
        Kind::Count => format!("{column} >= 0"),
        Kind::Address => format!("{column} != toIPv6('::')"),
        Kind::Texts => format!("notEmpty({column})"),
    };
    format!("if({there}, {extra}, {plain})")
}
