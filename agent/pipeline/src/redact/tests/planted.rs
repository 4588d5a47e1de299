//! Planted secrets.
