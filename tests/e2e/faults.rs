//! The faulty endpoint shows each of its faults, and logs requests.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::thread;
use std::time::Duration;

use roan_tests::{Behaviour, Browser, Faulty, wait};

#[test]
fn an_answer_is_as_told_and_the_log_in_order() {
    let faulty = Faulty::start(Behaviour::Purged);
    let browser = Browser::new(faulty.addr());
    let answer = browser.purge("/a%2Fb?x=1");
    assert_eq!(answer.status, 200);
    assert_eq!(answer.header("X-Roan-Purge"), Some("site.test/a%2Fb?x=1"));

    let location = ("Location".to_owned(), "/login".to_owned());
    faulty.set(Behaviour::Answer(302, vec![location]));
    let answer = browser.send("PURGE", "/purge/second", &[("X-Key", "secret")]);
    assert_eq!(answer.status, 302);
    assert_eq!(answer.header("location"), Some("/login"));

    let requests = faulty.requests();
    assert_eq!(requests.len(), 2);
    assert_eq!(requests[0].method, "GET");
    assert_eq!(requests[0].target, "/purge/a%2Fb?x=1");
    assert_eq!(requests[0].header("host"), Some("site.test"));
    assert_eq!(requests[1].method, "PURGE");
    assert_eq!(requests[1].header("x-key"), Some("secret"));
    assert_eq!(faulty.connections(), 2);
}

#[test]
fn closing_at_once_and_closing_half_way_break_the_answer() {
    let faulty = Faulty::start(Behaviour::Close);
    let browser = Browser::new(faulty.addr());
    assert!(browser.try_send("GET", "/purge/x", &[]).is_err());
    faulty.set(Behaviour::CloseMidAnswer);
    let error = browser.try_send("GET", "/purge/x", &[]).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::UnexpectedEof);
    assert_eq!(faulty.count(), 2);
}

#[test]
fn a_hanging_request_is_answered_once_told() {
    let faulty = Faulty::start(Behaviour::Hang);
    let browser = Browser::new(faulty.addr());
    let asking = thread::spawn(move || browser.purge("/x"));
    faulty.wait_for(1);
    assert!(!asking.is_finished());
    faulty.set(Behaviour::Purged);
    assert_eq!(asking.join().unwrap().status, 200);
}

#[test]
fn an_ignored_request_is_not_even_read() {
    let faulty = Faulty::start(Behaviour::Ignore);
    let browser = Browser::new(faulty.addr());
    let asking = thread::spawn(move || browser.purge("/x"));
    wait::until(wait::LONG, "the connection", || faulty.connections() == 1);
    assert_eq!(faulty.count(), 0);
    faulty.set(Behaviour::Purged);
    assert_eq!(asking.join().unwrap().status, 200);
}

#[test]
fn a_stalled_answer_begins_and_never_ends() {
    let faulty = Faulty::start(Behaviour::StallMidAnswer);
    let mut stream = TcpStream::connect(faulty.addr()).unwrap();
    stream
        .write_all(b"GET /purge/x HTTP/1.1\r\nHost: x\r\n\r\n")
        .unwrap();
    let mut begun = [0; 10];
    stream.read_exact(&mut begun).unwrap();
    assert_eq!(&begun, b"HTTP/1.1 2");
    stream
        .set_read_timeout(Some(Duration::from_millis(50)))
        .unwrap();
    let error = stream.read(&mut begun).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::WouldBlock);
    // Dropping the endpoint closes what hangs.
    drop(faulty);
    stream.set_read_timeout(Some(wait::LONG)).unwrap();
    assert_eq!(stream.read(&mut begun).unwrap(), 0);
}
