//! Which rows there are.
//!
//! An expression is text. Milvus reads a text literal as Go does, of which JSON's is a part,
//! as long as no character is told by a pair of surrogates; and the smallest `Int64` it cannot
//! read at all (measured on 2.2.16 and 2.3.5).

use crate::milvus::{MilvusApi, MilvusError, MilvusErrorKind, MilvusResult};
use crate::model::{Namespace, PrimaryKey, PrimaryKeys};
use crate::schema::SchemaSummary;

use super::call::{Ask, Kind, rpc};
use super::client::GrpcMilvus;
use super::convert::pair_of;
use super::proto::milvus;
use super::proto::schema::scalar_field::Data;

/// The most rows that a query with a limit may ask for.
const MOST_ROWS: usize = 16_384;

const COUNT: &str = "count(*)";

/// Keys after one, up to and with another; `None` is no bound.
type Span = (Option<PrimaryKey>, Option<PrimaryKey>);

impl GrpcMilvus {
    pub(super) async fn count(&self, namespace: &Namespace) -> MilvusResult<u64> {
        let operation = format!("count the rows of {namespace}");
        if !self.version().await?.counts_rows() {
            return self.count_keys(namespace, &operation).await;
        }
        let counted = self.query(namespace, &operation, (COUNT, String::new(), None)).await?;
        match counted {
            Some(Data::LongData(counts)) if counts.data.len() == 1 => {
                counts.data[0].try_into().map_err(|_| strange(&operation))
            }
            Some(Data::LongData(_) | Data::StringData(_)) | None => Err(strange(&operation)),
        }
    }

    pub(super) async fn keys_among(
        &self,
        namespace: &Namespace,
        field: &str,
        keys: &PrimaryKeys,
    ) -> MilvusResult<PrimaryKeys> {
        let operation = format!("look for {} keys in {namespace}", keys.len());
        let found = self.query(namespace, &operation, (field, among(field, keys), None)).await?;
        match (keys, found) {
            (PrimaryKeys::Int64(_), Some(Data::LongData(found))) => {
                Ok(PrimaryKeys::Int64(sorted(found.data)))
            }
            (PrimaryKeys::Text(_), Some(Data::StringData(found))) => {
                Ok(PrimaryKeys::Text(sorted(found.data)))
            }
            // Nothing found may come without a column.
            (PrimaryKeys::Int64(_), None) => Ok(PrimaryKeys::Int64(Vec::new())),
            (PrimaryKeys::Text(_), None) => Ok(PrimaryKeys::Text(Vec::new())),
            (PrimaryKeys::Int64(_), Some(Data::StringData(_)))
            | (PrimaryKeys::Text(_), Some(Data::LongData(_))) => {
                let message = format!("the keys of field `{field}` are of another type");
                Err(MilvusError::new(operation, MilvusErrorKind::Other, message))
            }
        }
    }

    /// Asks for keys, and where there are more than it may ask for, for both halves of them.
    async fn count_keys(&self, namespace: &Namespace, operation: &str) -> MilvusResult<u64> {
        let described = self.describe(namespace).await?;
        let schema = SchemaSummary::parse(&described.schema).ok();
        let key = schema.and_then(|schema| schema.fields.into_iter().find(|f| f.primary_key));
        let field = key.ok_or_else(|| strange(operation))?.name;
        let (mut count, mut spans) = (0, vec![(None, None)]);
        while let Some(span) = spans.pop() {
            let ask = (field.as_str(), within(&field, &span), Some(MOST_ROWS));
            let keys = match self.query(namespace, operation, ask).await? {
                Some(Data::LongData(keys)) => PrimaryKeys::Int64(sorted(keys.data)),
                Some(Data::StringData(keys)) => PrimaryKeys::Text(sorted(keys.data)),
                None => continue,
            };
            let len = keys.len();
            if len < MOST_ROWS {
                count += len as u64;
                continue;
            }
            let middle = keys.into_iter().nth(len / 2 - 1);
            spans.push((span.0, middle.clone()));
            spans.push((middle, span.1));
        }
        Ok(count)
    }

    /// The one column that was asked for.
    async fn query(
        &self,
        namespace: &Namespace,
        operation: &str,
        (field, expr, limit): (&str, String, Option<usize>),
    ) -> MilvusResult<Option<Data>> {
        let ask = Ask {
            kind: Kind::Read,
            operation: operation.to_owned(),
            database: &namespace.database,
            message: milvus::QueryRequest {
                db_name: namespace.database.clone(),
                collection_name: namespace.collection.clone(),
                expr,
                output_fields: vec![field.to_owned()],
                query_params: limit.map(|limit| pair_of("limit", &limit)).into_iter().collect(),
            },
        };
        let answer: milvus::QueryResults = self.call(ask, rpc!(query)).await?;
        // 2.2 names the field `count(*)` otherwise, and an answer has no other column.
        let column = answer.fields_data.into_iter().next();
        Ok(column.and_then(|column| column.scalars).and_then(|scalars| scalars.data))
    }
}

fn strange(operation: &str) -> MilvusError {
    let message = "Milvus answered something else than was asked for";
    MilvusError::new(operation, MilvusErrorKind::Other, message)
}

fn sorted<T: Ord>(mut keys: Vec<T>) -> Vec<T> {
    keys.sort_unstable();
    keys.dedup();
    keys
}

fn text_literal(text: &str) -> String {
    serde_json::to_string(text).expect("text is JSON")
}

fn literal(key: &PrimaryKey) -> String {
    match key {
        PrimaryKey::Int64(key) => key.to_string(),
        PrimaryKey::Text(key) => text_literal(key),
    }
}

/// That the key is one of these.
fn among(field: &str, keys: &PrimaryKeys) -> String {
    match keys {
        PrimaryKeys::Text(keys) => {
            let list: Vec<String> = keys.iter().map(|key| text_literal(key)).collect();
            format!("{field} in [{}]", list.join(","))
        }
        PrimaryKeys::Int64(keys) => {
            let told = keys.iter().filter(|key| **key != i64::MIN).map(i64::to_string);
            let list = told.collect::<Vec<_>>().join(",");
            if keys.contains(&i64::MIN) {
                format!("{field} in [{list}] or {field} < {}", i64::MIN + 1)
            } else {
                format!("{field} in [{list}]")
            }
        }
    }
}

fn within(field: &str, (after, last): &Span) -> String {
    let after = after.as_ref().map(|key| format!("{field} > {}", literal(key)));
    let last = last.as_ref().map(|key| format!("{field} <= {}", literal(key)));
    match after.into_iter().chain(last).collect::<Vec<_>>().join(" and ") {
        all if all.is_empty() => format!("{field} not in []"),
        some => some,
    }
}

#[cfg(test)]
mod tests {
    use super::{among, within};
    use crate::model::{PrimaryKey, PrimaryKeys};

    #[test]
    fn keys_are_told_as_milvus_reads_them() {
        let int = |keys: &[i64]| among("id", &PrimaryKeys::Int64(keys.to_vec()));
        assert_eq!(int(&[]), "id in []");
        assert_eq!(int(&[-1, i64::MAX]), "id in [-1,9223372036854775807]");
        assert_eq!(int(&[1, i64::MIN]), "id in [1] or id < -9223372036854775807");
        let text = PrimaryKeys::Text(["a\"b\\", "\u{1}\n", "漢😀"].map(str::to_owned).to_vec());
        assert_eq!(among("k", &text), r#"k in ["a\"b\\","\u0001\n","漢😀"]"#);
    }

    #[test]
    fn a_span_has_its_end_and_not_its_beginning() {
        let key = |key| Some(PrimaryKey::Int64(key));
        assert_eq!(within("id", &(None, None)), "id not in []");
        assert_eq!(within("id", &(key(3), None)), "id > 3");
        assert_eq!(within("id", &(key(3), key(9))), "id > 3 and id <= 9");
    }
}
