//! No token is in `Debug`, logs, errors or reports, whatever goes wrong, and even if the API repeats it.

use std::fmt::Write;
use std::io;
use std::sync::{Arc, Mutex};

use roan::purger::Token;
use roan::purger::cloudflare::Cloudflare;
use roan::{Cache, Roan, Target};
use roan_tests::lock;
use roan_tests::stand_ins::{Fault, Reply};
use tracing_subscriber::filter::LevelFilter;

use crate::support::{
    NEW_TOKEN, SecretFile, TOKEN, ZONE, builder, cloudflare, cloudfront, fastly, reports_of,
};

/// Everything that was logged in this process, by every crate.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut log = lock(&self.0);
        log.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// What a run shows: `Debug` of all that holds the token, reports, counters.
fn shown(cache: impl Into<Cache> + Clone + std::fmt::Debug, fail: impl Fn(Fault)) -> String {
    let mut shown = format!("{cache:?} {:?}", cache.clone().into());
    let builder = builder(cache);
    let _ = write!(shown, "{builder:?}");
    let roan: Roan = builder.build().unwrap();
    let echo = |status: u16| {
        let body = format!(
            r#"{{"success":false,"errors":[{{"code":10000,"message":"bad {TOKEN}"}}],"msg":"bad {TOKEN}"}}<Code>AccessDenied</Code><Message>bad {TOKEN}</Message>"#
        );
        Fault::Answer(Reply::new(status, body))
    };
    let json = |status: u16| {
        Fault::Answer(Reply::new(
            status,
            format!(
                r#"{{"success":false,"errors":[{{"code":1,"message":"bad {TOKEN}"}}],"msg":"bad {TOKEN}"}}"#
            ),
        ))
    };
    for fault in [
        echo(401),
        echo(403),
        echo(400),
        echo(200),
        echo(500),
        json(400),
        json(200),
        json(403),
        Fault::Close,
    ] {
        fail(fault);
        for report in reports_of(&roan, Target::url("/a").unwrap()) {
            let _ = write!(shown, "{report} {report:?}");
        }
    }
    let _ = write!(shown, "{:?} {roan:?}", roan.stats());
    shown
}

#[test]
fn no_token_is_shown() {
    let log = Log::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(LevelFilter::TRACE)
        .with_writer(move || writer.clone())
        .finish();
    // The other tests of this program log the same, so their tokens count, too.
    let _ = tracing::subscriber::set_global_default(subscriber);

    let (one, two, three) = (cloudflare(), fastly(), cloudfront());
    let all = [
        shown(one.cache.clone(), |fault| one.api.fail([fault])),
        shown(two.cache.clone(), |fault| two.api.fail([fault])),
        shown(three.cache.clone(), |fault| three.api.fail([fault])),
    ];
    for shown in &all {
        assert!(
            shown.contains("bad ***"),
            "the API's text is shown: {shown}"
        );
        assert!(!shown.contains(TOKEN), "{shown}");
    }
    let log = lock(&log.0);
    let log = String::from_utf8_lossy(&log);
    assert!(log.contains("refused"), "something was logged");
    let line = log
        .lines()
        .find(|line| line.contains(TOKEN) || line.contains(NEW_TOKEN));
    assert_eq!(line, None);
}

#[test]
fn a_token_that_cannot_be_one_is_an_error_without_it() {
    for text in [
        "",
        " \n",
        "CLOUDFLARE_API_TOKEN=SEKRET x",
        "SE\u{1}KRET",
        "SEKRÉT x",
    ] {
        let file = SecretFile::new(text);
        let zone = Cloudflare::zone(ZONE)
            .unwrap()
            .token(Token::from_file(file.path()));
        let error = builder(zone).build().unwrap_err().to_string();
        assert!(
            error.contains(&file.path().display().to_string()),
            "{error}"
        );
        assert!(!error.contains("SE"), "{error}");
    }
    let zone = Cloudflare::zone(ZONE)
        .unwrap()
        .token(Token::from_file("/none/token"));
    let error = builder(zone).build().unwrap_err().to_string();
    assert!(
        error.contains("\"/none/token\" cannot be read: No such file"),
        "{error}"
    );
    let zone = Cloudflare::zone(ZONE)
        .unwrap()
        .token(Token::from_env("ROAN_TESTS_UNSET"));
    let error = builder(zone).build().unwrap_err().to_string();
    assert!(
        error.contains("ROAN_TESTS_UNSET") && error.contains("is not set"),
        "{error}"
    );
}
