//! Wrong set-ups of nginx and of the environment: each leaves a page stale, and each is named on standard error of a
//! program without a log, with what mends it.

use std::fs::File;
use std::io::Read;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};

use roan::RoanBuilder;
use roan_tests::{HOST, Nginx, Options, Origin, SECRET, wait};
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

/// Which of the programs below to be, and how many purges it sends.
const PROGRAM: &str = "TESTS_PROGRAM";
const PURGES: &str = "TESTS_PURGES";

/// What this program does when it is the program of a case: purges, and lives until its standard input ends.
#[test]
fn program() {
    let Ok(program) = std::env::var(PROGRAM) else {
        return;
    };
    let log = tracing_subscriber::fmt::layer()
        .with_ansi(false)
        .with_writer(std::io::stdout);
    match &*program {
        "without a log" => {}
        "with a log of its own alone" => {
            let own = Targets::new().with_target("app", LevelFilter::INFO);
            tracing_subscriber::registry().with(log).with(own).init();
        }
        "with a log" => {
            let roan = Targets::new().with_target("roan", LevelFilter::DEBUG);
            tracing_subscriber::registry().with(log).with(roan).init();
        }
        other => panic!("no such program: {other}"),
    }
    let roan = RoanBuilder::from_env().unwrap().build().unwrap();
    let purges = std::env::var(PURGES).unwrap().parse().unwrap();
    for number in 1..=purges {
        roan.purge(&*format!("/posts/{number}")).unwrap();
    }
    assert_eq!(roan.flush_blocking(wait::LONG).pending(), 0);
    let _ = std::io::stdin().read(&mut [0]);
}

/// A running program; it ends when dropped.
struct Program {
    child: Child,
    folder: tempfile::TempDir,
}

impl Program {
    fn start(program: &str, purges: usize, variables: &[(&str, &str)]) -> Self {
        Self::start_as(None, program, purges, variables)
    }

    /// As another user, which root alone can.
    fn start_as(
        user: Option<u32>,
        program: &str,
        purges: usize,
        variables: &[(&str, &str)],
    ) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let file = |name: &str| File::create(folder.path().join(name)).unwrap();
        let mut command = Command::new(std::env::current_exe().unwrap());
        if let Some(user) = user {
            command.uid(user);
        }
        let child = command
            .args(["setups::program", "--exact", "--nocapture"])
            .env_clear()
            .env(PROGRAM, program)
            .env(PURGES, purges.to_string())
            .envs(variables.iter().copied())
            .stdin(Stdio::piped())
            .stdout(file("stdout"))
            .stderr(file("stderr"))
            .spawn()
            .unwrap();
        Self { child, folder }
    }

    fn text(&self, name: &str) -> String {
        std::fs::read_to_string(self.folder.path().join(name)).unwrap()
    }

    /// Waits until one line has all these words.
    #[track_caller]
    fn says(&self, name: &str, words: &[&str]) -> String {
        let line = |text: &str| {
            let mut lines = text.lines();
            let line = lines.find(|line| words.iter().all(|word| line.contains(word)));
            line.map(str::to_owned)
        };
        let what = format!("a line with {words:?}");
        wait::until_ok(wait::LONG, &what, || {
            let text = self.text(name);
            line(&text).ok_or(text)
        })
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        let _ = self.child.wait();
    }
}

const PAGE: &str = "/posts/1";
const PURGE: &str = r#"location ^~ /purge/ {
    proxy_cache_purge pages "$host$purge_uri";
    add_header X-Roan-Purge "$host$purge_uri" always;
}"#;

struct Case {
    name: &'static str,
    /// The key of the pages.
    key: &'static str,
    /// The purge location.
    location: &'static str,
    /// The path of the purge URL.
    path: &'static str,
    /// Whether the app answers 404 to what it does not know.
    is_strict: bool,
    variables: &'static [(&'static str, &'static str)],
    purges: usize,
    says: &'static [&'static str],
}

const SITE: (&str, &str) = ("ROAN_SITE", "https://site.test");

const WRONG: Case = Case {
    name: "",
    key: "$host$request_uri",
    location: PURGE,
    path: "/purge",
    is_strict: false,
    variables: &[SITE],
    purges: 1,
    says: &[],
};

const CASES: &[Case] = &[
    Case {
        name: "no purge location, and an app that answers 200",
        location: "",
        says: &[
            "status 200 and no X-Roan-Purge",
            "server for site.test has `location ^~ /purge/`",
        ],
        ..WRONG
    },
    Case {
        name: "no purge location, and an app that answers 404",
        location: "",
        is_strict: true,
        says: &[
            "status 404 and no X-Roan-Purge",
            "server for site.test has `location ^~ /purge/`",
        ],
        ..WRONG
    },
    Case {
        name: "a misspelt purge URL",
        path: "/prge",
        says: &["no X-Roan-Purge", "has `location ^~ /prge/`"],
        ..WRONG
    },
    Case {
        name: "a purge URL without a path",
        path: "",
        says: &[
            "the purge URL does not have a path",
            "write the URL of the purge location",
        ],
        ..WRONG
    },
    Case {
        name: "a purge location that names no key, for another key",
        location: r#"location ^~ /purge/ { proxy_cache_purge pages "$scheme$host$purge_uri"; }"#,
        says: &[
            "status 404 and no X-Roan-Purge",
            "`add_header X-Roan-Purge $roan_key always;`",
        ],
        ..WRONG
    },
    Case {
        name: "another server answers, such as Debian's default site",
        location: "location /purge/ { return 404; }",
        says: &[
            "status 404 and no X-Roan-Purge",
            "from the app or another server",
        ],
        ..WRONG
    },
    Case {
        name: "a regular expression beside the full key",
        location: r#"location ~ /purge(/.*) {
            proxy_cache_purge pages "$host$1";
            add_header X-Roan-Purge "$host$1" always;
        }"#,
        // A plain path is purged: those with an escape or a query are not.
        purges: 0,
        says: &[
            "returned the key \"site.test/.well-known/roan-check\"",
            "from `$request_uri` by a `map`",
        ],
        ..WRONG
    },
    Case {
        name: "no site",
        variables: &[],
        says: &["no default site is configured", "127.0.0.1", "`ROAN_SITE`"],
        ..WRONG
    },
    Case {
        name: "a misspelt variable",
        variables: &[("ROAN_SITES", "site.test")],
        says: &["ROAN_SITES: did you mean ROAN_SITE,"],
        ..WRONG
    },
    Case {
        name: "the site of another host",
        variables: &[("ROAN_SITE", "www.site.test")],
        purges: 20,
        says: &[
            "the purges of 20 pages did not find one",
            "compare `ROAN_SITE` (www.site.test) with the host",
        ],
        ..WRONG
    },
    Case {
        name: "$scheme in the pages' key alone",
        key: "$scheme$host$request_uri",
        purges: 20,
        says: &[
            "the purges of 20 pages did not find one",
            "with the key \"site.test/posts/",
            "(`$scheme` in one alone?)",
        ],
        ..WRONG
    },
    Case {
        name: "$scheme in the pages' key alone, where that is configured",
        key: "$scheme$host$request_uri",
        variables: &[SITE, ("ROAN_PURGE_KEY", "$scheme$host$request_uri")],
        says: &[
            "returned the key \"site.test/",
            "instead of \"httpssite.test/",
            "purges do not reach the pages",
        ],
        ..WRONG
    },
    Case {
        name: "$scheme in the purge's key, which comes over another one",
        location: r#"location ^~ /purge/ {
            proxy_cache_purge pages "$scheme$host$purge_uri";
            add_header X-Roan-Purge "$scheme$host$purge_uri" always;
        }"#,
        says: &[
            "returned the key \"httpsite.test/",
            "purges do not reach the pages",
        ],
        ..WRONG
    },
    Case {
        name: "a key of an unknown form",
        location: r#"location ^~ /purge/ {
            proxy_cache_purge pages "v1|$host|$purge_uri";
            add_header X-Roan-Purge "v1|$host|$purge_uri" always;
        }"#,
        says: &["returned the key \"v1|site.test|/", "set `ROAN_PURGE_KEY`"],
        ..WRONG
    },
    Case {
        name: "another zone",
        location: r#"location ^~ /purge/ {
            proxy_cache_purge others "$host$purge_uri";
            add_header X-Roan-Purge "$host$purge_uri" always;
        }"#,
        purges: 20,
        says: &[
            "the purges of 20 pages did not find one",
            "the zone of `proxy_cache_purge`",
        ],
        ..WRONG
    },
    Case {
        name: "the app's address is not allowed",
        location: "location ^~ /purge/ { deny all; }",
        says: &[
            "its purge location cannot be used",
            "status 403: `allow` this machine's address",
        ],
        ..WRONG
    },
    Case {
        name: "a redirect",
        location: "location ^~ /purge/ { return 301 https://$host$request_uri; }",
        says: &[
            "its purge location cannot be used",
            "status 301, a redirect",
        ],
        ..WRONG
    },
];

fn nginx(origin: &Origin, key: &str, location: &str) -> Nginx {
    let conf = r#"
        proxy_cache_path FOLDER keys_zone=pages:1m inactive=1y;
        proxy_cache_path FOLDER-others keys_zone=others:1m inactive=1y;
        map $request_uri $purge_uri { default ""; "~^/purge(?<rest>/.*)$" $rest; }
        server {
            listen LISTEN;
            location / {
                proxy_pass http://APP;
                proxy_set_header Host $host;
                proxy_cache pages;
                proxy_cache_key "KEY";
                proxy_cache_valid 200 1y;
                add_header X-Cache-Status $upstream_cache_status;
            }
            LOCATION
        }"#;
    let conf = conf.replace("KEY", key).replace("LOCATION", location);
    Nginx::start(origin, &Options::default().whole(&conf))
}

fn url(nginx: &Nginx, path: &str) -> String {
    format!("http://{}{path}", nginx.addr())
}

#[test]
fn each_wrong_set_up_is_named_with_its_mend() {
    let mut silent = Vec::new();
    for case in CASES {
        let origin = Origin::start();
        if case.is_strict {
            for url in [PAGE, "/.well-known/roan%2Dcheck?roan=check"] {
                origin.remove(&format!("{}{url}", case.path));
            }
        }
        let nginx = nginx(&origin, case.key, case.location);
        let browser = nginx.browser();
        browser.warm(PAGE);
        let url = url(&nginx, case.path);
        let mut variables = vec![("ROAN_PURGE_URL", &*url), ("ROAN_REBOUND", "off")];
        variables.extend(case.variables);
        let program = Program::start("without a log", case.purges, &variables);
        let check = std::panic::AssertUnwindSafe(|| program.says("stderr", case.says));
        match std::panic::catch_unwind(check) {
            Ok(line) => println!("{}:\n    {line}", case.name),
            Err(_) => silent.push(case.name),
        }
        // What makes it wrong: the purge was sent, and the page is the old one.
        browser.assert_hit(PAGE);
    }
    assert!(silent.is_empty(), "not named as expected: {silent:#?}");
}

#[test]
fn a_right_set_up_is_introduced_and_nothing_else_is_said() {
    for (key, site, configured) in [
        ("$host$request_uri", "site.test", None),
        ("$scheme$host$request_uri", "http://site.test", None),
        ("$scheme://$host$request_uri", "site.test", None),
        (
            "v1 $host $uri$is_args$args",
            "site.test",
            Some("v1 $host $uri$is_args$args"),
        ),
    ] {
        let origin = Origin::start();
        let purged = match configured {
            Some(_) => "v1 $host $1$is_args$args".to_owned(),
            None => key.replace("$request_uri", "$purge_uri"),
        };
        let location = format!(
            r#"location ~ ^/purge(/.*) {{
                proxy_cache_purge pages "{purged}";
                add_header X-Roan-Purge "{purged}" always;
            }}"#
        );
        let nginx = nginx(&origin, key, &location);
        let browser = nginx.browser();
        browser.warm(PAGE);
        let url = url(&nginx, "/purge");
        let mut variables = vec![("ROAN_PURGE_URL", &*url), ("ROAN_SITE", site)];
        variables.extend(configured.map(|key| ("ROAN_PURGE_KEY", key)));
        let program = Program::start("with a log", 1, &variables);
        let node = format!("nginx {}", nginx.addr());
        let introduced = format!("dispatcher started nodes=\"{node}\" sites=\"{site}\" rules=");
        program.says("stdout", &["INFO roan", &introduced]);
        program.says("stdout", &["DEBUG roan", "set-up checked"]);
        program.says(
            "stdout",
            &[
                "DEBUG purge{",
                "}: roan: purge ",
                "target=/posts/1",
                "outcome=purged",
                "verified=true",
            ],
        );
        let log = program.text("stdout");
        assert!(!log.contains("WARN") && !log.contains("ERROR"), "{log}");
        assert_eq!(program.text("stderr"), "");
        browser.assert_miss(PAGE);
    }
}

#[test]
fn a_node_that_is_down_at_the_start_is_checked_when_it_answers() {
    let origin = Origin::start();
    let mut nginx = nginx(&origin, "$host$request_uri", "");
    nginx.browser().warm(PAGE);
    nginx.kill();
    let url = url(&nginx, "/purge");
    let variables = [("ROAN_PURGE_URL", &*url), SITE];
    let program = Program::start("without a log", 3, &variables);
    program.says("stderr", &["is down"]);
    nginx.restart();
    program.says("stderr", &["no X-Roan-Purge"]);
}

#[test]
fn an_error_reaches_standard_error_where_the_log_takes_only_the_app() {
    let origin = Origin::start();
    let nginx = nginx(
        &origin,
        "$host$request_uri",
        "location ^~ /purge/ { deny all; }",
    );
    let url = url(&nginx, "/purge");
    let variables = [("ROAN_PURGE_URL", &*url), SITE];
    let program = Program::start("with a log of its own alone", 1, &variables);
    program.says(
        "stderr",
        &[
            "roan: nginx 127.0.0.1",
            "its purge location cannot be used: ",
        ],
    );
    program.says(
        "stderr",
        &["roan: /posts/1 at nginx", "refused: status 403"],
    );
    assert!(
        !program.text("stdout").contains("roan"),
        "{}",
        program.text("stdout")
    );
}

#[test]
fn a_right_set_up_of_a_refresh_or_a_folder_is_introduced_and_nothing_else_is_said() {
    for with_files in [false, true] {
        let origin = Origin::start();
        let options = match with_files {
            true => Options::default().stock(),
            false => Options::default().refresh(),
        };
        let nginx = Nginx::start(&origin, &options);
        let browser = nginx.browser();
        origin.set(PAGE, "old");
        browser.warm(PAGE);
        origin.set(PAGE, "new");
        let (url, folder) = (nginx.url(), nginx.cache_folder());
        let variables = match with_files {
            true => vec![("ROAN_PURGE_FOLDER", folder.to_str().unwrap())],
            false => vec![("ROAN_PURGE_URL", &*url), ("ROAN_REFRESH_SECRET", SECRET)],
        };
        let variables = [&*variables, &[("ROAN_SITE", HOST)]].concat();
        let program = Program::start("with a log", 1, &variables);
        program.says("stdout", &["DEBUG roan", "set-up checked"]);
        let words = ["target=/posts/1", "outcome=purged", "verified=true"];
        program.says("stdout", &words);
        let log = program.text("stdout");
        assert!(!log.contains("WARN") && !log.contains("ERROR"), "{log}");
        assert!(!log.contains(SECRET), "{log}");
        assert_eq!(program.text("stderr"), "");
        assert_eq!(browser.get(PAGE).text(), "new");
    }
}

#[test]
fn each_wrong_set_up_of_a_refresh_is_named_with_its_mend() {
    const OTHER: &str = "another0secret0of0the0program000";
    let cases: [(&str, &str, usize, &[&str]); 3] = [
        (
            OTHER,
            HOST,
            1,
            &[
                "pages cannot be refreshed: nginx did not take the order",
                "ROAN_REFRESH_SECRET",
            ],
        ),
        (
            SECRET,
            "www.site.test",
            20,
            &[
                "the refreshes of 20 pages did not find one",
                "compare `ROAN_SITE` (www.site.test)",
            ],
        ),
        (
            SECRET,
            HOST,
            0,
            &["did not bypass the cache: add `$roan_bypass`"],
        ),
    ];
    for (secret, site, purges, words) in cases {
        let origin = Origin::start();
        let mut options = Options::default().refresh();
        if purges == 0 {
            options = options.edit(" $roan_bypass;", ";");
        }
        let nginx = Nginx::start(&origin, &options);
        nginx.browser().warm(PAGE);
        let url = nginx.url();
        let variables = [
            ("ROAN_PURGE_URL", &*url),
            ("ROAN_REFRESH_SECRET", secret),
            ("ROAN_SITE", site),
            ("ROAN_REBOUND", "off"),
        ];
        let program = Program::start("without a log", purges, &variables);
        println!("{}", program.says("stderr", words));
        assert!(!program.text("stderr").contains(secret));
    }
}

#[test]
fn each_wrong_set_up_of_a_folder_is_named_with_its_mend() {
    let origin = Origin::start();
    let nginx = Nginx::start(&origin, &Options::default().stock());
    nginx.browser().warm(PAGE);
    let folder = nginx.cache_folder();
    let folder = folder.to_str().unwrap();
    type Case<'a> = (
        &'a str,
        &'a [(&'a str, &'a str)],
        Option<u32>,
        &'a [&'a str],
    );
    let mut cases: Vec<Case<'_>> = vec![
        (
            "/none",
            &[SITE],
            None,
            &["pages cannot be purged: /none does not exist"],
        ),
        (
            folder,
            &[SITE, ("ROAN_PURGE_KEY", "$scheme$host$request_uri")],
            None,
            &[
                "of 1 file in",
                "such as \"httpssite.test/\", and one has \"site.test/posts/1\"",
            ],
        ),
        (
            folder,
            &[("ROAN_SITE", "www.site.test")],
            None,
            &["of 1 file in", "the key of a page of www.site.test"],
        ),
    ];
    if rustix::process::geteuid().is_root() {
        let nobody = Some(65_534);
        cases.push((
            folder,
            &[SITE],
            nobody,
            &[
                "pages cannot be purged: ",
                "cannot be entered",
                "`User=www-data`",
            ],
        ));
    }
    for (folder, variables, user, words) in cases {
        let variables = [
            variables,
            &[("ROAN_PURGE_FOLDER", folder), ("ROAN_REBOUND", "off")],
        ]
        .concat();
        let program = Program::start_as(user, "without a log", 1, &variables);
        println!("{}", program.says("stderr", words));
        nginx.browser().assert_hit(PAGE);
    }
}
