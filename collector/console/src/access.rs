//! Access: what a route asks of its caller, and what its use leaves in the audit log.

use crate::Role;

/// Who may use a route.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Need {
    /// Anybody, without authentication.
    Nothing,
    /// Users with one of these roles.
    Roles(&'static [Role]),
}

/// Everybody with an account.
pub(crate) const READ: Need = Need::Roles(&Role::ALL);
/// Those who work incidents.
pub(crate) const WORK: Need = Need::Roles(&[Role::Analyst, Role::Lead, Role::Admin]);
/// Those who approve what leaves the house.
pub(crate) const APPROVE: Need = Need::Roles(&[Role::Lead, Role::Admin]);
/// Those who run the system.
pub(crate) const ADMINISTER: Need = Need::Roles(&[Role::Admin]);
/// Those who watch the others.
pub(crate) const OVERSEE: Need = Need::Roles(&[Role::Auditor, Role::Admin]);

/// What the use of a route leaves in the audit log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Trace {
    /// Nothing: it shows no personal data.
    None,
    /// An entry before personal data is read.
    Read,
    /// An entry before something is changed, and another if it was refused.
    Change,
}

impl Need {
    /// Whether a user with this role may use the route.
    pub(crate) fn admits(self, role: Role) -> bool {
        match self {
            Self::Nothing => true,
            Self::Roles(roles) => roles.contains(&role),
        }
    }
}
