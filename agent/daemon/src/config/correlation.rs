//! The section `[correlation]`.

use std::fmt;

use agent_inputs::{InputsConfig, Ship};
use agent_shipper::ShippingConfig;
use serde::de::{self, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::MIB;

/// What the agent's own correlations may take.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct CorrelationSection {
    /// Whether correlations that one host can decide run here (default `"auto"`). Without them only the
    /// collector correlates, over what reaches it.
    pub(crate) enabled: Enabled,
    /// Most memory of what they count, bytes (default 4 MiB, 1 to 64 MiB, and an eighth of
    /// `spool.bytes_max` at most): some 10,000 attackers at a time. Beyond it those go first that are
    /// furthest from firing.
    pub(crate) memory_bytes_max: u64,
}

/// The bounds of `correlation.memory_bytes_max`.
pub(super) const MEMORY_BYTES: (u64, u64) = (MIB, 64 * MIB);

impl Default for CorrelationSection {
    fn default() -> Self {
        Self { enabled: Enabled::Auto, memory_bytes_max: 4 * MIB }
    }
}

/// Which correlations run on the host.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Scope {
    /// None.
    Nothing,
    /// Those of `rules.dirs` that are none of the shipped ones, and what they count.
    Own,
    /// All that one host can decide.
    All,
}

/// Whether correlations run on the host.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Enabled {
    /// Where it tells of attacks that the collector could not see, or not yet: an input keeps back what is
    /// no alert, or alerts travel before the events they are made of. Else the collector counts the
    /// same hits to the same end, and the host is spared a quarter of its work: only correlations that
    /// the collector may not have, those of `rules.dirs`, run here then.
    Auto,
    /// As said.
    Fixed(bool),
}

impl CorrelationSection {
    /// Says which correlations run on this host.
    pub(crate) fn scope(&self, input: &InputsConfig, shipping: &ShippingConfig) -> Scope {
        match self.enabled {
            Enabled::Fixed(true) => Scope::All,
            Enabled::Fixed(false) => Scope::Nothing,
            Enabled::Auto => {
                let keeps_back =
                    input.clone().policies().iter().any(|it| it.config.ship == Ship::Alerts);
                let waits = shipping.events_bytes_per_s > 0 || !shipping.events_windows.is_empty();
                if keeps_back || waits { Scope::All } else { Scope::Own }
            }
        }
    }
}

impl Serialize for Enabled {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Auto => to.serialize_str("auto"),
            Self::Fixed(is_on) => to.serialize_bool(*is_on),
        }
    }
}

impl<'de> Deserialize<'de> for Enabled {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Word;

        impl Visitor<'_> for Word {
            type Value = Enabled;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("true, false or \"auto\"")
            }

            fn visit_bool<E: de::Error>(self, is_on: bool) -> Result<Enabled, E> {
                Ok(Enabled::Fixed(is_on))
            }

            fn visit_str<E: de::Error>(self, word: &str) -> Result<Enabled, E> {
                match word {
                    "auto" => Ok(Enabled::Auto),
                    _ => Err(E::invalid_value(de::Unexpected::Str(word), &self)),
                }
            }
        }

        from.deserialize_any(Word)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_where_the_collector_would_see_less_or_later() {
        let mut section = CorrelationSection::default();
        let (mut input, mut shipping) = (InputsConfig::default(), ShippingConfig::default());
        assert_eq!(section.scope(&input, &shipping), Scope::Own);
        input.journal.policy.ship = Ship::Matched;
        assert_eq!(section.scope(&input, &shipping), Scope::Own, "what is counted is sent");
        shipping.events_bytes_per_s = 50_000;
        assert_eq!(section.scope(&input, &shipping), Scope::All);
        shipping.events_bytes_per_s = 0;
        input.journal.policy.ship = Ship::Alerts;
        assert_eq!(section.scope(&input, &shipping), Scope::All);
        section.enabled = Enabled::Fixed(false);
        assert_eq!(section.scope(&input, &shipping), Scope::Nothing);
        section.enabled = Enabled::Fixed(true);
        assert_eq!(section.scope(&InputsConfig::default(), &shipping), Scope::All);
        for (text, expected) in [
            ("true", Enabled::Fixed(true)),
            ("false", Enabled::Fixed(false)),
            ("\"auto\"", Enabled::Auto),
        ] {
            let read: CorrelationSection = toml::from_str(&format!("enabled = {text}")).unwrap();
            assert_eq!(read.enabled, expected);
        }
        let error = toml::from_str::<CorrelationSection>("enabled = \"atuo\"").unwrap_err();
        assert!(error.to_string().contains("true, false or \"auto\""), "{error}");
    }
}
