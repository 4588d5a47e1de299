//! Moments and levels in JSON: RFC 3339 texts and Sigma's words.

use rules_event::{Level, Timestamp};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serializer};

/// Writes a moment as an RFC 3339 text; for `#[serde(with = "…")]`.
///
/// # Errors
/// What the serializer says.
pub fn serialize<S: Serializer>(moment: &Timestamp, to: S) -> Result<S::Ok, S::Error> {
    to.collect_str(moment)
}

/// Reads a moment from an RFC 3339 text; for `#[serde(with = "…")]`.
///
/// # Errors
/// If the text is no such moment.
pub fn deserialize<'a, D: Deserializer<'a>>(from: D) -> Result<Timestamp, D::Error> {
    String::deserialize(from)?.parse().map_err(D::Error::custom)
}

/// The same for a moment that may be absent.
pub mod option {
    use super::{Deserialize, Deserializer, Serializer, Timestamp};
    use serde::de::Error as _;

    /// Writes an RFC 3339 text or null.
    ///
    /// # Errors
    /// What the serializer says.
    pub fn serialize<S: Serializer>(moment: &Option<Timestamp>, to: S) -> Result<S::Ok, S::Error> {
        match moment {
            Some(moment) => to.collect_str(moment),
            None => to.serialize_none(),
        }
    }

    /// Reads an RFC 3339 text or null.
    ///
    /// # Errors
    /// If the text is no such moment.
    pub fn deserialize<'a, D: Deserializer<'a>>(from: D) -> Result<Option<Timestamp>, D::Error> {
        Option::<String>::deserialize(from)?
            .map(|text| text.parse().map_err(D::Error::custom))
            .transpose()
    }
}

/// A level as its Sigma word.
pub mod level {
    use super::{Deserialize, Deserializer, Level, Serializer};
    use serde::de::Error as _;

    /// Writes the word.
    ///
    /// # Errors
    /// What the serializer says.
    pub fn serialize<S: Serializer>(level: &Level, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(level.as_str())
    }

    /// Reads the word.
    ///
    /// # Errors
    /// If it is none of the five.
    pub fn deserialize<'a, D: Deserializer<'a>>(from: D) -> Result<Level, D::Error> {
        let word = String::deserialize(from)?;
        word.parse().map_err(|()| {
            D::Error::custom("not a level: informational, low, medium, high or critical")
        })
    }
}
