//! Command lines: secrets in the arguments of known programs.

use super::edit::MARK;
use super::keyed::is_nothing;
use super::kind::Kind;
use super::programs::{Form, Opt, Part, options};
use super::scan::Scan;

/// Arguments of a command that are looked at.
const ARGUMENTS_MAX: usize = 96;
/// Bytes of a command that are looked at: its programs write no longer ones.
const COMMAND_BYTES_MAX: usize = 8_192;
/// Longest name of a program, with its folder.
const PROGRAM_BYTES_MAX: usize = 64;

/// A piece of an argument that is a secret: the argument's number, where it begins and ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Piece {
    pub(super) argument: usize,
    pub(super) start: usize,
    pub(super) end: usize,
    pub(super) kind: Kind,
}

/// Returns the name of a program without its folder and ending, as options are known by.
fn base(program: &str) -> String {
    let name = program.rsplit(['/', '\\']).next().unwrap_or(program);
    let name = name.to_ascii_lowercase();
    name.strip_suffix(".exe").map(str::to_owned).unwrap_or(name)
}

/// Returns the secrets among the arguments of a command; the first is the program.
pub(super) fn pieces(arguments: &[&str]) -> Vec<Piece> {
    let mut found = Vec::new();
    let Some(program) = arguments.first().map(|program| base(program)) else { return found };
    let whole = |argument: usize, text: &str| Piece {
        argument,
        start: 0,
        end: text.len(),
        kind: Kind::Password,
    };
    match program.as_str() {
        "net" | "net1" => {
            found.extend(net(arguments));
            return found;
        }
        "mysqladmin" => {
            let password = arguments.iter().position(|it| it.eq_ignore_ascii_case("password"));
            if let Some(next) = password.and_then(|at| Some((at + 1, arguments.get(at + 1)?))) {
                found.push(whole(next.0, next.1));
            }
        }
        "htpasswd" => {
            let is_given = arguments[1..]
                .iter()
                .any(|it| it.starts_with('-') && !it.starts_with("--") && it.contains('b'));
            if let Some(last) = arguments.last().filter(|_| is_given && arguments.len() > 3) {
                found.push(whole(arguments.len() - 1, last));
            }
            return found;
        }
        // Only where they log in is the option a password: `docker run -p 80:80`.
        "docker" | "podman" if arguments.get(1) != Some(&"login") => return found,
        "openssl" if !arguments.contains(&"enc") && !arguments.contains(&"dgst") => return found,
        _ => {}
    }
    let Some(known) = options(&program) else { return found };
    for (number, argument) in arguments.iter().enumerate().skip(1) {
        for option in known {
            found.extend(of_option(option, number, argument, arguments.get(number + 1)));
        }
    }
    found
}

fn of_option(option: &Opt, number: usize, argument: &str, next: Option<&&str>) -> Option<Piece> {
    let rest = argument.strip_prefix(option.name)?;
    let (place, text, from) = if rest.is_empty() {
        let next = next.filter(|next| option.form != Form::Attached && !next.starts_with('-'))?;
        (number + 1, *next, 0)
    } else {
        // A long option with "=" is the same; a short one is a cluster of others: `-port`.
        let is_long = option.name.starts_with("--");
        let rest = if is_long { rest.strip_prefix('=')? } else { rest };
        if option.form == Form::Next && !is_long {
            return None;
        }
        (number, argument, argument.len() - rest.len())
    };
    let value = text.get(from..)?;
    let start = match option.part {
        Part::Whole => from,
        Part::Behind(sign) => from + value.find(sign)? + 1,
    };
    let is_secret = start < text.len() && !is_nothing(&text[start..]);
    is_secret.then_some(Piece { argument: place, start, end: text.len(), kind: option.kind })
}

/// `net user NAME PASS`, `net use \\server PASS /user:NAME`. Source: Microsoft, net user, net use.
fn net(arguments: &[&str]) -> Option<Piece> {
    let verb = arguments.get(1)?.to_ascii_lowercase();
    if verb != "user" && verb != "use" {
        return None;
    }
    let words = arguments.iter().enumerate().skip(2).filter(|(_, word)| !word.starts_with('/'));
    let mut words = words.filter(|(_, word)| {
        verb == "user" || !(word.starts_with("\\\\") || word.len() == 2 && word.ends_with(':'))
    });
    if verb == "user" {
        words.next()?;
    }
    let (argument, word) = words.next()?;
    let is_secret = !is_nothing(word) && !word.starts_with('>') && !word.starts_with('|');
    is_secret.then_some(Piece { argument, start: 0, end: word.len(), kind: Kind::Password })
}

/// An argument of a command in a text: where it stands, without its quotes.
#[derive(Debug, Clone, Copy)]
pub(super) struct Token {
    pub(super) start: usize,
    pub(super) end: usize,
}

/// Reads arguments up to the end of the command: of the text, of the quotes it stands in, or where a
/// shell begins another.
pub(super) fn tokens(text: &[u8], from: usize) -> Vec<Token> {
    let mut tokens = Vec::new();
    let limit = text.len().min(from.saturating_add(COMMAND_BYTES_MAX));
    let mut at = from;
    // A list of JSON: every argument in quotes, a comma between.
    let is_list = from > 0 && text[from - 1] == b'"' && is_list_after(text, from);
    while at < limit && tokens.len() < ARGUMENTS_MAX {
        match text[at] {
            b' ' | b'\t' => at += 1,
            b',' if is_list => at += 1,
            b';' | b'|' | b'&' | b')' | b'\n' | b'<' if !is_list => break,
            b']' if is_list => break,
            _ => {
                let (token, next, is_last) = token(text, at, limit, is_list);
                tokens.push(token);
                at = next;
                if is_last {
                    break;
                }
            }
        }
    }
    tokens
}

fn is_list_after(text: &[u8], from: usize) -> bool {
    let close = memchr::memchr(b'"', &text[from..]).map_or(text.len(), |at| from + at);
    text.get(close + 1) == Some(&b',')
}

/// Reads one argument; says where the next may begin, and whether the command ends with it.
fn token(text: &[u8], at: usize, limit: usize, is_list: bool) -> (Token, usize, bool) {
    let open = match &text[at..limit] {
        [b'\\', b'"', ..] => 2,
        [b'"' | b'\'', ..] => 1,
        _ => 0,
    };
    if open > 0 {
        let quote = &text[at..at + open];
        let found = memchr::memmem::find(&text[at + open..limit], quote);
        let end = found.map_or(limit, |found| at + open + found);
        return (Token { start: at + open, end }, (end + open).min(limit), found.is_none());
    }
    let mut end = at;
    while end < limit {
        match text[end] {
            b' ' | b'\t' | b'\n' => break,
            b';' | b'|' | b')' | b'<' | b'>' if !is_list => break,
            b'&' if text.get(end + 1) == Some(&b'&') => break,
            b'"' if is_list => return (Token { start: at, end }, end + 1, false),
            // A quote of the shell goes on to its end; another is that of the text around.
            quote @ (b'"' | b'\'') => {
                let is_inside = text.get(end + 1).is_some_and(|next| {
                    !matches!(next, b' ' | b',' | b'}' | b']' | b')' | b'\t' | b'\n' | b';' | b'\\')
                });
                let close = memchr::memchr(quote, &text[end + 1..limit]).filter(|_| is_inside);
                match close {
                    Some(close) => end += close + 2,
                    None => return (Token { start: at, end }, end + 1, true),
                }
            }
            b'\\' if text.get(end + 1) == Some(&b'"') => {
                let rest = &text[end + 2..limit];
                let is_inside =
                    rest.first().is_some_and(|next| !matches!(next, b' ' | b',' | b'}'));
                match memchr::memmem::find(rest, b"\\\"").filter(|_| is_inside) {
                    Some(close) => end += close + 4,
                    None => return (Token { start: at, end }, end + 2, true),
                }
            }
            _ => end += 1,
        }
    }
    (Token { start: at, end }, end, false)
}

/// Hides what [`pieces`] finds in a command that begins at a place.
fn hide(scan: &mut Scan<'_, '_>, from: usize) {
    let tokens = tokens(scan.bytes, from);
    let texts: Vec<&str> =
        tokens.iter().map(|token| scan.text.get(token.start..token.end).unwrap_or("")).collect();
    for piece in pieces(&texts) {
        let token = tokens[piece.argument];
        let (mut start, mut end) = (token.start + piece.start, token.start + piece.end);
        // Quotes around what is attached to an option stay: -p"x".
        match &scan.bytes[start..end] {
            [b'\\', b'"', .., b'\\', b'"'] => (start, end) = (start + 2, end - 2),
            [b'"', .., b'"'] | [b'\'', .., b'\''] => (start, end) = (start + 1, end - 1),
            _ => {}
        }
        // Hidden in part already: quotes around it may now seem to reach further.
        if !scan.text.get(start..end).unwrap_or_default().contains(MARK) {
            scan.hide(start, end, piece.kind);
        }
    }
}

/// A known program at a place: the word is its name, or a part of it.
pub(super) fn program(scan: &mut Scan<'_, '_>, start: usize) {
    let is_name = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.');
    let before =
        scan.bytes[..start].iter().rev().take(PROGRAM_BYTES_MAX).take_while(|it| is_name(it));
    let from = start - before.count();
    let name =
        scan.bytes[from..].iter().take(PROGRAM_BYTES_MAX).take_while(|it| is_name(it)).count();
    // What follows a program is its first argument.
    if matches!(scan.bytes.get(from + name), Some(b' ' | b'"' | b'\'' | b'\t')) {
        hide(scan, from);
    }
}

/// `net user NAME PASS`
pub(super) fn net_user(scan: &mut Scan<'_, '_>, start: usize) {
    let start = start + usize::from(!scan.bytes[start].is_ascii_alphabetic());
    let before = start.checked_sub(1).map(|at| scan.bytes[at]);
    if before.is_none_or(|byte| !byte.is_ascii_alphanumeric()) {
        hide(scan, start);
    }
}

/// `ConvertTo-SecureString "x" -AsPlainText -Force`. Source: Microsoft.PowerShell.Security.
pub(super) fn secure_string(scan: &mut Scan<'_, '_>, end: usize) {
    for token in tokens(scan.bytes, end).iter().take(4) {
        let text = scan.text.get(token.start..token.end).unwrap_or_default();
        if text.starts_with('-') {
            continue;
        }
        if !text.starts_with('$') && !is_nothing(text) {
            scan.hide(token.start, token.end, Kind::Password);
        }
        return;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_of_programs() {
        let found = |line: &str| {
            let arguments: Vec<&str> = line.split(' ').collect();
            let found = pieces(&arguments);
            found
                .iter()
                .map(|it| arguments[it.argument][it.start..it.end].to_owned())
                .collect::<Vec<_>>()
        };
        for (line, secret) in [
            ("/usr/bin/mysql -u root -pS3c db", "S3c"),
            ("mysqldump -p S3c db", "S3c"),
            ("mysqladmin -u root password S3c", "S3c"),
            ("curl -u lan:S3c https://x", "S3c"),
            ("curl -ulan:S3c https://x", "S3c"),
            ("ldapsearch -x -D cn=a -w S3c", "S3c"),
            ("smbclient //s/x -U lan%S3c", "S3c"),
            ("net user lan S3c /add", "S3c"),
            ("net use Z: \\\\s\\x S3c /user:lan", "S3c"),
            ("docker login -u lan -p S3c reg", "S3c"),
            ("htpasswd -b /etc/x lan S3c", "S3c"),
            ("7z a -pS3c x.7z x", "S3c"),
        ] {
            assert_eq!(found(line), [secret], "{line}");
        }
        for line in [
            "curl -u lan https://x",
            "docker run -p 80:80 x",
            "net user lan /add",
            "net user",
            "htpasswd /etc/x lan",
            "7z a -t7z x.7z x",
            "mysql -u root -p",
            "unknown -pS3c",
        ] {
            assert_eq!(found(line), [""; 0], "{line}");
        }
    }
}
