//! IntegrityConfig: the `[input.integrity]` part of the configuration.

use serde::{Deserialize, Serialize};

use super::window::Window;
use crate::{Error, PolicyConfig};

/// Files that must not change unnoticed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct IntegrityConfig {
    /// Whether files are watched (default false).
    pub enabled: bool,
    /// Absolute paths of files, and of folders with everything below them; a component may be a glob
    /// (`/home/*/.ssh`). Symbolic links are watched, never followed. By default where accounts, keys,
    /// jobs, services and web pages live.
    pub paths: Vec<String>,
    /// Globs left out, matched against the whole path (`**` crosses folders, `*` does not).
    pub exclude: Vec<String>,
    /// Globs of folders that visitors can write to, such as `/var/www/*/uploads`: files in and below
    /// them are searched for programs whatever their name is (`vonglau.file.content`). They must lie
    /// below `paths`.
    pub upload_folders: Vec<String>,
    /// Time between two full looks at everything, seconds (default 300, 10 to 86400). Between them only
    /// folders are looked at for which the kernel reports a change.
    pub interval_s: u64,
    /// Most files and folders watched (default 200000, 1 to 1000000), about 200 bytes of memory each;
    /// more is a problem that is reported.
    pub files_max: usize,
    /// Most folders for which the kernel is asked to report changes (default 8192, 0 to 65536); those
    /// beyond wait for the next full look.
    pub watches_max: usize,
    /// Larger files are compared by size and time only, bytes (default 64 MiB, 0 to 1 TiB).
    pub hash_bytes_max: u64,
    /// Most bytes read a second to hash files (default 20 MiB, 64 KiB to 1 GiB).
    pub hash_bytes_per_s: u64,
    /// So many changes within a minute are one event more, `mass_change` (default 300, 10 to 1000000).
    pub mass_changes_per_min: u64,
    /// Announced windows of change: events within one are marked, not dropped. Either two times,
    /// `2026-11-28T22:00+07:00/2026-11-29T04:00+07:00`, or a weekly one in the host's time,
    /// `Sat 22:00-04:00` (`Mon Tue … Sun`, or `daily`).
    pub change_windows: Vec<String>,
    /// What of it leaves the host, and how much a second.
    pub policy: PolicyConfig,
}

impl Default for IntegrityConfig {
    fn default() -> Self {
        let texts = |texts: &[&str]| texts.iter().map(|&text| text.to_owned()).collect();
        Self {
            enabled: false,
            paths: texts(&[
                "/etc",
                "/root/.ssh",
                "/home/*/.ssh",
                "/var/spool/cron",
                "/usr/lib/systemd/system",
                "/usr/local/bin",
                "/usr/local/sbin",
                "/boot",
                "/var/www",
            ]),
            exclude: texts(&["/etc/mtab", "**/*.swp", "**/*.swx", "**/*~", "**/.git/**"]),
            upload_folders: texts(&["/var/www/**/uploads", "/var/www/**/upload"]),
            interval_s: 300,
            files_max: 200_000,
            watches_max: 8_192,
            hash_bytes_max: 64 << 20,
            hash_bytes_per_s: 20 << 20,
            mass_changes_per_min: 300,
            change_windows: Vec::new(),
            policy: PolicyConfig::default(),
        }
    }
}

impl IntegrityConfig {
    /// Checks bounds and texts, whether or not it is enabled.
    pub(crate) fn check(&self) -> Result<Vec<Window>, Error> {
        let bounds = [
            ("integrity.interval_s", self.interval_s, 10, 86_400),
            ("integrity.files_max", self.files_max as u64, 1, 1_000_000),
            ("integrity.watches_max", self.watches_max as u64, 0, 65_536),
            ("integrity.hash_bytes_max", self.hash_bytes_max, 0, 1 << 40),
            ("integrity.hash_bytes_per_s", self.hash_bytes_per_s, 64 << 10, 1 << 30),
            ("integrity.mass_changes_per_min", self.mass_changes_per_min, 10, 1_000_000),
        ];
        for (name, value, min, max) in bounds {
            if value < min || value > max {
                return Err(Error::Bounds { name, value, min, max });
            }
        }
        for path in &self.paths {
            if !path.starts_with('/') {
                return Err(Error::Text {
                    name: "integrity.paths",
                    text: path.clone(),
                    remedy: "give an absolute path",
                });
            }
        }
        self.change_windows.iter().map(|text| Window::parse(text)).collect()
    }
}
