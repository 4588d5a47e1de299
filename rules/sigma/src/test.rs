//! Tests: what the value of a field is compared with.

use std::fmt;
use std::net::IpAddr;

use crate::{Comparison, Number, Pattern, RegexFlags, TimePart};

/// One thing a field's value is tested for. A list of values passes when one of them does.
///
/// Spec: Sigma appendix "modifiers" 2.1.
#[derive(Debug, Clone, PartialEq)]
pub enum Test {
    /// The whole text matches a pattern.
    Text {
        /// The pattern; `contains` and its like have become wildcards at its ends.
        pattern: Pattern,
        /// True when upper and lower case differ (`cased`).
        cased: bool,
    },
    /// Equal as a number, or as the text that spells it.
    Number(Number),
    /// `true` or `false`, or the text that spells it, case ignored.
    Bool(bool),
    /// The field is absent, or present and null.
    Null,
    /// The field is present (`exists: true`) or absent (`exists: false`); a null is present.
    ///
    /// Spec: modifiers appendix 2.1, "Generic Modifiers", `exists`: "only verifies the presence of a
    /// field, not its value, be it empty or null".
    Exists(bool),
    /// The regular expression is found somewhere in the text. Case-sensitive unless flagged.
    Regex {
        /// As written.
        source: String,
        /// The flags `i`, `m`, `s`.
        flags: RegexFlags,
    },
    /// The address lies in the network.
    Cidr(Cidr),
    /// The value, read as a number, compares with the bound.
    Compare {
        /// How.
        op: Comparison,
        /// With what.
        bound: Number,
    },
    /// A part of the value, read as a moment in UTC, compares with the bound. The value is an RFC
    /// 3339 time, or a number of seconds since 1970.
    TimePart {
        /// Which part.
        part: TimePart,
        /// How.
        op: Comparison,
        /// With what.
        bound: i64,
    },
    /// The value equals (or contains, starts or ends with) the value of another field.
    Field {
        /// The other field's Sigma name.
        field: String,
        /// Where in the value the other must stand.
        place: Place,
        /// True when upper and lower case differ.
        cased: bool,
    },
    /// One of several: a single value that `windash` or `base64offset` turned into several, kept
    /// together so that `all` demands one of each value.
    AnyOf(Vec<Self>),
}

/// Where in a text another must stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Place {
    /// It is the whole text.
    Whole,
    /// Anywhere.
    Inside,
    /// At the start.
    Start,
    /// At the end.
    End,
}

/// A network: an address and how many leading bits of it count.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Cidr {
    /// The lowest address of the network.
    pub address: IpAddr,
    /// 0 to 32 (IPv4) or 128 (IPv6).
    pub prefix: u8,
}

impl Cidr {
    /// Returns the network of an address; `None` when the prefix is too long for it.
    #[must_use]
    pub fn new(address: IpAddr, prefix: u8) -> Option<Self> {
        let address = match address {
            IpAddr::V4(v4) if prefix <= 32 => {
                IpAddr::V4((v4.to_bits() & mask(prefix, 32) as u32).into())
            }
            IpAddr::V6(v6) if prefix <= 128 => {
                IpAddr::V6((v6.to_bits() & mask(prefix, 128)).into())
            }
            _ => return None,
        };
        Some(Self { address, prefix })
    }

    /// Says whether an address lies in the network. An IPv4 address written as IPv6
    /// (`::ffff:10.0.0.1`) is the IPv4 address.
    #[must_use]
    pub fn contains(&self, address: IpAddr) -> bool {
        Self::new(address.to_canonical(), self.prefix) == Some(*self)
    }
}

/// Returns `prefix` ones followed by zeros, `bits` wide.
fn mask(prefix: u8, bits: u8) -> u128 {
    let ones = if bits == 128 { u128::MAX } else { (1 << bits) - 1 };
    let zeros = u32::from(bits - prefix);
    ones & ones.checked_shl(zeros).unwrap_or(0)
}

impl fmt::Display for Cidr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.prefix)
    }
}

/// Prints the test as it reads after the field's name: `= foo*`, `in 10.0.0.0/8`.
impl fmt::Display for Test {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text { pattern, cased } => {
                write!(f, "= '{pattern}'{}", if *cased { " (cased)" } else { "" })
            }
            Self::Number(number) => write!(f, "= {number}"),
            Self::Bool(flag) => write!(f, "= {flag}"),
            Self::Null => f.write_str("is null or absent"),
            Self::Exists(true) => f.write_str("exists"),
            Self::Exists(false) => f.write_str("is absent"),
            Self::Regex { source, flags } => {
                let flag = |on: bool, letter: &'static str| if on { letter } else { "" };
                let (i, m) = (flag(flags.ignore_case, "i"), flag(flags.multi_line, "m"));
                write!(f, "~ /{source}/{i}{m}{}", flag(flags.dot_all, "s"))
            }
            Self::Cidr(cidr) => write!(f, "in {cidr}"),
            Self::Compare { op, bound } => write!(f, "{} {bound}", op.sign()),
            Self::TimePart { part, op, bound } => {
                write!(f, "has {} {} {bound}", part.as_str(), op.sign())
            }
            Self::Field { field, place, cased } => {
                let verb = match place {
                    Place::Whole => "=",
                    Place::Inside => "contains",
                    Place::Start => "starts with",
                    Place::End => "ends with",
                };
                write!(f, "{verb} field {field}{}", if *cased { " (cased)" } else { "" })
            }
            Self::AnyOf(tests) => {
                for (index, test) in tests.iter().enumerate() {
                    if index > 0 {
                        f.write_str(" or ")?;
                    }
                    write!(f, "{test}")?;
                }
                Ok(())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn networks_hold_their_addresses() {
        let net = Cidr::new("10.1.2.3".parse().unwrap(), 8).unwrap();
        assert_eq!(net.to_string(), "10.0.0.0/8");
        assert!(net.contains("10.255.0.1".parse().unwrap()));
        assert!(net.contains("::ffff:10.0.0.1".parse().unwrap()));
        assert!(!net.contains("11.0.0.1".parse().unwrap()));
        assert!(!net.contains("::1".parse().unwrap()));
        let all = Cidr::new("::".parse().unwrap(), 0).unwrap();
        assert!(all.contains("fe80::1".parse().unwrap()));
        assert!(Cidr::new("10.0.0.0".parse().unwrap(), 33).is_none());
    }
}
