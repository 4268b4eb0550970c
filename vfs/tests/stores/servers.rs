//! Real servers, started by the test that needs them and ended with it.
//!
//! | server | found by | installed by |
//! | --- | --- | --- |
//! | ministack (S3) | `SQLBRIDGE_TEST_PYTHON`, a Python that has it | `make test-deps` |
//! | s3gate (S3 with signatures) | `SQLBRIDGE_TEST_S3GATE`, the binary | `make test-deps` |
//! | azurite (Azure) | `SQLBRIDGE_TEST_AZURITE`, the command | `make test-deps` |
//!
//! A server that is missing fails the test, with one line that says so.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Duration;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use sqlbridge_vfs::env::{Environment, System};

/// Azurite's well-known account and key.
pub(crate) const AZURE_ACCOUNT: &str = "devstoreaccount1";
pub(crate) const AZURE_KEY: &str =
    "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==";

/// A running server.
pub(crate) struct Server {
    child: Child,
    pub(crate) address: SocketAddr,
    directory: PathBuf,
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = std::fs::remove_dir_all(&self.directory);
    }
}

impl Server {
    fn start(name: &str, mut command: Command, address: SocketAddr, directory: PathBuf) -> Self {
        let started = command
            .current_dir(&directory)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn();
        let child = started.unwrap_or_else(|e| missing(name, &e.to_string()));
        let mut server = Self {
            child,
            address,
            directory,
        };
        for _ in 0..600 {
            if TcpStream::connect(address).is_ok() {
                return server;
            }
            if let Some(status) = server.child.try_wait().unwrap() {
                missing(name, &format!("it ended with {status}"));
            }
            thread::sleep(Duration::from_millis(100));
        }
        panic!("{name} does not listen on {address} after 60 s");
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }
}

fn missing(name: &str, why: &str) -> ! {
    panic!("the test server {name} does not start ({why}): run 'make test-deps'");
}

fn free_address() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
}

fn scratch(name: &str, address: SocketAddr) -> PathBuf {
    let directory = std::env::temp_dir().join(format!("sqlbridge-{name}-{}", address.port()));
    std::fs::create_dir_all(&directory).unwrap();
    directory
}

fn command(variable: &str, default: &str) -> Command {
    Command::new(std::env::var_os(variable).unwrap_or_else(|| default.into()))
}

/// Ministack with a bucket `data`.
pub(crate) fn ministack() -> Server {
    let address = free_address();
    let mut command = command("SQLBRIDGE_TEST_PYTHON", "python3");
    command.args([
        "-m",
        "hypercorn",
        "--bind",
        &address.to_string(),
        "ministack.app:app",
    ]);
    command
        .env("SERVICES", "s3")
        .env("GATEWAY_PORT", address.port().to_string());
    let server = Server::start("ministack", command, address, scratch("ministack", address));
    let reply = ask(address, "PUT", "/data", &[]);
    assert!(
        reply.starts_with("HTTP/1.1 200"),
        "ministack made no bucket: {reply}"
    );
    server
}

/// s3gate with a bucket `data` and the keys `AK`, `SK`.
pub(crate) fn s3gate() -> Server {
    let address = free_address();
    let directory = scratch("s3gate", address);
    std::fs::create_dir_all(directory.join("data")).unwrap();
    let mut command = command("SQLBRIDGE_TEST_S3GATE", "s3gate");
    command
        .arg(&directory)
        .args([&address.to_string(), "AK", "SK"]);
    Server::start("s3gate", command, address, directory)
}

/// Azurite with a container `data`.
pub(crate) fn azurite() -> Server {
    let address = free_address();
    let mut command = command("SQLBRIDGE_TEST_AZURITE", "azurite-blob");
    command.args(["--silent", "--disableTelemetry", "--inMemoryPersistence"]);
    command.args([
        "--skipApiVersionCheck",
        "--blobHost",
        "127.0.0.1",
        "--blobPort",
    ]);
    command.arg(address.port().to_string());
    let server = Server::start("azurite", command, address, scratch("azurite", address));
    create_container(address);
    server
}

/// A request by hand, signed as Azure's Shared Key wants it.
fn create_container(address: SocketAddr) {
    let now = chrono::DateTime::from_timestamp_millis(System.wall_ms()).unwrap();
    let date = now.format("%a, %d %b %Y %H:%M:%S GMT").to_string();
    let headers = format!("x-ms-date:{date}\nx-ms-version:2021-08-06");
    let resource = format!("/{AZURE_ACCOUNT}/{AZURE_ACCOUNT}/data\nrestype:container");
    let signed = format!("PUT{}{headers}\n{resource}", "\n".repeat(12));
    let key = ring::hmac::Key::new(
        ring::hmac::HMAC_SHA256,
        &BASE64_STANDARD.decode(AZURE_KEY).unwrap(),
    );
    let signature = BASE64_STANDARD.encode(ring::hmac::sign(&key, signed.as_bytes()));
    let authorization = format!("SharedKey {AZURE_ACCOUNT}:{signature}");
    let target = format!("/{AZURE_ACCOUNT}/data?restype=container");
    let headers = [
        ("x-ms-date", date.as_str()),
        ("x-ms-version", "2021-08-06"),
        ("Authorization", authorization.as_str()),
    ];
    let reply = ask(address, "PUT", &target, &headers);
    assert!(
        reply.starts_with("HTTP/1.1 201"),
        "azurite made no container: {reply}"
    );
}

/// A plain request; the reply's head and body as text.
pub(crate) fn ask(
    address: SocketAddr,
    method: &str,
    target: &str,
    headers: &[(&str, &str)],
) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    let mut request = format!(
        "{method} {target} HTTP/1.1\r\nHost: {address}\r\nContent-Length: 0\r\nConnection: close\r\n"
    );
    for (name, value) in headers {
        request.push_str(&format!("{name}: {value}\r\n"));
    }
    request.push_str("\r\n");
    stream.write_all(request.as_bytes()).unwrap();
    let mut reply = String::new();
    stream.read_to_string(&mut reply).unwrap();
    reply
}
