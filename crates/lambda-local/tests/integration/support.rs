//! A lambda-local process for a test, and what one does with it.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use hyper_util::client::legacy::{Client, connect::HttpConnector};
use hyper_util::rt::TokioExecutor;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;
use tempfile::TempDir;

/// Two functions of the same program: `multi` takes eight requests at once, `single` takes them one by one.
pub(crate) const TEMPLATE: &str = "
Transform: AWS::Serverless-2016-10-31
Globals:
  Function: {Runtime: provided.al2023, Timeout: 1, FunctionUrlConfig: {AuthType: NONE}}
Resources:
  Multi:
    Type: AWS::Serverless::Function
    Metadata: {BuildProperties: {Binary: multi}}
    Properties:
      CapacityProviderConfig: {Arn: x, PerExecutionEnvironmentMaxConcurrency: 8}
      Environment: {Variables: {MINE: !Sub '${AWS::Region}!'}}
  Single:
    Type: AWS::Serverless::Function
    Metadata: {BuildProperties: {Binary: single}}
    Properties: {ReservedConcurrentExecutions: 1, FunctionName: the-single-one}
  Closed:
    Type: AWS::Serverless::Function
    Metadata: {BuildProperties: {Binary: closed}}
    Properties: {ReservedConcurrentExecutions: 0}
";

/// A program under test. It is killed when it goes out of scope.
pub(crate) struct Program {
    pub(crate) child: Child,
    pub(crate) url: String,
    pub(crate) log: Arc<Mutex<Vec<String>>>,
}

/// A lambda-local with its folder.
pub(crate) struct Stack {
    pub(crate) program: Program,
    pub(crate) folder: TempDir,
}

pub(crate) fn example() -> PathBuf {
    let built = Path::new(env!("CARGO_BIN_EXE_lambda-local")).parent().unwrap().join("examples/test-function");
    assert!(built.is_file(), "{} is missing: cargo build --release -p lambda-local --examples", built.display());
    built
}

/// A folder with a template and the programs of its functions.
pub(crate) fn folder(template: &str) -> TempDir {
    let folder = TempDir::new().unwrap();
    std::fs::write(folder.path().join("template.yaml"), template).unwrap();
    for name in ["multi", "single", "closed", "reader"] {
        std::os::unix::fs::symlink(example(), folder.path().join(name)).unwrap();
    }
    folder
}

/// Starts lambda-local with arguments and waits until it says where it listens.
pub(crate) fn run(arguments: &[&str]) -> Program {
    run_into(Stdio::null(), arguments)
}

/// The same, with a standard output.
pub(crate) fn run_into(stdout: Stdio, arguments: &[&str]) -> Program {
    let mut command = Command::new(env!("CARGO_BIN_EXE_lambda-local"));
    let mut child = command.args(arguments).stderr(Stdio::piped()).stdout(stdout).spawn().unwrap();
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
    let log = Arc::new(Mutex::new(vec![]));
    let url = loop {
        let line = lines.next().unwrap_or_else(|| panic!("ended: {:?}", log.lock().unwrap())).unwrap();
        log.lock().unwrap().push(line.clone());
        if let Some((_, address)) = line.split_once("listening on ") {
            break address.split([',', ' ']).next().unwrap().to_owned();
        }
    };
    let more = Arc::clone(&log);
    std::thread::spawn(move || lines.map_while(Result::ok).for_each(|line| more.lock().unwrap().push(line)));
    Program { child, url, log }
}

impl Program {
    pub(crate) fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(i32::try_from(self.child.id()).unwrap()), signal).unwrap();
    }

    /// Asks it to stop and waits until it has.
    pub(crate) async fn stop(mut self) {
        self.signal(Signal::SIGTERM);
        self.end().await;
    }

    /// Waits until it has ended, which it has to do well.
    pub(crate) async fn end(&mut self) {
        let mut status = None;
        until("the end of the program", async || {
            status = self.child.try_wait().unwrap();
            status.is_some()
        })
        .await;
        assert!(status.is_some_and(|status| status.success()), "{status:?}");
    }

    pub(crate) fn log_says(&self, text: &str) -> bool {
        self.log.lock().unwrap().iter().any(|line| line.contains(text))
    }

    pub(crate) async fn status(&self) -> Value {
        json(request("GET", &format!("{}/status", self.url), &[], b"").await.1)
    }

    pub(crate) async fn is_ready(&self) -> bool {
        request("GET", &format!("{}/health", self.url), &[], b"").await.0.status() == 200
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            eprintln!("log of the program:\n{}", self.log.lock().unwrap().join("\n"));
        }
    }
}

impl Stack {
    pub(crate) fn start(arguments: &[&str]) -> Self {
        Self::of(TEMPLATE, arguments)
    }

    pub(crate) fn of(template: &str, arguments: &[&str]) -> Self {
        let folder = folder(template);
        let program = Self::run_in(folder.path(), arguments);
        Self { program, folder }
    }

    pub(crate) fn run_in(folder: &Path, arguments: &[&str]) -> Program {
        let path = folder.to_str().unwrap();
        let template = format!("{path}/template.yaml");
        let mut all = vec!["start", "--template", &template, "--binaries", path, "--log-dir", path];
        all.extend(["--listen", "127.0.0.1:0", "--fast-retry"]);
        all.extend(arguments);
        run(&all)
    }

    /// A function URL's answer to a GET.
    pub(crate) async fn get(&self, path: &str) -> (u16, String) {
        let (response, body) = request("GET", &format!("{}/lambda-url/{path}", self.program.url), &[], b"").await;
        (response.status().as_u16(), text(body))
    }

    /// What the Invoke API answers.
    pub(crate) async fn invoke(&self, function: &str, headers: &[(&str, &str)], body: &[u8]) -> (Response<()>, Bytes) {
        let url = format!("{}/2015-03-31/functions/{function}/invocations", self.program.url);
        request("POST", &url, headers, body).await
    }

    /// The environments of a function: pid and state.
    pub(crate) async fn environments(&self, function: &str) -> Vec<(i32, String)> {
        let status = self.program.status().await;
        let functions = status["functions"].as_array().unwrap();
        let function = functions.iter().find(|candidate| candidate["name"] == function).unwrap();
        let environments = function["environments"].as_array().unwrap().iter().map(|environment| {
            let pid = environment["pid"].as_i64().and_then(|pid| i32::try_from(pid).ok()).unwrap_or_default();
            (pid, environment["state"].as_str().unwrap().to_owned())
        });
        environments.collect()
    }

    pub(crate) fn function_log(&self, name: &str) -> String {
        std::fs::read_to_string(self.folder.path().join(format!("{name}.log"))).unwrap_or_default()
    }
}

pub(crate) async fn request(method: &str, url: &str, headers: &[(&str, &str)], body: &[u8]) -> (Response<()>, Bytes) {
    let client: Client<HttpConnector, Full<Bytes>> = Client::builder(TokioExecutor::new()).build_http();
    let mut request = Request::builder().method(method).uri(url);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let request = request.body(Full::new(Bytes::copy_from_slice(body))).unwrap();
    let (parts, body) = client.request(request).await.unwrap_or_else(|error| panic!("{url}: {error:?}")).into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    (Response::from_parts(parts, ()), body)
}

pub(crate) fn text(body: Bytes) -> String {
    String::from_utf8(body.to_vec()).unwrap()
}

pub(crate) fn json(body: Bytes) -> Value {
    serde_json::from_slice(&body).unwrap_or_else(|error| panic!("{error}: {}", text(body)))
}

/// Waits until something holds, and says what did not when it takes too long.
pub(crate) async fn until(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    let start = Instant::now();
    while !holds().await {
        assert!(start.elapsed() < Duration::from_secs(60), "waited a minute: {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

pub(crate) fn is_alive(pid: i32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    // A zombie is not alive.
    stat.rsplit(')').next().is_some_and(|rest| !rest.trim().is_empty() && !rest.trim_start().starts_with('Z'))
}
