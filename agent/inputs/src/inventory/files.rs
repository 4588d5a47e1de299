//! Files: what the host's own files say of accounts, rules, jobs, services, modules and mounts.

use std::path::{Path, PathBuf};

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};
use rules_event::encode_lossless;
use sha2::{Digest, Sha256};

use super::item::Item;

/// Largest file read, bytes.
const FILE_BYTES_MAX: u64 = 4 << 20;

/// Reads a file as text, bounded. `Ok(None)`: there is none.
pub(super) fn read(path: &Path) -> Option<String> {
    use std::io::Read;
    let file = std::fs::File::open(path).ok()?;
    let mut bytes = Vec::new();
    file.take(FILE_BYTES_MAX).read_to_end(&mut bytes).ok()?;
    Some(encode_lossless(&bytes).0.into_owned())
}

/// Returns the files of a folder, in order; none when there is no such folder.
pub(super) fn list(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(folder) else { return Vec::new() };
    let mut paths: Vec<_> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
    paths.sort_unstable();
    paths
}

/// A short name for a long text.
fn digest(text: &str) -> String {
    hex::encode(&blake3::hash(text.as_bytes()).as_bytes()[..8])
}

pub(super) fn system() -> Option<Vec<Item>> {
    let release =
        read(Path::new("/etc/os-release")).or_else(|| read(Path::new("/usr/lib/os-release")));
    let release = release.unwrap_or_default();
    let value = |name: &str| {
        let line = release.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix('='));
        line.unwrap_or_default().trim_matches('"').to_owned()
    };
    let kernel = |name: &str| {
        read(&Path::new("/proc/sys/kernel").join(name)).unwrap_or_default().trim().to_owned()
    };
    let item = Item::new("system")
        .with("host.os.name", value("NAME"))
        .with("host.os.version", value("VERSION_ID"))
        .with("host.os.full", value("PRETTY_NAME"))
        .with("host.os.platform", value("ID"))
        .with("host.os.kernel", kernel("osrelease"))
        .with("vonglau.inventory.kernel_build", kernel("version"))
        .with("host.architecture", std::env::consts::ARCH)
        .with("host.hostname", kernel("hostname"));
    Some(vec![item])
}

/// Accounts with what `/etc/shadow` says of their password, where it may be read; never the password.
pub(super) fn users() -> Option<Vec<Item>> {
    let text = read(Path::new("/etc/passwd"))?;
    let shadow = read(Path::new("/etc/shadow")).unwrap_or_default();
    Some(parse_users(&text, &shadow))
}

fn parse_users(text: &str, shadow: &str) -> Vec<Item> {
    let items = text.lines().filter_map(|line| {
        let parts: Vec<&str> = line.split(':').collect();
        let [name, _, id, group, full, home, shell] = parts[..] else { return None };
        let mut secret =
            shadow.lines().filter_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
        let secret: Vec<&str> =
            secret.next().map(|rest| rest.split(':').collect()).unwrap_or_default();
        let state = match secret.first() {
            None => "",
            Some(&"") => "empty",
            Some(hash) if hash.starts_with(['!', '*']) => "locked",
            Some(_) => "set",
        };
        Some(
            Item::new(name)
                .with("user.name", name)
                .with("user.id", id)
                .with("user.group.id", group)
                .with("user.full_name", full)
                .with("vonglau.inventory.home", home)
                .with("vonglau.inventory.shell", shell)
                .with("vonglau.inventory.password", state)
                // Days since 1970; shadow(5).
                .with(
                    "vonglau.inventory.password_changed_day",
                    secret.get(1).copied().unwrap_or_default(),
                ),
        )
    });
    items.collect()
}

pub(super) fn groups() -> Option<Vec<Item>> {
    let text = read(Path::new("/etc/group"))?;
    let items = text.lines().filter_map(|line| {
        let mut parts = line.split(':');
        let (name, id, members) = (parts.next()?, parts.nth(1)?, parts.next()?);
        let item = Item::new(name).with("group.name", name).with("group.id", id);
        Some(item.with("vonglau.inventory.members", members))
    });
    Some(items.collect())
}

/// Lines that hold rules, one thing each.
fn lines(kind: &'static str, paths: &[PathBuf]) -> Vec<Item> {
    let mut items = Vec::new();
    for path in paths {
        let Some(text) = read(path) else { continue };
        // A backslash goes on with the line below; sudoers(5).
        let text = text.replace("\\\n", " ");
        for line in text.lines().map(str::trim) {
            let is_comment = line.starts_with('#') && !line.starts_with("#include");
            if line.is_empty() || is_comment {
                continue;
            }
            let place = path.display();
            let item = Item::new(format!("{place} {}", digest(line)));
            items.push(item.with("file.path", place.to_string()).with(kind, line));
        }
    }
    items
}

pub(super) fn sudo_rules() -> Option<Vec<Item>> {
    let mut paths = vec![PathBuf::from("/etc/sudoers")];
    paths.extend(list(Path::new("/etc/sudoers.d")));
    Some(lines("vonglau.inventory.rule", &paths))
}

pub(super) fn jobs() -> Option<Vec<Item>> {
    let mut paths = vec![PathBuf::from("/etc/crontab"), PathBuf::from("/etc/anacrontab")];
    for folder in ["/etc/cron.d", "/var/spool/cron", "/var/spool/cron/crontabs"] {
        paths.extend(list(Path::new(folder)).into_iter().filter(|path| path.is_file()));
    }
    let mut items = lines("vonglau.inventory.command", &paths);
    for period in ["hourly", "daily", "weekly", "monthly"] {
        for path in list(&Path::new("/etc").join(format!("cron.{period}"))) {
            let place = path.display().to_string();
            items.push(Item::new(place.clone()).with("file.path", place));
        }
    }
    Some(items)
}

/// Keys that may log in without a password, by owner and fingerprint as `ssh-keygen -l` prints it.
pub(super) fn authorized_keys() -> Option<Vec<Item>> {
    let passwd = read(Path::new("/etc/passwd"))?;
    let mut items = Vec::new();
    for line in passwd.lines() {
        let parts: Vec<&str> = line.split(':').collect();
        let [user, _, _, _, _, home, _] = parts[..] else { continue };
        for name in ["authorized_keys", "authorized_keys2"] {
            let path = Path::new(home).join(".ssh").join(name);
            let Some(text) = read(&path) else { continue };
            items.extend(text.lines().filter_map(|line| authorized_key(user, &path, line)));
        }
    }
    Some(items)
}

fn authorized_key(user: &str, path: &Path, line: &str) -> Option<Item> {
    let line = line.trim();
    if line.starts_with('#') {
        return None;
    }
    // Options may hold spaces in quotes: the key is what decodes.
    let words: Vec<&str> = line.split_ascii_whitespace().collect();
    let (at, blob) = words.iter().enumerate().find_map(|(at, word)| {
        let blob = STANDARD.decode(word).ok()?;
        // A key begins with the length and name of its type; RFC 4253, 6.6.
        (at > 0 && blob.starts_with(&[0, 0, 0]) && blob.len() > 30).then_some((at, blob))
    })?;
    let print = format!("SHA256:{}", STANDARD_NO_PAD.encode(Sha256::digest(&blob)));
    Some(
        Item::new(format!("{user} {print}"))
            .with("user.name", user)
            .with("file.path", path.display().to_string())
            .with("vonglau.inventory.key.type", words[at - 1])
            .with("vonglau.inventory.key.fingerprint", print)
            .with("vonglau.inventory.key.comment", words[at + 1..].join(" "))
            .with("vonglau.inventory.key.options", words[..at - 1].join(" ")),
    )
}

/// Units that start with the host, and units that somebody put in `/etc`.
pub(super) fn services() -> Option<Vec<Item>> {
    let mut items = Vec::new();
    for path in list(Path::new("/etc/systemd/system")) {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if path.is_dir() {
            let Some((target, _)) =
                name.rsplit_once('.').filter(|(_, kind)| ["wants", "requires"].contains(kind))
            else {
                continue;
            };
            for unit in list(&path) {
                let name = unit.file_name().unwrap_or_default().to_string_lossy().into_owned();
                items.push(
                    Item::new(format!("{name} for {target}"))
                        .with("service.name", name)
                        .with("vonglau.inventory.wanted_by", target)
                        .with("file.path", unit.display().to_string()),
                );
            }
        } else if let Some(text) = read(&path) {
            let starts = text.lines().map(str::trim).filter(|line| line.starts_with("Exec"));
            let starts: Vec<&str> = starts.collect();
            items.push(
                Item::new(name.clone())
                    .with("service.name", name)
                    .with("file.path", path.display().to_string())
                    .with("vonglau.inventory.command", starts.join("\n")),
            );
        }
    }
    for level in ["rc3.d", "rc5.d"] {
        for path in list(&Path::new("/etc").join(level)) {
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            if name.starts_with('S') {
                let place = path.display().to_string();
                items.push(
                    Item::new(place.clone()).with("service.name", name).with("file.path", place),
                );
            }
        }
    }
    Some(items)
}

pub(super) fn kernel_modules() -> Option<Vec<Item>> {
    let text = read(Path::new("/proc/modules"))?;
    let items = text.lines().filter_map(|line| {
        let mut words = line.split_ascii_whitespace();
        let name = words.next()?;
        // (O) out of tree, (E) unsigned, (F) forced; proc(5).
        let taint = words.last().filter(|word| word.starts_with('(')).unwrap_or_default();
        let item = Item::new(name).with("vonglau.inventory.name", name);
        Some(item.with("vonglau.inventory.taint", taint))
    });
    Some(items.collect())
}

pub(super) fn mounts() -> Option<Vec<Item>> {
    let text = read(Path::new("/proc/self/mounts"))?;
    let items = text.lines().filter_map(|line| {
        let mut words = line.split(' ');
        let (device, place, kind, options) =
            (words.next()?, words.next()?, words.next()?, words.next()?);
        let is_remote = ["nfs", "nfs4", "cifs", "fuse.sshfs", "ceph", "glusterfs"].contains(&kind);
        if !device.starts_with("/dev/") && !is_remote {
            return None;
        }
        Some(
            Item::new(place)
                .with("system.filesystem.mount_point", place)
                .with("system.filesystem.device_name", device)
                .with("system.filesystem.type", kind)
                .with("system.filesystem.options", options),
        )
    });
    Some(items.collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn get<'a>(item: &'a Item, name: &str) -> &'a str {
        item.fields.iter().find(|(own, _)| *own == name).map_or("", |(_, text)| text)
    }

    #[test]
    fn accounts_come_without_passwords() {
        let passwd =
            "root:x:0:0:root:/root:/bin/bash\nlan:x:1000:1000:Lan,,,:/home/lan:/bin/sh\nbad\n";
        let shadow = "root:$6$secret:19000:0:99999:7:::\nlan::20000:0:::::\n";
        let items = parse_users(passwd, shadow);
        assert_eq!(items.len(), 2);
        assert_eq!(get(&items[0], "vonglau.inventory.password"), "set");
        assert_eq!(get(&items[1], "vonglau.inventory.password"), "empty");
        assert!(!format!("{items:?}").contains("secret"));
    }

    #[test]
    fn keys_have_the_fingerprint_of_ssh_keygen() {
        // `ssh-keygen -lf` of this public key; it opens nothing.
        let line = "from=\"10.0.0.0/8, 192.168.0.0/16\" ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl github";
        let item = authorized_key("git", Path::new("/k"), line).unwrap();
        assert_eq!(
            get(&item, "vonglau.inventory.key.fingerprint"),
            "SHA256:+DiY3wvvV6TuJJhbpZisF/zLDA0zPMSvHdkr4UvCOqU"
        );
        assert_eq!(get(&item, "vonglau.inventory.key.type"), "ssh-ed25519");
        assert_eq!(get(&item, "vonglau.inventory.key.comment"), "github");
        assert!(get(&item, "vonglau.inventory.key.options").contains("192.168"));
        assert_eq!(authorized_key("git", Path::new("/k"), "# ssh-ed25519 AAAA"), None);
    }
}
