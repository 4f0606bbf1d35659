//! No nginx outlives its test, however the test ends.

use std::io::{BufRead, BufReader};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::thread;

use roan_tests::{Nginx, Options, Origin, wait};

fn start() -> Nginx {
    Nginx::start(&Origin::start(), &Options::default())
}

fn place(nginx: &Nginx) -> (SocketAddr, PathBuf) {
    (nginx.addr(), nginx.folder().to_owned())
}

fn wait_until_gone((addr, folder): &(SocketAddr, PathBuf)) {
    wait::until(wait::LONG, "the port and the folder to be free", || {
        TcpStream::connect(addr).is_err() && !folder.exists()
    });
}

#[test]
fn after_a_pass() {
    let nginx = start();
    let place = place(&nginx);
    drop(nginx);
    wait_until_gone(&place);
}

#[test]
fn after_a_pass_that_left_it_suspended() {
    let nginx = start();
    let place = place(&nginx);
    nginx.suspend();
    drop(nginx);
    wait_until_gone(&place);
}

#[test]
fn after_a_panic() {
    let (tell, told) = mpsc::channel();
    let panicking = thread::spawn(move || {
        let nginx = start();
        tell.send(place(&nginx)).unwrap();
        panic!("on purpose");
    });
    let place = told.recv().unwrap();
    assert!(panicking.join().is_err());
    wait_until_gone(&place);
}

/// Set in the process that [`after_the_death_of_the_test_process`] starts and kills.
const VICTIM: &str = "ROAN_TESTS_VICTIM";

#[test]
fn after_the_death_of_the_test_process() {
    let mut victim = Command::new(std::env::current_exe().unwrap())
        .args(["cleanup::victim", "--exact", "--nocapture"])
        .env(VICTIM, "1")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let place = BufReader::new(victim.stdout.take().unwrap())
        .lines()
        .find_map(|line| {
            let line = line.unwrap();
            let (addr, folder) = line.strip_prefix("victim at ")?.split_once(' ')?;
            Some((addr.parse().unwrap(), Path::new(folder).to_owned()))
        })
        .unwrap();
    assert!(TcpStream::connect(place.0).is_ok());
    victim.kill().unwrap();
    victim.wait().unwrap();
    wait_until_gone(&place);
}

/// Starts an nginx and waits to be killed; does nothing as a test of its own.
#[test]
fn victim() {
    if std::env::var_os(VICTIM).is_some() {
        let nginx = start();
        // The runner has begun the line with the name of the test.
        println!("\nvictim at {} {}", nginx.addr(), nginx.folder().display());
        std::io::stdin().lines().for_each(drop);
    }
}
