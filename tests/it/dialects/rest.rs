//! REST and the management address.

#![expect(clippy::unwrap_used, reason = "in a test's helper, too, a panic is the report")]

use serde_json::{Value, json};

use super::cluster::{Job, Segment};
use super::world::Fake;

impl Fake {
    pub(super) fn describe_segments(&self, asked: &Value) -> Option<String> {
        let collection = asked["collectionId"].as_i64().unwrap();
        let ids: Vec<i64> =
            asked["segmentIds"].as_array().unwrap().iter().filter_map(Value::as_i64).collect();
        let cluster = self.cluster();
        let subject = cluster.named(collection);
        let database = asked["dbName"].as_str().unwrap();
        self.record.add(
            &subject,
            format!("rest POST segments/describe dbName={database} collectionId={collection} segmentIds={ids:?}"),
        );
        if !self.version.names_files {
            return None;
        }
        let all = cluster.collections.values().flat_map(|collection| &collection.segments);
        let told: Vec<Value> = all.filter(|segment| ids.contains(&segment.id)).map(told).collect();
        Some(json!({"code": 0, "data": {"segmentInfos": told}}).to_string())
    }

    pub(super) fn create_job(&self, asked: &Value) -> String {
        let (database, name) =
            (asked["dbName"].as_str().unwrap(), asked["collectionName"].as_str().unwrap());
        let subject = format!("{database}.{name}");
        let partition = asked.get("partitionName").map(ToString::to_string);
        let options: Vec<String> = asked["options"]
            .as_object()
            .unwrap()
            .iter()
            .map(|(key, value)| format!("{key}={}", value.as_str().unwrap()))
            .collect();
        self.record.add(
            &subject,
            format!(
                "rest POST jobs/import/create dbName={database} collectionName={name} partitionName={} options=[{}]",
                partition.as_deref().unwrap_or("(none)"),
                options.join(" ")
            ),
        );
        let mut rows = 0;
        for folders in asked["files"].as_array().unwrap() {
            let paths: Vec<&str> =
                folders.as_array().unwrap().iter().filter_map(Value::as_str).collect();
            self.record.add(&subject, format!("    files {}", paths.join(" ")));
            for path in &paths {
                for file in self.staged_below(path) {
                    self.record.add(&subject, format!("        {file}"));
                }
            }
            let segment = paths[0].trim_end_matches('/').rsplit('/').next().unwrap();
            rows += self.rows_of(segment.parse().unwrap());
        }
        let mut cluster = self.cluster();
        let id = cluster.next_id().to_string();
        cluster.jobs.insert(id.clone(), Job { rows, looks: 0 });
        json!({"code": 0, "data": {"jobId": id}}).to_string()
    }

    pub(super) fn describe_job(&self, asked: &Value) -> String {
        let (database, id) = (asked["dbName"].as_str().unwrap(), asked["jobId"].as_str().unwrap());
        self.record
            .add("jobs", format!("rest POST jobs/import/describe dbName={database} jobId={id}"));
        let mut cluster = self.cluster();
        if self.script.forgets_jobs {
            cluster.jobs.clear();
        }
        let Some(job) = cluster.jobs.get_mut(id) else {
            return json!({"code": 2100, "message": format!("job {id} does not exist")})
                .to_string();
        };
        job.looks += 1;
        let state = match (job.looks, self.script.job_failure) {
            (1, _) => json!({"state": "Importing", "progress": 30, "totalRows": 0}),
            (_, Some(reason)) => json!({"state": "Failed", "progress": 30, "reason": reason}),
            (_, None) => json!({"state": "Completed", "progress": 100, "totalRows": job.rows}),
        };
        json!({"code": 0, "data": state}).to_string()
    }

    pub(super) fn collect_garbage(&self, path: &str, query: &str) -> Option<String> {
        let call = path.strip_prefix("/management/datacoord/garbage_collection/")?;
        let value = |key: &str| {
            let pairs = url::form_urlencoded::parse(query.as_bytes());
            pairs.into_iter().find(|(name, _)| name == key).map(|(_, value)| value.into_owned())
        };
        let collection = value("collection_id").or_else(|| value("ticket"));
        let id: Option<i64> = collection.and_then(|text| text.trim_matches('t').parse().ok());
        let subject = id.map_or_else(|| " cluster".to_owned(), |id| self.cluster().named(id));
        self.record.add(&subject, format!("management GET {call} {query}").trim_end());
        Some(match (self.version.tickets, id) {
            (true, Some(id)) => json!({"msg": "OK", "ticket": format!("t{id}")}).to_string(),
            _ => json!({"msg": "OK"}).to_string(),
        })
    }
}

fn told(segment: &Segment) -> Value {
    let insert: Vec<Value> = segment
        .insert
        .iter()
        .map(|(field, log)| json!({"fieldID": field, "logIDs": [log]}))
        .collect();
    // Go writes no deltas as null.
    let delta = if segment.delta.is_empty() {
        Value::Null
    } else {
        json!([{"fieldID": 0, "logIDs": segment.delta}])
    };
    json!({
        "segmentID": segment.id,
        "partitionID": segment.partition,
        "vChannel": segment.channel,
        "numRows": segment.rows,
        "level": segment.level,
        "state": segment.state,
        "isSorted": segment.sorted,
        "insertLogs": insert,
        "deltaLogs": delta,
        "statsLogs": [],
    })
}
