//! Settings of the client for a URL.

use std::collections::BTreeMap;
use std::fmt;

/// Settings of the client for the object store that a URL leads to, as keys and values.
///
/// The keys are those of the crate [`object_store`](https://docs.rs/object_store), in any case:
///
/// - for `s3://` those of
///   [`AmazonS3ConfigKey`](https://docs.rs/object_store/0.14/object_store/aws/enum.AmazonS3ConfigKey.html),
///   such as `aws_region`, `endpoint` and `aws_skip_signature`;
/// - for `gs://` those of
///   [`GoogleConfigKey`](https://docs.rs/object_store/0.14/object_store/gcp/enum.GoogleConfigKey.html),
///   such as `google_service_account`;
/// - for `az://`, `abfs://` and `abfss://` those of
///   [`AzureConfigKey`](https://docs.rs/object_store/0.14/object_store/azure/enum.AzureConfigKey.html),
///   such as `azure_storage_account_name`;
/// - for all of them, and for `https://`, those of
///   [`ClientConfigKey`](https://docs.rs/object_store/0.14/object_store/enum.ClientConfigKey.html),
///   such as `allow_http`, `timeout` and `proxy_url`.
///
/// Two keys belong to this library: `max_retries`, the number of times that a request is sent again
/// (10 by default), and `retry_timeout`, the number of seconds after which it is not (180 by
/// default).
///
/// A setting that is not given comes from the environment: `AWS_REGION`, for instance, is the
/// setting `aws_region`. See [`Target::with_store_options`](crate::Target::with_store_options).
///
/// # Example
///
/// ```
/// # mod lazy_chunks { pub use lazy_zarr as zarr; }
/// use lazy_chunks::zarr::{StoreOptions, Target};
///
/// let options = StoreOptions::new().with("aws_region", "eu-west-1").with("timeout", "30s");
/// let target = Target::from("s3://bucket/values.zarr").with_store_options(options);
/// assert_eq!(target.to_string(), "s3://bucket/values.zarr");
/// ```
#[derive(Clone, Default, PartialEq, Eq)]
pub struct StoreOptions {
    pub(super) by_key: BTreeMap<String, String>,
}

impl StoreOptions {
    /// Returns no settings.
    #[must_use]
    pub fn new() -> StoreOptions {
        StoreOptions::default()
    }

    /// Adds a setting, or replaces the setting with the same key.
    ///
    /// The key and the value are checked when the target is used: an unknown key is an error of the
    /// kind [`ErrorKind::InvalidSetting`](crate::ErrorKind::InvalidSetting).
    #[must_use]
    pub fn with(mut self, key: impl Into<String>, value: impl Into<String>) -> StoreOptions {
        self.by_key.insert(key.into().to_ascii_lowercase(), value.into());
        self
    }
}

/// Prints the keys. Values may be secrets.
impl fmt::Debug for StoreOptions {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("StoreOptions")?;
        formatter.debug_set().entries(self.by_key.keys()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_not_printed() {
        let options = StoreOptions::new().with("AWS_Secret_Access_Key", "hunter2");
        assert_eq!(format!("{options:?}"), "StoreOptions{\"aws_secret_access_key\"}");
    }
}
