//! Source: the events a rule speaks of.

use std::borrow::Cow;
use std::fmt;

use rules_event::{Event, ValueRef, field};

/// The events a rule speaks of: those of some datasets, within bounds. All must hold.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct Source {
    /// Whether it speaks of all events, whatever their dataset; there are no datasets and bounds then.
    pub all: bool,
    /// Values of `event.dataset`; empty when nothing is known to yield such events.
    pub datasets: Vec<Cow<'static, str>>,
    /// The program that wrote the line, when only one kind of program is meant.
    pub program: Option<Program>,
    /// What else the events have in common, such as the event ids of a Windows category.
    pub bounds: Vec<Bound>,
}

/// A bound on `process.name`, case ignored.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Program {
    /// Exactly one of these.
    Named(Vec<Cow<'static, str>>),
    /// Starts with this: newer OpenSSH writes as `sshd-session`.
    Starting(&'static str),
}

/// A bound on one field: its text, or one of its texts, is one of these; ASCII case is ignored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Bound {
    /// The field.
    pub field: &'static str,
    /// What it may be.
    pub values: &'static [&'static str],
}

impl Program {
    /// Says whether a program is meant.
    #[must_use]
    pub fn admits(&self, name: &str) -> bool {
        match self {
            Self::Named(names) => names.iter().any(|one| one.eq_ignore_ascii_case(name)),
            Self::Starting(start) => {
                name.get(..start.len()).is_some_and(|head| head.eq_ignore_ascii_case(start))
            }
        }
    }
}

impl fmt::Display for Program {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Named(names) => f.write_str(&names.join(" or ")),
            Self::Starting(start) => write!(f, "{start}…"),
        }
    }
}

impl Bound {
    /// Says whether the event is within the bound.
    #[must_use]
    pub fn admits(&self, event: &Event) -> bool {
        let allowed = |value: ValueRef<'_>| match value {
            // Event ids are numbers in some logs; asked for every event, so without making a text.
            ValueRef::Int(number) => self.values.iter().any(|it| it.parse() == Ok(number)),
            value => value
                .to_text()
                .is_some_and(|text| self.values.iter().any(|it| it.eq_ignore_ascii_case(&text))),
        };
        event.get(self.field).is_some_and(|value| value.items().any(allowed))
    }
}

impl fmt::Display for Bound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} in {}", self.field, self.values.join(", "))
    }
}

impl Source {
    /// Says whether the event is one the rule speaks of.
    #[must_use]
    pub fn admits(&self, event: &Event) -> bool {
        let dataset = event.get_str(field::EVENT_DATASET);
        let is_of = |dataset: &str| self.datasets.iter().any(|one| one == dataset);
        (self.all || dataset.is_some_and(is_of)) && self.admits_rest(event)
    }

    /// Says whether there are no such events: nothing is known to yield them.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        !self.all && self.datasets.is_empty()
    }

    /// Says whether every event that `narrower` speaks of is one that this speaks of.
    #[must_use]
    pub fn covers(&self, narrower: &Self) -> bool {
        let has = |dataset: &Cow<'static, str>| self.datasets.contains(dataset);
        !narrower.is_empty()
            && (self.all || !narrower.all && narrower.datasets.iter().all(has))
            && (self.program.is_none() || self.program == narrower.program)
            && self.bounds.iter().all(|bound| narrower.bounds.contains(bound))
    }

    /// Says whether the event, known to be from one of the datasets, is one the rule speaks of.
    #[must_use]
    pub fn admits_rest(&self, event: &Event) -> bool {
        self.admits_program(event.get_str(field::PROCESS_NAME), event)
    }

    /// As [`Source::admits_rest`], for one who has looked up the program that the event is of.
    #[must_use]
    pub fn admits_program(&self, name: Option<&str>, event: &Event) -> bool {
        let admits = |program: &Program| name.is_some_and(|name| program.admits(name));
        self.program.as_ref().is_none_or(admits)
            && self.bounds.iter().all(|bound| bound.admits(event))
    }

    /// Says whether some events of the datasets are none the rule speaks of.
    #[must_use]
    pub fn is_bound(&self) -> bool {
        self.program.is_some() || !self.bounds.is_empty()
    }
}
