//! The errors of requests.

use std::error::Error as StdError;
use std::fmt;

use super::super::error::StoreError;
use super::plain::{Refusal, innermost, refusal, was_retried};

/// The action of a request that failed.
#[derive(Clone, Copy, Debug)]
pub(super) enum Action {
    Read,
    Write,
    List,
    Delete,
}

impl fmt::Display for Action {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Action::Read => "read",
            Action::Write => "write",
            Action::List => "list",
            Action::Delete => "delete",
        })
    }
}

/// A request that failed. The cause is the last error of the chain, unless the message contains it.
#[derive(Debug)]
pub(crate) struct RequestError {
    message: String,
    error: Option<object_store::Error>,
    remedy: Option<&'static str>,
}

const CREATE_BUCKET: &str = "create the bucket, or correct its name in the URL";
const REACH_SERVER: &str = "check the network, and the address of the server: an option such as \
                            aws_endpoint, or an environment variable such as AWS_ENDPOINT, sets \
                            another one";

impl RequestError {
    /// Returns a remedy, if one is known.
    pub(crate) fn remedy(&self) -> Option<&'static str> {
        self.remedy
    }
}

impl fmt::Display for RequestError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.message)
    }
}

impl StdError for RequestError {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        let error: &(dyn StdError + 'static) = self.error.as_ref()?;
        Some(innermost(error))
    }
}

/// The names that an error mentions.
#[derive(Clone, Copy)]
pub(super) struct Request<'r> {
    pub(super) action: Action,
    pub(super) key: &'r str,
    /// The URL or the name of the store.
    pub(super) store: &'r str,
}

impl Request<'_> {
    /// Returns the error of a request that was not sent, or whose result is not usable.
    pub(super) fn failed(self, what: &str) -> StoreError {
        let message = format!("{self}: {what}");
        StoreError::other(RequestError { message, error: None, remedy: None })
    }

    /// Returns the error of a request, except that an object does not exist or a condition does not
    /// hold.
    pub(super) fn error(self, error: object_store::Error) -> StoreError {
        use object_store::Error as E;
        if matches!(error, E::NotSupported { .. } | E::NotImplemented { .. }) {
            return StoreError::Unsupported;
        }
        let Some(refusal) = refusal(&error) else { return self.without_response(error) };
        let attempts = if was_retried(&error) { ", and so did all retries" } else { "" };
        let what = if is_of_credentials(&refusal) {
            "access is denied"
        } else if is_of_bucket(&refusal) {
            "the bucket or container does not exist"
        } else if matches!(refusal.status, 429 | 503) || refusal.code.as_deref() == Some("SlowDown")
        {
            "the server is overloaded"
        } else if refusal.status >= 500 {
            "the server failed"
        } else {
            "the server refused the request"
        };
        let is_denied = is_of_credentials(&refusal);
        let message = format!("{self}: {what} ({}){attempts}", Response(&refusal));
        let remedy = is_of_bucket(&refusal).then_some(CREATE_BUCKET);
        let error = RequestError { message, error: None, remedy };
        if is_denied { StoreError::Denied(error.into()) } else { StoreError::other(error) }
    }

    fn without_response(self, error: object_store::Error) -> StoreError {
        let message = error.to_string();
        if message.contains("redirect without LOCATION") {
            return self.failed(
                "the server redirects to another region, so the option aws_region does not name the \
                 region of the bucket",
            );
        }
        if message.contains("URL scheme is not allowed") {
            return self.failed("HTTP without TLS needs the option allow_http=true");
        }
        let attempts = if was_retried(&error) { ", and neither could any retry" } else { "" };
        let message = format!("{self}{attempts}");
        StoreError::other(RequestError { message, error: Some(error), remedy: Some(REACH_SERVER) })
    }

    /// Returns the error of an object that was not found: the object or its bucket is missing.
    pub(super) fn not_found(self, error: object_store::Error) -> StoreError {
        match refusal(&error) {
            Some(refusal) if is_of_bucket(&refusal) => self.error(error),
            _ => StoreError::NotFound,
        }
    }
}

impl fmt::Display for Request<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Request { action, key, store } = self;
        if key.is_empty() {
            write!(formatter, "could not {action} {store}")
        } else {
            write!(formatter, "could not {action} {key} in {store}")
        }
    }
}

/// Prints `404 NoSuchBucket: The bucket does not exist`, as far as it is known.
struct Response<'r>(&'r Refusal);

impl fmt::Display for Response<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Refusal { status, code, text } = self.0;
        write!(formatter, "{status}")?;
        if let Some(code) = code {
            write!(formatter, " {code}")?;
        }
        if let Some(text) = text {
            write!(formatter, ": {text}")?;
        }
        Ok(())
    }
}

fn is_of_credentials(refusal: &Refusal) -> bool {
    let codes = ["ExpiredToken", "InvalidToken", "TokenRefreshRequired", "AuthenticationFailed"];
    matches!(refusal.status, 401 | 403)
        || refusal.code.as_deref().is_some_and(|code| codes.contains(&code))
}

pub(super) fn is_of_bucket(refusal: &Refusal) -> bool {
    let codes = ["NoSuchBucket", "ContainerNotFound", "FilesystemNotFound"];
    refusal.code.as_deref().is_some_and(|code| codes.contains(&code))
}
