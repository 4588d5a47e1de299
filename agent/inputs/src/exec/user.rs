//! User: the numbers behind the name of the account a command runs as.

/// Returns user and group; the error says why the command cannot run as that user.
pub(super) fn resolve(name: &str) -> Result<(u32, u32), String> {
    let text = std::fs::read_to_string("/etc/passwd")
        .map_err(|error| format!("/etc/passwd cannot be read: {error}"))?;
    let Some((user, group)) = find(&text, name) else {
        return Err(format!("there is no user '{name}' in /etc/passwd"));
    };
    let own = rustix::process::geteuid();
    if !own.is_root() && own.as_raw() != user {
        return Err(format!(
            "the agent may not run a command as '{name}' since it is not root; leave 'user' out"
        ));
    }
    Ok((user, group))
}

/// `name:password:uid:gid:…`. Spec: passwd(5).
fn find(text: &str, name: &str) -> Option<(u32, u32)> {
    text.lines().find_map(|line| {
        let mut parts = line.split(':');
        (parts.next()? == name).then_some(())?;
        let mut numbers = parts.skip(1).map(|part| part.parse().ok());
        Some((numbers.next()??, numbers.next()??))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn users_are_found_by_their_whole_name() {
        let text = "root:x:0:0:root:/root:/bin/sh\nrooter:x:7:8::/:/bin/sh\nbad:x:a:b::/:\n";
        assert_eq!(find(text, "root"), Some((0, 0)));
        assert_eq!(find(text, "rooter"), Some((7, 8)));
        assert_eq!(find(text, "bad"), None);
        assert!(resolve("no such user").unwrap_err().contains("no user"));
    }
}
