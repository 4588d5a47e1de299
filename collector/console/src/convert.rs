//! Convert: other crates' errors and actors as the console speaks of them.

use collector_forward::Error as ForwardError;
use collector_incident::{Actor, Error as IncidentError};

use crate::Role;
use crate::problem::{Kind, Problem};
use crate::visit::Who;

impl From<IncidentError> for Problem {
    fn from(error: IncidentError) -> Self {
        let kind = match &error {
            IncidentError::NotFound { .. } => Kind::NotFound,
            IncidentError::Stale { .. } => Kind::Stale,
            IncidentError::IllegalMove { .. } => Kind::Conflict,
            IncidentError::ReasonMissing
            | IncidentError::NoteMissing
            | IncidentError::Invalid { .. } => Kind::Invalid,
            IncidentError::Forbidden { .. } => Kind::Forbidden,
            _ => return Self::internal(&error),
        };
        Self::new(kind, format!("cannot {error}"))
    }
}

impl From<collector_store::Error> for Problem {
    fn from(error: collector_store::Error) -> Self {
        match &error {
            collector_store::Error::BadQuery(reason) => Self::invalid(reason.clone()),
            _ => Self::unavailable("the event store", &error),
        }
    }
}

impl From<ForwardError> for Problem {
    fn from(error: ForwardError) -> Self {
        let error = match error {
            ForwardError::Incident(inner) => return inner.into(),
            error => error,
        };
        let kind = match &error {
            ForwardError::NotFound { .. } => Kind::NotFound,
            ForwardError::Stale { .. } => Kind::Stale,
            ForwardError::WrongState { .. }
            | ForwardError::Drill { .. }
            | ForwardError::Kept { .. }
            | ForwardError::StateSecret { .. } => Kind::Conflict,
            ForwardError::Forbidden { .. } | ForwardError::OwnReport { .. } => Kind::Forbidden,
            ForwardError::Invalid { .. } => Kind::Invalid,
            _ => return Self::internal(&error),
        };
        Self::new(kind, format!("cannot {error}"))
    }
}

impl Who {
    /// Returns who acts, as the journal knows them.
    pub(crate) fn actor(&self) -> Actor {
        let role = match self.role {
            Role::Analyst => collector_incident::Role::Analyst,
            Role::Lead => collector_incident::Role::Lead,
            Role::Auditor => collector_incident::Role::Auditor,
            Role::Admin => collector_incident::Role::Admin,
        };
        Actor { name: self.name.clone(), role, address: self.address.clone() }
    }
}
