//! Windows: channels of the event log, and the names of their data.
//!
//! Source: Sigma taxonomy appendix, Windows folder; pySigma pipeline `ecs_windows`; Winlogbeat.
//! Where a field of ECS holds another value than the event's data (`user.name` without the domain,
//! `network.direction` as a word), the name stays with the data: a rule compares what Windows wrote.

use rules_event::field;

use super::{Fields, Rest, Scope, When};

const PRODUCT: &[&str] = &["windows"];

/// What every name of event data stands under that no row holds.
const DATA: Rest = Rest::Under("winlog.event_data");

pub(super) const SCOPES: &[Scope] = &[
    Scope {
        when: When::kind(&["process_creation"], PRODUCT),
        fields: PROCESS_CREATION,
        rest: Rest::Next,
    },
    Scope {
        when: When::kind(&["image_load", "driver_load"], PRODUCT),
        fields: IMAGE_LOAD,
        rest: Rest::Next,
    },
    Scope {
        when: When::kind(&["ps_script", "ps_module"], PRODUCT),
        fields: POWERSHELL,
        rest: Rest::Next,
    },
    Scope { when: When::service(PRODUCT, &["powershell"]), fields: POWERSHELL, rest: Rest::Next },
    Scope {
        when: When::kind(
            &["ps_classic_start", "ps_classic_provider_start", "ps_classic_script"],
            PRODUCT,
        ),
        fields: CLASSIC,
        rest: Rest::Next,
    },
    Scope {
        when: When::service(PRODUCT, &["powershell-classic"]),
        fields: CLASSIC,
        rest: Rest::Next,
    },
    Scope { when: When::service(PRODUCT, &["security"]), fields: SECURITY, rest: Rest::Next },
    Scope { when: When::product(PRODUCT), fields: WINDOWS, rest: DATA },
    // Writes to a channel of its own.
    Scope { when: When::product(&["rpc_firewall"]), fields: WINDOWS, rest: DATA },
];

const WINDOWS: Fields = &[
    ("Application", field::PROCESS_EXECUTABLE),
    ("Channel", "winlog.channel"),
    ("ClientAddress", field::SOURCE_IP),
    ("ClientName", "source.domain"),
    ("CommandLine", field::PROCESS_COMMAND_LINE),
    ("Computer", "winlog.computer_name"),
    ("ComputerName", "winlog.computer_name"),
    ("CurrentDirectory", field::PROCESS_WORKING_DIRECTORY),
    ("DestAddress", field::DESTINATION_IP),
    ("DestPort", field::DESTINATION_PORT),
    ("Destination", field::PROCESS_EXECUTABLE),
    ("DestinationHostname", "destination.domain"),
    ("DestinationIp", field::DESTINATION_IP),
    ("DestinationPort", field::DESTINATION_PORT),
    ("DestinationPortName", "network.protocol"),
    ("Device", field::FILE_PATH),
    ("EventID", "event.code"),
    ("EventLog", "winlog.channel"),
    ("FileName", field::FILE_PATH),
    ("Image", field::PROCESS_EXECUTABLE),
    ("ImageLoaded", field::FILE_PATH),
    ("IpAddress", field::SOURCE_IP),
    ("IpPort", field::SOURCE_PORT),
    ("Keywords", "winlog.keywords"),
    ("Level", "winlog.level"),
    ("Message", field::MESSAGE),
    ("NewProcessId", field::PROCESS_PID),
    ("NewProcessName", field::PROCESS_EXECUTABLE),
    ("Opcode", "winlog.opcode"),
    ("ParentCommandLine", "process.parent.command_line"),
    ("ParentImage", field::PROCESS_PARENT_EXECUTABLE),
    ("ParentProcessGuid", "process.parent.entity_id"),
    ("ParentProcessId", "process.parent.pid"),
    ("ParentProcessName", field::PROCESS_PARENT_EXECUTABLE),
    ("PipeName", "file.name"),
    ("ProcessGuid", "process.entity_id"),
    ("ProcessId", field::PROCESS_PID),
    ("ProcessName", field::PROCESS_EXECUTABLE),
    ("Protocol", "network.transport"),
    ("Provider_Name", "winlog.provider_name"),
    ("QueryName", "dns.question.name"),
    ("QueryStatus", "sysmon.dns.status"),
    ("SignatureStatus", "file.code_signature.status"),
    ("Signed", "file.code_signature.signed"),
    ("SourceAddress", field::SOURCE_IP),
    ("SourceHostname", "source.domain"),
    ("SourceImage", field::PROCESS_EXECUTABLE),
    ("SourceIp", field::SOURCE_IP),
    ("SourcePort", field::SOURCE_PORT),
    ("SourceProcessGuid", "process.entity_id"),
    ("SourceProcessId", field::PROCESS_PID),
    ("SourceThreadId", "process.thread.id"),
    ("TargetFilename", field::FILE_PATH),
    ("TargetObject", "registry.path"),
    ("Task", "winlog.task"),
];

const PROCESS_CREATION: Fields = &[
    ("Company", "process.pe.company"),
    ("Description", "process.pe.description"),
    ("FileVersion", "process.pe.file_version"),
    ("OriginalFileName", "process.pe.original_file_name"),
    ("Product", "process.pe.product"),
    ("imphash", "process.pe.imphash"),
    ("md5", "process.hash.md5"),
    ("sha1", "process.hash.sha1"),
    ("sha256", "process.hash.sha256"),
];

const IMAGE_LOAD: Fields = &[
    ("Company", "file.pe.company"),
    ("Description", "file.pe.description"),
    ("FileVersion", "file.pe.file_version"),
    ("OriginalFileName", "file.pe.original_file_name"),
    ("Product", "file.pe.product"),
    ("Signature", "file.code_signature.subject_name"),
    ("imphash", "file.pe.imphash"),
    ("md5", "file.hash.md5"),
    ("sha1", "file.hash.sha1"),
    ("sha256", "file.hash.sha256"),
];

/// pySigma puts `Payload` of event 4103 with the script text; it is another text, and stays data.
const POWERSHELL: Fields = &[
    ("MessageNumber", "powershell.sequence"),
    ("MessageTotal", "powershell.total"),
    ("Path", field::FILE_PATH),
    ("ScriptBlockId", "powershell.file.script_block_id"),
    ("ScriptBlockText", "powershell.file.script_block_text"),
    ("ScriptName", field::FILE_PATH),
];

const CLASSIC: Fields = &[
    ("CommandLine", "powershell.command.value"),
    ("CommandName", "powershell.command.name"),
    ("CommandPath", "powershell.command.path"),
    ("CommandType", "powershell.command.type"),
    ("EngineVersion", "powershell.engine.version"),
    ("HostApplication", field::PROCESS_COMMAND_LINE),
    ("HostId", "process.entity_id"),
    ("HostName", "process.title"),
    ("HostVersion", "powershell.process.executable_version"),
    ("NewEngineState", "powershell.engine.new_state"),
    ("NewProviderState", "powershell.provider.new_state"),
    ("PipelineId", "powershell.pipeline_id"),
    ("PreviousEngineState", "powershell.engine.previous_state"),
    ("ProviderName", "powershell.provider.name"),
    ("RunspaceId", "powershell.runspace_id"),
    ("ScriptName", field::FILE_PATH),
    ("SequenceNumber", "event.sequence"),
];

/// `user.name` is the account acted on for some event ids and the acting one for others, so the
/// accounts keep their own names.
const SECURITY: Fields = &[("ServiceName", "service.name")];

/// Channels of the Windows event log that have a Sigma service of their own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Channel {
    /// Sigma's name of the service.
    pub service: &'static str,
    /// `event.dataset` of the events.
    pub dataset: &'static str,
    /// `winlog.channel` of the events.
    pub names: &'static [&'static str],
}

/// Dataset of events of all other channels.
pub(super) const OTHER: &str = "windows.other";

macro_rules! channels {
    ($($service:literal $dataset:literal: $($name:literal),+;)*) => {
        /// All channels with a Sigma service, ordered by service. Events of other channels are of
        /// dataset `windows.other`.
        ///
        /// Source: Sigma taxonomy appendix, "Windows Folder".
        pub const CHANNELS: &[Channel] = &[$(Channel {
            service: $service,
            dataset: concat!("windows.", $dataset),
            names: &[$($name),+],
        },)*];
    };
}

channels! {
    "application" "application": "Application";
    "application-experience" "application_experience":
        "Microsoft-Windows-Application-Experience/Program-Telemetry",
        "Microsoft-Windows-Application-Experience/Program-Compatibility-Assistant";
    "applocker" "applocker":
        "Microsoft-Windows-AppLocker/MSI and Script", "Microsoft-Windows-AppLocker/EXE and DLL",
        "Microsoft-Windows-AppLocker/Packaged app-Deployment",
        "Microsoft-Windows-AppLocker/Packaged app-Execution";
    "appmodel-runtime" "appmodel_runtime": "Microsoft-Windows-AppModel-Runtime/Admin";
    "appxdeployment-server" "appxdeployment_server":
        "Microsoft-Windows-AppXDeploymentServer/Operational";
    "appxpackaging-om" "appxpackaging_om": "Microsoft-Windows-AppxPackaging/Operational";
    "bitlocker" "bitlocker": "Microsoft-Windows-BitLocker/BitLocker Management";
    "bits-client" "bits_client": "Microsoft-Windows-Bits-Client/Operational";
    "capi2" "capi2": "Microsoft-Windows-CAPI2/Operational";
    "certificateservicesclient-lifecycle-system" "certificateservicesclient_lifecycle_system":
        "Microsoft-Windows-CertificateServicesClient-Lifecycle-System/Operational";
    "codeintegrity-operational" "codeintegrity_operational":
        "Microsoft-Windows-CodeIntegrity/Operational";
    "dhcp" "dhcp": "Microsoft-Windows-DHCP-Server/Operational";
    "diagnosis-scripted" "diagnosis_scripted": "Microsoft-Windows-Diagnosis-Scripted/Operational";
    "dns-client" "dns_client": "Microsoft-Windows-DNS Client Events/Operational";
    "dns-server" "dns_server": "DNS Server";
    "dns-server-analytic" "dns_server_analytic": "Microsoft-Windows-DNS-Server/Analytical";
    "dns-server-audit" "dns_server_audit": "Microsoft-Windows-DNS-Server/Audit";
    "driver-framework" "driver_framework":
        "Microsoft-Windows-DriverFrameworks-UserMode/Operational";
    "firewall-as" "firewall_as":
        "Microsoft-Windows-Windows Firewall With Advanced Security/Firewall";
    "hyper-v-worker" "hyper_v_worker": "Microsoft-Windows-Hyper-V-Worker";
    "iis-configuration" "iis_configuration": "Microsoft-IIS-Configuration/Operational";
    "kernel-event-tracing" "kernel_event_tracing": "Microsoft-Windows-Kernel-EventTracing";
    "kernel-shimengine" "kernel_shimengine":
        "Microsoft-Windows-Kernel-ShimEngine/Operational",
        "Microsoft-Windows-Kernel-ShimEngine/Diagnostic";
    "ldap" "ldap": "Microsoft-Windows-LDAP-Client/Debug";
    "lsa-server" "lsa_server": "Microsoft-Windows-LSA/Operational";
    "microsoft-servicebus-client" "servicebus_client":
        "Microsoft-ServiceBus-Client/Operational", "Microsoft-ServiceBus-Client/Admin";
    "msexchange-management" "msexchange_management": "MSExchange Management";
    "ntfs" "ntfs": "Microsoft-Windows-Ntfs/Operational";
    "ntlm" "ntlm": "Microsoft-Windows-NTLM/Operational";
    "openssh" "openssh": "OpenSSH/Operational";
    "powershell" "powershell":
        "Microsoft-Windows-PowerShell/Operational", "PowerShellCore/Operational";
    "powershell-classic" "powershell_classic": "Windows PowerShell";
    "printservice-admin" "printservice_admin": "Microsoft-Windows-PrintService/Admin";
    "printservice-operational" "printservice_operational":
        "Microsoft-Windows-PrintService/Operational";
    "rpc-firewall" "rpc_firewall": "RPCFW";
    "security" "security": "Security";
    "security-mitigations" "security_mitigations":
        "Microsoft-Windows-Security-Mitigations/Kernel Mode",
        "Microsoft-Windows-Security-Mitigations/User Mode";
    "sense" "sense": "Microsoft-Windows-SENSE/Operational";
    "servicebus-client" "servicebus_client":
        "Microsoft-ServiceBus-Client/Operational", "Microsoft-ServiceBus-Client/Admin";
    "shell-core" "shell_core": "Microsoft-Windows-Shell-Core/Operational";
    "smbclient-connectivity" "smbclient_connectivity":
        "Microsoft-Windows-SmbClient/Connectivity";
    "smbclient-security" "smbclient_security": "Microsoft-Windows-SmbClient/Security";
    "smbserver-connectivity" "smbserver_connectivity":
        "Microsoft-Windows-SMBServer/Connectivity";
    "sysmon" "sysmon": "Microsoft-Windows-Sysmon/Operational";
    "system" "system": "System";
    "taskscheduler" "taskscheduler": "Microsoft-Windows-TaskScheduler/Operational";
    "terminalservices-localsessionmanager" "terminalservices_localsessionmanager":
        "Microsoft-Windows-TerminalServices-LocalSessionManager/Operational";
    "vhdmp" "vhdmp": "Microsoft-Windows-VHDMP/Operational";
    "windefend" "windefend": "Microsoft-Windows-Windows Defender/Operational";
    "wmi" "wmi": "Microsoft-Windows-WMI-Activity/Operational";
}
