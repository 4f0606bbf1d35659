//! What the tests share: the three CDNs, each with its token in a file, and a dispatcher.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use roan::purger::Token;
use roan::purger::cloudflare::Cloudflare;
use roan::purger::cloudfront::{AwsCredentials, CloudFront};
use roan::purger::fastly::Fastly;
use roan::{Cache, Outcome, Report, Reports, Roan, RoanBuilder, Spellings, Target};
use roan_tests::stand_ins::{CloudFrontApi, CloudflareApi, FastlyApi, StandIn};
use tempfile::TempDir;

pub(crate) const ZONE: &str = "023e105f4ecef8ad9ca31a8372d0c353";
pub(crate) const SERVICE: &str = "SU1Z0isxPaozGVKXdv0eY";
pub(crate) const DISTRIBUTION: &str = "E1PA6795UKMFR9";
pub(crate) const HOST: &str = "www.example.org";
pub(crate) const SHOP: &str = "shop.example.org";
/// A token, and one that comes after it.
pub(crate) const TOKEN: &str = "TOKEN-8M7wS6hCpXVc-DoRnPPY_UCWPgy8aea4Wy6kCe5T";
pub(crate) const NEW_TOKEN: &str = "TOKEN-zzzwS6hCpXVc-DoRnPPY_UCWPgy8aea4Wy6kCnew";
pub(crate) const KEY_ID: &str = "AKIAIOSFODNN7EXAMPLE";

pub(crate) const LONG: Duration = Duration::from_secs(30);

/// A file with a secret.
pub(crate) struct SecretFile {
    folder: TempDir,
}

impl SecretFile {
    pub(crate) fn new(text: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let file = Self { folder };
        file.write(text);
        file
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.folder.path().join("secret")
    }

    pub(crate) fn write(&self, text: &str) {
        fs::write(self.path(), text).unwrap();
    }

    /// In the form of AWS.
    pub(crate) fn write_credentials(&self, id: &str, key: &str, session: &str) {
        self.write(&credentials(id, key, session));
    }
}

fn credentials(id: &str, key: &str, session: &str) -> String {
    let session = match session {
        "" => String::new(),
        token => format!("aws_session_token = {token}\n"),
    };
    format!("[default]\naws_access_key_id = {id}\naws_secret_access_key = {key}\n{session}")
}

/// A CDN with the cache that purges it.
pub(crate) struct Cdn<R, C> {
    pub(crate) api: StandIn<R>,
    pub(crate) file: SecretFile,
    pub(crate) cache: C,
}

pub(crate) fn cloudflare() -> Cdn<CloudflareApi, Cloudflare> {
    let api = CloudflareApi::start(ZONE, TOKEN, HOST);
    api.rules(|rules| rules.hosts.push(SHOP.to_owned()));
    let file = SecretFile::new(&format!("{TOKEN}\n"));
    let cache = Cloudflare::zone(ZONE)
        .unwrap()
        .token(Token::from_file(file.path()));
    let cache = cache.endpoint(&format!("{}/client/v4", api.url())).unwrap();
    Cdn { api, file, cache }
}

pub(crate) fn fastly() -> Cdn<FastlyApi, Fastly> {
    let api = FastlyApi::start(SERVICE, TOKEN, HOST);
    api.rules(|rules| rules.hosts.push(SHOP.to_owned()));
    let file = SecretFile::new(&format!("{TOKEN}\n"));
    let cache = Fastly::service(SERVICE)
        .unwrap()
        .token(Token::from_file(file.path()));
    let cache = cache.endpoint(&api.url()).unwrap();
    Cdn { api, file, cache }
}

pub(crate) fn cloudfront() -> Cdn<CloudFrontApi, CloudFront> {
    let api = CloudFrontApi::start(DISTRIBUTION, KEY_ID, TOKEN);
    let file = SecretFile::new(&credentials(KEY_ID, TOKEN, ""));
    let cache = CloudFront::distribution(DISTRIBUTION)
        .unwrap()
        .credentials(AwsCredentials::from_file(file.path()))
        .tag_header("Cache-Tag")
        .unwrap();
    let cache = cache.endpoint(&api.url()).unwrap();
    Cdn { api, file, cache }
}

/// Two sites; no rebound where the cache does not need one, and each URL in one spelling, so that each purge counts.
pub(crate) fn builder(cache: impl Into<Cache>) -> RoanBuilder {
    let short = Duration::from_millis(20);
    Roan::builder()
        .cache(cache)
        .site(format!("https://{HOST}"))
        .named_site("shop", format!("https://{SHOP}"))
        .rebound(None)
        .spellings(Spellings::Exact)
        .backoff(short, 10 * short)
}

pub(crate) fn roan(cache: impl Into<Cache>) -> Roan {
    builder(cache).build().unwrap()
}

pub(crate) fn targets() -> Vec<Target> {
    vec![
        Target::url("/posts?page=2").unwrap(),
        Target::url("/posts").unwrap().at_site("shop"),
        Target::tag("author-7").unwrap(),
        Target::prefix("/docs/v1/").unwrap(),
        Target::host().at_site("shop"),
        Target::everything(),
    ]
}

/// Purges these one after the other.
#[track_caller]
pub(crate) fn purge_all(roan: &Roan, targets: impl IntoIterator<Item = Target>) {
    for target in targets {
        roan.purge(target).unwrap();
        flush(roan);
    }
}

#[track_caller]
pub(crate) fn flush(roan: &Roan) {
    let left = roan.flush_blocking(LONG);
    assert_eq!(left.pending(), 0, "{left}");
}

/// Purges one target, and returns the reports up to the final one.
#[track_caller]
pub(crate) fn reports_of(roan: &Roan, target: Target) -> Vec<Report> {
    let mut reports = roan.subscribe();
    roan.purge(target).unwrap();
    until_final(&mut reports)
}

#[track_caller]
pub(crate) fn until_final(reports: &mut Reports) -> Vec<Report> {
    let mut seen = Vec::new();
    loop {
        let report = reports.next_blocking().unwrap();
        let is_final = report.outcome.is_final();
        seen.push(report);
        if is_final {
            return seen;
        }
    }
}

/// The only report, which must be a refusal: its text.
#[track_caller]
pub(crate) fn refusal(reports: &[Report]) -> String {
    match reports {
        [report] => match &report.outcome {
            Outcome::Refused(refusal) => refusal.to_string(),
            other => panic!("{other}"),
        },
        others => panic!("{others:?}"),
    }
}

/// The first failed, as the text says, and the last succeeded.
#[track_caller]
pub(crate) fn assert_failed_once(reports: &[Report], text: &str) {
    let [first, last] = reports else {
        panic!("{reports:?}");
    };
    let first = first.outcome.to_string();
    assert!(
        first.starts_with("failed: ") && first.contains(text),
        "{first}: {text}"
    );
    assert_eq!(last.outcome, Outcome::Purged);
}
