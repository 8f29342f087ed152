//! The stores that URLs lead to.

use std::sync::Arc;

use super::options::StoreOptions;
use super::url::Service;
use crate::error::{Result, TargetError};
use crate::objects::Store;

/// Returns the store for the root of a URL, such as `s3://bucket`.
pub(super) fn connect(
    service: Service,
    root: &str,
    url: &str,
    options: &StoreOptions,
) -> Result<Arc<dyn Store>> {
    let (feature, is_enabled) = service.feature();
    if !is_enabled {
        let scheme = root.split("://").next().unwrap_or_default().to_owned();
        return Err(TargetError::FeatureOff { url: url.to_owned(), scheme, feature }.into());
    }
    #[cfg(any(feature = "s3", feature = "gcs", feature = "azure", feature = "http"))]
    {
        clients::connect(service, root, url, options)
    }
    #[cfg(not(any(feature = "s3", feature = "gcs", feature = "azure", feature = "http")))]
    {
        let _ = options;
        unreachable!("the feature of {root} is not enabled")
    }
}

#[cfg(any(feature = "s3", feature = "gcs", feature = "azure", feature = "http"))]
mod clients {
    use std::str::FromStr;
    use std::sync::Arc;
    use std::time::Duration;

    use object_store::{BackoffConfig, ClientConfigKey, ObjectStore, RetryConfig};

    use super::super::options::StoreOptions;
    use super::super::url::Service;
    use crate::error::{Result, TargetError};
    use crate::objects::{RemoteStore, Retries, Store, innermost};

    /// The time after which a request is given up. The default of the client, 30 seconds, is too
    /// short for the body of a large object on a slow line.
    const TIMEOUT: &str = "120s";

    /// A client to be built.
    struct Request<'r> {
        root: &'r str,
        /// The whole URL, for errors.
        url: &'r str,
        options: Vec<(&'r str, &'r str)>,
        retries: Retries,
    }

    pub(super) fn connect(
        service: Service,
        root: &str,
        url: &str,
        options: &StoreOptions,
    ) -> Result<Arc<dyn Store>> {
        let mut request = Request { root, url, options: Vec::new(), retries: Retries::default() };
        for (key, value) in &options.by_key {
            match key.as_str() {
                "max_retries" => request.retries.max = request.number(key, value)?,
                "retry_timeout" => {
                    let seconds = request.number(key, value.strip_suffix('s').unwrap_or(value))?;
                    request.retries.timeout = Duration::from_secs(seconds);
                }
                key => request.options.push((key, value)),
            }
        }
        let store: Arc<dyn ObjectStore> = match service {
            #[cfg(feature = "s3")]
            Service::S3 => request.s3()?,
            #[cfg(feature = "gcs")]
            Service::Gcs => request.gcs()?,
            #[cfg(feature = "azure")]
            Service::Azure => request.azure()?,
            #[cfg(feature = "http")]
            Service::Http => request.http()?,
            #[allow(unreachable_patterns)]
            _ => unreachable!("the feature was checked"),
        };
        let is_read_only = service == Service::Http;
        let Request { retries, .. } = request;
        Ok(Arc::new(RemoteStore::named(store, root.to_owned(), retries, is_read_only)))
    }

    impl Request<'_> {
        fn number<T: FromStr>(&self, key: &str, value: &str) -> Result<T> {
            let reason = "its value is not a whole number";
            value.trim().parse().map_err(|_| self.invalid(key, reason))
        }

        fn invalid(&self, key: &str, reason: &'static str) -> crate::Error {
            let url = self.url.to_owned();
            TargetError::StoreOption { url, key: key.to_owned(), reason }.into()
        }

        /// Returns the key of an option of the client.
        fn key<K: FromStr>(&self, key: &str) -> Result<K> {
            key.parse().map_err(|_| self.invalid(key, "there is no such option"))
        }

        /// Returns the time limit for requests, unless an option or the environment sets it.
        fn default_timeout(&self, prefix: &str) -> Option<(ClientConfigKey, &'static str)> {
            let is_set = self.options.iter().any(|(key, _)| key.ends_with("timeout"))
                || std::env::var_os(format!("{prefix}_TIMEOUT")).is_some();
            (!is_set).then_some((ClientConfigKey::Timeout, TIMEOUT))
        }

        fn retry(&self) -> RetryConfig {
            RetryConfig {
                backoff: BackoffConfig::default(),
                max_retries: self.retries.max,
                retry_timeout: self.retries.timeout,
            }
        }

        fn built<S: ObjectStore>(
            &self,
            built: object_store::Result<S>,
        ) -> Result<Arc<dyn ObjectStore>> {
            match built {
                Ok(store) => Ok(Arc::new(store)),
                Err(error) => {
                    let source = innermost(&error).to_string().into();
                    Err(TargetError::OpenStore { url: self.url.to_owned(), source }.into())
                }
            }
        }

        #[cfg(any(feature = "s3", feature = "gcs", feature = "azure"))]
        /// Returns an error if there are no credentials and no server that has them.
        ///
        /// The client would ask that server, and repeat the request for minutes.
        fn check_credentials(&self, has_any: bool) -> Result<()> {
            if has_any || is_on_instance() {
                return Ok(());
            }
            Err(TargetError::NoCredentials { url: self.url.to_owned() }.into())
        }

        #[cfg(any(feature = "s3", feature = "gcs", feature = "azure"))]
        fn bucket(&self) -> &str {
            self.root.split("://").nth(1).unwrap_or_default()
        }

        #[cfg(feature = "s3")]
        fn s3(&self) -> Result<Arc<dyn ObjectStore>> {
            use object_store::aws::{AmazonS3Builder, AmazonS3ConfigKey as Key};
            let mut builder = AmazonS3Builder::from_env();
            for (key, value) in &self.options {
                builder = builder.with_config(self.key(key)?, *value);
            }
            if let Some((key, value)) = self.default_timeout("AWS") {
                builder = builder.with_config(Key::Client(key), value);
            }
            let has = |key| is_set(builder.get_config_value(&key));
            self.check_credentials(
                has(Key::AccessKeyId)
                    || has(Key::SecretAccessKey)
                    || (has(Key::WebIdentityTokenFile) && has(Key::RoleArn))
                    || has(Key::ContainerCredentialsRelativeUri)
                    || has(Key::ContainerCredentialsFullUri)
                    || has(Key::SkipSignature)
                    || has(Key::MetadataEndpoint),
            )?;
            self.built(builder.with_bucket_name(self.bucket()).with_retry(self.retry()).build())
        }

        #[cfg(feature = "gcs")]
        fn gcs(&self) -> Result<Arc<dyn ObjectStore>> {
            use object_store::gcp::{GoogleCloudStorageBuilder, GoogleConfigKey as Key};
            let mut builder = GoogleCloudStorageBuilder::from_env();
            for (key, value) in &self.options {
                builder = builder.with_config(self.key(key)?, *value);
            }
            if let Some((key, value)) = self.default_timeout("GOOGLE") {
                builder = builder.with_config(Key::Client(key), value);
            }
            let has = |key| is_set(builder.get_config_value(&key));
            self.check_credentials(
                has(Key::ServiceAccount)
                    || has(Key::ServiceAccountKey)
                    || has(Key::ApplicationCredentials)
                    || has(Key::BearerToken)
                    || has(Key::SkipSignature)
                    || has_default_google_credentials(),
            )?;
            self.built(builder.with_bucket_name(self.bucket()).with_retry(self.retry()).build())
        }

        #[cfg(feature = "azure")]
        fn azure(&self) -> Result<Arc<dyn ObjectStore>> {
            use object_store::azure::{AzureConfigKey as Key, MicrosoftAzureBuilder};
            let mut builder = MicrosoftAzureBuilder::from_env();
            for (key, value) in &self.options {
                builder = builder.with_config(self.key(key)?, *value);
            }
            if let Some((key, value)) = self.default_timeout("AZURE") {
                builder = builder.with_config(Key::Client(key), value);
            }
            let has = |key| is_set(builder.get_config_value(&key));
            self.check_credentials(
                has(Key::AccessKey)
                    || has(Key::ClientSecret)
                    || has(Key::SasKey)
                    || has(Key::Token)
                    || has(Key::UseAzureCli)
                    || has(Key::FederatedTokenFile)
                    || has(Key::MsiEndpoint)
                    || has(Key::FabricSessionToken)
                    || has(Key::UseEmulator)
                    || has(Key::SkipSignature),
            )?;
            builder = if self.bucket().contains('@') {
                builder.with_url(self.root)
            } else {
                builder.with_container_name(self.bucket())
            };
            self.built(builder.with_retry(self.retry()).build())
        }

        #[cfg(feature = "http")]
        fn http(&self) -> Result<Arc<dyn ObjectStore>> {
            use object_store::http::HttpBuilder;
            let mut builder = HttpBuilder::new().with_url(self.root);
            if self.root.starts_with("http://") {
                builder = builder.with_config(ClientConfigKey::AllowHttp, "true");
            }
            if let Some((key, value)) = self.default_timeout("HTTP") {
                builder = builder.with_config(key, value);
            }
            for (key, value) in &self.options {
                builder = builder.with_config(self.key(key)?, *value);
            }
            self.built(builder.with_retry(self.retry()).build())
        }
    }

    /// Returns true if a setting has a value other than false.
    #[cfg(any(feature = "s3", feature = "gcs", feature = "azure"))]
    fn is_set(value: Option<String>) -> bool {
        let no = ["", "0", "false", "no", "n", "off"];
        value.is_some_and(|value| !no.contains(&value.to_ascii_lowercase().as_str()))
    }

    /// Returns true if this machine has the server that gives credentials to virtual machines of
    /// all three clouds.
    #[cfg(any(feature = "s3", feature = "gcs", feature = "azure"))]
    fn is_on_instance() -> bool {
        let server = std::net::SocketAddr::from(([169, 254, 169, 254], 80));
        std::net::TcpStream::connect_timeout(&server, Duration::from_secs(1)).is_ok()
    }

    /// Returns true if the file exists in which `gcloud` leaves credentials.
    #[cfg(feature = "gcs")]
    fn has_default_google_credentials() -> bool {
        let file = ".config/gcloud/application_default_credentials.json";
        std::env::home_dir().is_some_and(|home| home.join(file).is_file())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Checks the stores whose features are enabled, and the errors of those whose features are not.
    fn check(service: Service, root: &str, options: &StoreOptions, expected: &str) {
        let (feature, is_enabled) = service.feature();
        let error = connect(service, root, root, options).err().map(|error| error.to_string());
        if is_enabled {
            assert_eq!(error.unwrap_or_default(), expected, "{root}");
        } else {
            let scheme = root.split("://").next().unwrap();
            let expected = format!(
                "cannot open {root}: the scheme {scheme} needs the feature `{feature}`, which is \
                 not enabled"
            );
            assert_eq!(error.unwrap(), expected);
        }
    }

    #[test]
    fn options_are_checked() {
        use Service::{Azure, Gcs, Http, S3};
        let options = StoreOptions::new;
        let public = || options().with("skip_signature", "true");
        for (service, root, options) in [
            (S3, "s3://bucket", public().with("AWS_Region", "eu-west-1").with("timeout", "5s")),
            (S3, "s3://bucket", public().with("max_retries", "0").with("retry_timeout", "5s")),
            (Gcs, "gs://bucket", public()),
            (Azure, "az://container", public().with("account_name", "account")),
            (Azure, "abfss://container@account.dfs.core.windows.net", public()),
            (Azure, "az://container", options().with("use_emulator", "true")),
            (Http, "https://host", options()),
            (Http, "http://host:8080", options().with("timeout", "5s")),
        ] {
            check(service, root, &options, "");
        }
        let unknown = "there is no such option";
        let no_number = "its value is not a whole number";
        for (service, root, key, reason) in [
            (S3, "s3://bucket", "regoin", unknown),
            (S3, "s3://bucket", "max_retries", no_number),
            (Gcs, "gs://bucket", "aws_region", unknown),
            (Http, "https://host", "region", unknown),
        ] {
            let expected = format!("invalid store option {key} for {root}: {reason}");
            let options = StoreOptions::new().with(key, "hunter2");
            check(service, root, &options, &expected);
        }
        let options = public().with("allow_http", "perhaps");
        check(S3, "s3://bucket", &options, "cannot open the store at s3://bucket");
    }
}
