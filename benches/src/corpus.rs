//! Input: mixed log lines in the shapes of real servers, made from a seed, never downloaded.
//!
//! The mix is that of the bench of our peers, so that figures can be compared: of a hundred lines 45 of
//! a web server, 25 of sshd, sudo and PAM, 20 of other programs, 10 of the audit system; one in six web
//! clients is a scanner and one path in six is an attack. A line has 166 bytes on average and ends in
//! ` seq=NNNNNNNNN`, by which what arrives can be counted.

use std::fmt::Write as _;
use std::io::Write as _;
use std::path::Path;

use anyhow::Result;
use rand::rngs::StdRng;
use rand::seq::SliceRandom;
use rand::{Rng, SeedableRng};

const SEED: u64 = 20_261_121;
/// Lines a second of the log's own clock.
const LINES_A_SECOND: u64 = 120;
/// Clients there are.
const CLIENTS: usize = 4_000;
const AGENTS: [&str; 6] = [
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/128.0.0.0 Safari/537.36",
    "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)",
    "check_http/v2.4 (monitoring-plugins 2.4)",
    "Mozilla/5.0 (X11; Linux x86_64; rv:130.0) Gecko/20100101 Firefox/130.0",
    "curl/8.5.0",
    "sqlmap/1.8.9#stable (https://sqlmap.org)",
];
/// A `#` stands for a number.
const PATHS: [&str; 12] = [
    "/",
    "/thu-tuc-hanh-chinh/danh-sach",
    "/static/css/site.3f9a1c.css",
    "/api/v1/ho-so/tra-cuu?id=#",
    "/uploads/2026/11/thong-bao-#.pdf",
    "/dang-nhap",
    "/api/v1/cong-dan/#",
    "/tim-kiem?q=#",
    "/images/banner-#.png",
    "/api/v2/token",
    "/.env",
    "/cgi-bin/../../../../etc/passwd",
];
const USERS: [&str; 12] = [
    "root",
    "admin",
    "nguyenvana",
    "backup",
    "www-data",
    "oracle",
    "postgres",
    "deploy",
    "git",
    "tranthib",
    "ubuntu",
    "test",
];
const HOSTS: [&str; 5] = ["portal01", "web01", "web02", "db01", "gw01"];
const TOOLS: [(&str, &str); 5] = [
    ("bash", "/usr/bin/bash"),
    ("curl", "/usr/bin/curl"),
    ("wget", "/usr/bin/wget"),
    ("nc", "/usr/bin/nc.openbsd"),
    ("python3", "/usr/bin/python3.12"),
];

/// Makes lines, the same in every run.
pub(crate) struct Mixed {
    random: StdRng,
    clients: Vec<String>,
    number: u64,
}

impl Mixed {
    pub(crate) fn new() -> Self {
        let mut random = StdRng::seed_from_u64(SEED);
        let client = |random: &mut StdRng| {
            let [a, b, c] = random.r#gen::<[u8; 3]>();
            format!("{}.{a}.{b}.{}", random.gen_range(1..224), c.max(1))
        };
        let clients = (0..CLIENTS).map(|_| client(&mut random)).collect();
        Self { random, clients, number: 0 }
    }

    /// Appends the next line with its line end.
    pub(crate) fn write_line(&mut self, out: &mut String) {
        let made = match self.random.gen_range(0..100) {
            0..45 => self.web(out),
            45..70 => self.auth(out),
            70..90 => self.program(out),
            _ => self.audit(out),
        };
        made.expect("writing into memory cannot fail");
        let _ = writeln!(out, " seq={:09}", self.number);
        self.number += 1;
    }

    fn pick<T: Copy>(&mut self, of: &[T]) -> T {
        *of.choose(&mut self.random).expect("lists are not empty")
    }

    fn below(&mut self, bound: u32) -> u32 {
        self.random.gen_range(0..bound)
    }

    fn client(&mut self) -> String {
        let client = self.random.gen_range(0..CLIENTS);
        self.clients[client].clone()
    }

    /// Day of the month and time of day.
    fn clock(&self) -> (u64, String) {
        let second = self.number / LINES_A_SECOND;
        let (hour, minute) = (second / 3_600 % 24, second / 60 % 60);
        (1 + second / 86_400 % 28, format!("{hour:02}:{minute:02}:{:02}", second % 60))
    }

    fn web(&mut self, out: &mut String) -> std::fmt::Result {
        let (day, time) = self.clock();
        let (client, agent) = (self.client(), self.pick(&AGENTS));
        let path = self.pick(&PATHS).replace('#', &self.below(100_000).to_string());
        let method = if self.below(5) == 0 { "POST" } else { "GET" };
        let status = self.pick(&[200, 200, 200, 304, 404, 403, 500]);
        let (bytes, taken) = (200 + self.below(90_000), self.below(1_000));
        write!(
            out,
            "{client} - - [{day:02}/Nov/2026:{time} +0700] \"{method} {path} HTTP/1.1\" {status} {bytes} \"-\" \"{agent}\" rt=0.{taken:03}"
        )
    }

    fn envelope(&mut self, out: &mut String) -> std::fmt::Result {
        let (day, time) = self.clock();
        write!(out, "Nov {day:2} {time} {} ", self.pick(&HOSTS))
    }

    fn auth(&mut self, out: &mut String) -> std::fmt::Result {
        self.envelope(out)?;
        let (user, client) = (self.pick(&USERS), self.client());
        let (pid, port) = (300 + self.below(65_000), self.random.gen_range(1024..65_535));
        match self.below(10) {
            0..4 => {
                let invalid = self.pick(&["", "invalid user "]);
                write!(
                    out,
                    "sshd[{pid}]: Failed password for {invalid}{user} from {client} port {port} ssh2"
                )
            }
            4..6 => {
                let (key, more) = (self.random.r#gen::<u128>(), self.random.r#gen::<u64>());
                write!(
                    out,
                    "sshd[{pid}]: Accepted publickey for {user} from {client} port {port} ssh2: ED25519 SHA256:{key:032x}{more:018x}"
                )
            }
            6..8 => {
                let tty = self.below(9);
                write!(
                    out,
                    "sudo:   {user} : TTY=pts/{tty} ; PWD=/home/{user} ; USER=root ; COMMAND=/usr/bin/systemctl reload nginx"
                )
            }
            _ => {
                let id = 1_000 + self.below(100);
                write!(
                    out,
                    "sshd[{pid}]: pam_unix(sshd:session): session opened for user {user}(uid={id}) by (uid=0)"
                )
            }
        }
    }

    fn program(&mut self, out: &mut String) -> std::fmt::Result {
        self.envelope(out)?;
        let (client, pid, number) = (self.client(), self.below(65_000), self.below(65_535));
        match self.below(5) {
            0 => {
                let (session, user) = (self.below(9_999), self.pick(&USERS));
                write!(
                    out,
                    "systemd[1]: Started session-{session}.scope - Session {session} of User {user}."
                )
            }
            1 => {
                let (uptime, micros) = (self.number / LINES_A_SECOND, self.below(999_999));
                let [a, b] = self.random.r#gen::<[u8; 2]>();
                let (to, port) = (self.below(255), self.pick(&[22, 23, 445, 3_389, 8_080]));
                write!(
                    out,
                    "kernel: [{uptime}.{micros:06}] [UFW BLOCK] IN=eth0 OUT= MAC=52:54:00:{a:02x}:{b:02x}:aa SRC={client} DST=10.0.3.{to} LEN=60 TOS=0x00 PREC=0x00 TTL=51 ID={number} DF PROTO=TCP SPT={pid} DPT={port} WINDOW=29200 RES=0x00 SYN URGP=0"
                )
            }
            2 => write!(out, "CRON[{pid}]: (root) CMD (/usr/lib/php/sessionclean)"),
            3 => write!(out, "postfix/smtpd[{pid}]: connect from unknown[{client}]"),
            _ => {
                let (name, handle) = (self.below(999), self.random.r#gen::<u32>());
                write!(
                    out,
                    "named[812]: client @0x7f{handle:08x} {client}#{number} (example{name}.vn): query: example{name}.vn IN A +E(0)K (10.0.0.53)"
                )
            }
        }
    }

    fn audit(&mut self, out: &mut String) -> std::fmt::Result {
        let second = 1_795_500_000 + self.number / LINES_A_SECOND;
        let (millis, (name, path)) = (self.below(1_000), self.pick(&TOOLS));
        let [a, b] = self.random.r#gen::<[u32; 2]>();
        let (parent, pid) = (self.below(65_000), self.below(65_000));
        write!(
            out,
            "type=SYSCALL msg=audit({second}.{millis:03}:{}): arch=c000003e syscall=59 success=yes exit=0 a0=5582{a:08x} a1=5583{b:08x} items=2 ppid={parent} pid={pid} auid=1000 uid=0 gid=0 euid=0 comm=\"{name}\" exe=\"{path}\" key=\"exec\"",
            self.number
        )
    }
}

/// Writes `count` lines into one file of a folder. Returns the bytes.
pub(crate) fn write(dir: &Path, count: u64) -> Result<u64> {
    std::fs::create_dir_all(dir)?;
    let mut file = std::io::BufWriter::new(std::fs::File::create(dir.join("mixed.log"))?);
    let (mut mixed, mut line, mut bytes) = (Mixed::new(), String::new(), 0);
    for _ in 0..count {
        line.clear();
        mixed.write_line(&mut line);
        bytes += line.len() as u64;
        file.write_all(line.as_bytes())?;
    }
    file.flush()?;
    Ok(bytes)
}
