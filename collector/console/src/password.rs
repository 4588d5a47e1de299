//! Password: argon2id hashing that a crowd at the login page cannot turn against the host.

use std::sync::{Arc, OnceLock};

use argon2::password_hash::{PasswordHash, PasswordHasher, PasswordVerifier, SaltString};
use argon2::{Algorithm, Argon2, Params, Version};
use tokio::sync::Semaphore;

use crate::{Error, error::Result};

/// Memory of one hash: 19 MiB with two passes is the OWASP minimum for argon2id (Password Storage
/// Cheat Sheet, "Argon2id").
const MEMORY_KIB: u32 = 19 * 1024;
const PASSES: u32 = 2;
/// Hashes computed at one time: 2 × 19 MiB is the most a flood of logins can take.
const HASHES_AT_ONCE_MAX: usize = 2;
/// Logins that may wait for their turn; beyond, the answer is "busy". At ~30 ms a hash the last one
/// waits half a second.
const WAITING_MAX: usize = 32;

/// The shortest password taken, in characters.
pub(crate) const LENGTH_MIN: usize = 12;
/// The longest password taken, in bytes: more is no stronger, and has to be hashed.
pub(crate) const LENGTH_MAX: usize = 256;

/// Checks and makes password hashes, a bounded number at a time.
#[derive(Debug, Clone)]
pub(crate) struct Passwords {
    waiting: Arc<Semaphore>,
    working: Arc<Semaphore>,
}

impl Passwords {
    pub(crate) fn new() -> Self {
        Self {
            waiting: Arc::new(Semaphore::new(WAITING_MAX)),
            working: Arc::new(Semaphore::new(HASHES_AT_ONCE_MAX)),
        }
    }

    /// Returns whether the password fits the stored hash. Without a hash (unknown user) a decoy is
    /// checked, so that the answer takes as long and says nothing about who exists.
    pub(crate) async fn verify(&self, password: String, stored: Option<String>) -> Result<bool> {
        let _place = self.waiting.try_acquire().map_err(|_| Error::Busy)?;
        let _turn = self.working.acquire().await.map_err(|_| Error::Busy)?;
        tokio::task::spawn_blocking(move || match stored {
            Some(stored) => matches(&password, &stored),
            None => {
                matches(&password, decoy());
                false
            }
        })
        .await
        .map_err(|error| Error::Hash(error.to_string()))
    }
}

/// Returns the PHC string of a new password.
///
/// # Errors
/// [`Error::BadPassword`] if it is too short, too long, or holds the user's name.
pub(crate) fn hash_new(name: &str, password: &str) -> Result<String> {
    if password.chars().count() < LENGTH_MIN {
        return Err(Error::BadPassword("is shorter than 12 characters; use a phrase of words"));
    }
    if password.len() > LENGTH_MAX {
        return Err(Error::BadPassword("is longer than 256 bytes"));
    }
    if password.to_lowercase().contains(name) && password.len() < name.len() + LENGTH_MIN {
        return Err(Error::BadPassword("is built on the user name; use a phrase of words"));
    }
    let first = password.chars().next();
    if password.chars().all(|character| Some(character) == first) {
        return Err(Error::BadPassword("is one character repeated; use a phrase of words"));
    }
    hash(password)
}

fn hash(password: &str) -> Result<String> {
    let salt = SaltString::generate(&mut rand::rngs::OsRng);
    let hash = argon2()?.hash_password(password.as_bytes(), &salt);
    hash.map(|hash| hash.to_string()).map_err(|error| Error::Hash(error.to_string()))
}

/// The cost is read from the stored string, so raising it later keeps old passwords working.
fn matches(password: &str, stored: &str) -> bool {
    password.len() <= LENGTH_MAX
        && PasswordHash::new(stored).is_ok_and(|stored| {
            Argon2::default().verify_password(password.as_bytes(), &stored).is_ok()
        })
}

fn argon2() -> Result<Argon2<'static>> {
    let params =
        Params::new(MEMORY_KIB, PASSES, 1, None).map_err(|error| Error::Hash(error.to_string()))?;
    Ok(Argon2::new(Algorithm::Argon2id, Version::V0x13, params))
}

fn decoy() -> &'static str {
    static DECOY: OnceLock<String> = OnceLock::new();
    DECOY.get_or_init(|| hash("nobody's password").unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weak_passwords_are_refused_with_a_reason() {
        for (password, reason) in [
            ("ngắn quá", "shorter"),
            ("aaaaaaaaaaaaaaaa", "repeated"),
            ("lan.nguyen2026", "user name"),
            (&"x y".repeat(100), "longer"),
        ] {
            let error = hash_new("lan.nguyen", password).unwrap_err().to_string();
            assert!(error.contains(reason), "{password}: {error}");
        }
    }

    #[tokio::test]
    async fn a_password_fits_its_own_hash_only() {
        let stored = hash_new("lan", "bốn chiếc thuyền nan").unwrap();
        assert!(stored.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"));
        let passwords = Passwords::new();
        let fits = |text: &str, stored| passwords.verify(text.to_owned(), stored);
        assert!(fits("bốn chiếc thuyền nan", Some(stored.clone())).await.unwrap());
        assert!(!fits("bon chiec thuyen nan", Some(stored)).await.unwrap());
        assert!(!fits("nobody's password", None).await.unwrap());
    }

    #[tokio::test]
    async fn a_crowd_is_told_to_wait() {
        let passwords = Passwords::new();
        let _crowd = passwords.waiting.acquire_many(32).await.unwrap();
        assert!(matches!(passwords.verify("x".into(), None).await, Err(Error::Busy)));
    }
}
