//! Servers that log a client in and then hang, lie about lengths or never stop: what asks them ends in time and takes
//! no memory. Must need no PostgreSQL.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use crate::support::Home;

/// What a server does once a client is logged in.
#[derive(Clone, Copy)]
enum Manner {
    /// Never answers.
    Silent,
    /// Answers the shortest query, and nothing else.
    SilentLater,
    /// Announces a row of 3.9 GB, and sends zeros as long as anybody reads.
    LargeRow,
    /// Sends bytes that are no messages.
    Garbage,
    /// Sends parameters, each under another name.
    EndlessParameters,
    /// Sends notices, and never that it is ready.
    EndlessNotices,
}

fn message(kind: u8, body: &[u8]) -> Vec<u8> {
    [&[kind][..], &(body.len() as u32 + 4).to_be_bytes(), body].concat()
}

/// A server on a port of its own, and how many requests it has left without an answer; its threads end with the test.
fn serve(manner: Manner) -> (u16, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let unanswered = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&unanswered);
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let counter = Arc::clone(&counter);
            std::thread::spawn(move || drop(session(stream, manner, &counter)));
        }
    });
    (port, unanswered)
}

fn session(mut stream: TcpStream, manner: Manner, unanswered: &AtomicUsize) -> std::io::Result<()> {
    let mut request = [0; 8];
    stream.read_exact(&mut request)?;
    if request[4..] == 80_877_103_u32.to_be_bytes() {
        stream.write_all(b"N")?;
        stream.read_exact(&mut request)?;
    }
    let length = u32::from_be_bytes(request[..4].try_into().unwrap()) as usize;
    stream.read_exact(&mut vec![0; length - 8])?;
    stream.write_all(&message(b'R', &[0; 4]))?;
    if let Manner::EndlessParameters = manner {
        for number in 0_u64.. {
            stream.write_all(&message(b'S', format!("name_{number}\0value\0").as_bytes()))?;
        }
    }
    stream.write_all(&message(b'S', b"server_version\x0017.2\0"))?;
    stream.write_all(&message(b'K', &[0; 8]))?;
    stream.write_all(&message(b'Z', b"I"))?;
    for _ in 0.. {
        let mut head = [0; 5];
        stream.read_exact(&mut head)?;
        let mut body = vec![0; u32::from_be_bytes(head[1..].try_into().unwrap()) as usize - 4];
        stream.read_exact(&mut body)?;
        match manner {
            Manner::SilentLater if body.starts_with(b"SELECT 1\0") => {
                let answer = [message(b'C', b"SELECT 1\0"), message(b'Z', b"I")].concat();
                stream.write_all(&answer)?;
            }
            Manner::Silent | Manner::SilentLater => drop(unanswered.fetch_add(1, Ordering::Relaxed)),
            Manner::LargeRow => {
                stream.write_all(b"D")?;
                stream.write_all(&3_900_000_000_u32.to_be_bytes())?;
                loop {
                    stream.write_all(&[0; 1 << 16])?;
                }
            }
            Manner::Garbage => stream.write_all(&[0xee; 4096])?,
            Manner::EndlessNotices => loop {
                stream.write_all(&message(b'N', b"SNOTICE\0C00000\0Mall is well\0\0"))?;
            },
            Manner::EndlessParameters => unreachable!(),
        }
    }
    Ok(())
}

const SCENARIO: &str = "name = 'x'\n[load]\nclients = 2\n[[action]]\nname = 'x'\nsql = 'SELECT 2'\n";

/// A home with the scenario where verbs look for it, written before any of them is started.
fn home_with_scenario() -> Home {
    let home = Home::empty();
    let work = home.path().join("work");
    std::fs::create_dir_all(&work).unwrap();
    std::fs::write(work.join("x.toml"), SCENARIO).unwrap();
    home
}

/// Starts a verb against a server.
fn start(home: &Home, port: u16, verb: &[&str]) -> Child {
    let url = format!("postgresql://anna@127.0.0.1:{port}/shop");
    let arguments: Vec<&str> = verb.iter().map(|word| if *word == "URL" { url.as_str() } else { word }).collect();
    let mut command = home.command(&arguments);
    command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().expect("the program starts")
}

/// Waits for its end; with the most memory it took meanwhile, in bytes.
fn watch(child: &mut Child, limit: Duration) -> (Option<i32>, u64) {
    let (began, mut peak) = (Instant::now(), 0);
    loop {
        let status = std::fs::read_to_string(format!("/proc/{}/status", child.id())).unwrap_or_default();
        let line = status.lines().find(|line| line.starts_with("VmHWM:"));
        let kib = line.and_then(|line| line.split_whitespace().nth(1)?.parse::<u64>().ok());
        peak = peak.max(kib.unwrap_or_default() * 1024);
        if let Some(status) = child.try_wait().unwrap() {
            return (status.code(), peak);
        }
        if began.elapsed() > limit {
            child.kill().unwrap();
            return (None, peak);
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn stderr(child: &mut Child) -> String {
    let mut text = String::new();
    child.stderr.take().unwrap().read_to_string(&mut text).unwrap();
    text
}

const RUN: [&str; 4] = ["run", "x.toml", "--url", "URL"];
const SEED: [&str; 4] = ["seed", "--allow-writes", "--url", "URL"];
const DOCTOR: [&str; 3] = ["doctor", "--url", "URL"];
const PROVE: [&str; 7] = ["prove", "--scenario", "x.toml", "--before", "URL", "--after", "URL"];

#[test]
fn a_server_that_lies_or_never_stops_is_refused_in_time_and_takes_no_memory() {
    let home = home_with_scenario();
    let cases: [(Manner, &[&str], &str); 8] = [
        (Manner::Silent, &RUN, "no answer within 10 s"),
        (Manner::Silent, &SEED, "no answer within 10 s"),
        (Manner::LargeRow, &RUN, "announces a message of 3900000000 bytes"),
        (Manner::LargeRow, &PROVE, "announces a message of 3900000000 bytes"),
        (Manner::Garbage, &DOCTOR, "announces a message of 4008636142 bytes"),
        (Manner::Garbage, &SEED, "announces a message of 4008636142 bytes"),
        (Manner::EndlessParameters, &RUN, "more than 1000 messages and is not ready"),
        (Manner::EndlessNotices, &RUN, "no answer within 10 s"),
    ];
    let started = cases.map(|(manner, verb, words)| (start(&home, serve(manner).0, verb), verb, words));
    std::thread::scope(|scope| {
        for (mut child, verb, words) in started {
            scope.spawn(move || {
                let (code, peak) = watch(&mut child, Duration::from_secs(40));
                let text = stderr(&mut child);
                assert_eq!(code, Some(4), "{verb:?}: {text}");
                assert!(text.contains(words), "{verb:?}: {text}");
                assert!(peak < 150 << 20, "{verb:?} took {} MiB", peak >> 20);
            });
        }
    });
}

#[test]
fn a_signal_ends_every_verb_that_waits_for_a_silent_server() {
    let home = home_with_scenario();
    std::thread::scope(|scope| {
        for (verb, signal) in [(&RUN[..], "-INT"), (&SEED, "-TERM"), (&DOCTOR, "-INT"), (&PROVE, "-TERM")] {
            let home = &home;
            scope.spawn(move || {
                let (port, unanswered) = serve(Manner::SilentLater);
                let mut child = start(home, port, verb);
                while unanswered.load(Ordering::Relaxed) == 0 {
                    let ended = child.try_wait().unwrap();
                    assert!(ended.is_none(), "{verb:?} waits for nothing: {}", stderr(&mut child));
                    std::thread::sleep(Duration::from_millis(10));
                }
                let pid = child.id().to_string();
                assert!(std::process::Command::new("kill").args([signal, &pid]).status().unwrap().success());
                let began = Instant::now();
                let (code, _) = watch(&mut child, Duration::from_secs(20));
                let took = began.elapsed();
                assert_eq!(code, Some(130), "{verb:?}: {}", stderr(&mut child));
                // The promise is two seconds; a loaded machine may take a little longer.
                assert!(took < Duration::from_secs(3), "{verb:?} took {took:?}");
            });
        }
    });
}
