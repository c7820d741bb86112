//! What a trigger message says, checked without looking at anything else.

use jiff::Timestamp;
use serde::Deserialize;

use crate::broker::{Incoming, Refusal};
use crate::model::{ClusterName, PolicyName, RequestId, plain};

/// A message has to name a policy and a few words; what is longer is something else.
pub const MAX_BYTES: usize = 64 * 1024;

/// How long the words of a reason may be.
const MAX_REASON: usize = 1024;

/// How long the words of a refusal may be: they go into a header, and it is not for whoever
/// sends messages to say how much we log.
const MAX_DETAIL: usize = 1000;

/// How much of them may be quoted, so that there is room for the remedy.
const MAX_QUOTED: usize = 500;

/// A request as it was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TriggerMessage {
    /// What tells it from every other.
    pub request_id: RequestId,
    /// The policy that is to make a backup.
    pub policy: PolicyName,
    /// Why, for people.
    pub reason: Option<String>,
    /// When it is of no use any more.
    pub not_after: Option<Timestamp>,
    /// The cluster that it is for; without one, the cluster of whoever reads it.
    pub cluster: Option<ClusterName>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Body {
    policy: String,
    request_id: Option<String>,
    reason: Option<String>,
    not_after: Option<String>,
    cluster: Option<String>,
}

impl TriggerMessage {
    /// Reads a message of the queue.
    pub fn read(message: &Incoming) -> Result<Self, Refusal> {
        let size = message.body.len();
        if size > MAX_BYTES {
            let detail = format!("it has {size} bytes, and a trigger may have {MAX_BYTES}");
            return Err(Refusal { reason: "too_large", detail });
        }
        let body = message.body.trim_ascii_start();
        if body.first().is_some_and(|first| *first != b'{') {
            return Err(malformed(&format!("it is no JSON object; it has to be like {EXAMPLE}")));
        }
        let body: Body = serde_json::from_slice(&message.body).map_err(|error| {
            let error = plain(&error.to_string(), MAX_QUOTED);
            malformed(&format!("it is no trigger: {error}; it has to be like {EXAMPLE}"))
        })?;
        let Some(request_id) = body.request_id.or_else(|| message.message_id.clone()) else {
            return Err(malformed(
                "it has neither `request_id` nor the property `message_id`, and without one \
                 a message that comes twice would be run twice",
            ));
        };
        let request_id = RequestId::new(request_id).map_err(|error| malformed(&error.to_string()));
        let policy = PolicyName::new(body.policy).map_err(|error| malformed(&error.to_string()));
        let long = body.reason.as_ref().map(String::len).filter(|long| *long > MAX_REASON);
        if let Some(long) = long {
            let detail = format!("its `reason` has {long} bytes, and may have {MAX_REASON}");
            return Err(malformed(&detail));
        }
        let not_after = body.not_after.map(|text| {
            let example = "2026-11-26T06:00:00Z";
            text.parse().map_err(|_| {
                let text = plain(&text, MAX_QUOTED);
                malformed(&format!("its `not_after` is `{text}`, and has to be like {example}"))
            })
        });
        let cluster = body.cluster.map(ClusterName::new).transpose();
        Ok(Self {
            request_id: request_id?,
            policy: policy?,
            reason: body.reason,
            not_after: not_after.transpose()?,
            cluster: cluster.map_err(|error| malformed(&error.to_string()))?,
        })
    }
}

const EXAMPLE: &str = r#"{"policy": "nightly", "request_id": "load-42"}"#;

fn malformed(detail: &str) -> Refusal {
    Refusal { reason: "malformed", detail: plain(detail, MAX_DETAIL) }
}

#[cfg(test)]
mod tests {
    use super::{MAX_BYTES, MAX_DETAIL, TriggerMessage};
    use crate::broker::Incoming;
    use crate::model::ClusterName;

    fn read(body: &str, message_id: Option<&str>) -> Result<TriggerMessage, (String, String)> {
        let message_id = message_id.map(str::to_owned);
        let message = Incoming { body: body.into(), message_id, ..Incoming::default() };
        TriggerMessage::read(&message).map_err(|why| (why.reason.to_owned(), why.detail))
    }

    #[test]
    fn a_message_says_which_policy_and_until_when() {
        let text = r#"{"policy": "nightly", "request_id": "load-42", "reason": "loaded",
            "not_after": "2026-11-26T06:00:00+01:00", "cluster": "prod"}"#;
        let message = read(text, Some("other")).unwrap();
        assert_eq!(message.request_id.as_str(), "load-42");
        assert_eq!(message.policy.as_str(), "nightly");
        assert_eq!(message.reason.as_deref(), Some("loaded"));
        assert_eq!(message.not_after, "2026-11-26T05:00:00Z".parse().ok());
        assert_eq!(message.cluster.as_ref().map(ClusterName::as_str), Some("prod"));
    }

    #[test]
    fn the_property_of_the_message_does_for_a_request_id() {
        let message = read(r#"{"policy": "nightly"}"#, Some("m:1")).unwrap();
        assert_eq!(message.request_id.as_str(), "m:1");
    }

    #[test]
    fn what_is_wrong_is_named() {
        let long =
            format!(r#"{{"policy": "p", "request_id": "a", "reason": "{}"}}"#, "x".repeat(1025));
        let cases = [
            ("", "malformed", "EOF while parsing"),
            ("nightly", "malformed", "it is no JSON object; it has to be like {\"policy\""),
            ("{nightly}", "malformed", "line 1 column 2"),
            // Serde would take the values of a list for those of the keys.
            (r#"["p", "a", null, null, null]"#, "malformed", "it is no JSON object"),
            (r#"{"request_id": "a"}"#, "malformed", "missing field `policy`"),
            (r#"{"policy": "p"}"#, "malformed", "neither `request_id` nor"),
            (r#"{"policy": "p", "request_id": ""}"#, "malformed", "`` is not a request id"),
            (r#"{"policy": "p", "request_id": "a/b"}"#, "malformed", "`a/b` is not a request id"),
            (
                r#"{"policy": "../p", "request_id": "a"}"#,
                "malformed",
                "`../p` is not a policy name",
            ),
            (r#"{"policy": "p", "not_afer": "x"}"#, "malformed", "unknown field `not_afer`"),
            (r#"{"policy": "p", "policy": "q"}"#, "malformed", "duplicate field `policy`"),
            (
                r#"{"policy": "p", "request_id": "a", "not_after": "soon"}"#,
                "malformed",
                "its `not_after` is `soon`",
            ),
            (
                r#"{"policy": "p", "request_id": "a", "cluster": "a/b"}"#,
                "malformed",
                "`a/b` is not a cluster name",
            ),
            (&long, "malformed", "`reason` has 1025 bytes"),
            (&" ".repeat(MAX_BYTES + 1), "too_large", "it has 65537 bytes"),
        ];
        for (text, reason, part) in cases {
            let found = read(text, None).unwrap_err();
            assert_eq!(found.0, reason, "{text}");
            assert!(found.1.contains(part), "{text}: {}", found.1);
        }
        assert_eq!(read(&" ".repeat(MAX_BYTES), Some("a")).unwrap_err().0, "malformed");
    }

    #[test]
    fn a_refusal_is_one_short_line_whatever_was_sent() {
        let key = format!(r#"{{"policy": "p", "a\n\u001b[2J{}": 1}}"#, "x".repeat(60_000));
        let moment = format!(
            r#"{{"policy": "p", "request_id": "a", "not_after": "\r\n{}"}}"#,
            "x".repeat(60_000)
        );
        let id = format!(r#"{{"policy": "p", "request_id": "\u202e\n{}"}}"#, "x".repeat(60_000));
        for (text, part, remedy) in [
            (key, r"unknown field `a\n\u{1b}[2Jxxx", "has to be like {"),
            (moment, r"its `not_after` is `\r\nxxx", "has to be like 2026"),
            (id, r"`\u{202e}\nxxx", "use 1 to 128 letters"),
        ] {
            let (_, detail) = read(&text, None).unwrap_err();
            assert!(detail.contains(part) && detail.contains(remedy), "{detail}");
            assert!(detail.len() <= MAX_DETAIL && !detail.contains(char::is_control));
        }
    }
}
