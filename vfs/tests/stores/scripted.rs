//! An HTTP server on this machine that does what a test tells it, byte by byte.

use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

/// How much of a body is kept to be looked at.
const MAX_KEPT: usize = 1024;

/// A request as it came.
#[derive(Debug, Clone)]
pub(crate) struct Request {
    pub(crate) method: String,
    pub(crate) target: String,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Request {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let found = self
            .headers
            .iter()
            .find(|(n, _)| n.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.as_str())
    }
}

/// What the server does with a request it has received completely.
#[derive(Debug, Clone)]
pub(crate) enum Action {
    /// Answers with a status, headers and a body.
    Answer(u16, Vec<(&'static str, String)>, Vec<u8>),
    /// Answers with an object, then closes the connection after so many bytes of it.
    Truncated(String, usize),
    /// Answers as after a write, then closes the connection, unannounced.
    LastAnswer,
    /// Closes the connection without a word.
    Reset,
    /// Never answers.
    Hang,
}

impl Action {
    pub(crate) fn status(status: u16) -> Self {
        Self::Answer(status, vec![], vec![])
    }

    /// An S3 error.
    pub(crate) fn error(status: u16, code: &str) -> Self {
        let body = format!("<Error><Code>{code}</Code><Message>Said so.</Message></Error>");
        Self::Answer(
            status,
            vec![("Content-Type", "application/xml".into())],
            body.into(),
        )
    }

    /// A successful write.
    pub(crate) fn written() -> Self {
        Self::Answer(200, vec![("ETag", "\"e\"".into())], vec![])
    }

    /// A successful read of a whole object.
    pub(crate) fn object(content: &str) -> Self {
        let headers = vec![
            ("ETag", "\"e\"".into()),
            ("Last-Modified", "Sat, 21 Nov 2026 02:05:23 GMT".into()),
        ];
        Self::Answer(200, headers, content.into())
    }
}

/// A running server; it ends with the test's process.
pub(crate) struct Scripted {
    pub(crate) address: SocketAddr,
    requests: Arc<Mutex<Vec<Request>>>,
}

impl Scripted {
    /// Starts a server; `script` gets each request with its number, from 0.
    pub(crate) fn start(
        script: impl Fn(usize, &Request) -> Action + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let requests = Arc::new(Mutex::new(Vec::new()));
        let (log, script) = (Arc::clone(&requests), Arc::new(script));
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (log, script) = (Arc::clone(&log), Arc::clone(&script));
                thread::spawn(move || serve(stream, &log, &*script));
            }
        });
        Self { address, requests }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub(crate) fn requests(&self) -> Vec<Request> {
        self.requests.lock().unwrap().clone()
    }
}

fn serve(stream: TcpStream, log: &Mutex<Vec<Request>>, script: &dyn Fn(usize, &Request) -> Action) {
    stream.set_nodelay(true).unwrap();
    let mut writer = stream.try_clone().unwrap();
    let mut reader = BufReader::new(stream);
    while let Some(request) = receive(&mut reader) {
        let number = {
            let mut log = log.lock().unwrap();
            log.push(request.clone());
            log.len() - 1
        };
        let answered = match script(number, &request) {
            Action::Answer(status, headers, body) => {
                let keep = answer(&mut writer, status, &headers, &body, body.len());
                keep.is_ok() && request.method != "HEAD"
            }
            Action::Truncated(content, sent) => {
                if let Action::Answer(status, headers, body) = Action::object(&content) {
                    let _ = answer(&mut writer, status, &headers, &body, sent);
                }
                false
            }
            Action::LastAnswer => {
                let etag = [("ETag", "\"e\"".to_owned())];
                let _ = answer(&mut writer, 200, &etag, &[], 0);
                false
            }
            Action::Reset => false,
            Action::Hang => {
                thread::sleep(Duration::from_secs(60));
                false
            }
        };
        if !answered {
            return;
        }
    }
}

fn receive(reader: &mut impl BufRead) -> Option<Request> {
    let mut lines = Vec::new();
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).ok()? == 0 {
            return None;
        }
        match line.trim_end() {
            "" => break,
            line => lines.push(line.to_owned()),
        }
    }
    let (first, rest) = lines.split_first()?;
    let mut words = first.split(' ');
    let (method, target) = (words.next()?.to_owned(), words.next()?.to_owned());
    let pair = |l: &String| {
        l.split_once(": ")
            .map(|(n, v)| (n.to_owned(), v.to_owned()))
    };
    let headers = rest.iter().filter_map(pair).collect();
    let mut request = Request {
        method,
        target,
        headers,
        body: vec![],
    };
    let length = request
        .header("content-length")
        .map_or(0, |l| l.parse().unwrap());
    request.body = vec![0; length];
    reader.read_exact(&mut request.body).ok()?;
    request.body.truncate(MAX_KEPT);
    Some(request)
}

fn answer(
    writer: &mut impl Write,
    status: u16,
    headers: &[(&str, String)],
    body: &[u8],
    sent: usize,
) -> std::io::Result<()> {
    let mut head = format!(
        "HTTP/1.1 {status} Scripted\r\nContent-Length: {}\r\n",
        body.len()
    );
    for (name, value) in headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    head.push_str("\r\n");
    writer.write_all(head.as_bytes())?;
    writer.write_all(&body[..sent])?;
    writer.flush()
}
