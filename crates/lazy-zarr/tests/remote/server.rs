//! A server with the interface of S3, as far as the tests need it, which fails on purpose.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread;
use std::time::Duration;

use percent_encoding::percent_decode_str;

/// What the server does to a request.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Fault {
    /// Answers as it should.
    No,
    /// Answers with a status, headers and a body, and does nothing else.
    Status(u16, &'static str, &'static str),
    /// Does what it should, and answers with the status 500.
    StatusAfterwards,
    /// Does what it should, and closes the connection without a response.
    NoResponse,
    /// Closes the connection in the middle of the body.
    Break,
    /// Returns half of the body as if it were a range of its own.
    Truncate,
    /// Returns the body in two halves, with a pause between them.
    Pause,
    /// Answers as it should, after the object was replaced by these bytes.
    Replace(Vec<u8>),
}

/// A request, without its body.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    pub(crate) method: String,
    /// The key, decoded, without the bucket.
    pub(crate) key: String,
    pub(crate) query: String,
    headers: BTreeMap<String, String>,
}

impl Request {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(String::as_str)
    }
}

type Faults = Box<dyn FnMut(&Request) -> Fault + Send>;

struct State {
    objects: BTreeMap<String, Vec<u8>>,
    requests: Vec<Request>,
    faults: Faults,
    has_e_tags: bool,
    has_ranges: bool,
}

pub(crate) struct Server {
    address: SocketAddr,
    state: Arc<Mutex<State>>,
}

impl Server {
    /// Starts a server that asks the function for the fault of each request. Its threads end with
    /// the process.
    pub(crate) fn start(faults: impl FnMut(&Request) -> Fault + Send + 'static) -> Server {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let state = Arc::new(Mutex::new(State {
            objects: BTreeMap::new(),
            requests: Vec::new(),
            faults: Box::new(faults),
            has_e_tags: true,
            has_ranges: true,
        }));
        let shared = Arc::clone(&state);
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let state = Arc::clone(&shared);
                // A client that closes its connection is no failure of the server.
                thread::spawn(move || drop(serve(&stream, &state)));
            }
        });
        Server { address, state }
    }

    pub(crate) fn without_e_tags(self) -> Server {
        self.state().has_e_tags = false;
        self
    }

    pub(crate) fn without_ranges(self) -> Server {
        self.state().has_ranges = false;
        self
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub(crate) fn put(&self, key: &str, bytes: &[u8]) {
        self.state().objects.insert(key.to_owned(), bytes.to_vec());
    }

    pub(crate) fn object(&self, key: &str) -> Option<Vec<u8>> {
        self.state().objects.get(key).cloned()
    }

    pub(crate) fn keys(&self) -> Vec<String> {
        self.state().objects.keys().cloned().collect()
    }

    /// Returns the requests since the last call.
    pub(crate) fn take_requests(&self) -> Vec<Request> {
        std::mem::take(&mut self.state().requests)
    }
}

fn serve(stream: &TcpStream, state: &Mutex<State>) -> io::Result<()> {
    let mut reader = BufReader::new(stream);
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line)? == 0 {
            return Ok(());
        }
        let mut words = line.split_whitespace().map(str::to_owned);
        let (method, path) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
        let mut headers = BTreeMap::new();
        loop {
            let mut line = String::new();
            reader.read_line(&mut line)?;
            let Some((name, value)) = line.split_once(':') else { break };
            headers.insert(name.to_ascii_lowercase(), value.trim().to_owned());
        }
        let length = headers.get("content-length").and_then(|length| length.parse().ok());
        let mut body = vec![0; length.unwrap_or(0)];
        reader.read_exact(&mut body)?;
        let (path, query) = path.split_once('?').unwrap_or((&path, ""));
        let path = percent_decode_str(path).decode_utf8_lossy();
        let key = path.trim_start_matches('/');
        let key = key.strip_prefix("bucket/").unwrap_or(key).to_owned();
        let request = Request { method, key, query: query.to_owned(), headers };
        let (fault, response) = {
            let mut state = state.lock().unwrap();
            state.requests.push(request.clone());
            let fault = (state.faults)(&request);
            if let Fault::Replace(bytes) = &fault {
                state.objects.insert(request.key.clone(), bytes.clone());
            }
            let response = match fault {
                Fault::Status(status, headers, body) => {
                    Response { status, headers: headers.to_owned(), body: body.into() }
                }
                _ => state.respond(&request, body),
            };
            (fault, response)
        };
        if !send(stream, &request, response, &fault)? {
            return Ok(());
        }
    }
}

struct Response {
    status: u16,
    /// Each ends with a line break.
    headers: String,
    body: Vec<u8>,
}

impl State {
    fn respond(&mut self, request: &Request, body: Vec<u8>) -> Response {
        let of = |status, body: &str| Response {
            status,
            headers: String::new(),
            body: body.as_bytes().to_vec(),
        };
        let key = &request.key;
        match (&*request.method, &*request.query) {
            ("GET" | "HEAD", "") => self.read(request),
            ("GET", query) if query.contains("list-type=2") => of(200, &self.list(query)),
            ("POST", "uploads=" | "uploads") => of(
                200,
                "<InitiateMultipartUploadResult><UploadId>7</UploadId></InitiateMultipartUploadResult>",
            ),
            ("POST", "delete") => {
                let mut response = "<DeleteResult>".to_owned();
                for part in String::from_utf8_lossy(&body).split("<Key>").skip(1) {
                    let key = part.split("</Key>").next().unwrap();
                    self.objects.remove(key);
                    response += &format!("<Deleted><Key>{key}</Key></Deleted>");
                }
                of(200, &(response + "</DeleteResult>"))
            }
            ("POST", _) => {
                // The tests look at the parts, so the object is the number of them.
                let n_parts = String::from_utf8_lossy(&body).matches("<Part>").count();
                self.objects.insert(key.clone(), n_parts.to_string().into());
                of(
                    200,
                    "<CompleteMultipartUploadResult><ETag>\"m\"</ETag></CompleteMultipartUploadResult>",
                )
            }
            ("PUT", query) if query.contains("partNumber") => {
                Response { status: 200, headers: "ETag: \"p\"\r\n".to_owned(), body: Vec::new() }
            }
            ("PUT", _) => {
                let there = self.objects.get(key);
                let is_refused = match (request.header("if-none-match"), request.header("if-match"))
                {
                    (Some(_), _) => there.is_some(),
                    (_, Some(tag)) => there.map(|there| e_tag(there)).as_deref() != Some(tag),
                    _ => false,
                };
                if is_refused {
                    return of(412, "<Error><Code>PreconditionFailed</Code></Error>");
                }
                let headers = format!("ETag: {}\r\n", e_tag(&body));
                self.objects.insert(key.clone(), body);
                Response { status: 200, headers, body: Vec::new() }
            }
            ("DELETE", _) => {
                self.objects.remove(key);
                of(204, "")
            }
            _ => of(405, ""),
        }
    }

    fn list(&self, query: &str) -> String {
        let value = |name: &str| {
            let value = query.split('&').find_map(|pair| pair.strip_prefix(name));
            percent_decode_str(value.unwrap_or("")).decode_utf8_lossy().into_owned()
        };
        let (prefix, delimiter) = (value("prefix="), value("delimiter="));
        let (mut contents, mut prefixes) = (String::new(), BTreeSet::new());
        for (key, object) in &self.objects {
            let Some(below) = key.strip_prefix(&*prefix) else { continue };
            match below.split_once(&*delimiter).filter(|_| !delimiter.is_empty()) {
                Some((name, _)) => drop(prefixes.insert(format!("{prefix}{name}{delimiter}"))),
                None => {
                    let (size, tag) = (object.len(), e_tag(object));
                    contents += &format!(
                        "<Contents><Key>{key}</Key><LastModified>2030-01-01T00:00:00.000Z</LastModified><ETag>{tag}</ETag><Size>{size}</Size></Contents>",
                    );
                }
            }
        }
        let prefixes = prefixes
            .iter()
            .map(|prefix| format!("<CommonPrefixes><Prefix>{prefix}</Prefix></CommonPrefixes>"));
        let prefixes: String = prefixes.collect();
        format!("<ListBucketResult>{contents}{prefixes}</ListBucketResult>")
    }

    fn read(&self, request: &Request) -> Response {
        let Some(object) = self.objects.get(&request.key) else {
            let body = b"<Error><Code>NoSuchKey</Code></Error>".to_vec();
            return Response { status: 404, headers: String::new(), body };
        };
        let mut headers = "Last-Modified: Tue, 01 Jan 2030 00:00:00 GMT\r\n".to_owned();
        if self.has_e_tags {
            headers += &format!("ETag: {}\r\n", e_tag(object));
        }
        let size = object.len();
        let range = request.header("range").filter(|_| self.has_ranges);
        let Some((start, end)) =
            range.and_then(|range| range.strip_prefix("bytes=")?.split_once('-'))
        else {
            return Response { status: 200, headers, body: object.clone() };
        };
        let (start, end) = match (start.parse::<usize>(), end.parse::<usize>()) {
            (Ok(start), Ok(end)) => (start, (end + 1).min(size)),
            (Ok(start), Err(_)) => (start, size),
            (Err(_), Ok(length)) => (size.saturating_sub(length), size),
            _ => panic!("the range {start}-{end}"),
        };
        if start >= size {
            return Response { status: 416, headers, body: Vec::new() };
        }
        headers += &format!("Content-Range: bytes {start}-{}/{size}\r\n", end - 1);
        Response { status: 206, headers, body: object[start..end].to_vec() }
    }
}

/// Equal bytes have equal tags.
fn e_tag(bytes: &[u8]) -> String {
    let sum = bytes.iter().fold(5381_u64, |sum, byte| sum.wrapping_mul(33) ^ u64::from(*byte));
    format!("\"{sum:x}\"")
}

/// Returns true if the connection can take another request.
fn send(
    mut stream: &TcpStream,
    request: &Request,
    mut response: Response,
    fault: &Fault,
) -> io::Result<bool> {
    if *fault == Fault::NoResponse {
        return Ok(false);
    }
    if *fault == Fault::StatusAfterwards {
        response = Response { status: 500, headers: String::new(), body: Vec::new() };
    }
    let has_body = request.method != "HEAD" && response.status != 204;
    let Response { status, headers, mut body } = response;
    if *fault == Fault::Truncate && has_body {
        body.truncate(body.len() / 2);
    }
    let half = if has_body { body.len() / 2 } else { 0 };
    let length = body.len();
    write!(stream, "HTTP/1.1 {status} Status\r\nContent-Length: {length}\r\n{headers}\r\n")?;
    if !has_body {
        return Ok(true);
    }
    stream.write_all(&body[..half])?;
    match fault {
        Fault::Break => return Ok(false),
        Fault::Pause => thread::sleep(Duration::from_millis(20)),
        _ => {}
    }
    stream.write_all(&body[half..])?;
    Ok(true)
}
