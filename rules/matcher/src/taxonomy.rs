//! The one table from Sigma's names to ours: fields to ECS, logsources to datasets.
//!
//! The rows stand in one file per domain; [`mapping`] and [`source`] are the only readers. What the
//! rows promise about events, and where we differ from the published mappings, is in
//! `docs/spec/taxonomy.md`.
//!
//! Source: Sigma taxonomy appendix 2.0.1 (logsources, field names), Elastic Common Schema 8.x, the
//! field names of Elastic's integrations, pySigma's pipelines `ecs_windows`, `ecs_zeek_beats`,
//! `ecs_kubernetes` and `ecs_macos_esf`.

use std::borrow::Cow;

use rules_event::field;
use rules_sigma::Logsource;

mod cloud;
mod copies;
mod host;
mod network;
mod roots;
mod source;
mod sources;
mod unmapped;
mod web;
mod when;
mod windows;

pub use copies::copies;
pub use source::{Bound, Program, Source};
pub use unmapped::{UNMAPPED, Unmapped};
pub use windows::{CHANNELS, Channel};

use when::{Names, When};

/// The fields that keywords are searched in.
pub const KEYWORD_FIELDS: [&str; 2] = [field::MESSAGE, field::EVENT_ORIGINAL];

/// Rows of one kind of logsource: Sigma name, our name. A pair that ends in `.` renames the start of
/// dotted names. Ordered by Sigma name.
type Fields = &'static [(&'static str, &'static str)];

/// The field names of some logsources.
#[derive(Debug)]
struct Scope {
    when: When,
    fields: Fields,
    rest: Rest,
}

/// What becomes of a name that no row holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Rest {
    /// The next scope decides.
    Next,
    /// It is looked for as it is.
    AsIs,
    /// It stands under this.
    Under(&'static str),
    /// It stands under this, followed by the service.
    UnderService(&'static str),
}

/// All scopes, the special ones first. Those that fit are asked in turn, up to the first one that
/// says what becomes of the names it does not hold.
const SCOPES: [&[Scope]; 5] =
    [web::SCOPES, network::SCOPES, cloud::SCOPES, windows::SCOPES, host::SCOPES];

/// How a Sigma field name came to its place in an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mapping {
    /// A row of the table names it.
    Row,
    /// It is dotted and begins as ECS or one of the vendors' own field sets do: taken as it is.
    Dotted,
    /// It is a raw name of a log whose raw names stand under a prefix of their own.
    Rest,
    /// Nothing knows it: looked for as it is, so that JSON logs work with their own names.
    AsIs,
}

/// Returns the name under which an event holds a Sigma field.
#[must_use]
pub fn field_name<'n>(logsource: &Logsource, name: &'n str) -> Cow<'n, str> {
    mapping(logsource, name).0
}

/// Returns the name under which an event holds a Sigma field, and how it was found.
#[must_use]
pub fn mapping<'n>(logsource: &Logsource, name: &'n str) -> (Cow<'n, str>, Mapping) {
    let names = Names::of(logsource);
    let mut rest = Rest::AsIs;
    for scope in SCOPES.iter().copied().flatten().filter(|scope| scope.when.fits(&names)) {
        if let Some(ecs) = scope.row(name) {
            return (ecs, Mapping::Row);
        }
        rest = scope.rest;
        if rest != Rest::Next {
            break;
        }
    }
    if let Some((root, _)) = name.split_once('.')
        && roots::ROOTS.binary_search(&root).is_ok()
    {
        return (Cow::Borrowed(name), Mapping::Dotted);
    }
    match rest {
        Rest::Under(prefix) => (Cow::Owned(format!("{prefix}.{name}")), Mapping::Rest),
        Rest::UnderService(prefix) => {
            (Cow::Owned(format!("{prefix}.{}.{name}", names.service)), Mapping::Rest)
        }
        Rest::AsIs | Rest::Next => (Cow::Borrowed(name), Mapping::AsIs),
    }
}

impl Scope {
    fn row<'n>(&self, name: &'n str) -> Option<Cow<'n, str>> {
        let find = |name: &str| {
            let index = self.fields.binary_search_by(|(sigma, _)| (*sigma).cmp(name)).ok()?;
            self.fields.get(index).map(|(_, ecs)| *ecs)
        };
        if let Some(ecs) = find(name) {
            return Some(Cow::Borrowed(ecs));
        }
        let (start, rest) = name.split_at(name.find('.')? + 1);
        find(start).map(|start| Cow::Owned(format!("{start}{rest}")))
    }
}

/// Returns the events a logsource speaks of.
#[must_use]
pub fn source(logsource: &Logsource) -> Source {
    sources::source(&Names::of(logsource))
}

#[cfg(test)]
mod tests;
