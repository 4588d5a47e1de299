//! Input: mixed log lines in the shapes of real servers, made from a seed, never downloaded.

use std::io::Write;
use std::path::Path;

use anyhow::Result;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

const SEED: u64 = 20_261_121;
const AGENTS: [&str; 4] = [
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/128.0.0.0 Safari/537.36",
    "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)",
    "Mozilla/5.0 (X11; Linux x86_64; rv:130.0) Gecko/20100101 Firefox/130.0",
    "curl/8.5.0",
];
const PATHS: [&str; 6] = [
    "/",
    "/thu-tuc-hanh-chinh/danh-sach",
    "/static/css/site.css",
    "/api/v1/ho-so/tra-cuu",
    "/uploads/2026/11/thong-bao.pdf",
    "/login",
];
const USERS: [&str; 5] = ["root", "admin", "nguyenvana", "backup", "www-data"];

/// Writes `count` lines: a third sshd, a third web access, a third other syslog. Returns the bytes.
pub(crate) fn write(dir: &Path, count: u64) -> Result<u64> {
    std::fs::create_dir_all(dir)?;
    let mut random = StdRng::seed_from_u64(SEED);
    let open = |name: &str| -> Result<_> {
        Ok(std::io::BufWriter::new(std::fs::File::create(dir.join(name))?))
    };
    let (mut auth, mut access, mut syslog) =
        (open("auth.log")?, open("access.log")?, open("syslog")?);
    let mut bytes = 0;
    for number in 0..count {
        let (hour, minute, second) = (number / 3600 % 24, number / 60 % 60, number % 60);
        let address = format!(
            "{}.{}.{}.{}",
            11 + random.gen_range(0..180),
            random.r#gen::<u8>(),
            random.r#gen::<u8>(),
            random.r#gen::<u8>()
        );
        let user = USERS[random.gen_range(0..USERS.len())];
        let time = format!("Nov 20 {hour:02}:{minute:02}:{second:02}");
        let (file, line) = match number % 3 {
            0 => {
                let port = random.gen_range(1024..65_000);
                let what = match random.gen_range(0..10) {
                    0 => format!(
                        "Accepted publickey for {user} from {address} port {port} ssh2: RSA SHA256:{:032x}",
                        random.r#gen::<u128>()
                    ),
                    1..=4 => format!(
                        "Failed password for invalid user {user}{} from {address} port {port} ssh2",
                        random.r#gen::<u8>()
                    ),
                    5..=6 => format!("Failed password for {user} from {address} port {port} ssh2"),
                    7 => format!(
                        "Connection closed by authenticating user {user} {address} port {port} [preauth]"
                    ),
                    _ => format!(
                        "pam_unix(sshd:session): session opened for user {user}(uid=1000) by (uid=0)"
                    ),
                };
                (
                    &mut auth,
                    format!("{time} portal01 sshd[{}]: {what}\n", random.gen_range(300..99_999)),
                )
            }
            1 => {
                let status = [200, 200, 200, 304, 404, 500][random.gen_range(0..6)];
                (
                    &mut access,
                    format!(
                        "{address} - - [20/Nov/2026:{hour:02}:{minute:02}:{second:02} +0700] \"GET {}?id={} HTTP/1.1\" {status} {} \"https://dichvucong.example.gov.vn{}\" \"{}\"\n",
                        PATHS[random.gen_range(0..PATHS.len())],
                        random.r#gen::<u32>(),
                        random.gen_range(0..90_000),
                        PATHS[random.gen_range(0..PATHS.len())],
                        AGENTS[random.gen_range(0..AGENTS.len())],
                    ),
                )
            }
            _ => (
                &mut syslog,
                format!(
                    "{time} portal01 systemd[1]: Started Session {} of user {user}; unit session-{:08x}.scope finished setting up its cgroup and limits.\n",
                    random.r#gen::<u16>(),
                    random.r#gen::<u32>()
                ),
            ),
        };
        bytes += line.len() as u64;
        file.write_all(line.as_bytes())?;
    }
    auth.flush()?;
    access.flush()?;
    syslog.flush()?;
    Ok(bytes)
}
