//! A stub of the APIs of comments on a loopback port. Must keep what it is asked, and answer as GitHub and GitLab do.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};

/// One request as it came.
#[derive(Debug, Clone)]
pub struct Request {
    pub method: String,
    pub path: String,
    pub headers: String,
}

#[derive(Default)]
struct State {
    requests: Mutex<Vec<Request>>,
    comments: Mutex<Vec<Value>>,
    is_read_only: AtomicBool,
    is_over: AtomicBool,
}

/// The server; it ends when it is dropped.
pub struct Comments {
    address: SocketAddr,
    state: Arc<State>,
}

/// The account whose token the stub accepts.
pub const ACCOUNT: &str = "github-actions[bot]";

impl Comments {
    /// With the comments of others.
    pub fn start(others: Vec<Value>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a loopback port");
        let address = listener.local_addr().expect("its address");
        let state = Arc::new(State { comments: Mutex::new(others), ..State::default() });
        let own = Arc::clone(&state);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                if own.is_over.load(Ordering::SeqCst) {
                    break;
                }
                answer(&stream.expect("a connection"), &own);
            }
        });
        Self { address, state }
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// From now on the token may not write.
    pub fn refuse_writes(&self) {
        self.state.is_read_only.store(true, Ordering::SeqCst);
    }

    /// Requests so far, as `METHOD /path`, without looks at the list.
    pub fn writes(&self) -> Vec<String> {
        let requests = self.requests().into_iter().filter(|request| request.method != "GET");
        requests.map(|request| format!("{} {}", request.method, request.path)).collect()
    }

    pub fn requests(&self) -> Vec<Request> {
        self.state.requests.lock().unwrap().clone()
    }

    /// Texts of the account's comments.
    pub fn own(&self) -> Vec<String> {
        let comments = self.state.comments.lock().unwrap();
        let own = comments.iter().filter(|comment| comment["user"]["login"] == ACCOUNT);
        own.map(|comment| comment["body"].as_str().unwrap().to_owned()).collect()
    }
}

impl Drop for Comments {
    fn drop(&mut self) {
        self.state.is_over.store(true, Ordering::SeqCst);
        let _ = TcpStream::connect(self.address);
    }
}

fn answer(mut stream: &TcpStream, state: &State) {
    let mut reader = BufReader::new(stream);
    let mut line = String::new();
    reader.read_line(&mut line).expect("a request line");
    let mut words = line.split_whitespace();
    let (method, path) = (words.next().unwrap_or_default().to_owned(), words.next().unwrap_or_default().to_owned());
    let mut headers = String::new();
    while !headers.ends_with("\r\n\r\n") && headers != "\r\n" {
        assert!(reader.read_line(&mut headers).expect("a header") > 0, "the request ends in its headers: {headers}");
    }
    let header = |name: &str| {
        let mut fields = headers.lines().filter_map(|field| field.split_once(": "));
        fields.find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.to_owned())
    };
    let length = header("content-length").map_or(0, |length| length.parse().expect("a length"));
    let mut body = vec![0; length];
    reader.read_exact(&mut body).expect("the body");
    let (status, json) = reply(state, &method, &path, &body);
    state.requests.lock().unwrap().push(Request { method, path, headers });
    let text = json.to_string();
    let head = format!("HTTP/1.1 {status} x\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", text.len());
    // A client that has left is the test's to notice.
    let _ = stream.write_all(format!("{head}{text}").as_bytes());
}

fn reply(state: &State, method: &str, path: &str, body: &[u8]) -> (u16, Value) {
    let mut comments = state.comments.lock().unwrap();
    if method == "GET" {
        let page: usize = path.rsplit("page=").next().and_then(|page| page.parse().ok()).unwrap_or(1);
        return (200, comments.iter().skip((page - 1) * 100).take(100).cloned().collect());
    }
    if state.is_read_only.load(Ordering::SeqCst) {
        return (403, json!({ "message": "Resource not accessible by integration" }));
    }
    let body: Value = serde_json::from_slice(body).expect("a body of JSON");
    let is_list = path.ends_with("/issues/7/comments") || path.ends_with("/merge_requests/7/notes");
    match method {
        "POST" if is_list => {
            let new = json!({ "id": comments.len() + 1, "user": { "login": ACCOUNT }, "body": body["body"] });
            comments.push(new.clone());
            (201, new)
        }
        "PATCH" | "PUT" => {
            let id: usize = path.rsplit('/').next().and_then(|id| id.parse().ok()).unwrap_or_default();
            match comments.iter_mut().find(|comment| comment["id"] == id) {
                Some(comment) => {
                    comment["body"] = body["body"].clone();
                    (200, comment.clone())
                }
                None => (404, json!({ "message": "Not Found" })),
            }
        }
        _ => (404, json!({ "message": "Not Found" })),
    }
}
