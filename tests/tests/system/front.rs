//! NGINX by itself, filled in as its container does it, in front of back ends that the test plays: what it sends on and
//! what never twice, what it hides, whom it limits.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, anyhow, ensure};
use libtest_mimic::Trial;
use system_tests::back_end::{ACCEPTED, Does};
use system_tests::nginx::free_address;
use system_tests::{Answer, BackEnd, Client, Nginx, access_log, wait_until};

use crate::shared::lone_trial;

pub(crate) fn trials() -> Vec<Trial> {
    type Case = (&'static str, fn() -> Result<()>);
    let cases: [Case; 16] = [
        ("front::command_that_was_sent_is_never_sent_again", command_that_was_sent_is_never_sent_again),
        ("front::question_that_broke_off_is_asked_elsewhere", question_that_broke_off_is_asked_elsewhere),
        ("front::refused_connection_goes_to_the_next_back_end", refused_connection_goes_to_the_next_back_end),
        ("front::back_end_with_a_few_failures_is_not_left_out", back_end_with_a_few_failures_is_not_left_out),
        ("front::slow_clients_hold_nobody", slow_clients_hold_nobody),
        ("front::body_too_large_is_a_problem", body_too_large_is_a_problem),
        ("front::nothing_internal_shows", nothing_internal_shows),
        ("front::what_nginx_refuses_itself_is_a_problem", what_nginx_refuses_itself_is_a_problem),
        ("front::what_is_hardly_http_is_a_problem", what_is_hardly_http_is_a_problem),
        ("front::host_is_not_needed", host_is_not_needed),
        ("front::body_in_chunks_is_sent_on", body_in_chunks_is_sent_on),
        ("front::request_id_and_traceparent_pass", request_id_and_traceparent_pass),
        ("front::client_above_its_rate_is_told_when_to_come_back", client_above_its_rate_is_told_when_to_come_back),
        ("front::client_with_too_much_under_way_has_to_wait", client_with_too_much_under_way_has_to_wait),
        ("front::client_that_waits_too_often_may_still_ask", client_that_waits_too_often_may_still_ask),
        ("front::body_of_the_largest_command_passes", body_of_the_largest_command_passes),
    ];
    cases.into_iter().map(|(name, test)| lone_trial(name, test)).collect()
}

/// As NGINX lets nobody go beyond what a test means to look at.
const UNLIMITED: (&str, &str) = ("CLIENT_LIMITS", "off");
const WITHIN: Duration = Duration::from_secs(20);

fn command_that_was_sent_is_never_sent_again() -> Result<()> {
    let (broken, good) = (BackEnd::start(Does::BreaksOff)?, BackEnd::start(ACCEPTED)?);
    let nginx = Nginx::start(&[broken.address(), good.address()], &[UNLIMITED])?;
    let (mut failed, mut accepted) = (0, 0);
    // Sent to the one and the other in turn.
    for method in ["POST", "POST", "PATCH", "PATCH"].repeat(5) {
        let answer = nginx.client().send(method, "/transaction", &[], b"{}")?;
        match answer.status {
            202 => accepted += 1,
            _ => failed += usize::from(answer.problem(502)?["detail"].is_string()),
        }
    }
    ensure!(failed > 0 && accepted > 0, "{failed} failed, {accepted} were accepted: both were to be met");
    assert_eq!((broken.arrived().len(), good.arrived().len()), (failed, accepted), "each arrived once");
    Ok(())
}

fn question_that_broke_off_is_asked_elsewhere() -> Result<()> {
    let (broken, good) = (BackEnd::start(Does::BreaksOff)?, BackEnd::start(ACCEPTED)?);
    let nginx = Nginx::start(&[broken.address(), good.address()], &[UNLIMITED])?;
    for _ in 0..20 {
        nginx.client().get("/accounts/alice")?.json(202)?;
    }
    ensure!(!broken.arrived().is_empty(), "none was asked of the broken one");
    assert_eq!(good.arrived().len(), 20);
    Ok(())
}

fn refused_connection_goes_to_the_next_back_end() -> Result<()> {
    let good = BackEnd::start(ACCEPTED)?;
    let nginx = Nginx::start(&[free_address()?, good.address()], &[UNLIMITED])?;
    let id = [("X-Request-Id", "refused")];
    for _ in 0..50 {
        nginx.client().send("POST", "/transaction", &id, b"{}")?.json(202)?;
    }
    assert_eq!(good.arrived().len(), 50);
    let lines = access_log::await_lines(&nginx.access_log(), "refused", 50)?;
    let attempts = lines.iter().map(access_log::Line::attempts).collect::<Result<Vec<_>>>()?;
    ensure!(attempts.iter().any(|attempts| attempts.len() == 2), "none was refused first: {attempts:?}");
    lines.iter().try_for_each(access_log::Line::sent_once)
}

/// One that is gone must not take the others with it, whatever happened to these.
fn back_end_with_a_few_failures_is_not_left_out() -> Result<()> {
    let only = BackEnd::start(Does::BreaksOff)?;
    let nginx = Nginx::start(&[free_address()?, only.address()], &[UNLIMITED])?;
    for _ in 0..5 {
        nginx.client().send("POST", "/transaction", &[], b"{}")?.problem(502)?;
    }
    only.now(ACCEPTED);
    for _ in 0..20 {
        nginx.client().send("POST", "/transaction", &[], b"{}")?.json(202)?;
    }
    let said = nginx.error_log();
    ensure!(!said.contains("no live upstreams"), "{said}");
    Ok(())
}

fn slow_clients_hold_nobody() -> Result<()> {
    let back_end = BackEnd::start(ACCEPTED)?;
    let nginx = Nginx::start(&[back_end.address()], &[UNLIMITED, ("CLIENT_TIMEOUT", "1s")])?;
    let half = b"POST /transaction HTTP/1.1\r\nHost: slow\r\nContent-Length: 100\r\n\r\n{\"type\":";
    let slow = (0..200).map(|_| begin(nginx.address(), half)).collect::<Result<Vec<_>>>()?;
    for _ in 0..50 {
        nginx.client().send("POST", "/transaction", &[], b"{}")?.json(202)?;
    }
    assert_eq!(back_end.arrived().len(), 50, "a request is sent on when all of it is there");
    slow.into_iter().try_for_each(is_sent_away)
}

fn begin(address: SocketAddr, half: &[u8]) -> Result<TcpStream> {
    let mut stream = TcpStream::connect(address)?;
    stream.write_all(half)?;
    Ok(stream)
}

/// A client that never goes on is disconnected.
fn is_sent_away(mut stream: TcpStream) -> Result<()> {
    stream.set_read_timeout(Some(WITHIN))?;
    match stream.read_to_end(&mut Vec::new()) {
        Err(error) if error.kind() != ErrorKind::ConnectionReset => Err(error).context("a slow client was kept"),
        _ => Ok(()),
    }
}

fn body_too_large_is_a_problem() -> Result<()> {
    let back_end = BackEnd::start(ACCEPTED)?;
    let nginx = Nginx::start(&[back_end.address()], &[UNLIMITED, ("BODY_LIMIT", "1k")])?;
    let answer = nginx.client().send("POST", "/transaction", &[], &[b' '; 1025])?;
    assert_eq!(answer.problem(413)?["type"], "/problems/payload-too-large");
    ensure!(back_end.arrived().is_empty(), "it was sent on");
    nginx.client().send("POST", "/transaction", &[], &[b' '; 1024])?.json(202).map(drop)
}

/// What no answer may go without being asked about.
const KNOWN: [&str; 12] = [
    "allow",
    "connection",
    "content-length",
    "content-type",
    "date",
    "idempotency-replayed",
    "location",
    "preference-applied",
    "retry-after",
    "server",
    "transfer-encoding",
    "x-request-id",
];

/// Only headers that a client has use for, and no word of what is behind.
pub(crate) fn says_nothing_internal(answer: &Answer) -> Result<()> {
    let unknown: Vec<_> = answer.headers.keys().filter(|name| !KNOWN.contains(&name.as_str())).collect();
    ensure!(unknown.is_empty(), "headers of what is behind: {unknown:?}: {answer}");
    assert_eq!(answer.header("Server"), Some("nginx"), "{answer}");
    ensure!(answer.header("X-Request-Id").is_some(), "it has no request id: {answer}");
    let body = String::from_utf8_lossy(&answer.body).to_lowercase();
    let told =
        ["127.0.0.1", "lambda", "amzn", "amazon", "upstream", "nginx"].into_iter().find(|word| body.contains(word));
    ensure!(told.is_none(), "it speaks of {told:?}: {answer}");
    Ok(())
}

/// The head of an answer that tells all there is to tell.
macro_rules! talkative {
    ($status:literal) => {
        Does::Answers(concat!(
            "HTTP/1.1 ",
            $status,
            "\r\nContent-Type: application/json\r\nServer: lambda-local/0.1\r\nVia: 1.1 lambda\r\nX-Powered-By: Rust\r\n",
            "X-Amzn-RequestId: 1\r\nX-Amzn-Trace-Id: 1\r\nX-Amzn-ErrorType: AccessDeniedException\r\n",
            "X-Amz-Executed-Version: $LATEST\r\nX-Amz-Function-Error: Unhandled\r\nX-Amz-Log-Result: aGk=\r\n",
            "X-Amzn-Remapped-Content-Length: 2\r\nX-Amzn-Remapped-Connection: close\r\nX-Amzn-Remapped-Date: now\r\n",
            "X-Amzn-Remapped-Server: s\r\nX-Amz-Apigw-Id: 1\r\nApigw-Requestid: 1\r\nX-Amz-Cf-Id: 1\r\nX-Amz-Cf-Pop: 1\r\n",
            "X-Cache: Miss from cloudfront\r\nLambda-Runtime-Aws-Request-Id: 1\r\nLambda-Runtime-Invocation-Id: 1\r\n",
            "X-Request-Id: theirs\r\nLocation: /transactions/1\r\nRetry-After: 1\r\n",
        ))
    };
}

fn nothing_internal_shows() -> Result<()> {
    let back_end = BackEnd::start(ACCEPTED)?;
    let nginx = Nginx::start(&[back_end.address()], &[UNLIMITED])?;
    // Lambda's own answers become problems; 403 is what it says to us, not to the client.
    for (does, status, is_ours) in [
        (talkative!("200 OK"), 200, false),
        (talkative!("202 Accepted"), 202, false),
        (talkative!("404 Not Found"), 404, false),
        (talkative!("503 Service Unavailable"), 503, false),
        (talkative!("403 Forbidden"), 502, true),
        (talkative!("429 Too Many Requests"), 429, true),
        (talkative!("502 Bad Gateway"), 502, true),
        (talkative!("504 Gateway Timeout"), 504, true),
        (talkative!("414 URI Too Long"), 414, true),
        (talkative!("431 Request Header Fields Too Large"), 431, true),
        (talkative!("500 Internal Server Error"), 500, true),
        (Does::BreaksOff, 502, true),
    ] {
        back_end.now(does);
        let answer = nginx.client().send("POST", "/transaction", &[("X-Request-Id", "mine")], b"{}")?;
        assert_eq!(answer.status, status, "{answer}");
        says_nothing_internal(&answer)?;
        assert_eq!(answer.headers.get_all("X-Request-Id").iter().collect::<Vec<_>>(), ["mine"]);
        if is_ours {
            assert_eq!(answer.problem(status)?["request_id"], "mine");
        }
    }
    Ok(())
}

/// What is so wrong that it comes to no back end.
fn what_nginx_refuses_itself_is_a_problem() -> Result<()> {
    let nginx = Nginx::start(&[free_address()?], &[UNLIMITED])?;
    let long = "a".repeat(9_000);
    for (what, client, status, kind) in [
        ("nobody is there", nginx.client().get("/health")?, 502, "bad-gateway"),
        ("long head", nginx.client().send("GET", "/", &[("X-Long", &long)], b"")?, 431, "headers-too-large"),
        ("long path", nginx.client().get(&format!("/{long}"))?, 414, "uri-too-long"),
        ("TRACE", nginx.client().send("TRACE", "/", &[], b"")?, 405, "method-not-allowed"),
        (
            "unknown encoding",
            nginx.client().send("GET", "/", &[("Transfer-Encoding", "zip")], b"")?,
            400,
            "unreadable-request",
        ),
        ("one of its own addresses", nginx.client().get("/.problems/400")?, 404, "not-found"),
    ] {
        let problem = client.problem(status).context(what)?;
        assert_eq!(problem["type"], format!("/problems/{kind}"), "{what}");
        says_nothing_internal(&client).context(what)?;
    }
    Ok(())
}

/// What no HTTP client sends, and somebody does.
fn what_is_hardly_http_is_a_problem() -> Result<()> {
    let back_end = BackEnd::start(ACCEPTED)?;
    let nginx = Nginx::start(&[back_end.address()], &[UNLIMITED])?;
    let get = |headers: &str| format!("GET /health HTTP/1.1\r\nConnection: close\r\n{headers}\r\n");
    let posted = |headers: &str, body: &str| {
        format!("POST /transaction HTTP/1.1\r\nHost: h\r\nConnection: close\r\n{headers}\r\n\r\n{body}")
    };
    let chunked = |body: &str| posted("Transfer-Encoding: chunked", body);
    for (what, sent, status, kind) in [
        ("no host, though it is HTTP/1.1", get(""), 400, "unreadable-request"),
        ("two hosts", get("Host: a\r\nHost: b\r\n"), 400, "unreadable-request"),
        ("a path for a host", get("Host: a/b\r\n"), 400, "unreadable-request"),
        ("a zero in a header", get("Host: h\r\nX-A: a\0b\r\n"), 400, "unreadable-request"),
        ("a control character in a name", get("Host: h\r\nX-\u{1}: a\r\n"), 400, "unreadable-request"),
        (
            "a control character in the path",
            "GET /a\u{1} HTTP/1.1\r\nHost: h\r\n\r\n".to_owned(),
            400,
            "unreadable-request",
        ),
        ("no HTTP at all", "\u{16}\u{3}\u{1}\r\n\r\n".to_owned(), 400, "unreadable-request"),
        ("a version to come", "GET / HTTP/9.9\r\nHost: h\r\n\r\n".to_owned(), 400, "unreadable-request"),
        ("a length that is none", posted("Content-Length: many", ""), 400, "unreadable-request"),
        (
            "two lengths",
            posted("Transfer-Encoding: chunked\r\nContent-Length: 3", "0\r\n\r\n"),
            400,
            "unreadable-request",
        ),
        ("broken chunks", chunked("zz\r\nabc\r\n0\r\n\r\n"), 400, "unreadable-request"),
        (
            "too many chunks",
            chunked(&format!("11170\r\n{}\r\n0\r\n\r\n", "a".repeat(70_000))),
            413,
            "payload-too-large",
        ),
    ] {
        let answer = nginx.client().raw(&sent).context(what)?;
        assert_eq!(answer.problem(status).context(what)?["type"], format!("/problems/{kind}"), "{what}");
        says_nothing_internal(&answer).context(what)?;
    }
    assert_eq!(back_end.arrived().len(), 0, "none was sent on");
    Ok(())
}

/// HTTP/1.0 has no Host, and whoever is behind needs none.
fn host_is_not_needed() -> Result<()> {
    let back_end = BackEnd::start(ACCEPTED)?;
    let nginx = Nginx::start(&[back_end.address()], &[UNLIMITED])?;
    for line in ["GET /health HTTP/1.0", "OPTIONS / HTTP/1.0"] {
        nginx.client().raw(&format!("{line}\r\n\r\n"))?.json(202)?;
    }
    assert_eq!(back_end.arrived().len(), 2);
    Ok(())
}

/// A body whose length is not told beforehand takes a way of its own: it arrives once, and what is answered passes.
fn body_in_chunks_is_sent_on() -> Result<()> {
    let back_end = BackEnd::start(ACCEPTED)?;
    let nginx = Nginx::start(&[back_end.address()], &[UNLIMITED])?;
    let head = "POST /transaction?x=%20 HTTP/1.1\r\nHost: h\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n";
    let sent = format!("{head}1\r\n{{\r\n1\r\n}}\r\n0\r\n\r\n");
    nginx.client().raw(&sent)?.json(202)?;
    let arrived = back_end.arrived();
    assert_eq!(arrived.len(), 1);
    assert_eq!(arrived[0].line, "POST /lambda-url/api/transaction?x=%20 HTTP/1.1");
    assert_eq!(arrived[0].header("Content-Length"), Some("2"));
    // Its 400 is the back end's own, its bare 502 is none.
    back_end
        .now(Does::Answers("HTTP/1.1 400 Bad Request\r\nContent-Type: application/problem+json\r\nX-Theirs: 1\r\n"));
    assert_eq!(nginx.client().raw(&sent)?.header("X-Theirs"), Some("1"));
    back_end.now(Does::BreaksOff);
    assert_eq!(nginx.client().raw(&sent)?.problem(502)?["type"], "/problems/bad-gateway");
    assert_eq!(back_end.arrived().len(), 3, "each arrived once");
    Ok(())
}

fn request_id_and_traceparent_pass() -> Result<()> {
    const TRACE: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    let back_end = BackEnd::start(ACCEPTED)?;
    let nginx = Nginx::start(&[back_end.address()], &[UNLIMITED])?;
    let (client, path) = (nginx.client(), "/transactions/a%3Ab?wait=1&x=%20");
    let headers = [("X-Request-Id", "mine-1"), ("traceparent", TRACE), ("X-Forwarded-For", "6.6.6.6")];
    let answer = client.send("GET", path, &headers, b"")?;
    assert_eq!(answer.header("X-Request-Id"), Some("mine-1"));
    let made = client.send("GET", path, &[("X-Request-Id", "not \"sane\"")], b"")?;
    let made = made.header("X-Request-Id").context("an answer has a request id")?.to_owned();
    ensure!(made.len() == 32 && made.bytes().all(|byte| byte.is_ascii_hexdigit()), "{made}");

    let arrived = back_end.arrived();
    assert_eq!(arrived[0].line, format!("GET /lambda-url/api{path} HTTP/1.1"), "byte for byte");
    let passed = ["X-Request-Id", "traceparent", "X-Forwarded-For"].map(|name| arrived[0].header(name));
    assert_eq!(passed, [Some("mine-1"), Some(TRACE), Some("127.0.0.1")]);
    assert_eq!(arrived[1].header("X-Request-Id"), Some(made.as_str()));
    let line = access_log::await_lines(&nginx.access_log(), "mine-1", 1)?;
    assert_eq!(line[0].text("traceparent"), TRACE);
    Ok(())
}

fn client_above_its_rate_is_told_when_to_come_back() -> Result<()> {
    let back_end = BackEnd::start(ACCEPTED)?;
    // One at once and three ahead; a minute later another.
    let few = [("CLIENT_RATE", "1r/m"), ("CLIENT_BURST", "3")];
    let nginx = Nginx::start(&[back_end.address()], &few)?;
    for _ in 0..4 {
        nginx.client().get("/health")?.json(202)?;
    }
    is_told_to_come_back(&nginx.client(), "requests a second")?;
    assert_eq!(back_end.arrived().len(), 4, "what is above the rate is not sent on");
    let lifted = Nginx::start(&[back_end.address()], &[few[0], few[1], UNLIMITED])?;
    (0..20).try_for_each(|_| lifted.client().get("/health")?.json(202).map(drop))?;

    back_end.now(Does::Answers("HTTP/1.1 429 Too Many Requests\r\n"));
    is_told_to_come_back(&lifted.client(), "environment is busy")
}

fn is_told_to_come_back(client: &Client, why: &str) -> Result<()> {
    let answer = client.get("/health")?;
    let problem = answer.problem(429)?;
    ensure!(problem["detail"].as_str().is_some_and(|detail| detail.contains(why)), "{problem}");
    assert_eq!(answer.header("Retry-After"), Some("1"));
    says_nothing_internal(&answer)
}

fn client_with_too_much_under_way_has_to_wait() -> Result<()> {
    let back_end = BackEnd::start(Does::Waits)?;
    let nginx = Nginx::start(&[back_end.address()], &[("CLIENT_CONNECTIONS", "2")])?;
    let under_way: Vec<_> = (0..2)
        .map(|_| {
            let client = nginx.client();
            thread::spawn(move || client.get("/health")?.json(202))
        })
        .collect();
    wait_until("two requests are under way", WITHIN, || Ok((back_end.arrived().len() == 2).then_some(())))?;
    is_told_to_come_back(&nginx.client(), "under way")?;
    back_end.now(ACCEPTED);
    for request in under_way {
        request.join().map_err(|_| anyhow!("a request panicked"))??;
    }
    nginx.client().get("/health")?.json(202).map(drop)
}

/// Waits are counted by themselves, however they are asked for.
fn client_that_waits_too_often_may_still_ask() -> Result<()> {
    let back_end = BackEnd::start(Does::Waits)?;
    let nginx = Nginx::start(&[back_end.address()], &[("CLIENT_WAITS", "2")])?;
    let wait = |path: &'static str, prefer: Option<&'static str>| {
        let client = nginx.client();
        let headers: Vec<_> = prefer.map(|prefer| ("Prefer", prefer)).into_iter().collect();
        thread::spawn(move || client.send("GET", path, &headers, b"")?.json(202))
    };
    let mut under_way = vec![wait("/transactions/a?wait=5", None), wait("/x", Some("respond-async, wait = 5"))];
    wait_until("two requests wait", WITHIN, || Ok((back_end.arrived().len() == 2).then_some(())))?;
    for (path, prefer) in [("/transactions/a?x=1&wait=5", ""), ("/transaction", "Wait=1"), ("/transaction", "wait=5")] {
        let answer = nginx.client().send("POST", path, &[("Prefer", prefer)], b"{}")?;
        answer.problem(429).with_context(|| format!("{path} {prefer}"))?;
    }
    under_way.push(wait("/transactions/a?awaits=5", Some("respond-async")));
    wait_until("who does not wait is sent on", WITHIN, || Ok((back_end.arrived().len() == 3).then_some(())))?;
    back_end.now(ACCEPTED);
    for request in under_way {
        request.join().map_err(|_| anyhow!("a request panicked"))??;
    }
    Ok(())
}

/// NGINX takes what `api` takes, and no byte more.
fn body_of_the_largest_command_passes() -> Result<()> {
    const LARGEST: usize = 64 * 1024;
    let back_end = BackEnd::start(ACCEPTED)?;
    let nginx = Nginx::start(&[back_end.address()], &[UNLIMITED])?;
    nginx.client().send("POST", "/transaction", &[], &[b' '; LARGEST])?.json(202)?;
    nginx.client().send("POST", "/transaction", &[], &[b' '; LARGEST + 1])?.problem(413)?;
    assert_eq!(back_end.arrived().len(), 1);
    Ok(())
}
