//! Kind: what sort of thing an event tells, in the words of ECS, and whose account it is about.
//!
//! Source: Winlogbeat modules `security` and `sysmon`.

use rules_event::{Event, field};

use super::Head;
use super::data::Data;

/// Channel (Sigma's service), event id, category, type, action.
type Row = (&'static str, &'static str, &'static str, &'static str, &'static str);

const KINDS: &[Row] = &[
    ("security", "1102", "iam", "change", "audit-log-cleared"),
    ("security", "4624", "authentication", "start", "logged-in"),
    ("security", "4625", "authentication", "start", "logon-failed"),
    ("security", "4634", "authentication", "end", "logged-out"),
    ("security", "4647", "authentication", "end", "logged-out"),
    ("security", "4648", "authentication", "start", "logged-in-explicit"),
    ("security", "4672", "iam", "admin", "logged-in-special"),
    ("security", "4688", "process", "start", "created-process"),
    ("security", "4689", "process", "end", "exited-process"),
    ("security", "4697", "configuration", "creation", "service-installed"),
    ("security", "4698", "configuration", "creation", "scheduled-task-created"),
    ("security", "4720", "iam", "creation", "added-user-account"),
    ("security", "4726", "iam", "deletion", "deleted-user-account"),
    ("security", "4728", "iam", "group", "added-member-to-group"),
    ("security", "4732", "iam", "group", "added-member-to-group"),
    ("security", "4740", "iam", "user", "locked-out-user-account"),
    ("security", "4756", "iam", "group", "added-member-to-group"),
    ("security", "4768", "authentication", "start", "kerberos-authentication-ticket-requested"),
    ("security", "4769", "authentication", "start", "kerberos-service-ticket-requested"),
    ("security", "4771", "authentication", "start", "kerberos-preauth-failed"),
    ("security", "4776", "authentication", "start", "credential-validated"),
    ("security", "5156", "network", "connection", "windows-firewall-connection"),
    ("sysmon", "1", "process", "start", "process_created"),
    ("sysmon", "2", "file", "change", "file_time_changed"),
    ("sysmon", "3", "network", "connection", "network_connection"),
    ("sysmon", "5", "process", "end", "process_terminated"),
    ("sysmon", "6", "driver", "start", "driver_loaded"),
    ("sysmon", "7", "library", "start", "image_loaded"),
    ("sysmon", "8", "process", "change", "remote_thread"),
    ("sysmon", "10", "process", "access", "process_access"),
    ("sysmon", "11", "file", "creation", "file_created"),
    ("sysmon", "12", "registry", "change", "registry_object_changed"),
    ("sysmon", "13", "registry", "change", "registry_value_set"),
    ("sysmon", "14", "registry", "change", "registry_object_renamed"),
    ("sysmon", "15", "file", "creation", "file_stream_created"),
    ("sysmon", "22", "network", "protocol", "dns_query"),
    ("sysmon", "23", "file", "deletion", "file_deleted"),
    ("sysmon", "26", "file", "deletion", "file_deleted"),
    ("system", "104", "configuration", "change", "log-cleared"),
    ("system", "7045", "configuration", "creation", "service-installed"),
];

/// Event ids of the Security log whose account is the one that logs on, not the one that asks.
const OF_TARGET: [&str; 12] = [
    "4624", "4625", "4634", "4647", "4648", "4720", "4726", "4740", "4768", "4769", "4771", "4776",
];

/// Sets category, type, action and account.
pub(super) fn set(event: &mut Event, head: &Head<'_>, data: &Data) {
    let row = KINDS.iter().find(|row| row.0 == head.service && row.1 == head.code);
    if let Some((_, _, category, kind, action)) = row {
        event.set(field::EVENT_CATEGORY, *category);
        event.set("event.type", *kind);
        event.set(field::EVENT_ACTION, *action);
    }
    let of_target = OF_TARGET.contains(&head.code.as_str());
    let (name, domain, id) = if head.service == "security" && of_target {
        ("TargetUserName", "TargetDomainName", "TargetUserSid")
    } else {
        ("SubjectUserName", "SubjectDomainName", "SubjectUserSid")
    };
    if let Some(name) = data.text(name) {
        event.set_text(field::USER_NAME, name);
        for (value, field) in [(domain, "user.domain"), (id, "user.id")] {
            if let Some(text) = data.text(value) {
                event.set_text(field, text);
            }
        }
    } else if let Some((domain, name)) = data.text("User").and_then(|user| user.split_once('\\')) {
        event.set_text(field::USER_NAME, name);
        event.set_text("user.domain", domain);
    }
    for (path, field) in [
        (field::PROCESS_EXECUTABLE, field::PROCESS_NAME),
        (field::PROCESS_PARENT_EXECUTABLE, "process.parent.name"),
        (field::FILE_PATH, "file.name"),
    ] {
        let name = event.get_str(path).and_then(|path| path.rsplit('\\').next()).map(str::to_owned);
        if let Some(name) = name
            && event.get(field).is_none()
        {
            event.set_text(field, &name);
        }
    }
}
