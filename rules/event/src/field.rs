//! Field names: the ECS names we set or read ourselves, and our few additions under `vonglau.`.
//!
//! Source of the names: Elastic Common Schema 8.x, field reference. Auditd raw keys stay under
//! `auditd.` and are not listed.

macro_rules! fields {
    ($($(#[doc = $doc:literal])* $name:ident = $text:literal;)*) => {
        $($(#[doc = $doc])* pub const $name: &str = $text;)*

        /// Every name with what it means, for editors.
        pub const ALL: &[(&str, &str)] = &[$(($text, concat!($($doc),*))),*];
    };
}

fields! {
    /// When it happened. Held by `Event::time`, spelled out only on the wire and in tables.
    TIMESTAMP = "@timestamp";
    /// Deterministic identity. Held by `Event::id`, spelled out only on the wire and in tables.
    EVENT_ID = "event.id";
    /// The line exactly as read (see `encode_lossless`).
    EVENT_ORIGINAL = "event.original";
    /// `event`, `alert`, `metric` or `state`.
    EVENT_KIND = "event.kind";
    /// Which log this is: `system.auth`, `nginx.access`, `apache.access`, `vonglau.host` …
    EVENT_DATASET = "event.dataset";
    /// The decoder family: `system`, `nginx`, `apache`, `json`, `vonglau`.
    EVENT_MODULE = "event.module";
    /// What was done: `ssh_login`, `sudo`, `session_opened` …
    EVENT_ACTION = "event.action";
    /// ECS category, such as `authentication`, `web`, `session`.
    EVENT_CATEGORY = "event.category";
    /// `success`, `failure` or `unknown`.
    EVENT_OUTCOME = "event.outcome";
    /// The text a person reads.
    MESSAGE = "message";
    /// `syslog` facility and severity, RFC 5424.
    LOG_SYSLOG_PRIORITY = "log.syslog.priority";
    /// The file a line was read from.
    LOG_FILE_PATH = "log.file.path";
    /// The device that sent a message over the network, as the socket says.
    LOG_SOURCE_ADDRESS = "log.source.address";
    /// Byte offset of the line's first byte in that file.
    LOG_OFFSET = "log.offset";
    /// The host that wrote the line, as the line says.
    HOST_NAME = "host.hostname";
    /// The host the agent runs on.
    AGENT_HOST = "host.name";
    /// Agent id: 32 hexadecimal digits derived from its public key.
    AGENT_ID = "agent.id";
    /// Organisation code (mã định danh) of the agency the host belongs to.
    ORGANIZATION_ID = "organization.id";
    /// Name of the process that wrote the line, such as `sshd`.
    PROCESS_NAME = "process.name";
    /// Process id.
    PROCESS_PID = "process.pid";
    /// Path of the executable.
    PROCESS_EXECUTABLE = "process.executable";
    /// Full command line.
    PROCESS_COMMAND_LINE = "process.command_line";
    /// Working directory.
    PROCESS_WORKING_DIRECTORY = "process.working_directory";
    /// Path of the parent's executable.
    PROCESS_PARENT_EXECUTABLE = "process.parent.executable";
    /// Account that acted or was aimed at.
    USER_NAME = "user.name";
    /// Account acted as, such as sudo's target.
    USER_EFFECTIVE_NAME = "user.effective.name";
    /// Address the action came from.
    SOURCE_IP = "source.ip";
    /// Port the action came from.
    SOURCE_PORT = "source.port";
    /// Source as written when it is no address.
    SOURCE_ADDRESS = "source.address";
    /// Address the action went to.
    DESTINATION_IP = "destination.ip";
    /// Port the action went to.
    DESTINATION_PORT = "destination.port";
    /// `GET`, `POST` …
    HTTP_REQUEST_METHOD = "http.request.method";
    /// Status code.
    HTTP_RESPONSE_STATUS = "http.response.status_code";
    /// Bytes of the response body.
    HTTP_RESPONSE_BYTES = "http.response.body.bytes";
    /// Referer header.
    HTTP_REFERRER = "http.request.referrer";
    /// `1.1`, `2.0`.
    HTTP_VERSION = "http.version";
    /// Request target as written.
    URL_ORIGINAL = "url.original";
    /// Path, as written (not decoded).
    URL_PATH = "url.path";
    /// Query without the question mark, as written (not decoded).
    URL_QUERY = "url.query";
    /// Host part.
    URL_DOMAIN = "url.domain";
    /// User-Agent header.
    USER_AGENT = "user_agent.original";
    /// Path of a file acted on.
    FILE_PATH = "file.path";
    /// Ids of the rules that hit: one text or a list.
    RULE_ID = "rule.id";
    /// Identity of the rule set that was in force.
    RULE_RULESET = "rule.ruleset";
    /// True when `event.original` or `message` holds escapes for bytes that were not UTF-8.
    VONGLAU_ESCAPED = "vonglau.escaped";
    /// True when a line was cut at the length limit.
    VONGLAU_TRUNCATED = "vonglau.truncated";
    /// The command whose output the record is, by its name in the configuration.
    VONGLAU_EXEC_NAME = "vonglau.exec.name";
    /// The information system (hệ thống thông tin) the record belongs to, by its id in the register.
    VONGLAU_SYSTEM_ID = "vonglau.system.id";
    /// Kinds of secrets that were taken out of the record before anything was stored.
    VONGLAU_REDACTED = "vonglau.redacted";
    /// Highest level among the hits, as a word.
    VONGLAU_LEVEL = "vonglau.level";
}
