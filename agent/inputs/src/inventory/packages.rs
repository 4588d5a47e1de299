//! Packages: those of dpkg and of RPM.

use std::io::{BufRead, BufReader, Read};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant, SystemTime};

use super::item::Item;
use crate::attend::Attendant;

const DPKG: &str = "/var/lib/dpkg/status";
const RPM: [&str; 4] = [
    "/var/lib/rpm/rpmdb.sqlite",
    "/var/lib/rpm/Packages",
    "/usr/lib/sysimage/rpm/rpmdb.sqlite",
    "/usr/lib/sysimage/rpm/Packages.db",
];

/// How long `rpm` may take, and the most it may print.
const RPM_TIME_MAX: Duration = Duration::from_secs(60);
const RPM_BYTES_MAX: u64 = 16 << 20;

/// Remembers when the databases changed: they are read only then.
#[derive(Debug, Default)]
pub(super) struct Packages {
    seen: Vec<Option<SystemTime>>,
}

impl Packages {
    /// Returns all packages; `None` when nothing changed, or when they cannot be told.
    pub(super) fn look(&mut self, rpm: &str, attendant: &Attendant) -> Option<Vec<Item>> {
        let changed = |path: &&str| std::fs::metadata(path).and_then(|facts| facts.modified()).ok();
        let now: Vec<_> = [DPKG].iter().chain(&RPM).map(changed).collect();
        if now == self.seen || now.iter().all(Option::is_none) {
            return None;
        }
        let mut items = Vec::new();
        if now.first().is_some_and(Option::is_some) {
            let file = std::fs::File::open(DPKG).ok()?;
            items.extend(dpkg(BufReader::new(file)));
        }
        if now.iter().skip(1).any(Option::is_some) {
            items.extend(run_rpm(rpm, attendant)?);
        }
        self.seen = now;
        items.sort_by(|a, b| a.key.cmp(&b.key));
        Some(items)
    }
}

fn package(kind: &'static str, name: &str, version: &str, architecture: &str) -> Item {
    Item::new(format!("{name}:{architecture}"))
        .with("package.name", name)
        .with("package.version", version)
        .with("package.architecture", architecture)
        .with("package.type", kind)
}

/// Paragraphs of `/var/lib/dpkg/status`; deb-control(5).
fn dpkg(from: impl BufRead) -> Vec<Item> {
    let mut items = Vec::new();
    let (mut name, mut version, mut architecture) = (String::new(), String::new(), String::new());
    let mut is_installed = false;
    let mut end = |name: &mut String,
                   version: &mut String,
                   architecture: &mut String,
                   is_installed: &mut bool| {
        if *is_installed && !name.is_empty() {
            items.push(package("dpkg", name, version, architecture));
        }
        for text in [name, version, architecture] {
            text.clear();
        }
        *is_installed = false;
    };
    for line in from.split(b'\n').map_while(Result::ok) {
        let line = String::from_utf8_lossy(&line);
        if line.is_empty() {
            end(&mut name, &mut version, &mut architecture, &mut is_installed);
        } else if let Some(text) = line.strip_prefix("Package: ") {
            name = text.to_owned();
        } else if let Some(text) = line.strip_prefix("Version: ") {
            version = text.to_owned();
        } else if let Some(text) = line.strip_prefix("Architecture: ") {
            architecture = text.to_owned();
        } else if let Some(text) = line.strip_prefix("Status: ") {
            is_installed = text.ends_with(" installed");
        }
    }
    end(&mut name, &mut version, &mut architecture, &mut is_installed);
    items
}

/// Asks `rpm`: its databases have had four forms, and only it reads all of them.
fn run_rpm(program: &str, attendant: &Attendant) -> Option<Vec<Item>> {
    let format = "%{NAME}\\t%|EPOCH?{%{EPOCH}:}|%{VERSION}-%{RELEASE}\\t%{ARCH}\\n";
    let mut command = Command::new(program);
    command.args(["-qa", "--qf", format]).stdin(Stdio::null()).stderr(Stdio::null());
    let mut child = command.stdout(Stdio::piped()).spawn().ok()?;
    let output = child.stdout.take()?;
    // Read beside waiting: a full pipe would hold it up.
    let reader = std::thread::spawn(move || {
        let mut text = Vec::new();
        output.take(RPM_BYTES_MAX).read_to_end(&mut text).map(|_| text)
    });
    let end = Instant::now() + RPM_TIME_MAX;
    let is_good = loop {
        match child.try_wait() {
            Ok(Some(status)) => break status.success(),
            Ok(None) if Instant::now() < end && attendant.wait(Duration::from_millis(100)) => {}
            _ => {
                let _ = child.kill();
                let _ = child.wait();
                break false;
            }
        }
    };
    let text = reader.join().ok()?.ok()?;
    is_good.then(|| rpm(&String::from_utf8_lossy(&text)))
}

fn rpm(text: &str) -> Vec<Item> {
    let mut items: Vec<Item> = Vec::new();
    for line in text.lines() {
        let parts: Vec<&str> = line.split('\t').collect();
        let [name, version, architecture] = parts[..] else { continue };
        let mut item = package("rpm", name, version, architecture);
        // Kernels stand side by side in several versions.
        if ["kernel", "kernel-core", "kernel-modules", "gpg-pubkey", "kernel-devel"].contains(&name)
        {
            item.key = format!("{name}:{architecture}:{version}");
        }
        items.push(item);
    }
    items
}

/// Whether there is a database of packages at all.
#[cfg(test)]
pub(super) fn are_there() -> bool {
    [DPKG].iter().chain(&RPM).any(|path| std::path::Path::new(path).exists())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_installed_is_listed() {
        let text = "Package: bash\nStatus: install ok installed\nArchitecture: amd64\nVersion: 5.2-1\n\n\
                    Package: gone\nStatus: deinstall ok config-files\nArchitecture: amd64\nVersion: 1\n\n\
                    Package: zlib1g\nStatus: install ok installed\nVersion: 1:1.3\nArchitecture: amd64";
        let items = dpkg(text.as_bytes());
        let keys: Vec<_> = items.iter().map(|item| item.key.as_str()).collect();
        assert_eq!(keys, ["bash:amd64", "zlib1g:amd64"]);
        assert!(items[1].fields.contains(&("package.version", "1:1.3".to_owned())));
        let items =
            rpm("bash\t5.1-2\tx86_64\nkernel\t5.14-1\tx86_64\nkernel\t5.14-2\tx86_64\nbad\n");
        assert_eq!(items.len(), 3);
        assert_ne!(items[1].key, items[2].key);
    }
}
