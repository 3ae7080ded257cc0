//! Supervision of small programs: real processes, real signals.

use super::*;
use crate::part::{Probe, Stop};
use crate::process;
use nix::unistd::{Pid, getpgid};
use std::fs;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::Sender;
use std::thread::{self, JoinHandle};

struct Stage {
    supervisor: Supervisor,
    dir: StackDir,
    ask: Sender<Event>,
    _temp: tempfile::TempDir,
}

fn stage() -> Stage {
    let temp = tempfile::tempdir().unwrap();
    let dir = StackDir::at(temp.path().to_owned());
    let events = Events::of_processes();
    let ask = events.sender();
    Stage { supervisor: Supervisor::new(dir.clone(), StackFile::default(), events), dir, ask, _temp: temp }
}

fn program(name: &'static str, script: &str) -> Part {
    Part {
        name,
        program: PathBuf::from("sh"),
        args: vec!["-c".into(), script.into()],
        env: Vec::new(),
        dir: None,
        address: "nowhere".into(),
        ready: Probe::Started,
        ready_within: Duration::from_secs(5),
        stop: Stop { signal: Signal::SIGTERM, grace: Duration::from_millis(300) },
        forgets: false,
    }
}

/// A program that runs until it is told to end, with a child of its own.
const PATIENT: &str = "sleep 600 & trap 'exit 0' TERM; wait; wait";
fn eventually<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + Duration::from_secs(20);
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(Instant::now() < deadline, "never saw {what}");
        thread::sleep(Duration::from_millis(10));
    }
}

fn recorded(dir: &StackDir, name: &str) -> Option<Identity> {
    StackFile::read(dir).unwrap()?.part(name)?.process
}

fn gone(group: u32) {
    eventually("the end of a process group", || process::group_members(group).is_empty().then_some(()));
}

/// A supervisor that watches in a thread until it is asked to stop, and then stops everything; also when the test fails.
struct Watching {
    ask: Sender<Event>,
    thread: Option<JoinHandle<Signal>>,
}

fn watch(mut supervisor: Supervisor, ask: Sender<Event>) -> Watching {
    let thread = thread::spawn(move || {
        let signal = supervisor.watch().unwrap();
        supervisor.stop_all().unwrap();
        signal
    });
    Watching { ask, thread: Some(thread) }
}

impl Watching {
    fn stop(mut self) -> Signal {
        self.ask.send(Event::Asked(Signal::SIGINT)).unwrap();
        self.thread.take().unwrap().join().unwrap()
    }
}

impl Drop for Watching {
    fn drop(&mut self) {
        let Some(thread) = self.thread.take() else { return };
        let _it_may_have_ended = self.ask.send(Event::Asked(Signal::SIGINT));
        let _the_test_fails_already = thread.join();
    }
}

#[test]
fn a_part_that_is_killed_is_started_again_and_recorded() {
    let Stage { mut supervisor, dir, ask, _temp } = stage();
    supervisor.launch(program("patient", PATIENT)).unwrap();
    supervisor.await_ready("patient").unwrap();
    let first = recorded(&dir, "patient").unwrap();
    let watching = watch(supervisor, ask);
    process::signal_process(first.pid, Signal::SIGKILL);
    let second = eventually("a second process", || recorded(&dir, "patient").filter(|now| *now != first));
    gone(first.pid);
    assert!(second.is_alive());
    assert_eq!(watching.stop(), Signal::SIGINT);
    gone(second.pid);
    assert_eq!(recorded(&dir, "patient"), None);
}

#[test]
fn each_part_leads_a_group_and_stopping_ends_its_children_too() {
    let Stage { mut supervisor, dir, _temp, .. } = stage();
    supervisor.launch(program("patient", PATIENT)).unwrap();
    supervisor.await_ready("patient").unwrap();
    let leader = recorded(&dir, "patient").unwrap();
    let pid = Pid::from_raw(i32::try_from(leader.pid).unwrap());
    assert_eq!(getpgid(Some(pid)).unwrap(), pid);
    eventually("a child in the group", || (process::group_members(leader.pid).len() > 1).then_some(()));
    supervisor.stop("patient").unwrap();
    gone(leader.pid);
}

#[test]
fn a_child_in_a_group_of_its_own_does_not_outlive_a_killed_part() {
    let Stage { mut supervisor, dir, ask, _temp } = stage();
    let script =
        format!("setsid sh -c 'echo $$ >> {}; exec sleep 600' & {PATIENT}", dir.root().join("stray").display());
    supervisor.launch(program("parent", &script)).unwrap();
    supervisor.await_ready("parent").unwrap();
    let stray =
        || fs::read_to_string(dir.root().join("stray")).ok()?.lines().next()?.parse().ok().and_then(Identity::of);
    let stray = eventually("the stray child", stray);
    let parent = recorded(&dir, "parent").unwrap();
    let watching = watch(supervisor, ask);
    process::signal_process(parent.pid, Signal::SIGKILL);
    eventually("the end of the stray child", || (!stray.is_alive()).then_some(()));
    watching.stop();
}

#[test]
fn a_part_that_does_not_want_to_stop_is_killed_after_its_grace() {
    let Stage { mut supervisor, dir, _temp, .. } = stage();
    let traps = dir.root().join("traps");
    let script = format!("trap '' TERM; : > {}; while [ -e {0} ]; do sleep 1; done", traps.display());
    let stubborn = program("stubborn", &script);
    let grace = stubborn.stop.grace;
    supervisor.launch(stubborn).unwrap();
    supervisor.await_ready("stubborn").unwrap();
    let leader = recorded(&dir, "stubborn").unwrap();
    eventually("the trap", || traps.exists().then_some(()));
    let began = Instant::now();
    supervisor.stop("stubborn").unwrap();
    assert!(began.elapsed() >= grace, "it ended within its grace");
    gone(leader.pid);
}

#[test]
fn a_part_that_ends_while_it_starts_fails_the_start_and_its_log_is_quoted() {
    let Stage { mut supervisor, _temp, .. } = stage();
    let mut part = program("broken", "echo no such disk >&2; exit 7");
    part.ready = Probe::Port(crate::part::loopback(1));
    supervisor.launch(part).unwrap();
    let error = supervisor.await_ready("broken").unwrap_err().to_string();
    assert!(error.contains("no such disk") && error.contains("exit status: 7"), "{error}");
}

#[test]
fn what_a_part_leaves_behind_when_it_ends_during_the_start_is_killed() {
    let Stage { mut supervisor, dir, _temp, .. } = stage();
    let mut part = program("broken", "sleep 600 & exit 7");
    part.ready = Probe::Port(crate::part::loopback(1));
    supervisor.launch(part).unwrap();
    let leader = recorded(&dir, "broken").unwrap();
    assert!(supervisor.await_ready("broken").is_err());
    gone(leader.pid);
}

#[test]
fn what_a_part_leaves_behind_when_it_ends_while_another_is_stopped_is_killed() {
    let Stage { mut supervisor, dir, _temp, .. } = stage();
    let file = |name: &str| dir.root().join(name);
    let (hasty_traps, slow_traps, asked, released) =
        (file("hasty-traps"), file("slow-traps"), file("asked"), file("released"));
    let hasty = format!("sleep 600 & trap 'exit 1' TERM; : > {}; wait", hasty_traps.display());
    let slow = format!(
        // It ends with its directory, should the test fail.
        "trap ': > {}' TERM; : > {}; while [ -e {1} ] && ! [ -e {} ]; do sleep 0.02; done",
        asked.display(),
        slow_traps.display(),
        released.display()
    );
    supervisor.launch(program("hasty", &hasty)).unwrap();
    let grace = Duration::from_secs(60);
    supervisor.launch(Part { stop: Stop { signal: Signal::SIGTERM, grace }, ..program("slow", &slow) }).unwrap();
    let leader = recorded(&dir, "hasty").unwrap();
    eventually("both traps", || (hasty_traps.exists() && slow_traps.exists()).then_some(()));
    let stopping = thread::spawn(move || supervisor.stop("slow").unwrap());
    eventually("the wish to stop the slow part", || asked.exists().then_some(()));
    process::signal_process(leader.pid, Signal::SIGTERM);
    gone(leader.pid);
    assert!(!stopping.is_finished());
    fs::write(released, "").unwrap();
    stopping.join().unwrap();
}

#[test]
fn a_signal_during_the_start_is_an_interruption() {
    let Stage { mut supervisor, ask, _temp, .. } = stage();
    let mut part = program("slow", PATIENT);
    part.ready = Probe::Port(crate::part::loopback(1));
    supervisor.launch(part).unwrap();
    ask.send(Event::Asked(Signal::SIGTERM)).unwrap();
    assert!(supervisor.await_ready("slow").unwrap_err().is::<Interrupted>());
}

#[test]
fn a_part_that_keeps_ending_is_started_more_and_more_slowly() {
    let Stage { mut supervisor, dir, ask, _temp } = stage();
    let script = format!("echo once more >> {}", dir.root().join("starts").display());
    supervisor.launch(program("hasty", &script)).unwrap();
    let began = Instant::now();
    let watching = watch(supervisor, ask);
    let starts = || fs::read_to_string(dir.root().join("starts")).unwrap_or_default().lines().count();
    eventually("four starts", || (starts() >= 4).then_some(()));
    assert!(began.elapsed() >= Duration::from_millis(200 + 400 + 800), "{:?}", began.elapsed());
    watching.stop();
}

/// A stack of a part that forgets and one that relies on it.
fn memory_and_reader(stage: &mut Stage, reader: &str) -> (Identity, Identity) {
    stage.supervisor.launch(Part { forgets: true, ..program("memory", PATIENT) }).unwrap();
    stage.supervisor.launch(program("reader", reader)).unwrap();
    stage.supervisor.await_ready("memory").unwrap();
    stage.supervisor.await_ready("reader").unwrap();
    stage.supervisor.file.ready = true;
    stage.supervisor.write_file().unwrap();
    (recorded(&stage.dir, "memory").unwrap(), recorded(&stage.dir, "reader").unwrap())
}

fn is_ready(dir: &StackDir) -> bool {
    StackFile::read(dir).unwrap().unwrap().ready
}

/// Waits until the reader is another one and the stack is ready.
fn await_return(dir: &StackDir, reader: Identity) {
    eventually("another reader", || recorded(dir, "reader").filter(|now| *now != reader));
    eventually("a stack that is ready again", || is_ready(dir).then_some(()));
}

#[test]
fn a_part_that_forgets_starts_again_when_those_that_rely_on_it_have_ended_and_they_start_when_all_is_made_again() {
    let mut stage = stage();
    let ended = stage.dir.root().join("ended");
    let slow = format!("sleep 600 & trap 'sleep 0.5; : > {}; exit 0' TERM; wait; wait", ended.display());
    let (memory, reader) = memory_and_reader(&mut stage, &slow);
    let Stage { mut supervisor, dir, ask, _temp } = stage;
    let (asked, tries) = (dir.clone(), Arc::new(AtomicU32::new(0)));
    let counted = Arc::clone(&tries);
    supervisor.on_loss(
        vec!["reader"],
        Box::new(move || {
            assert!(ended.exists(), "the reader had not ended");
            assert!(recorded(&asked, "memory").is_some_and(|now| now != memory), "it is not back");
            assert_eq!(recorded(&asked, "reader"), None, "the reader started too early");
            assert!(!is_ready(&asked));
            match counted.fetch_add(1, Ordering::SeqCst) {
                0 => bail!("not yet"),
                _ => Ok(()),
            }
        }),
    );
    let watching = watch(supervisor, ask);
    process::signal_process(memory.pid, Signal::SIGKILL);
    await_return(&dir, reader);
    assert_eq!(tries.load(Ordering::SeqCst), 2);
    watching.stop();
}

#[test]
fn who_relies_on_a_part_that_forgets_and_does_not_end_is_killed() {
    let mut stage = stage();
    let (memory, reader) = memory_and_reader(&mut stage, "trap '' TERM; while :; do sleep 1; done");
    let Stage { mut supervisor, dir, ask, _temp } = stage;
    supervisor.on_loss(vec!["reader"], Box::new(|| Ok(())));
    let watching = watch(supervisor, ask);
    process::signal_process(memory.pid, Signal::SIGKILL);
    await_return(&dir, reader);
    assert!(!reader.is_alive());
    watching.stop();
}

#[test]
fn a_loss_while_another_is_made_up_for_is_made_up_for_too() {
    let mut stage = stage();
    let (memory, reader) = memory_and_reader(&mut stage, PATIENT);
    let Stage { mut supervisor, dir, ask, _temp } = stage;
    let (seen, counted) = (dir.clone(), Arc::new(AtomicU32::new(0)));
    let tries = Arc::clone(&counted);
    supervisor.on_loss(
        vec!["reader"],
        Box::new(move || {
            if counted.fetch_add(1, Ordering::SeqCst) == 0 {
                let second = recorded(&seen, "memory").unwrap();
                process::signal_process(second.pid, Signal::SIGKILL);
                bail!("it has ended again");
            }
            Ok(())
        }),
    );
    let watching = watch(supervisor, ask);
    process::signal_process(memory.pid, Signal::SIGKILL);
    await_return(&dir, reader);
    assert_eq!(tries.load(Ordering::SeqCst), 2);
    watching.stop();
}

#[test]
fn what_a_killed_supervisor_left_is_found_and_ended() {
    let Stage { mut supervisor, dir, _temp, .. } = stage();
    supervisor.launch(program("patient", PATIENT)).unwrap();
    supervisor.await_ready("patient").unwrap();
    let left = StackFile::read(&dir).unwrap().unwrap();
    let leader = recorded(&dir, "patient").unwrap();
    eventually("a child in the group", || (process::group_members(leader.pid).len() > 1).then_some(()));
    assert_eq!(orphans::end(&dir, &left), 1);
    assert!(process::group_members(leader.pid).is_empty());
    assert_eq!(orphans::end(&dir, &left), 0);
}

#[test]
fn a_pid_that_is_somebody_elses_now_is_left_alone() {
    let Stage { mut supervisor, dir, _temp, .. } = stage();
    supervisor.launch(program("patient", PATIENT)).unwrap();
    let mut file = StackFile::read(&dir).unwrap().unwrap();
    let leader = recorded(&dir, "patient").unwrap();
    file.part_mut("patient").unwrap().process = Some(Identity { started: leader.started + 1, ..leader });
    assert_eq!(orphans::end(&dir, &file), 0);
    assert!(leader.is_alive());
}
