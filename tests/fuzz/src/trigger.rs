//! Messages that start backups.

use milvus_backup_agent::broker::{Incoming, Refusal};
use milvus_backup_agent::model::ClusterName;
use milvus_backup_agent::trigger::TriggerMessage;
use serde_json::{Value, json};

use super::text::{assert_plain, is_name};

/// The most that a message may have, as the contract says.
const MOST: usize = 64 * 1024;

/// The most that a property of AMQP may have.
const MOST_PROPERTY: usize = 255;

/// The keys of a message.
const KEYS: [&str; 5] = ["policy", "request_id", "reason", "not_after", "cluster"];

/// Any message is read, or refused with a reason. What follows the last zero byte is its
/// property `message_id`. Says whether it was
/// accepted.
pub fn trigger(data: &[u8]) -> bool {
    let (body, message_id) = match data.iter().rposition(|byte| *byte == 0) {
        Some(zero) => (&data[..zero], std::str::from_utf8(&data[zero + 1..]).ok()),
        None => (data, None),
    };
    let message_id = message_id.filter(|id| id.len() <= MOST_PROPERTY);
    let message = message(body, message_id);
    let read = TriggerMessage::read(&message);
    assert_eq!(read, TriggerMessage::read(&message), "read again");
    match &read {
        Ok(read) => accepted(read, &message),
        Err(refusal) => refused(refusal, &message),
    }
    read.is_ok()
}

fn message(body: &[u8], message_id: Option<&str>) -> Incoming {
    let message_id = message_id.map(str::to_owned);
    Incoming { body: body.to_vec(), message_id, ..Incoming::default() }
}

/// It is what the message says, within its limits, and as large as it may be.
fn accepted(read: &TriggerMessage, message: &Incoming) {
    assert!(message.body.len() <= MOST);
    let TriggerMessage { request_id, policy, reason, not_after, cluster } = read;
    let cluster = cluster.as_ref().map(ClusterName::as_str);
    assert!(is_name(request_id.as_str(), 128, ".-_:+@=~", true), "request id {request_id:?}");
    assert!(is_name(policy.as_str(), 64, "-_", false), "policy {policy:?}");
    assert!(cluster.is_none_or(|cluster| is_name(cluster, 63, ".-_", true)), "{cluster:?}");
    assert!(reason.as_ref().is_none_or(|reason| reason.len() <= 1024));

    let body: Value = serde_json::from_slice(&message.body).expect("it is JSON");
    let body = body.as_object().expect("it is an object");
    assert!(body.keys().all(|key| KEYS.contains(&key.as_str())), "{body:?}");
    let text = |key: &str| body.get(key).and_then(Value::as_str);
    assert_eq!(text("policy"), Some(policy.as_str()));
    let id = text("request_id").or(message.message_id.as_deref());
    assert_eq!(id, Some(request_id.as_str()));
    assert_eq!(text("reason"), reason.as_deref());
    assert_eq!(text("cluster"), cluster);
    assert_eq!(text("not_after").is_some(), not_after.is_some());

    let again = json!({
        "policy": policy.as_str(),
        "request_id": request_id.as_str(),
        "reason": reason,
        "not_after": not_after.as_ref().map(ToString::to_string),
        "cluster": cluster,
    });
    let mut again = self::message(again.to_string().as_bytes(), Some("another"));
    assert_eq!(TriggerMessage::read(&again).as_ref(), Ok(read), "written again");
    again.body.resize(MOST, b' ');
    assert_eq!(TriggerMessage::read(&again).as_ref(), Ok(read), "as long as may be");
    again.body.push(b' ');
    let refusal = TriggerMessage::read(&again).expect_err("too long");
    refused(&refusal, &again);
}

/// It says why, in words that fit into a header and a line of a log.
fn refused(refusal: &Refusal, message: &Incoming) {
    let reason = if message.body.len() > MOST { "too_large" } else { "malformed" };
    assert_eq!(refusal.reason, reason);
    assert_plain(&refusal.detail, 1024);
    let names_something = ["`", "bytes", "line ", "{\"policy\""];
    let names_something = names_something.iter().any(|sign| refusal.detail.contains(sign));
    assert!(names_something, "{}", refusal.detail);
}
