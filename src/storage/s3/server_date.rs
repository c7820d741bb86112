//! The server's clock, from the header of an answer.

use std::sync::{Arc, OnceLock};

use aws_sdk_s3::config::interceptors::BeforeDeserializationInterceptorContextRef;
use aws_sdk_s3::config::{ConfigBag, Intercept, RuntimeComponents};
use aws_sdk_s3::error::BoxError;
use aws_smithy_types::DateTime;
use aws_smithy_types::date_time::Format;
use jiff::Timestamp;

use super::bucket::timestamp;

/// Keeps the `Date` of the last answer to one call: an answer to a write has no time of the
/// object itself, and a look-up after every write would double the requests.
#[derive(Debug, Clone, Default)]
pub(super) struct ServerDate(Arc<OnceLock<Timestamp>>);

impl ServerDate {
    /// The time, if the server told it.
    pub(super) fn get(&self) -> Option<Timestamp> {
        self.0.get().copied()
    }
}

impl Intercept for ServerDate {
    fn name(&self) -> &'static str {
        "ServerDate"
    }

    fn read_before_deserialization(
        &self,
        context: &BeforeDeserializationInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let date = context.response().headers().get("date");
        if let Some(Ok(date)) = date.map(|date| DateTime::from_str(date, Format::HttpDate)) {
            self.0.get_or_init(|| timestamp(Some(&date)));
        }
        Ok(())
    }
}
