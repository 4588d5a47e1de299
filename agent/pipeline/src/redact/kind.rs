//! Kind: what a secret is. Named in what stands in its place, in settings and in metrics.

/// What a secret is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum Kind {
    /// A password or passphrase, wherever it stands: parameter, command line, URL, SQL.
    Password,
    /// A token or secret by the name of its parameter, or by its shape.
    Token,
    /// A key of an interface or of storage.
    ApiKey,
    /// What names a session to a server.
    Session,
    /// A code that is good once.
    Otp,
    /// Code and state of an OAuth 2.0 answer (RFC 6749, 4.1.2), tickets of single sign-on.
    OauthCode,
    /// A SAML message.
    Saml,
    /// Credentials of an `Authorization` or `Proxy-Authorization` header.
    Authorization,
    /// Values of cookies.
    Cookie,
    /// A JSON Web Token (RFC 7519).
    Jwt,
    /// A private key in PEM (RFC 7468).
    PrivateKey,
    /// The twelve digits of a citizen's identity card. Off by default.
    Cccd,
    /// A Vietnamese telephone number. Off by default.
    Phone,
    /// What stands before the `@` of a mail address. Off by default.
    Email,
}

impl Kind {
    /// Every kind, in the order of [`Kind::bit`].
    pub const ALL: [Self; 14] = [
        Self::Password,
        Self::Token,
        Self::ApiKey,
        Self::Session,
        Self::Otp,
        Self::OauthCode,
        Self::Saml,
        Self::Authorization,
        Self::Cookie,
        Self::Jwt,
        Self::PrivateKey,
        Self::Cccd,
        Self::Phone,
        Self::Email,
    ];

    /// Personal data rather than secrets: what a report may not hold, the forwarder masks; on the agent
    /// it is hidden only where that is asked for, since detection lives on names and addresses.
    pub const PERSONAL: [Self; 3] = [Self::Cccd, Self::Phone, Self::Email];

    /// Returns its name.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Password => "password",
            Self::Token => "token",
            Self::ApiKey => "api_key",
            Self::Session => "session",
            Self::Otp => "otp",
            Self::OauthCode => "oauth_code",
            Self::Saml => "saml",
            Self::Authorization => "authorization",
            Self::Cookie => "cookie",
            Self::Jwt => "jwt",
            Self::PrivateKey => "private_key",
            Self::Cccd => "cccd",
            Self::Phone => "phone",
            Self::Email => "email",
        }
    }

    /// Returns the kind of a name.
    #[must_use]
    pub fn of(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == name)
    }

    /// Returns whether it is personal data.
    #[must_use]
    pub fn is_personal(self) -> bool {
        Self::PERSONAL.contains(&self)
    }

    pub(super) fn bit(self) -> u64 {
        1 << self as u8
    }
}
