//! A back end that a test plays, in the place of `api`: it takes requests, remembers them, and does as it is told.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;

use anyhow::{Context, Result};

/// What it does with a request that it has read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Does {
    /// Answers with this status line and these headers, each on its line.
    Answers(&'static str),
    /// Closes the connection without a word, as one that was killed does.
    BreaksOff,
    /// Says nothing until it is told to do something else.
    Waits,
}

pub const ACCEPTED: Does = Does::Answers("HTTP/1.1 202 Accepted\r\nContent-Type: application/json\r\n");

/// A request as it arrived.
#[derive(Debug, Clone)]
pub struct Arrived {
    pub line: String,
    headers: Vec<(String, String)>,
}

/// Serves until the tests end.
#[derive(Debug, Clone)]
pub struct BackEnd {
    address: SocketAddr,
    state: Arc<State>,
}

#[derive(Debug)]
struct State {
    does: Mutex<Does>,
    told: Condvar,
    arrived: Mutex<Vec<Arrived>>,
}

impl BackEnd {
    pub fn start(does: Does) -> Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("a back end cannot listen")?;
        let state = State { does: Mutex::new(does), told: Condvar::new(), arrived: Mutex::default() };
        let back_end = Self { address: listener.local_addr()?, state: Arc::new(state) };
        let state = Arc::clone(&back_end.state);
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let state = Arc::clone(&state);
                // NGINX may close a connection at any time.
                thread::spawn(move || serve(&stream, &state).ok());
            }
        });
        Ok(back_end)
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// From now on; a request that waits is answered so, too.
    pub fn now(&self, does: Does) {
        *locked(&self.state.does) = does;
        self.state.told.notify_all();
    }

    pub fn arrived(&self) -> Vec<Arrived> {
        locked(&self.state.arrived).clone()
    }
}

impl Arrived {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }
}

fn serve(stream: &TcpStream, state: &State) -> Result<()> {
    let mut reader = BufReader::new(stream);
    while let Some(arrived) = read(&mut reader)? {
        locked(&state.arrived).push(arrived);
        let does = state.told.wait_while(locked(&state.does), |does| *does == Does::Waits);
        match *does.unwrap_or_else(PoisonError::into_inner) {
            Does::Answers(head) => {
                (&mut &*stream).write_all(format!("{head}Content-Length: 2\r\n\r\n{{}}").as_bytes())?
            }
            Does::BreaksOff | Does::Waits => return Ok(()),
        }
    }
    Ok(())
}

/// The next request, its body read to its end; nothing when the connection ends.
fn read(reader: &mut impl BufRead) -> Result<Option<Arrived>> {
    let mut line = String::new();
    if reader.read_line(&mut line)? == 0 {
        return Ok(None);
    }
    let mut headers = Vec::new();
    loop {
        let mut header = String::new();
        reader.read_line(&mut header)?;
        let Some((name, value)) = header.trim_end().split_once(": ") else { break };
        headers.push((name.to_owned(), value.to_owned()));
    }
    let arrived = Arrived { line: line.trim_end().to_owned(), headers };
    let length = arrived.header("Content-Length").map_or(Ok(0), str::parse)?;
    reader.take(length).read_to_end(&mut Vec::new())?;
    Ok(Some(arrived))
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
