//! What an error of `object_store` says, in plain words.
//!
//! Its messages contain URLs, durations, settings of the client and whole XML documents, and each
//! repeats its cause.

use std::error::Error as StdError;
use std::iter;

/// The longest text that is taken from a response which is no known document.
const MAX_TEXT: usize = 200;

/// The response of a server that refused a request.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Refusal {
    pub(super) status: u16,
    /// A code such as `NoSuchBucket`.
    pub(super) code: Option<String>,
    pub(super) text: Option<String>,
}

/// Returns the response that an error is about. Returns `None` if there was no response.
pub(super) fn refusal(error: &object_store::Error) -> Option<Refusal> {
    let message = error.to_string();
    let starts = ["non-2xx status code: ", "returned error response: "];
    let start = starts.iter().find_map(|start| Some(message.find(start)? + start.len()))?;
    let response = &message[start..];
    let digits = response.bytes().take_while(u8::is_ascii_digit).count();
    // A response with the status 200 may contain an error.
    let status = response[..digits].parse().unwrap_or(200);
    let body = response.split_once(": ").map_or(response, |(_, body)| body);
    let tag = |name| element(body, name).or_else(|| member(body, name));
    let code = tag("Code").or_else(|| tag("code"));
    let text = tag("Message").or_else(|| tag("message")).or_else(|| {
        let is_document = body.trim_start().starts_with(['<', '{']);
        (!is_document && !body.trim().is_empty()).then(|| body.trim().to_owned())
    });
    let text = text.map(|text| first_line(&text));
    Some(Refusal { status, code, text })
}

/// Returns the text of the first element of this name in an XML document.
fn element(document: &str, name: &str) -> Option<String> {
    let (_, after) = document.split_once(&format!("<{name}>"))?;
    let (text, _) = after.split_once(&format!("</{name}>"))?;
    Some(text.trim().to_owned())
}

/// Returns the text of the first member of this name in a JSON document.
fn member(document: &str, name: &str) -> Option<String> {
    let (_, after) = document.split_once(&format!("\"{name}\""))?;
    let value = after.trim_start().strip_prefix(':')?.trim_start().strip_prefix('"')?;
    Some(value.split_once('"')?.0.to_owned())
}

fn first_line(text: &str) -> String {
    text.lines().next().unwrap_or_default().trim().chars().take(MAX_TEXT).collect()
}

/// Returns the last error in the chain of causes.
pub(crate) fn innermost<'e>(error: &'e (dyn StdError + 'static)) -> &'e (dyn StdError + 'static) {
    iter::successors(Some(error), |&error| error.source()).last().unwrap_or(error)
}

/// Returns true if the client has sent the request more than once.
pub(super) fn was_retried(error: &object_store::Error) -> bool {
    error.to_string().contains(" retries, max_retries: ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(text: &str) -> object_store::Error {
        object_store::Error::Generic { store: "S3", source: text.into() }
    }

    fn of(body: &str) -> Refusal {
        let start = "Error performing GET http://host/key?sig=1 in 3.1ms - Server returned non-2xx \
                     status code: ";
        refusal(&error(&format!("{start}403 Forbidden: {body}"))).unwrap()
    }

    #[test]
    fn the_words_of_a_response_are_found() {
        let xml = "<?xml version=\"1.0\"?>\n<Error><Code>AccessDenied</Code>\n<Message>Access \
                   Denied\nRequestId:1</Message></Error>";
        let json = "{\"error\": {\"code\": \"Denied\", \"message\": \"no: you may not\"}}";
        let html = "<html><h1>Forbidden</h1></html>";
        for (body, code, text) in [
            (xml, Some("AccessDenied"), Some("Access Denied")),
            (json, Some("Denied"), Some("no: you may not")),
            (html, None, None),
            ("", None, None),
            (" go away: now\n", None, Some("go away: now")),
        ] {
            let found = of(body);
            assert_eq!((found.status, found.code.as_deref()), (403, code), "{body}");
            assert_eq!(found.text.as_deref(), text, "{body}");
        }
        assert_eq!(of(&"x".repeat(1000)).text.unwrap().len(), MAX_TEXT);
    }

    #[test]
    fn other_errors_have_no_response() {
        assert_eq!(refusal(&error("connection refused")), None);
    }
}
