//! Throttle: failed logins slow down the next ones, by name and address and by address alone.

use std::collections::HashMap;
use std::net::IpAddr;
use std::time::Duration;

use rules_event::Timestamp;

/// Failures of one name from one address before it has to wait.
const FREE_BY_NAME: u32 = 5;
/// Failures of one address, whatever the names, before it has to wait: an office behind one address
/// has more than one forgetful person.
const FREE_BY_ADDRESS: u32 = 25;
/// The first wait; it doubles with each further failure.
const DELAY_MIN: Duration = Duration::from_secs(15);
/// The longest wait.
const DELAY_MAX: Duration = Duration::from_secs(15 * 60);
/// A counter without a new failure for this long is forgotten.
const FORGET_AFTER: Duration = Duration::from_secs(60 * 60);
/// Counters kept of each kind: ~100 bytes each. When full, the one quiet for longest goes.
const COUNTERS_MAX: usize = 4096;

/// Counts failed logins. Pure: the caller brings the clock.
#[derive(Debug, Default)]
pub(crate) struct Throttle {
    by_name: HashMap<(String, IpAddr), Counter>,
    by_address: HashMap<IpAddr, Counter>,
}

#[derive(Debug, Clone, Copy)]
struct Counter {
    failures: u32,
    last: Timestamp,
}

impl Throttle {
    /// Notes an attempt as failed, before its password is checked, so that a hundred attempts at
    /// one moment count as a hundred. A success takes it back with [`Self::succeeded`].
    ///
    /// # Errors
    /// How long to wait, if the attempt comes too early. It is then not counted.
    pub(crate) fn attempt(
        &mut self,
        name: &str,
        address: IpAddr,
        now: Timestamp,
    ) -> Result<(), Duration> {
        let address = network(address);
        let key = (name.to_owned(), address);
        let wait = wait(self.by_name.get(&key), FREE_BY_NAME, now).max(wait(
            self.by_address.get(&address),
            FREE_BY_ADDRESS,
            now,
        ));
        if !wait.is_zero() {
            return Err(wait);
        }
        count(&mut self.by_name, key, now);
        count(&mut self.by_address, address, now);
        Ok(())
    }

    /// Forgets the failures of this name from this address.
    pub(crate) fn succeeded(&mut self, name: &str, address: IpAddr) {
        let address = network(address);
        self.by_name.remove(&(name.to_owned(), address));
        if let Some(counter) = self.by_address.get_mut(&address) {
            counter.failures = counter.failures.saturating_sub(1);
        }
    }
}

/// A customer of an IPv6 network has a /64 at least, so that is what is counted.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            IpAddr::from([a, b, c, d, 0, 0, 0, 0])
        }
        address => address,
    }
}

fn wait(counter: Option<&Counter>, free: u32, now: Timestamp) -> Duration {
    let Some(counter) = counter else { return Duration::ZERO };
    let Some(excess) = counter.failures.checked_sub(free) else { return Duration::ZERO };
    let delay = DELAY_MIN.saturating_mul(1 << excess.min(16)).min(DELAY_MAX);
    counter.last.saturating_add(delay).since(now)
}

fn count<K: std::hash::Hash + Eq + Clone>(
    counters: &mut HashMap<K, Counter>,
    key: K,
    now: Timestamp,
) {
    if counters.len() >= COUNTERS_MAX && !counters.contains_key(&key) {
        counters.retain(|_, counter| now.since(counter.last) < FORGET_AFTER);
        if counters.len() >= COUNTERS_MAX {
            let quietest = counters.iter().min_by_key(|(_, counter)| counter.last);
            if let Some(quietest) = quietest.map(|(key, _)| key.clone()) {
                counters.remove(&quietest);
            }
        }
    }
    let counter = counters.entry(key).or_insert(Counter { failures: 0, last: now });
    if now.since(counter.last) >= FORGET_AFTER {
        counter.failures = 0;
    }
    counter.failures = counter.failures.saturating_add(1);
    counter.last = now;
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOME: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(10, 0, 0, 1));

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_seconds(1_000_000 + seconds)
    }

    #[test]
    fn waits_double_and_a_success_forgives() {
        let mut throttle = Throttle::default();
        for _ in 0..5 {
            assert_eq!(throttle.attempt("lan", HOME, at(0)), Ok(()));
        }
        assert_eq!(throttle.attempt("lan", HOME, at(5)), Err(Duration::from_secs(10)));
        assert_eq!(throttle.attempt("minh", HOME, at(5)), Ok(()), "another name is free");
        assert_eq!(throttle.attempt("lan", HOME, at(15)), Ok(()));
        assert_eq!(throttle.attempt("lan", HOME, at(15)), Err(Duration::from_secs(30)));
        throttle.succeeded("lan", HOME);
        assert_eq!(throttle.attempt("lan", HOME, at(15)), Ok(()));
    }

    #[test]
    fn an_address_that_tries_many_names_waits() {
        let mut throttle = Throttle::default();
        for name in 0..25 {
            assert_eq!(throttle.attempt(&name.to_string(), HOME, at(0)), Ok(()));
        }
        assert!(throttle.attempt("one more", HOME, at(0)).is_err());
        let elsewhere = "10.0.0.2".parse().unwrap();
        assert_eq!(throttle.attempt("one more", elsewhere, at(0)), Ok(()));
    }

    #[test]
    fn an_ipv6_customer_is_one_address_and_the_wait_is_bounded() {
        let mut throttle = Throttle::default();
        for host in 0..5_u16 {
            let address = IpAddr::from([0x2405, 0x4800, 1, 2, 0, 0, 0, host]);
            assert_eq!(throttle.attempt("lan", address, at(0)), Ok(()));
        }
        let address = IpAddr::from([0x2405, 0x4800, 1, 2, 9, 9, 9, 9]);
        assert!(throttle.attempt("lan", address, at(0)).is_err());
        for round in 1..20 {
            assert_eq!(throttle.attempt("lan", address, at(round * 901)), Ok(()));
        }
    }

    #[test]
    fn memory_is_bounded() {
        let mut throttle = Throttle::default();
        for number in 0..10_000_u32 {
            let address = IpAddr::from((0x0a00_0000 + number).to_be_bytes());
            throttle.attempt("x", address, at(i64::from(number) / 100)).unwrap();
        }
        assert_eq!(throttle.by_name.len(), COUNTERS_MAX);
        assert_eq!(throttle.by_address.len(), COUNTERS_MAX);
    }
}
