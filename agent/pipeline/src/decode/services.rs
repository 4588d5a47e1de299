//! Services: what programs say of logins, in the one sentence their sources have for it.

use rules_event::{Event, field};

use super::program::{FAILURE, SUCCESS, set_action};
use super::{database, mail, named, template};

/// A sentence, what was done, and how it went.
type Sentence = (&'static str, &'static str, Option<&'static str>);

/// Sentences by program, ordered by name. Sources: the programs' own; fail2ban's filters name them.
pub(super) const SENTENCES: &[(&str, &[Sentence])] = &[
    ("audit", WEB_CONSOLE),
    ("cockpit-session", &[("…authentication failure{_}", "login", FAILURE)]),
    (
        "dropbear",
        &[
            ("Bad password attempt for '{user>}' from {ip}:{port}", "ssh_login", FAILURE),
            ("Login attempt for nonexistent user from {ip}:{port}", "ssh_invalid_user", FAILURE),
            (
                "Login attempt with wrong user '{user>}' from {ip}:{port}",
                "ssh_invalid_user",
                FAILURE,
            ),
            ("Password auth succeeded for '{user>}' from {ip}:{port}", "ssh_login", SUCCESS),
            ("Pubkey auth succeeded for '{user>}' with {_} from {ip}:{port}", "ssh_login", SUCCESS),
            ("Exit before auth (user '{user>}', {_}): {reason}", "ssh_disconnect", FAILURE),
        ],
    ),
    ("imapd", UW_IMAP),
    ("in.telnetd", &[("connect from {place}", "telnet_connect", None)]),
    ("ipop3d", UW_IMAP),
    (
        "openvpn",
        &[
            ("{ip}:{port} TLS Auth Error: {reason}", "vpn-login", FAILURE),
            ("{ip}:{port} VERIFY ERROR: {reason}", "vpn-login", FAILURE),
            ("{ip}:{port} [{user>}] Peer Connection Initiated with {_}", "vpn-login", SUCCESS),
        ],
    ),
    ("ovpn-server", &[("{ip}:{port} TLS Auth Error: {reason}", "vpn-login", FAILURE)]),
    ("php-fpm", WEB_CONSOLE),
    (
        "pkexec",
        &[
            (
                "{user}: Executing command [USER={_}] [TTY={_}] [CWD={_}] [COMMAND={command>}]",
                "pkexec",
                SUCCESS,
            ),
            (
                "{user}: {reason} [USER={_}] [TTY={_}] [CWD={_}] [COMMAND={command>}]",
                "pkexec",
                FAILURE,
            ),
        ],
    ),
    (
        "postscreen",
        &[
            ("CONNECT from [{ip}]:{port} to [{toip}]:{toport}", "mail_connect", None),
            ("PREGREET {_} after {_} from [{ip}]:{port}: {reason}", "mail_probe", FAILURE),
            ("NOQUEUE: reject: RCPT from [{ip}]:{port}: {reason}", "mail_rejected", FAILURE),
        ],
    ),
    ("proftpd", PROFTPD),
    (
        "pure-ftpd",
        &[
            (
                "({_}@{place}) [WARNING] Authentication failed for user [{user>}]",
                "ftp_login",
                FAILURE,
            ),
            ("({_}@{place}) [INFO] {user>} is now logged in", "ftp_login", SUCCESS),
        ],
    ),
    (
        "pvedaemon",
        &[
            ("authentication failure; rhost={place} user={user} msg={reason}", "login", FAILURE),
            ("<root@pam> successful auth for user '{user>}'", "login", SUCCESS),
        ],
    ),
    (
        "saslauthd",
        &[(
            "do_auth         : auth failure: [user={user>}] [service={_}] [realm={_}] [mech={method}] [reason={reason}]",
            "mail_login",
            FAILURE,
        )],
    ),
    ("sieve", CYRUS),
    ("smbd", SAMBA),
    ("smbd_audit", SAMBA),
    ("smtpd", POSTFIX),
    ("smtps", POSTFIX),
    (
        "solid-pop3d",
        &[
            ("authentication failed: no such user: {user>} - {place}", "mail_login", FAILURE),
            ("…authentication failed for user {user>} - {place}", "mail_login", FAILURE),
            ("…authentication failed for mapped user {user>} - {place}", "mail_login", FAILURE),
            ("…for user {user>} - {place}", "mail_login", FAILURE),
            ("…: {user>} - {place}", "mail_login", FAILURE),
            ("{user} login not allowed - {place}", "mail_login", FAILURE),
        ],
    ),
    ("submission", POSTFIX),
    ("timsieved", CYRUS),
    ("vsftpd", VSFTPD),
    (
        "webmin",
        &[
            ("Invalid login as {user>} from {place}", "login", FAILURE),
            ("Non-existent login as {user>} from {place}", "login", FAILURE),
            ("Successful login as {user>} from {place}", "login", SUCCESS),
        ],
    ),
    ("xinetd", &[("FAIL: {_} from={place}", "connect", FAILURE)]),
    ("xrdp-sesman", XRDP),
];

/// OPNsense and pfSense: their own consoles.
const WEB_CONSOLE: &[Sentence] = &[
    ("…authentication error for user '{user>}' from: {place}", "login", FAILURE),
    ("…authentication error for '{user>}' from {place}", "login", FAILURE),
    ("…Successful login for user '{user>}' from: {place}", "login", SUCCESS),
    ("…Successful login for user '{user>}' from: {place} {_}", "login", SUCCESS),
    ("…user {user>} authenticated successfully for WebGui from {place}", "login", SUCCESS),
];

/// Spec: xrdp, sesman/auth.c.
pub(super) const XRDP: &[Sentence] =
    &[("…AUTHFAIL: user={user>} ip={ip} time={_}", "rdp_login", FAILURE)];

/// Spec: Cyrus IMAP, imap/imapd.c and timsieved.
const CYRUS: &[Sentence] = &[
    ("badlogin: {_}[{ip}] {method} {reason}", "mail_login", FAILURE),
    ("badlogin: [{ip}] {method} {reason}", "mail_login", FAILURE),
    ("login: {_}[{ip}] {user} {method} User logged in{_}", "mail_login", SUCCESS),
];

const UW_IMAP: &[Sentence] = &[
    ("Login failed user={user} auth={_} host={_} [{ip}]", "mail_login", FAILURE),
    ("Login excessive login failures user={user} auth={_} host={_} [{ip}]", "mail_login", FAILURE),
    ("Login disabled user={user} auth={_} host={_} [{ip}]", "mail_login", FAILURE),
    ("Failed {_} override of user={user} host={_} [{ip}]{_}", "mail_login", FAILURE),
];

/// Spec: Postfix, src/smtpd/smtpd_sasl_glue.c and smtpd.c.
const POSTFIX: &[Sentence] = &[
    ("warning: {_}[{ip}]: SASL {method} authentication failed: {reason}", "mail_login", FAILURE),
    ("warning: {_}[{ip}]: SASL {method} authentication failed", "mail_login", FAILURE),
    ("NOQUEUE: reject: {_} from {_}[{ip}]: {reason}", "mail_rejected", FAILURE),
    ("NOQUEUE: reject: {_} from {_}[{ip}]:{port}: {reason}", "mail_rejected", FAILURE),
    ("warning: non-SMTP command from {_}[{ip}]: {reason}", "mail_probe", FAILURE),
    ("improper command pipelining after {_} from {_}[{ip}]: {reason}", "mail_probe", FAILURE),
    ("lost connection after AUTH from {_}[{ip}]", "mail_probe", FAILURE),
    ("lost connection after {_} from {_}[{ip}]", "mail_disconnect", None),
    ("disconnect from {_}[{ip}]{_}", "mail_disconnect", None),
    ("connect from {_}[{ip}]", "mail_connect", None),
    ("{_}: client={_}[{ip}], sasl_method={method}, sasl_username={user}", "mail_login", SUCCESS),
    ("{_}: client={_}[{ip}]", "mail_connect", None),
];

/// Spec: ProFTPD, modules/mod_auth.c. The name of the server stands first, with the client in brackets.
const PROFTPD: &[Sentence] = &[
    ("…[{ip}]){_}USER {user>} (Login failed): {reason}", "ftp_login", FAILURE),
    ("…[{ip}]){_}USER {user>}: no such user found from {_}", "ftp_login", FAILURE),
    ("…[{ip}]){_}USER {user>}: no such user found {_}", "ftp_login", FAILURE),
    ("…[{ip}]){_}SECURITY VIOLATION: {user} login attempted{_}", "ftp_login", FAILURE),
    ("…[{ip}]){_}Maximum login attempts {reason}", "ftp_login", FAILURE),
    ("…[{ip}]){_}USER {user>}: Login successful{_}", "ftp_login", SUCCESS),
    ("…[{ip}]){_}ANON {user}: Login successful{_}", "ftp_login", SUCCESS),
    ("refused connect from {_} ({ip})", "ftp_connect", FAILURE),
];

const SAMBA: &[Sentence] = &[
    (
        "…Auth: [{_}] user [{_}]\\[{user}] at [{_}] with [{method}] status [NT_STATUS_OK] workstation [{_}] remote host [{_}:{ip}:{port}]{_}",
        "smb_login",
        SUCCESS,
    ),
    (
        "…Auth: [{_}] user [{_}]\\[{user}] at [{_}] with [{method}] status [{reason}] workstation [{_}] remote host [{_}:{ip}:{port}]{_}",
        "smb_login",
        FAILURE,
    ),
    ("Denied connection from {_}({ip})", "smb_connect", FAILURE),
];

/// Spec: vsftpd, logging.c.
pub(super) const VSFTPD: &[Sentence] = &[
    ("[{user}] FAIL LOGIN: Client \"{ip}\"{_}", "ftp_login", FAILURE),
    ("[{user}] OK LOGIN: Client \"{ip}\"{_}", "ftp_login", SUCCESS),
    ("CONNECT: Client \"{ip}\"{_}", "ftp_connect", None),
    ("[{user}] OK UPLOAD: Client \"{ip}\", \"{_}", "ftp_upload", SUCCESS),
    ("[{user}] OK DOWNLOAD: Client \"{ip}\", \"{_}", "ftp_download", SUCCESS),
    ("[{user}] FTP response: Client \"{ip}\", \"530 {reason}\"", "ftp_login", FAILURE),
];

/// Decodes a message of a program that is in the table, or has a decoder of its own.
pub(super) fn decode(program: &str, message: &str, event: &mut Event) {
    match program {
        "dovecot" | "imap-login" | "pop3-login" | "managesieve-login" | "submission-login"
        | "auth-worker" | "auth" | "dovecot-auth" => {
            mail::dovecot(message, event);
        }
        "exim" | "exim4" => {
            mail::exim(message, event);
        }
        "roundcube" => {
            mail::roundcube(message, event);
        }
        "named" => named::decode(message, event),
        "mysqld" | "mariadbd" | "mysqld_safe" | "mysql" => database::mysql_message(message, event),
        "postgres" | "postgresql" => database::postgres_message(message, event),
        _ => {
            let at = SENTENCES.binary_search_by(|(name, _)| (*name).cmp(program)).ok();
            if let Some((_, sentences)) = at.and_then(|at| SENTENCES.get(at)) {
                say(sentences, message, event);
            }
        }
    }
}

/// Sets what the first sentence that fits says; false when none does.
pub(super) fn say(sentences: &[Sentence], message: &str, event: &mut Event) -> bool {
    let message = message.trim_end();
    for (words, action, outcome) in sentences {
        let Some(holes) = template::fit(words, message) else { continue };
        template::set(&holes, event);
        let is_login = action.ends_with("login") || action.ends_with("user");
        let category = match *action {
            "pkexec" => "process",
            _ if is_login => "authentication",
            _ => "network",
        };
        set_action(event, category, action, *outcome);
        return true;
    }
    false
}

/// Decodes a line of vsftpd's own file: `Sat Nov 21 08:30:00 2026 [pid 2] [x] FAIL LOGIN: Client "203.0.113.5"`.
pub(super) fn decode_vsftpd(text: &str, context: &super::Context<'_>, event: &mut Event) -> bool {
    let Some((time, rest)) = crate::moment::asctime(text, context.zone) else { return false };
    let Some((pid, message)) = rest.strip_prefix(" [pid ").and_then(|it| it.split_once("] "))
    else {
        return false;
    };
    event.time = time;
    event.set(field::EVENT_MODULE, "system");
    event.set(field::EVENT_DATASET, "system.auth");
    event.set(field::PROCESS_NAME, "vsftpd");
    if let Ok(pid) = pid.parse::<i64>() {
        event.set(field::PROCESS_PID, pid);
    }
    event.set_text(field::MESSAGE, message);
    say(VSFTPD, message, event);
    true
}
