//! Accounts: names of users and groups, from the files that hold them.

use std::collections::HashMap;
use std::path::PathBuf;
use std::time::{Duration, Instant, SystemTime};

/// How often the files are looked at, at most.
const LOOK_INTERVAL: Duration = Duration::from_secs(5);

/// Largest file read, bytes: a host with more accounts has them in a directory service.
const FILE_BYTES_MAX: u64 = 4 << 20;

/// Names by number. Accounts of LDAP or SSSD are not found here: asking those may block for minutes,
/// and the number is always set as well.
#[derive(Debug)]
pub struct Accounts {
    users: Names,
    groups: Names,
}

#[derive(Debug)]
struct Names {
    path: PathBuf,
    changed: Option<SystemTime>,
    looked: Option<Instant>,
    names: HashMap<u32, String>,
}

impl Default for Accounts {
    fn default() -> Self {
        Self::new()
    }
}

impl Accounts {
    /// Reads `/etc/passwd` and `/etc/group` when first asked.
    #[must_use]
    pub fn new() -> Self {
        let names = |path: &str| Names {
            path: path.into(),
            changed: None,
            looked: None,
            names: HashMap::new(),
        };
        Self { users: names("/etc/passwd"), groups: names("/etc/group") }
    }

    /// Returns the name of a user.
    pub fn user(&mut self, id: u32) -> Option<&str> {
        self.users.get(id)
    }

    /// Returns the name of a group.
    pub fn group(&mut self, id: u32) -> Option<&str> {
        self.groups.get(id)
    }
}

impl Names {
    fn get(&mut self, id: u32) -> Option<&str> {
        if self.looked.is_none_or(|looked| looked.elapsed() >= LOOK_INTERVAL) {
            self.looked = Some(Instant::now());
            self.look();
        }
        self.names.get(&id).map(String::as_str)
    }

    fn look(&mut self) {
        let Ok(facts) = std::fs::metadata(&self.path) else { return };
        let changed = facts.modified().ok();
        if (changed.is_some() && changed == self.changed) || facts.len() > FILE_BYTES_MAX {
            return;
        }
        let Ok(bytes) = std::fs::read(&self.path) else { return };
        self.changed = changed;
        self.names = parse(&String::from_utf8_lossy(&bytes));
    }
}

/// `name:x:id:…`, as passwd(5) and group(5) say; the first name of a number counts.
fn parse(text: &str) -> HashMap<u32, String> {
    let mut names = HashMap::new();
    for line in text.lines() {
        let mut parts = line.split(':');
        let (Some(name), Some(id)) = (parts.next(), parts.nth(1)) else { continue };
        if let Ok(id) = id.parse() {
            names.entry(id).or_insert_with(|| name.to_owned());
        }
    }
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_name_of_a_number_counts() {
        let names =
            parse("root:x:0:0:r:/root:/bin/sh\ntoor:x:0:0::/:/bin/sh\n\nbad\nwww-data:x:33:33");
        assert_eq!(names.len(), 2);
        assert_eq!(names[&0], "root");
        assert_eq!(Accounts::new().user(0), Some("root"));
    }
}
