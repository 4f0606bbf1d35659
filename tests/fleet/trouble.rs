//! What is said when a stream does not take purges, and that they wait until it does.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use async_nats::jetstream::stream::{Config, DiscardPolicy, RetentionPolicy};
use roan::fleet::{Nats as Servers, Stream};
use roan::{Fleet, Outcome};
use roan_tests::{Nats, NatsOptions, logged, wait};

use crate::support::{builder, client, targets, until_logged};

#[tokio::test(flavor = "multi_thread")]
async fn wrong_credentials_are_named_and_may_be_mended() {
    logged::start();
    let folder = tempfile::tempdir().unwrap();
    let secret = folder.path().join("secret");
    let user = nkeys::KeyPair::new_user();
    let (seed, other) = (
        user.seed().unwrap(),
        nkeys::KeyPair::new_user().seed().unwrap(),
    );
    let plain = NatsOptions::default;
    type With = fn(Servers, PathBuf) -> Servers;
    let cases: [(NatsOptions, &str, &str, With, &str); 3] = [
        (
            plain().token("right-token"),
            "right-token",
            "wrong-token",
            |to, file| to.token_file(file),
            "has its token",
        ),
        (
            plain().user("roan", "right-word"),
            "right-word",
            "wrong-word",
            |to, file| to.password_file("roan", file),
            "see that it has the user \"roan\"",
        ),
        (
            plain().nkey(&user.public_key()),
            &seed,
            &other,
            |to, file| to.nkey_file(file),
            "is one of its users",
        ),
    ];
    for (options, right, wrong, with, words) in cases {
        let server = Nats::start(&options);
        fs::write(&secret, wrong).unwrap();
        let nats = with(Servers::at(server.url()).unwrap(), secret.clone());
        let roan = builder(Fleet::at(nats)).build().unwrap();
        roan.purge("/a").unwrap();
        let error = until_logged(&format!("{} refuses the connection", server.url()));
        assert!(error.contains(words), "{error}");
        assert!(error.contains("authorization violation"), "{error}");
        assert!(!error.contains(wrong) && !error.contains(right), "{error}");

        // The file is read at each connection.
        fs::write(&secret, format!("{right}\n")).unwrap();
        wait::for_purges(&roan).await;
        assert_eq!(roan.stats().nodes[0].purged, 1);
        assert_eq!(server.monitor("/jsz")["messages"], 1);
    }
    // Nothing at all.
    let server = Nats::start(&plain().token("right-token"));
    let roan = builder(Fleet::nats(&server.url()).unwrap())
        .build()
        .unwrap();
    let error = until_logged(&format!("{} refuses the connection", server.url()));
    assert!(
        error.contains("it wants credentials: set a credentials file"),
        "{error}"
    );
    drop(roan);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_credentials_file_of_an_operator_works() {
    let operator = roan_tests::NatsOperator::new();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("roan.creds");
    fs::write(&file, operator.credentials()).unwrap();
    let server = Nats::start(&operator.options());
    let nats = Servers::at(server.url()).unwrap().credentials_file(&file);
    let roan = builder(Fleet::at(nats)).build().unwrap();
    roan.purge("/a").unwrap();
    wait::for_purges(&roan).await;
    assert_eq!(roan.stats().nodes[0].purged, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_that_can_lose_purges_is_refused() {
    logged::start();
    let server = Nats::start(&NatsOptions::default());
    let client = client(&server.url()).await;
    let wrong = Config {
        name: "ROAN".to_owned(),
        subjects: vec!["roan.>".to_owned()],
        retention: RetentionPolicy::WorkQueue,
        ..Config::default()
    };
    client.create_stream(wrong).await.unwrap();
    let roan = builder(Fleet::nats(&server.url()).unwrap())
        .build()
        .unwrap();
    roan.purge("/a").unwrap();
    let error = until_logged(&format!(
        "stream ROAN at {} has the retention",
        server.url()
    ));
    assert!(
        error.contains("`workqueue`") && error.contains("nats stream rm ROAN"),
        "{error}"
    );
    assert_eq!(server.monitor("/jsz")["messages"], 0);

    client.delete_stream("ROAN").await.unwrap();
    wait::for_purges(&roan).await;
    assert_eq!(targets(&client).await, ["/a"]);
    let mut made = client.get_stream("ROAN").await.unwrap();
    let config = &made.info().await.unwrap().config;
    assert_eq!(config.retention, RetentionPolicy::Limits);
    assert_eq!(config.max_age, Duration::from_secs(7 * 86_400));
    assert_eq!(config.duplicate_window, Duration::from_secs(120));

    // It is missed while the connection goes on, and made again.
    client.delete_stream("ROAN").await.unwrap();
    roan.purge("/b").unwrap();
    wait::for_purges(&roan).await;
    assert_eq!(targets(&client).await, ["/b"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_of_another_name_has_the_subjects() {
    logged::start();
    let server = Nats::start(&NatsOptions::default());
    let client = client(&server.url()).await;
    let other = Config {
        name: "OTHER".to_owned(),
        subjects: vec!["roan.shop.*".to_owned()],
        ..Config::default()
    };
    client.create_stream(other).await.unwrap();
    let roan = builder(Fleet::nats(&server.url()).unwrap())
        .build()
        .unwrap();
    let error = until_logged(&format!("JetStream at {}", server.url()));
    assert!(error.contains("another stream takes `roan.>`"), "{error}");
    client.delete_stream("OTHER").await.unwrap();
    roan.purge("/a").unwrap();
    wait::for_purges(&roan).await;
    // What others publish there harms nobody here.
    client
        .publish("roan.-.url", "not ours".into())
        .await
        .unwrap()
        .await
        .unwrap();
    roan.purge("/b").unwrap();
    wait::for_purges(&roan).await;
    assert_eq!(server.monitor("/jsz")["messages"], 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_stream_is_named_and_purges_wait() {
    logged::start();
    let server = Nats::start(&NatsOptions::default());
    let client = client(&server.url()).await;
    let mut full = Config {
        name: "ROAN".to_owned(),
        subjects: vec!["roan.>".to_owned()],
        max_messages: 1,
        discard: DiscardPolicy::New,
        ..Config::default()
    };
    client.create_stream(&full).await.unwrap();
    let roan = builder(Fleet::nats(&server.url()).unwrap())
        .build()
        .unwrap();
    roan.purge("/a").unwrap();
    wait::for_purges(&roan).await;
    roan.purge("/b").unwrap();
    let error = until_logged(&format!("stream ROAN at {} is full", server.url()));
    assert!(
        error.contains("nats stream edit ROAN --max-msgs=-1"),
        "{error}"
    );
    assert_eq!(roan.stats().nodes[0].pending, 1);
    full.max_messages = -1;
    client.update_stream(&full).await.unwrap();
    wait::for_purges(&roan).await;
    assert_eq!(targets(&client).await, ["/a", "/b"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_purge_that_is_too_large_for_the_server_is_named_and_holds_up_no_other() {
    logged::start();
    let server = Nats::start(&NatsOptions::default().lines("max_payload: 1024"));
    let roan = builder(Fleet::nats(&server.url()).unwrap())
        .build()
        .unwrap();
    let mut reports = roan.subscribe();
    // They leave together.
    roan.purge(format!("/{}", "a".repeat(2000))).unwrap();
    for number in 0..50 {
        roan.purge(format!("/{number}")).unwrap();
    }
    wait::until(wait::LONG, "the other purges", || {
        server.monitor("/jsz")["messages"] == 50
    });
    let problem = loop {
        let report = reports.next().await.unwrap();
        if let Outcome::Failed(failure) = report.outcome {
            break failure.to_string();
        }
    };
    assert!(
        problem.contains("raise `max_payload` in the configuration of the server"),
        "{problem}"
    );
    wait::until(wait::LONG, "one purge to wait alone", || {
        roan.stats().nodes[0].pending == 1
    });
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_without_jetstream_or_permission_says_so() {
    logged::start();
    let server = Nats::start(&NatsOptions::default().without_jetstream());
    let roan = builder(Fleet::nats(&server.url()).unwrap())
        .build()
        .unwrap();
    let error = until_logged(&format!("JetStream at {}", server.url()));
    assert!(
        error.contains("is not enabled: start `nats-server --jetstream`"),
        "{error}"
    );
    drop(roan);

    let may = |publish: &str| {
        NatsOptions::default().lines(&format!(
            "authorization {{ users: [ {{ user: roan, password: word, permissions: {{ publish: [{publish}], subscribe: \"_INBOX.>\" }} }} ] }}"
        ))
    };
    let folder = tempfile::tempdir().unwrap();
    let word = folder.path().join("word");
    fs::write(&word, "word").unwrap();
    let sender = |server: &Nats| {
        let nats = Servers::at(server.url())
            .unwrap()
            .password_file("roan", &word);
        builder(Fleet::at(nats)).build().unwrap()
    };
    let server = Nats::start(&may("\"roan.>\""));
    let roan = sender(&server);
    let error = until_logged(&format!("JetStream at {}", server.url()));
    assert!(error.contains("Permissions Violation"), "{error}");
    assert!(
        error.contains("allow this user to publish to `$JS.API.STREAM.INFO.ROAN`"),
        "{error}"
    );
    drop(roan);

    // What it needs at most, and at least if the stream is there.
    let server = Nats::start(&may(
        "\"roan.>\", \"$JS.API.STREAM.INFO.ROAN\", \"$JS.API.STREAM.CREATE.ROAN\"",
    ));
    let roan = sender(&server);
    roan.purge("/a").unwrap();
    wait::for_purges(&roan).await;
    assert_eq!(server.monitor("/jsz")["messages"], 1);
    drop(roan);

    let server = Nats::start(&may(
        "\"roan.shop.>\", \"$JS.API.STREAM.INFO.ROAN\", \"$JS.API.STREAM.CREATE.ROAN\"",
    ));
    let roan = sender(&server);
    roan.purge("/a").unwrap();
    let error = until_logged(&format!(
        "stream ROAN at {}: Permissions Violation",
        server.url()
    ));
    assert!(
        error.contains("allow this user to publish to `roan.-.>`"),
        "{error}"
    );
    drop(roan);
}

/// A certificate for 127.0.0.1 and its key; of its own authority, or signed by one.
fn certificate(folder: &Path, name: &str, authority: Option<&str>) -> (PathBuf, PathBuf) {
    let file = |name: &str, kind: &str| folder.join(format!("{name}.{kind}"));
    let (certificate, key) = (file(name, "pem"), file(name, "key"));
    let mut openssl = Command::new("openssl");
    openssl
        .args([
            "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj",
        ])
        .arg(format!("/CN={name}"))
        .args(["-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"])
        .arg("-keyout")
        .arg(&key)
        .arg("-out")
        .arg(&certificate);
    if let Some(authority) = authority {
        openssl.arg("-CA").arg(file(authority, "pem"));
        openssl.arg("-CAkey").arg(file(authority, "key"));
        openssl.args(["-addext", "basicConstraints=critical,CA:FALSE"]);
    }
    let output = openssl.output().unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    (certificate, key)
}

#[tokio::test(flavor = "multi_thread")]
async fn tls_is_as_strict_as_it_is_asked_to_be() {
    logged::start();
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let (authority, _) = certificate(folder, "authority", None);
    let (stranger, _) = certificate(folder, "stranger", None);
    let (certificate_file, key) = certificate(folder, "server", Some("authority"));
    let (own, own_key) = certificate(folder, "roan", Some("authority"));
    let options = NatsOptions::default().tls(&certificate_file, &key, Some(&authority));
    let server = Nats::start(&options);
    let at = |root: &Path| Servers::at(server.url()).unwrap().root_certificates(root);
    for (nats, words) in [
        (
            at(&stranger).client_certificate(&own, &own_key),
            "invalid peer certificate",
        ),
        (at(&folder.join("none.pem")), "none.pem"),
        (at(&own_key), "has no certificate: write it in PEM"),
        (
            at(&authority).client_certificate(&own, &key),
            "does not fit the key",
        ),
        // The server wants a certificate.
        (at(&authority), "name the authority of its certificate"),
    ] {
        let roan = builder(Fleet::at(nats)).build().unwrap();
        let error = until_logged(words);
        assert!(error.starts_with("fleet"), "{error}");
        drop(roan);
    }
    let nats = at(&authority).client_certificate(&own, &own_key);
    let roan = builder(Fleet::at(nats)).build().unwrap();
    roan.purge("/a").unwrap();
    wait::for_purges(&roan).await;
    assert_eq!(roan.stats().nodes[0].purged, 1);

    // A server without TLS does not get what was meant for one with it.
    let plain = Nats::start(&NatsOptions::default());
    let nats = Servers::at(plain.url())
        .unwrap()
        .root_certificates(&authority);
    let roan = builder(Fleet::at(nats)).build().unwrap();
    roan.purge("/a").unwrap();
    until_logged(&plain.url());
    assert_eq!(roan.stats().nodes[0].purged, 0);
    assert_eq!(plain.monitor("/jsz")["streams"], 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn more_replicas_than_there_are_servers_are_an_error() {
    logged::start();
    let server = Nats::start(&NatsOptions::default());
    let stream = Stream::new().replicas(3);
    let fleet = Fleet::nats(&server.url()).unwrap().stream(stream);
    let roan = builder(fleet).build().unwrap();
    let error = until_logged(&format!("JetStream at {}", server.url()));
    assert!(
        error.contains("one server keeps one copy: set `replicas` to 1"),
        "{error}"
    );
    drop(roan);
}
