//! Clouds, identity providers and applications with audit logs of their own.
//!
//! Source: field references of Elastic's integrations aws, azure, gcp, google_workspace, o365, okta,
//! onelogin, github, atlassian_bitbucket, kubernetes and opencanary; pySigma pipeline
//! `ecs_kubernetes`. A raw name that no row holds stands under the prefix of its log.

use rules_event::field;

use super::{Fields, Rest, Scope, When};

const fn scope(
    product: &'static [&'static str],
    service: &'static [&'static str],
    fields: Fields,
    under: &'static str,
) -> Scope {
    Scope { when: When::service(product, service), fields, rest: Rest::Under(under) }
}

pub(super) const SCOPES: &[Scope] = &[
    scope(&["aws"], &["cloudtrail"], CLOUDTRAIL, "aws.cloudtrail"),
    scope(&["azure"], &["activitylogs"], AZURE_ACTIVITY, "azure.activitylogs"),
    scope(&["azure"], &["auditlogs"], AZURE_AUDIT, "azure.auditlogs"),
    scope(&["azure"], &["signinlogs"], AZURE_SIGNIN, "azure.signinlogs"),
    scope(&["azure"], &["riskdetection"], AZURE_RISK, "azure.identityprotection"),
    scope(&["azure"], &["pim"], AZURE_PIM, "azure.pim"),
    scope(&["gcp"], &["gcp.audit"], GCP, "gcp.audit"),
    scope(&["gcp"], &["google_workspace.admin"], WORKSPACE_ADMIN, "google_workspace.admin"),
    scope(&["gcp"], &["google_workspace.login"], WORKSPACE_LOGIN, "google_workspace.login"),
    scope(&["m365"], &["audit"], M365_AUDIT, "o365.audit"),
    scope(&["m365"], &[], M365, "o365.audit"),
    scope(&["okta"], &[], OKTA, "okta"),
    scope(&["onelogin"], &[], &[], "onelogin"),
    scope(&["github"], &[], GITHUB, "github"),
    scope(&["bitbucket"], &[], BITBUCKET, "bitbucket.audit"),
    scope(&["kubernetes"], &[], KUBERNETES, "kubernetes.audit"),
    scope(&["opencanary"], &[], OPENCANARY, "opencanary"),
];

/// Objects stand under `flattened` with their own names; whole, they are JSON text.
const CLOUDTRAIL: Fields = &[
    ("additionalEventData", "aws.cloudtrail.additional_eventdata"),
    ("additionalEventData.", "aws.cloudtrail.flattened.additional_eventdata."),
    ("errorCode", "aws.cloudtrail.error_code"),
    ("errorMessage", "aws.cloudtrail.error_message"),
    ("eventName", field::EVENT_ACTION),
    ("eventSource", "event.provider"),
    ("eventType", "aws.cloudtrail.event_type"),
    ("requestParameters", "aws.cloudtrail.request_parameters"),
    ("requestParameters.", "aws.cloudtrail.flattened.request_parameters."),
    ("responseElements", "aws.cloudtrail.response_elements"),
    ("responseElements.", "aws.cloudtrail.flattened.response_elements."),
    ("sourceIPAddress", field::SOURCE_ADDRESS),
    ("status", field::EVENT_OUTCOME),
    ("userAgent", field::USER_AGENT),
    ("userIdentity.arn", "aws.cloudtrail.user_identity.arn"),
    (
        "userIdentity.sessionContext.sessionIssuer.type",
        "aws.cloudtrail.user_identity.session_context.session_issuer.type",
    ),
    ("userIdentity.type", "aws.cloudtrail.user_identity.type"),
];

const AZURE_ACTIVITY: Fields = &[
    ("CategoryValue", "azure.activitylogs.category"),
    ("OperationNameValue", "azure.activitylogs.operation_name"),
    ("ResourceId", "azure.resource.id"),
    ("ResourceProviderValue", "azure.resource.provider"),
    ("operationName", "azure.activitylogs.operation_name"),
];

/// `properties.message` is no name of Microsoft's: the rules mean what is displayed as the activity.
const AZURE_AUDIT: Fields = &[
    ("ActivityDisplayName", "azure.auditlogs.properties.activity_display_name"),
    ("ActivityType", "azure.auditlogs.properties.activity_display_name"),
    ("Category", "azure.auditlogs.category"),
    ("Initiatedby", "azure.auditlogs.properties.initiated_by"),
    ("LoggedByService", "azure.auditlogs.properties.logged_by_service"),
    ("OperationName", "azure.auditlogs.operation_name"),
    ("Status", "azure.auditlogs.properties.result"),
    ("Target", "azure.auditlogs.properties.target_resources"),
    ("TargetResources", "azure.auditlogs.properties.target_resources"),
    (
        "TargetResources.ModifiedProperties.DisplayName",
        "azure.auditlogs.properties.target_resources.modified_properties.display_name",
    ),
    (
        "TargetResources.ModifiedProperties.NewValue",
        "azure.auditlogs.properties.target_resources.modified_properties.new_value",
    ),
    (
        "TargetResources.modifiedProperties",
        "azure.auditlogs.properties.target_resources.modified_properties",
    ),
    (
        "TargetResources.modifiedProperties.newValue",
        "azure.auditlogs.properties.target_resources.modified_properties.new_value",
    ),
    ("activityType", "azure.auditlogs.properties.activity_display_name"),
    (
        "additionalDetails.additionalInfo",
        "azure.auditlogs.properties.additional_details.additional_info",
    ),
    ("category", "azure.auditlogs.category"),
    ("failure_status_reason", "azure.auditlogs.properties.result_reason"),
    ("operationName", "azure.auditlogs.operation_name"),
    ("properties.message", "azure.auditlogs.properties.activity_display_name"),
    ("properties.result", "azure.auditlogs.properties.result"),
    ("properties.targetResources", "azure.auditlogs.properties.target_resources"),
    ("targetResources.type", "azure.auditlogs.properties.target_resources.type"),
];

const AZURE_SIGNIN: Fields = &[
    ("ActivityDetails", "azure.signinlogs.operation_name"),
    ("AuthenticationRequirement", "azure.signinlogs.properties.authentication_requirement"),
    ("ClientApp", "azure.signinlogs.properties.client_app_used"),
    ("DeviceDetail.deviceId", "azure.signinlogs.properties.device_detail.device_id"),
    ("DeviceDetail.isCompliant", "azure.signinlogs.properties.device_detail.is_compliant"),
    ("DeviceDetail.trusttype", "azure.signinlogs.properties.device_detail.trust_type"),
    ("NetworkLocationDetails", "azure.signinlogs.properties.network_location_details"),
    ("ResourceDisplayName", "azure.signinlogs.properties.resource_display_name"),
    ("ResultDescription", "azure.signinlogs.result_description"),
    ("ResultType", "azure.signinlogs.result_type"),
    ("Resultdescription", "azure.signinlogs.result_description"),
    ("RiskState", "azure.signinlogs.properties.risk_state"),
    ("Status", "azure.signinlogs.result_signature"),
    ("Username", "azure.signinlogs.properties.user_principal_name"),
    ("conditionalAccessStatus", "azure.signinlogs.properties.conditional_access_status"),
    ("properties.message", "azure.signinlogs.properties.authentication_protocol"),
    ("userAgent", field::USER_AGENT),
];

const AZURE_RISK: Fields =
    &[("riskEventType", "azure.identityprotection.properties.risk_event_type")];

const AZURE_PIM: Fields = &[("riskEventType", "azure.pim.risk_event_type")];

const GCP: Fields = &[
    ("data.protoPayload.authorizationInfo.granted", "gcp.audit.authorization_info.granted"),
    ("data.protoPayload.authorizationInfo.permission", "gcp.audit.authorization_info.permission"),
    ("data.protoPayload.logName", "log.logger"),
    ("data.protoPayload.methodName", "gcp.audit.method_name"),
    ("data.protoPayload.resource.type", "gcp.audit.resource.type"),
    ("data.protoPayload.serviceName", "gcp.audit.service_name"),
];

const WORKSPACE_ADMIN: Fields = &[
    ("eventName", field::EVENT_ACTION),
    ("eventService", "google_workspace.admin.service"),
    ("new_value", "google_workspace.admin.new_value"),
    ("setting_name", "google_workspace.admin.setting.name"),
];

const WORKSPACE_LOGIN: Fields = &[
    ("protoPayload.Servicename", "google_workspace.login.service"),
    ("protoPayload.metadata.event.eventName", field::EVENT_ACTION),
    ("protoPayload.serviceName", "google_workspace.login.service"),
];

/// Names that stand in the log stay as they are under `o365.audit`, as Elastic keeps them.
const M365_AUDIT: Fields = &[("Operation", field::EVENT_ACTION), ("Workload", "event.provider")];

/// Alerts of the compliance centre and of Exchange.
const M365: Fields = &[
    ("eventName", "o365.audit.Name"),
    ("eventSource", "event.provider"),
    ("status", field::EVENT_OUTCOME),
];

const OKTA: Fields = &[
    ("actor.alternateId", "okta.actor.alternate_id"),
    ("debugContext.debugData.behaviors", "okta.debug_context.debug_data.flattened.behaviors"),
    (
        "debugContext.debugData.logOnlySecurityData",
        "okta.debug_context.debug_data.flattened.logOnlySecurityData",
    ),
    ("debugContext.debugData.requestUri", "okta.debug_context.debug_data.request_uri"),
    ("displayMessage", "okta.display_message"),
    ("eventType", "okta.event_type"),
    ("legacyEventType", "okta.legacy_event_type"),
    ("outcome.reason", "okta.outcome.reason"),
    ("outcome.result", "okta.outcome.result"),
    ("securityContext.isProxy", "okta.security_context.is_proxy"),
    ("target.displayName", "okta.target.display_name"),
];

const GITHUB: Fields = &[("action", field::EVENT_ACTION)];

const BITBUCKET: Fields = &[
    ("auditType.action", "bitbucket.audit.type.action"),
    ("auditType.category", "bitbucket.audit.type.category"),
];

const KUBERNETES: Fields = &[
    ("apiGroup", "kubernetes.audit.objectRef.apiGroup"),
    (
        "capabilities",
        "kubernetes.audit.requestObject.spec.containers.securityContext.capabilities.add",
    ),
    ("hostPath", "kubernetes.audit.requestObject.spec.volumes.hostPath"),
    ("namespace", "kubernetes.audit.objectRef.namespace"),
    ("privileged", "kubernetes.audit.requestObject.spec.containers.securityContext.privileged"),
    ("resource", "kubernetes.audit.objectRef.resource"),
    ("subresource", "kubernetes.audit.objectRef.subresource"),
    ("username", "kubernetes.audit.user.username"),
];

const OPENCANARY: Fields = &[
    ("dst_host", field::DESTINATION_IP),
    ("dst_port", field::DESTINATION_PORT),
    ("src_host", field::SOURCE_IP),
    ("src_port", field::SOURCE_PORT),
];
