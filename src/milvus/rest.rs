//! What Milvus since 2.4 answers only over REST: imports of many folders, and the files of
//! segments.
//!
//! Every answer is `{"code": 0, "data": ...}`, and one with another code is a failure whatever
//! its HTTP status: an import job that the server does not know is no job that goes on.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use bytes::Bytes;
use hyper::header::CONTENT_TYPE;
use hyper::{Request, StatusCode};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer, Serialize};
use tokio::time::sleep;
use url::Url;

use super::grpc::{Secured, meaning};
use super::http::HttpServer;
use super::{
    ImportJob, ImportState, JobContent, JobRequest, MilvusError, MilvusErrorKind, MilvusResult,
};
use crate::config::{MilvusAccess, MilvusLogin};
use crate::model::SegmentLogs;

/// A read that takes longer is not going to end.
const READ_DEADLINE: Duration = Duration::from_secs(30);

/// Seconds that the server may take to look through the folders of a job; by default it gives up
/// earlier.
const CREATE_SECONDS: u64 = 600;

/// The server's own words come first.
const CREATE_DEADLINE: Duration = Duration::from_secs(CREATE_SECONDS + 30);

/// The logs of a hundred segments of hundreds of fields are a tenth of this.
const LARGEST_ANSWER_BYTES: usize = 64 << 20;

/// Milvus does not share a port with TLS between gRPC and REST.
const ELSEWHERE: &str = "set `milvus.rest_address` to the port of Milvus's `proxy.http.port`, if \
                         it has one: with TLS it does not answer REST where it answers gRPC";

/// How often a read is asked, and how long between two of them.
const TRIES: u32 = 3;
const TRY_AGAIN: Duration = Duration::from_millis(200);

/// The REST interface of one Milvus.
#[derive(Debug, Clone)]
pub(super) struct Rest {
    server: HttpServer,
}

#[derive(Debug, Deserialize)]
struct Envelope<T> {
    code: i32,
    #[serde(default)]
    message: String,
    data: Option<T>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct SegmentsAsked<'a> {
    db_name: &'a str,
    collection_id: i64,
    segment_ids: &'a [i64],
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct SegmentsTold {
    #[serde(default)]
    segment_infos: Vec<SegmentTold>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct SegmentTold {
    #[serde(rename = "segmentID")]
    segment: Number,
    #[serde(default)]
    v_channel: String,
    #[serde(default, deserialize_with = "or_nothing")]
    insert_logs: Vec<LogsTold>,
    #[serde(default, deserialize_with = "or_nothing")]
    delta_logs: Vec<LogsTold>,
}

#[derive(Debug, Deserialize)]
struct LogsTold {
    #[serde(rename = "fieldID", default)]
    field: Number,
    #[serde(rename = "logIDs", default, deserialize_with = "or_nothing")]
    logs: Vec<Number>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct JobAsked<'a> {
    db_name: &'a str,
    collection_name: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    partition_name: Option<&'a str>,
    files: Vec<Vec<&'a str>>,
    options: BTreeMap<&'static str, String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct JobMade {
    job_id: String,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct JobLookedAt<'a> {
    db_name: &'a str,
    job_id: &'a str,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct JobTold {
    state: String,
    #[serde(default)]
    progress: u8,
    #[serde(default)]
    reason: String,
    #[serde(default)]
    total_rows: Number,
}

/// Milvus writes its numbers of 64 bits bare; a proxy for browsers may have quoted them.
#[derive(Debug, Clone, Copy, Default)]
struct Number(i64);

impl<'de> Deserialize<'de> for Number {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Written {
            Bare(i64),
            Quoted(String),
        }
        match Written::deserialize(deserializer)? {
            Written::Bare(number) => Ok(Self(number)),
            Written::Quoted(text) => {
                text.parse().map(Self).map_err(|_| serde::de::Error::custom("no number"))
            }
        }
    }
}

/// Go writes an empty list as `null`.
fn or_nothing<'de, D: Deserializer<'de>, T: Deserialize<'de>>(
    deserializer: D,
) -> Result<Vec<T>, D::Error> {
    Ok(Option::<Vec<T>>::deserialize(deserializer)?.unwrap_or_default())
}

impl Rest {
    /// Answers on the same address as gRPC, unless it is said to be another.
    pub(super) fn new(grpc: &Url, access: &MilvusAccess) -> Self {
        let address = access.rest_address.as_ref().unwrap_or(grpc);
        let secured = (address.scheme() == "https").then(|| Secured::of(address, access));
        let server = HttpServer::new(address.clone()).secured(secured);
        let token = access.login.as_ref().map(MilvusLogin::token);
        Self {
            server: match token {
                Some(token) => server.with_bearer(token.reveal()),
                None => server,
            },
        }
    }

    pub(super) async fn segment_logs(
        &self,
        database: &str,
        collection: i64,
        segments: &[i64],
    ) -> MilvusResult<Vec<SegmentLogs>> {
        let operation = format!("ask for the files of {} segments", segments.len());
        let asked =
            SegmentsAsked { db_name: database, collection_id: collection, segment_ids: segments };
        let told: SegmentsTold = self.read(&operation, "segments/describe", &asked).await?;
        let mut found: BTreeMap<i64, SegmentLogs> =
            told.segment_infos.into_iter().map(logs).map(|logs| (logs.segment, logs)).collect();
        let each = segments.iter().map(|id| found.remove(id).ok_or(id));
        each.collect::<Result<_, _>>().map_err(|id| {
            let message = format!("Milvus did not answer about segment {id}");
            MilvusError::new(operation, MilvusErrorKind::NotFound, message)
        })
    }

    pub(super) async fn import(&self, request: &JobRequest) -> MilvusResult<ImportJob> {
        let namespace = &request.namespace;
        let asked = JobAsked {
            db_name: &namespace.database,
            collection_name: &namespace.collection,
            partition_name: request.partition.as_deref(),
            files: files(&request.content),
            options: options(request),
        };
        let operation = format!("import {} folders into {namespace}", asked.files.len());
        let made: JobMade =
            self.post(&operation, "jobs/import/create", &asked, CREATE_DEADLINE).await?;
        Ok(ImportJob { database: namespace.database.clone(), id: made.job_id })
    }

    pub(super) async fn import_state(&self, job: &ImportJob) -> MilvusResult<ImportState> {
        let operation = format!("ask for import job {}", job.id);
        let asked = JobLookedAt { db_name: &job.database, job_id: &job.id };
        let told: JobTold = self.read(&operation, "jobs/import/describe", &asked).await?;
        Ok(match told.state.as_str() {
            "Completed" => ImportState::Completed { rows: told.total_rows.0 },
            "Failed" if told.reason.is_empty() => {
                ImportState::Failed { reason: "Milvus gave no reason".to_owned() }
            }
            "Failed" => ImportState::Failed { reason: told.reason },
            // Pending, Importing, Uncommitted, Committing, and what comes after 2.6.
            _ => ImportState::Running { percent: told.progress },
        })
    }

    /// As [`Self::post`], and again if that may help.
    async fn read<T: DeserializeOwned>(
        &self,
        operation: &str,
        path: &str,
        asked: &(impl Serialize + Sync),
    ) -> MilvusResult<T> {
        let mut tries = 1;
        loop {
            let answer = self.post(operation, path, asked, READ_DEADLINE).await;
            let again = answer.as_ref().is_err_and(|error| {
                matches!(error.kind(), MilvusErrorKind::Unreachable | MilvusErrorKind::Transient)
            });
            if !again || tries == TRIES {
                return answer;
            }
            tries += 1;
            sleep(TRY_AGAIN).await;
        }
    }

    async fn post<T: DeserializeOwned>(
        &self,
        operation: &str,
        path: &str,
        asked: &(impl Serialize + Sync),
        deadline: Duration,
    ) -> MilvusResult<T> {
        let failed = |kind, message| MilvusError::new(operation, kind, message);
        let body = serde_json::to_vec(asked).expect("numbers and text always encode");
        let request = Request::post(format!("/v2/vectordb/{path}"))
            .header(CONTENT_TYPE, "application/json")
            .header("Request-Timeout", CREATE_SECONDS)
            .body(Bytes::from(body))
            .expect("the path is one of ours");
        let answered = self.server.ask(request, deadline, LARGEST_ANSWER_BYTES).await;
        let answered = answered.map_err(|fault| {
            let address = self.server.address();
            let at = address.as_str().trim_end_matches('/');
            let said = format!("{at} does not answer over REST: {}", fault.message);
            let elsewhere = (address.scheme() == "https").then_some(ELSEWHERE);
            let hint = fault.hint.or(elsewhere).map(str::to_owned);
            failed(fault.kind, said).with_hint(hint)
        })?;
        match answered.status {
            StatusCode::NOT_FOUND => {
                let message = "the server has no such call".to_owned();
                return Err(failed(MilvusErrorKind::Unimplemented, message));
            }
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
                return Err(failed(MilvusErrorKind::NotAuthorised, answered.said()));
            }
            _ => {}
        }
        let other = || failed(MilvusErrorKind::Other, answered.said());
        let envelope: Envelope<serde_json::Value> =
            serde_json::from_slice(&answered.body).map_err(|_| other())?;
        if let Some((kind, said)) = meaning(envelope.code, &envelope.message) {
            return Err(failed(kind, said));
        }
        serde_json::from_value(envelope.data.unwrap_or_default()).map_err(|_| other())
    }
}

fn logs(told: SegmentTold) -> SegmentLogs {
    let ids = |logs: &LogsTold| logs.logs.iter().map(|log| log.0).collect::<Vec<_>>();
    let insert: BTreeSet<(i64, i64)> = told
        .insert_logs
        .iter()
        .flat_map(|field| ids(field).into_iter().map(|log| (field.field.0, log)))
        .collect();
    let delta = told.delta_logs.iter().flat_map(ids).collect();
    SegmentLogs { segment: told.segment.0, channel: told.v_channel, insert, delta }
}

/// One or two paths for each segment: an empty second one makes Milvus list a whole bucket.
fn files(content: &JobContent) -> Vec<Vec<&str>> {
    match content {
        JobContent::Rows(folders) => folders
            .iter()
            .map(|folder| [folder.insert.as_str()].into_iter().chain(folder.delta.as_deref()))
            .map(Iterator::collect)
            .collect(),
        JobContent::Deletes(folders) => {
            folders.iter().map(|folder| vec![folder.as_str()]).collect()
        }
    }
}

fn options(request: &JobRequest) -> BTreeMap<&'static str, String> {
    let kind = match request.content {
        JobContent::Rows(_) => "backup",
        JobContent::Deletes(_) => "l0_import",
    };
    let on = || "true".to_owned();
    let mut options = BTreeMap::from([("skip_disk_quota_check", on()), (kind, on())]);
    options.extend(request.end_ts.map(|end_ts| ("end_ts", end_ts.to_string())));
    if request.storage_version > 0 {
        options.insert("storage_version", request.storage_version.to_string());
    }
    options
}

#[cfg(test)]
mod tests {
    use super::{SegmentTold, logs};

    #[test]
    fn files_are_read_whether_numbers_are_quoted_and_lists_are_there() {
        let told = r#"{"segmentID":"1003","vChannel":"v0","deltaLogs":null,
            "insertLogs":[{"fieldID":0,"logIDs":[470548480000000001,"470548480000000002"]},
                          {"fieldID":"102","logIDs":null}]}"#;
        let told: SegmentTold = serde_json::from_str(told).unwrap();
        let logs = logs(told);
        assert_eq!((logs.segment, logs.channel.as_str()), (1003, "v0"));
        let insert = [(0, 470_548_480_000_000_001), (0, 470_548_480_000_000_002)];
        assert_eq!(logs.insert.into_iter().collect::<Vec<_>>(), insert);
        assert!(logs.delta.is_empty());
        assert!(serde_json::from_str::<SegmentTold>(r#"{"segmentID":"x"}"#).is_err());
    }
}
