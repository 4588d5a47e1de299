//! Overdue: how many incidents have missed a legal deadline, for metrics and health.

use rules_event::Timestamp;
use sqlx::SqlitePool;

use crate::error::database;
use crate::policy::Applies;
use crate::{Policy, Result};

/// Returns every deadline of the policy with the number of incidents that have missed it: due, not
/// met, no drill, and not closed as anything but a true attack.
///
/// # Errors
/// The database.
pub async fn overdue(
    db: &SqlitePool,
    policy: &Policy,
    now: Timestamp,
) -> Result<Vec<(String, u64)>> {
    let mut found = Vec::new();
    for rule in &policy.deadlines {
        // Only the condition differs; every text is ours, values are bound.
        let (start, condition) = match rule.applies {
            Applies::Every => ("i.detected_at", "1 = 1"),
            Applies::Serious => {
                ("i.detected_at", "(i.serious = 1 OR (i.serious IS NULL AND i.severity >= $3))")
            }
            Applies::Disruption => ("i.detected_at", "i.disruption = 1"),
            Applies::PersonalData => ("i.personal_data_at", "i.personal_data_at IS NOT NULL"),
        };
        let sql = format!(
            "SELECT COUNT(*) FROM incident i WHERE {start} < $1 AND {condition} AND i.exercise = 0 \
             AND (i.close_reason IS NULL OR i.close_reason = 'true_positive') \
             AND NOT EXISTS (SELECT 1 FROM incident_deadline_met m \
             WHERE m.incident_id = i.id AND m.deadline_id = $2) AND $3 = $3"
        );
        let count: i64 = sqlx::query_scalar(&sql)
            .bind(now.saturating_sub(rule.after()).as_nanos())
            .bind(&rule.id)
            .bind(i64::from(policy.serious_severity_min.rank()))
            .fetch_one(db)
            .await
            .map_err(database("count overdue incidents"))?;
        found.push((rule.id.clone(), u64::try_from(count).unwrap_or(0)));
    }
    Ok(found)
}
