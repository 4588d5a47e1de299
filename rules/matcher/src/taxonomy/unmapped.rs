//! Fields of public rules that no event of ours can hold, each with the reason.

/// A Sigma field that is left as it is on purpose.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Unmapped {
    /// Product of the logsource.
    pub product: &'static str,
    /// Category of the logsource, or else its service.
    pub kind: &'static str,
    /// The field.
    pub field: &'static str,
    /// Why nothing holds it.
    pub reason: &'static str,
}

/// All of them. A test fails when a public rule uses a field that is neither mapped nor here, and
/// when one that is here is mapped or used no longer.
pub const UNMAPPED: &[Unmapped] = &[Unmapped {
    product: "macos",
    kind: "process_creation",
    field: "OriginalFileName",
    reason: "a resource of Windows programs; programs of macOS have none",
}];
