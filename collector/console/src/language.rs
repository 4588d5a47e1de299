//! Language: every text of the pages, Vietnamese first, in one table.
//!
//! The compiler sees to it that no message lacks one of the languages: the table makes a struct with
//! one field a message, filled twice.

use axum::extract::Request;
use axum::http::HeaderValue;
use collector_forward::{ReportKind, ReportState};
use collector_incident::{CloseReason, LinkKind, Status};
use rules_event::Level;

use crate::Role;
use crate::problem::Kind;
use crate::visit::cookie;

/// The cookie that remembers the choice.
const COOKIE: &str = "vonglau_lang";

/// A language of the pages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Language {
    /// Vietnamese, unless asked otherwise.
    Vietnamese,
    /// English.
    English,
}

impl Language {
    /// Returns the language a request wants: `?lang=`, else the cookie, else Vietnamese.
    pub(crate) fn of(request: &Request) -> Self {
        Self::chosen(request)
            .or_else(|| cookie(request.headers(), COOKIE).and_then(Self::parse))
            .unwrap_or(Self::Vietnamese)
    }

    /// Returns the language named by `?lang=`, which is to be remembered.
    pub(crate) fn chosen(request: &Request) -> Option<Self> {
        let pairs = request.uri().query()?.split('&').filter_map(|pair| pair.split_once('='));
        pairs.filter(|(name, _)| *name == "lang").find_map(|(_, value)| Self::parse(value))
    }

    fn parse(code: &str) -> Option<Self> {
        match code {
            "vi" => Some(Self::Vietnamese),
            "en" => Some(Self::English),
            _ => None,
        }
    }

    /// Returns the code for `lang=`.
    pub(crate) fn code(self) -> &'static str {
        match self {
            Self::Vietnamese => "vi",
            Self::English => "en",
        }
    }

    /// Returns the other language, for the switch.
    pub(crate) fn other(self) -> Self {
        match self {
            Self::Vietnamese => Self::English,
            Self::English => Self::Vietnamese,
        }
    }

    pub(crate) fn messages(self) -> &'static Messages {
        match self {
            Self::Vietnamese => &VI,
            Self::English => &EN,
        }
    }

    /// Returns the text in this language, or the other one if it is empty.
    pub(crate) fn pick<'a>(self, vi: &'a str, en: &'a str) -> &'a str {
        match self {
            Self::Vietnamese if !vi.is_empty() => vi,
            Self::English if en.is_empty() => vi,
            _ => en,
        }
    }

    pub(crate) fn cookie(self, secure: bool) -> HeaderValue {
        let secure = if secure { "; Secure" } else { "" };
        let age = 365 * 24 * 60 * 60;
        let text = format!(
            "{COOKIE}={}; Path=/; Max-Age={age}; HttpOnly; SameSite=Lax{secure}",
            self.code()
        );
        HeaderValue::from_str(&text).expect("a cookie of ours is ASCII")
    }
}

macro_rules! messages {
    ($($name:ident: $vi:literal, $en:literal;)*) => {
        /// Every message in one language.
        #[derive(Debug)]
        pub(crate) struct Messages {
            $(pub(crate) $name: &'static str,)*
        }
        pub(crate) static VI: Messages = Messages { $($name: $vi,)* };
        pub(crate) static EN: Messages = Messages { $($name: $en,)* };
        #[cfg(test)]
        const TABLE: &[(&str, &str, &str)] = &[$((stringify!($name), $vi, $en),)*];
    };
}

messages! {
    product: "Vọng Lâu", "Vọng Lâu";
    tagline: "Giám sát an ninh mạng", "Security monitoring";
    other_language: "English", "Tiếng Việt";
    skip: "Bỏ qua điều hướng", "Skip navigation";
    incidents: "Sự cố", "Incidents";
    events: "Sự kiện", "Events";
    agents: "Tác nhân giám sát (agent)", "Agents";
    reports: "Báo cáo", "Reports";
    ledger: "Sổ đối soát", "Ledger";
    audit: "Nhật ký truy cập", "Audit log";
    audit_whole: "Chuỗi nhật ký nguyên vẹn.", "The chain of entries is whole.";
    audit_broken: "Chuỗi nhật ký bị đứt tại mục", "The chain of entries is broken at";
    log_in: "Đăng nhập", "Log in";
    log_out: "Đăng xuất", "Log out";
    user_name: "Tên đăng nhập", "User name";
    password: "Mật khẩu", "Password";
    severity: "Mức độ nghiêm trọng", "Severity";
    status: "Trạng thái", "Status";
    number: "Số hiệu", "Number";
    title: "Tiêu đề", "Title";
    entity: "Đối tượng", "Entity";
    detected: "Thời điểm phát hiện (T0)", "Detected (T0)";
    due: "Thời hạn báo cáo", "Report due";
    overdue: "Quá hạn", "Overdue";
    met: "Đã hoàn thành", "Met";
    left: "Còn", "Left";
    assignee: "Người xử lý", "Assignee";
    nobody: "chưa phân công", "unassigned";
    alert_count: "Số cảnh báo", "Alerts";
    event_count: "Số sự kiện", "Events";
    all_open: "Đang mở", "Open";
    all: "Tất cả", "All";
    mine: "Của tôi", "Mine";
    filter: "Lọc", "Filter";
    search: "Tìm kiếm", "Search";
    search_hint: "Từ khoá, địa chỉ, tài khoản…", "Words, address, account…";
    next_page: "Trang sau", "Next page";
    no_incidents: "Không có sự cố nào khớp bộ lọc.", "No incident matches the filter.";
    no_events: "Không tìm thấy sự kiện nào.", "No events found.";
    timeline: "Dòng thời gian bằng chứng", "Timeline of evidence";
    evidence_cut: "Chỉ hiển thị phần đầu của bằng chứng.", "Only the first part of the evidence is shown.";
    evidence_missing: "Không đọc được kho sự kiện; phần còn lại của trang vẫn đúng.", "The event store cannot be read; the rest of this page stands.";
    why: "Vì sao cảnh báo", "Why this fired";
    rule: "Luật phát hiện", "Detection rule";
    rules_hit: "Luật đã khớp", "Rules hit";
    techniques: "Kỹ thuật (ATT&CK)", "Techniques (ATT&CK)";
    runbook: "Hướng dẫn xử lý", "Runbook";
    no_runbook: "Luật này chưa có hướng dẫn xử lý.", "This rule has no runbook yet.";
    journal: "Nhật ký xử lý", "Journal";
    links: "Sự cố liên quan", "Linked incidents";
    deadlines: "Thời hạn", "Deadlines";
    legal_basis: "Căn cứ", "Legal basis";
    actions: "Thao tác", "Actions";
    take: "Tiếp nhận", "Take";
    assign: "Phân công", "Assign";
    assign_to: "Giao cho", "Assign to";
    move_to: "Chuyển trạng thái", "Move to";
    move_button: "Chuyển", "Move";
    close: "Đóng sự cố", "Close incident";
    close_reason: "Lý do đóng", "Reason";
    note: "Ghi chú", "Note";
    add_note: "Thêm ghi chú", "Add note";
    note_required: "Bắt buộc khi đóng sự cố", "Required to close";
    request_report: "Lập báo cáo", "Draft report";
    report_kind: "Loại báo cáo", "Kind of report";
    approve: "Phê duyệt", "Approve";
    approve_hint: "Người phê duyệt phải khác người lập.", "The approver must not be the author.";
    author: "Người lập", "Author";
    approver: "Người phê duyệt", "Approver";
    created: "Thời điểm lập", "Created";
    receipts: "Biên nhận", "Receipts";
    no_receipts: "Chưa có biên nhận: chưa được coi là đã gửi.", "No receipt yet: not to be called sent.";
    document: "Nội dung gửi đi (nguyên văn)", "Outgoing document (exact bytes)";
    no_reports: "Chưa có báo cáo nào.", "No reports yet.";
    attempts: "Số lần gửi", "Attempts";
    last_error: "Lỗi gần nhất", "Last error";
    host: "Máy chủ", "Host";
    agent: "Agent", "Agent";
    organization: "Cơ quan, đơn vị", "Agency";
    information_system: "Hệ thống thông tin", "Information system";
    version: "Phiên bản", "Version";
    key: "Khoá công khai", "Public key";
    first_seen: "Thấy lần đầu", "First seen";
    last_heartbeat: "Tín hiệu gần nhất", "Last heartbeat";
    no_heartbeat: "chưa có tín hiệu", "no heartbeat";
    silent: "mất tín hiệu", "silent";
    trust: "Tin cậy", "Trust";
    revoke: "Thu hồi", "Revoke";
    no_agents: "Chưa có agent nào gửi dữ liệu.", "No agent has sent anything yet.";
    problems: "Vấn đề", "Problems";
    lane: "Luồng", "Lane";
    batches: "Lô", "Batches";
    gaps: "Khoảng trống", "Gaps";
    ledger_closes: "Sổ khớp: mọi lô đã nhận đều có trong kho, không thiếu, không trùng.", "The ledger closes: every batch received is stored, none missing, none twice.";
    ledger_open: "Sổ KHÔNG khớp. Xem các dòng được đánh dấu.", "The ledger does NOT close. See the marked lines.";
    no_ledger: "Chưa có dữ liệu.", "Nothing yet.";
    expected: "Phải có", "Expected";
    stored: "Trong kho", "Stored";
    time: "Thời gian", "Time";
    from: "Từ", "From";
    to: "Đến", "To";
    details: "Chi tiết", "Details";
    who: "Ai", "Who";
    what: "Việc", "What";
    address: "Địa chỉ", "Address";
    request_id: "Mã yêu cầu", "Request id";
    exercise: "Diễn tập", "Drill";
    never_forward: "Không chuyển tiếp", "Never forwarded";
    kept_by: "Không nội dung nào của sự cố này được chuyển lên trung tâm quốc gia, kể cả khi đã phê duyệt: luật quy định 'forward: never'. Báo lãnh đạo SOC và cán bộ bảo vệ bí mật nhà nước; báo cáo qua kênh dành cho tài liệu mật. Luật", "Nothing of this incident may be forwarded to the national centre, not even after approval: a rule says 'forward: never'. Tell the SOC lead and the officer for state secrets; report on the channel for classified documents. The rule";
    utc_plus_7: "Giờ hiển thị: UTC+7", "Times shown: UTC+7";
    status_new: "Mới", "New";
    status_triage: "Đang sàng lọc", "Triage";
    status_in_progress: "Đang xử lý", "In progress";
    status_contained: "Đã khoanh vùng", "Contained";
    status_closed: "Đã đóng", "Closed";
    status_reopened: "Mở lại", "Reopened";
    level_informational: "Thông tin", "Informational";
    level_low: "Thấp", "Low";
    level_medium: "Trung bình", "Medium";
    level_high: "Cao", "High";
    level_critical: "Nghiêm trọng", "Critical";
    reason_true_positive: "Tấn công thật", "True positive";
    reason_false_positive: "Cảnh báo nhầm", "False positive";
    reason_benign: "Hoạt động hợp lệ", "Benign";
    reason_duplicate: "Trùng sự cố khác", "Duplicate";
    link_overlaps: "trùng một phần đối tượng", "overlaps";
    link_follows: "tiếp nối", "follows";
    link_related: "liên quan", "related";
    link_duplicate_of: "trùng với", "duplicate of";
    role_analyst: "Chuyên viên phân tích", "Analyst";
    role_lead: "Trưởng ca", "Lead";
    role_auditor: "Kiểm tra, giám sát", "Auditor";
    role_admin: "Quản trị hệ thống", "Administrator";
    agent_trusted: "Đã tin cậy", "Trusted";
    agent_revoked: "Đã thu hồi", "Revoked";
    agent_unknown: "Chờ xác nhận", "Unknown";
    act_severity_raised: "nâng mức độ", "severity raised";
    act_created: "mở sự cố", "created";
    act_assigned: "phân công", "assigned";
    act_moved: "chuyển trạng thái", "moved";
    act_amended: "sửa thông tin", "amended";
    act_commented: "ghi chú", "commented";
    act_linked: "liên kết", "linked";
    act_deadline_met: "hoàn thành thời hạn", "deadline met";
    act_report_drafted: "lập báo cáo", "report drafted";
    act_report_submitted: "trình phê duyệt", "report submitted";
    act_report_approved: "phê duyệt báo cáo", "report approved";
    act_report_refused: "từ chối báo cáo", "report refused";
    act_report_edited: "sửa báo cáo", "report edited";
    act_report_discarded: "huỷ báo cáo", "report discarded";
    act_report_retried: "gửi lại báo cáo", "report sent again";
    act_report_sending: "đang gửi báo cáo", "report on its way";
    act_report_delivered: "báo cáo đã được tiếp nhận", "report received";
    act_report_partial: "báo cáo bị từ chối một phần", "report partly refused by the centre";
    act_report_rejected: "báo cáo bị trung tâm từ chối", "report refused by the centre";
    act_forward_blocked: "bị chặn gửi", "forwarding blocked";
    report_draft: "Bản nháp", "Draft";
    report_pending_approval: "Chờ phê duyệt", "Pending approval";
    report_approved: "Chờ gửi", "Queued";
    report_sending: "Đang gửi, chờ biên nhận", "Sending, awaiting receipt";
    report_delivered: "Đã tiếp nhận", "Received";
    report_partial: "Bị từ chối một phần, cần người xử lý", "Partly refused, needs a person";
    report_rejected: "Bị từ chối, cần người xử lý", "Refused, needs a person";
    report_discarded: "Đã huỷ", "Discarded";
    kind_initial: "Thông báo ban đầu", "Initial notice";
    kind_full: "Báo cáo đầy đủ", "Full report";
    kind_update: "Báo cáo cập nhật", "Update";
    kind_closing: "Báo cáo kết thúc", "Closing report";
    kind_personal_data: "Thông báo vi phạm dữ liệu cá nhân", "Personal data notice";
    draft_text: "Diễn biến", "What happened";
    draft_cause: "Nguyên nhân gốc", "Root cause";
    draft_scope: "Phạm vi ảnh hưởng", "Scope of impact";
    draft_measures: "Biện pháp khắc phục", "Measures";
    draft_help: "Đề nghị hỗ trợ", "Help asked for";
    refuse: "Từ chối", "Refuse";
    refuse_reason: "Lý do từ chối", "Why it is refused";
    retry: "Gửi lại", "Send again";
    digest: "SHA-256", "SHA-256";
    redactions: "Số chỗ đã che", "Texts masked";
    days: "ngày", "d";
    hours: "giờ", "h";
    minutes: "phút", "min";
    last_24_hours: "24 giờ qua", "Last 24 hours";
    last_7_days: "7 ngày qua", "Last 7 days";
    last_30_days: "30 ngày qua", "Last 30 days";
    field_filter: "Trường = giá trị", "Field = value";
    problem_unauthenticated: "Cần đăng nhập", "Authentication required";
    problem_wrong_password: "Sai tên đăng nhập hoặc mật khẩu, hoặc tài khoản bị khoá", "Wrong name or password, or account disabled";
    problem_throttled: "Đăng nhập sai quá nhiều lần; hãy đợi rồi thử lại", "Too many failed logins; wait and try again";
    problem_forbidden: "Vai trò của bạn không được phép làm việc này", "Your role may not do this";
    problem_foreign_form: "Biểu mẫu không hợp lệ hoặc đã cũ; hãy tải lại trang", "The form is foreign or too old; reload the page";
    problem_not_found: "Không tìm thấy", "Not found";
    problem_method_not_allowed: "Không hỗ trợ thao tác này", "Method not allowed";
    problem_invalid: "Dữ liệu gửi lên không hợp lệ", "The request is not valid";
    problem_too_large: "Dữ liệu gửi lên quá lớn", "The request is too large";
    problem_conflict: "Không thực hiện được ở trạng thái hiện tại", "Not possible in the present state";
    problem_stale: "Người khác vừa thay đổi; hãy tải lại trang", "Somebody else changed it; reload";
    problem_busy: "Hệ thống đang bận; hãy thử lại sau giây lát", "Busy; try again in a moment";
    problem_unavailable: "Một thành phần chưa phản hồi; hãy thử lại", "Something we need does not answer; try again";
    problem_internal: "Lỗi nội bộ; hãy báo quản trị kèm mã yêu cầu", "Internal error; tell the administrator the request id";
}

impl Messages {
    pub(crate) fn status(&self, status: Status) -> &'static str {
        match status {
            Status::New => self.status_new,
            Status::Triage => self.status_triage,
            Status::InProgress => self.status_in_progress,
            Status::Contained => self.status_contained,
            Status::Closed => self.status_closed,
            Status::Reopened => self.status_reopened,
        }
    }

    pub(crate) fn level(&self, level: Level) -> &'static str {
        match level {
            Level::Informational => self.level_informational,
            Level::Low => self.level_low,
            Level::Medium => self.level_medium,
            Level::High => self.level_high,
            Level::Critical => self.level_critical,
        }
    }

    pub(crate) fn close_reason(&self, reason: CloseReason) -> &'static str {
        match reason {
            CloseReason::TruePositive => self.reason_true_positive,
            CloseReason::FalsePositive => self.reason_false_positive,
            CloseReason::Benign => self.reason_benign,
            CloseReason::Duplicate => self.reason_duplicate,
        }
    }

    pub(crate) fn link(&self, kind: LinkKind) -> &'static str {
        match kind {
            LinkKind::Overlaps => self.link_overlaps,
            LinkKind::Follows => self.link_follows,
            LinkKind::Related => self.link_related,
            LinkKind::DuplicateOf => self.link_duplicate_of,
        }
    }

    pub(crate) fn report_state(&self, state: ReportState) -> &'static str {
        match state {
            ReportState::Draft => self.report_draft,
            ReportState::PendingApproval => self.report_pending_approval,
            ReportState::Approved => self.report_approved,
            ReportState::Sending => self.report_sending,
            ReportState::Delivered => self.report_delivered,
            ReportState::Partial => self.report_partial,
            ReportState::Rejected => self.report_rejected,
            ReportState::Discarded => self.report_discarded,
        }
    }

    pub(crate) fn report_kind(&self, kind: ReportKind) -> &'static str {
        match kind {
            ReportKind::Initial => self.kind_initial,
            ReportKind::Full => self.kind_full,
            ReportKind::Update => self.kind_update,
            ReportKind::Closing => self.kind_closing,
            ReportKind::PersonalData => self.kind_personal_data,
        }
    }

    /// Returns the words for a journal action; one that is not in the table stands as it is.
    pub(crate) fn action<'a>(&self, action: &'a str) -> &'a str {
        match action {
            "created" => self.act_created,
            "severity_raised" => self.act_severity_raised,
            "assigned" => self.act_assigned,
            "moved" => self.act_moved,
            "amended" => self.act_amended,
            "commented" => self.act_commented,
            "linked" => self.act_linked,
            "deadline_met" => self.act_deadline_met,
            "report_drafted" => self.act_report_drafted,
            "report_submitted" => self.act_report_submitted,
            "report_approved" => self.act_report_approved,
            "report_refused" => self.act_report_refused,
            "report_edited" => self.act_report_edited,
            "report_discarded" => self.act_report_discarded,
            "report_retried" => self.act_report_retried,
            "report_sending" => self.act_report_sending,
            "report_delivered" => self.act_report_delivered,
            "report_partial" => self.act_report_partial,
            "report_rejected" => self.act_report_rejected,
            "forward_blocked" => self.act_forward_blocked,
            other => other,
        }
    }

    pub(crate) fn role(&self, role: Role) -> &'static str {
        match role {
            Role::Analyst => self.role_analyst,
            Role::Lead => self.role_lead,
            Role::Auditor => self.role_auditor,
            Role::Admin => self.role_admin,
        }
    }

    pub(crate) fn problem(&self, kind: Kind) -> &'static str {
        match kind {
            Kind::Unauthenticated => self.problem_unauthenticated,
            Kind::WrongPassword => self.problem_wrong_password,
            Kind::Throttled => self.problem_throttled,
            Kind::Forbidden => self.problem_forbidden,
            Kind::ForeignForm => self.problem_foreign_form,
            Kind::NotFound => self.problem_not_found,
            Kind::MethodNotAllowed => self.problem_method_not_allowed,
            Kind::Invalid => self.problem_invalid,
            Kind::TooLarge => self.problem_too_large,
            Kind::Conflict => self.problem_conflict,
            Kind::Stale => self.problem_stale,
            Kind::Busy => self.problem_busy,
            Kind::Unavailable => self.problem_unavailable,
            Kind::Internal => self.problem_internal,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Words that are the same in both languages on purpose.
    const SAME: [&str; 3] = ["product", "agent", "digest"];

    #[test]
    fn every_message_is_there_in_both_languages() {
        for (name, vi, en) in TABLE {
            assert!(!vi.trim().is_empty() && !en.trim().is_empty(), "{name} is empty");
            assert!(vi != en || SAME.contains(name), "{name} is not translated");
            // NFC: no combining marks on their own (U+0300 to U+036F).
            let loose = vi.chars().any(|letter| ('\u{300}'..='\u{36f}').contains(&letter));
            assert!(!loose, "{name} is not in NFC");
        }
        let names: std::collections::HashSet<_> = TABLE.iter().map(|row| row.0).collect();
        assert_eq!(names.len(), TABLE.len());
    }

    #[test]
    fn a_text_falls_back_to_the_other_language() {
        assert_eq!(Language::Vietnamese.pick("", "en"), "en");
        assert_eq!(Language::Vietnamese.pick("vi", "en"), "vi");
        assert_eq!(Language::English.pick("vi", ""), "vi");
        assert_eq!(Language::English.pick("vi", "en"), "en");
    }
}
