//! Names: which names of parameters say that their value is a secret.

/// How a word makes the name around it one of a secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Rule {
    /// `pass`: as `password`, `passwd`, `passphrase`, `passcode` anywhere; by itself, or behind a
    /// boundary.
    Pass,
    /// Anywhere, with nothing but a known ending behind it.
    Part,
    /// As [`Rule::Part`]; in prose the value has to look like one.
    Token,
    /// A short word: with a boundary before it.
    Short,
    /// As [`Rule::Part`], and the value is no plain number: firewalls number sessions.
    Session,
    /// The whole name, `_` and `-` alike.
    Whole,
    /// Only in the query of a URL.
    Query,
    /// In the query of a URL, a value as single sign-on makes it.
    Ticket,
}

/// What may follow a word in a name of a secret: `password_confirmation`, `tokenValue`, `secret2`.
const ENDINGS: &[&str] = &[
    "confirmation",
    "confirm",
    "confirmed",
    "again",
    "repeat",
    "repeated",
    "retype",
    "retyped",
    "verify",
    "new",
    "old",
    "current",
    "value",
    "text",
    "txt",
    "field",
    "input",
    "plain",
    "plaintext",
    "raw",
    "str",
    "string",
    "b64",
    "base64",
    "enc",
    "encrypted",
    "hash",
    "hashed",
    "md5",
    "sha1",
    "sha256",
    "key",
    "access",
    "secret",
    "token",
    "moi",
    "cu",
    "nhap",
    "lai",
    "nhaplai",
    "id",
    "env",
    "default",
    "admin",
    "root",
    "user",
    "db",
    "param",
    "header",
    "code",
];

/// What stands before `pass` without a sign between: `userpass`, `dbpass`.
const OWNERS: &[&str] = &[
    "user",
    "usr",
    "db",
    "my",
    "root",
    "admin",
    "ftp",
    "smtp",
    "imap",
    "ldap",
    "mail",
    "http",
    "proxy",
    "auth",
    "login",
    "bind",
    "new",
    "old",
    "ssh",
    "web",
    "svn",
    "git",
    "sql",
    "pg",
    "redis",
    "mongo",
    "wifi",
    "vpn",
    "key",
    "store",
    "keystore",
    "truststore",
    "cert",
    "rpc",
    "api",
    "app",
    "sa",
    "txt",
];

/// Ways on from `pass` to the word it is part of.
const WORDS_OF_PASS: &[&str] = &["word", "wd", "phrase", "code", "wort", "key", "w"];

/// Longest name, bytes; longer runs are none.
const NAME_BYTES_MAX: usize = 96;

/// A name around a word.
#[derive(Debug, Clone, Copy)]
pub(super) struct Name {
    pub(super) start: usize,
    pub(super) end: usize,
    /// The word in it.
    pub(super) word: usize,
    pub(super) word_end: usize,
}

fn is_name(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.' | b'$')
}

impl Name {
    /// Finds the name that a word is part of.
    pub(super) fn around(text: &[u8], word: usize, word_end: usize) -> Option<Self> {
        let mut start = word;
        while start > 0 && is_name(text[start - 1]) {
            start -= 1;
            if word - start > NAME_BYTES_MAX {
                return None;
            }
        }
        start = Self::trim(text, start, word);
        let is_end = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-');
        let more = text[word_end..].iter().take(NAME_BYTES_MAX + 1).take_while(|it| is_end(it));
        let end = word_end + more.count();
        (end - word_end <= NAME_BYTES_MAX).then_some(Self { start, end, word, word_end })
    }

    /// Leaves out the digits of what is escaped before the name: `%26`, `%2526`, `\u0026`, `\n`.
    fn trim(text: &[u8], start: usize, word: usize) -> usize {
        let before = start.checked_sub(1).and_then(|at| text.get(at));
        let head = &text[start..word];
        let is_hex = |piece: &[u8]| piece.iter().all(u8::is_ascii_hexdigit);
        let skip = match (before, head) {
            (Some(b'%'), [b'2', b'5', a, b, ..]) if is_hex(&[*a, *b]) => 4,
            (Some(b'%'), [a, b, ..]) if is_hex(&[*a, *b]) => 2,
            (Some(b'\\'), [b'u', a, b, c, d, ..]) if is_hex(&[*a, *b, *c, *d]) => 5,
            (Some(b'\\'), [b'n' | b'r' | b't', ..]) => 1,
            _ => 0,
        };
        start + skip
    }

    /// Returns whether it is one of a secret.
    pub(super) fn is_secret(&self, text: &[u8], rule: Rule) -> bool {
        let (mut before, mut after) = ([0; NAME_BYTES_MAX + 1], [0; NAME_BYTES_MAX + 1]);
        let before = lower(&text[self.start..self.word], &mut before);
        let after = lower(&text[self.word_end..self.end], &mut after);
        match rule {
            Rule::Pass => self.is_pass(text, before, after),
            Rule::Part | Rule::Token => is_ending(after) && !is_other(before, after),
            Rule::Session => is_ending(after) && !before.ends_with(b"acct-"),
            Rule::Short => {
                let after = after.strip_prefix(b"1").unwrap_or(after);
                // The working directory of a shell is told under such a name.
                let is_bound = self.is_bound(text, before) || before.len() >= 2 && before != b"old";
                is_ending(after) && is_bound && !before.ends_with(b"chk")
            }
            Rule::Whole | Rule::Query | Rule::Ticket => {
                before.last().is_none_or(|byte| matches!(byte, b'.' | b'$' | b'-'))
                    && after.is_empty()
            }
        }
    }

    fn is_pass(&self, text: &[u8], before: &[u8], after: &[u8]) -> bool {
        // Programs that write logs of their own under such a name.
        if before.ends_with(b"unix_chk") || before.ends_with(b"ssh") {
            return false;
        }
        for word in WORDS_OF_PASS {
            if let Some(rest) = after.strip_prefix(word.as_bytes())
                && is_ending(rest)
            {
                return true;
            }
        }
        if !is_ending(after) || after.starts_with(b"-") {
            return false;
        }
        let owned = OWNERS.iter().any(|owner| before.ends_with(owner.as_bytes()));
        self.is_bound(text, before) || owned
    }

    /// Returns whether the word begins one: behind nothing, a sign, or small letters with a large one.
    fn is_bound(&self, text: &[u8], before: &[u8]) -> bool {
        let is_camel = text[self.word].is_ascii_uppercase()
            && before.last().is_some_and(u8::is_ascii_lowercase)
            && text[self.word - 1].is_ascii_lowercase();
        is_camel || before.last().is_none_or(|byte| !byte.is_ascii_alphabetic())
    }
}

/// Copies a part of a name in small letters.
fn lower<'b>(part: &[u8], buffer: &'b mut [u8; NAME_BYTES_MAX + 1]) -> &'b [u8] {
    let length = part.len().min(buffer.len());
    let copy = &mut buffer[..length];
    copy.copy_from_slice(&part[..length]);
    copy.make_ascii_lowercase();
    copy
}

/// Tokens that are none: kinds of them, counts of them, marks against forgery that are known anyway.
fn is_other(before: &[u8], after: &[u8]) -> bool {
    let before = before.strip_suffix(b"_").or(before.strip_suffix(b"-")).unwrap_or(before);
    let is_count =
        [&b"max"[..], b"num", b"total", b"input", b"output", b"unexpected", b"bad", b"elevated"];
    after.is_empty() && is_count.contains(&before)
}

/// Returns whether what follows the word in a name is nothing, a number, or a known ending.
fn is_ending(after: &[u8]) -> bool {
    if after.is_empty() {
        return true;
    }
    let is_sign = |byte: &u8| matches!(byte, b'_' | b'-' | b'.');
    let mut rest = after;
    for _ in 0..3 {
        while let [sign, more @ ..] = rest
            && is_sign(sign)
        {
            rest = more;
        }
        while let [more @ .., digit] = rest
            && digit.is_ascii_digit()
        {
            rest = more;
        }
        if rest.is_empty() || ENDINGS.iter().any(|ending| ending.as_bytes() == rest) {
            return true;
        }
        let longest = ENDINGS
            .iter()
            .filter_map(|ending| rest.strip_prefix(ending.as_bytes()))
            .filter(|more| more.first().is_some_and(is_sign))
            .min_by_key(|more| more.len());
        let Some(more) = longest else { return false };
        rest = more;
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(name: &str, word: &str, rule: Rule) -> bool {
        let at = name.to_ascii_lowercase().find(word).unwrap();
        let name = name.as_bytes();
        Name::around(name, at, at + word.len()).unwrap().is_secret(name, rule)
    }

    #[test]
    fn names_with_pass() {
        for name in [
            "pass",
            "Password",
            "userPassword",
            "DB_PASS",
            "passwd",
            "password1",
            "password_new",
            "password_confirmation",
            "spring.datasource.password",
            "passphrase",
            "dbpass",
            "UserPass",
            "ctl00$Main$txtPassword",
            "newPasswordConfirm",
            "passcode",
            "X-Pass",
        ] {
            assert!(check(name, "pass", Rule::Pass), "{name}");
        }
        for name in [
            "bypass",
            "compass",
            "passed",
            "passive",
            "passenger",
            "password_policy",
            "passwordless",
            "PasswordLastSet",
            "pass_through",
            "password-file",
            "password-stdin",
            "sshpass",
        ] {
            assert!(!check(name, "pass", Rule::Pass), "{name}");
        }
    }

    #[test]
    fn names_with_other_words() {
        for name in ["token", "accessToken", "id_token", "csrf-token", "X-Vault-Token", "token2"] {
            assert!(check(name, "token", Rule::Token), "{name}");
        }
        for name in ["token_type", "tokens", "TokenElevationType", "max_token", "tokenizer"] {
            assert!(!check(name, "token", Rule::Token), "{name}");
        }
        assert!(check("pwd", "pwd", Rule::Short) && check("userPwd", "pwd", Rule::Short));
        assert!(!check("OLDPWD", "pwd", Rule::Short) && !check("unix_chkpwd", "pwd", Rule::Short));
        assert!(check("otp", "otp", Rule::Short) && check("ma_otp", "otp", Rule::Short));
        assert!(check("secret_access_key", "secret", Rule::Token));
        assert!(!check("secret_name", "secret", Rule::Token));
    }
}
