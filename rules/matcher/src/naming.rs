//! Naming: how the fields of events are called, and what that means for a rule.

use std::borrow::Cow;

use rules_sigma::{Item, Logsource};

use crate::{Copies, taxonomy};

/// The names that events bring.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Naming {
    /// Those of the Elastic Common Schema, as our decoders give them: `event.dataset` says which log
    /// an event is from, and some fields have decoded copies.
    #[default]
    Ecs,
    /// Sigma's own: events keep the names that rules use, and which log they are from is told beside
    /// them ([`crate::SourceOf`]). Keywords are searched in every value. Used for public rule
    /// collections and their samples; no value has copies, so that the verdict is Sigma's to the
    /// letter.
    Sigma,
}

/// Where the values lie that an item looks at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Place<'n> {
    /// In these fields, any of them.
    Fields(Vec<Cow<'n, str>>),
    /// In every field.
    Everywhere,
}

impl Naming {
    /// Returns the name under which events hold a field of a rule.
    pub(crate) fn field<'n>(self, logsource: &Logsource, name: &'n str) -> Cow<'n, str> {
        match self {
            Self::Ecs => taxonomy::field_name(logsource, name),
            Self::Sigma => Cow::Borrowed(name),
        }
    }

    /// Returns where an item's values lie.
    pub(crate) fn place<'i>(self, item: &'i Item, logsource: &Logsource) -> Place<'i> {
        match (&item.field, self) {
            (Some(field), _) => Place::Fields(vec![self.field(logsource, field)]),
            (None, Self::Ecs) => {
                Place::Fields(taxonomy::KEYWORD_FIELDS.iter().map(|it| (*it).into()).collect())
            }
            (None, Self::Sigma) => Place::Everywhere,
        }
    }

    /// Returns which copies the values of a field have.
    pub(crate) fn copies(self, field: &str) -> Copies {
        match self {
            Self::Ecs => taxonomy::copies(field),
            Self::Sigma => Copies::None,
        }
    }
}
