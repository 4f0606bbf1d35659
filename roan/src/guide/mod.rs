//! The guide: what each part is for, and how the parts work together.
//!
//! | read | to |
//! |---|---|
//! | [`axum`] | add Roan to an axum site, from nothing to a page that is purged |
//! | [`nginx`] | understand the nginx configuration, and find out why a page is never purged |
//! | [`refresh`] | use an nginx without the module: refresh pages, or unlink their files |
//! | [`other_caches`] | use Squid, Traffic Server, Souin, Bunny, or a cache that Roan does not know |
//! | [`varnish`] | use Varnish, or Vinyl Cache, with a VCL that works |
//! | [`cdns`] | purge Cloudflare, Fastly or CloudFront |
//! | [`rules`] | write `#[purge_on]` rules and URL templates |
//! | [`hooks`] | call the hooks at the right time, and group them in scopes |
//! | [`configuration`] | name sites, nodes and several caches |
//! | [`libraries`] | connect sqlx, SeaORM or Diesel |
//! | [`roan::outbox`][outbox] | store purges in the transaction of the write, so that they survive a crash |
//! | [`roan::triggers`][triggers] | purge what other programs write |
//! | [`roan::embedded`][embedded] | cache pages inside the program, without nginx |
//! | [`web`] | purge lists and other pages by tags, on nginx too, and keep stale pages out of the caches |
//! | [`fleet`] | purge cache nodes in many places, each by an agent beside it |
//! | [`dashboard`] | see on a page what is purged and why, and send dead purges again |
//! | [`command`] | purge by hand, and find out by `roan doctor` why a page stays stale |
//! | [`failures`] | see what happens to a purge that does not succeed |
//! | [`metrics`] | see it in Prometheus, Grafana and OpenTelemetry |
//! | [`roan::testing`](crate::testing) | test what your code purges |
//! | [`glossary`] | look up a word |
//! | [`upgrading`] | move from roan 0.1, the Django app |
//!
#![cfg_attr(feature = "_sql", doc = "[outbox]: crate::outbox")]
#![cfg_attr(
    not(feature = "_sql"),
    doc = "[outbox]: https://docs.rs/roan/latest/roan/outbox/"
)]
#![cfg_attr(feature = "_sql", doc = "[triggers]: crate::triggers")]
#![cfg_attr(
    not(feature = "_sql"),
    doc = "[triggers]: https://docs.rs/roan/latest/roan/triggers/"
)]
#![cfg_attr(feature = "embedded", doc = "[embedded]: crate::embedded")]
#![cfg_attr(
    not(feature = "embedded"),
    doc = "[embedded]: https://docs.rs/roan/latest/roan/embedded/"
)]

/// Makes a module of each page. A link to a module leads to docs.rs if its feature is off.
macro_rules! pages {
    ($($name:ident: $($text:expr),+;)+) => {$(
        $(#[doc = $text])+
        #[doc = ""]
        #[cfg_attr(feature = "_sql", doc = "[outbox]: crate::outbox")]
        #[cfg_attr(not(feature = "_sql"), doc = "[outbox]: https://docs.rs/roan/latest/roan/outbox/")]
        #[cfg_attr(feature = "_sql", doc = "[triggers]: crate::triggers")]
        #[cfg_attr(not(feature = "_sql"), doc = "[triggers]: https://docs.rs/roan/latest/roan/triggers/")]
        #[cfg_attr(feature = "embedded", doc = "[embedded]: crate::embedded")]
        #[cfg_attr(not(feature = "embedded"), doc = "[embedded]: https://docs.rs/roan/latest/roan/embedded/")]
        #[cfg_attr(feature = "web", doc = "[layer]: crate::web")]
        #[cfg_attr(not(feature = "web"), doc = "[layer]: https://docs.rs/roan/latest/roan/web/")]
        pub mod $name {}
    )+};
}

pages! {
    axum: include_str!("axum.md");
    nginx: include_str!("nginx.md"), "```nginx", include_str!("site.conf"), "```";
    refresh: include_str!("refresh.md"), "```nginx", include_str!("refresh.conf"), "```";
    other_caches: include_str!("other_caches.md"),
        "`squid.conf`:", "", "```text", include_str!("other_caches/squid.conf"), "```", "",
        "`records.config`:", "", "```text", include_str!("other_caches/records.config"), "```", "",
        "`remap.config`:", "", "```text", include_str!("other_caches/remap.config"), "```", "",
        "`roan.config`:", "", "```text", include_str!("other_caches/roan.config"), "```", "",
        "`ip_allow.yaml`:", "", "```yaml", include_str!("other_caches/ip_allow.yaml"), "```", "",
        "`storage.config`:", "", "```text", include_str!("other_caches/storage.config"), "```";
    varnish: include_str!("varnish.md"), "```vcl", include_str!("varnish.vcl"), "```";
    cdns: include_str!("cdns.md");
    rules: include_str!("rules.md");
    hooks: include_str!("hooks.md");
    configuration: include_str!("configuration.md");
    libraries: include_str!("libraries.md");
    web: include_str!("web.md");
    fleet: include_str!("fleet.md"),
        "```text", include_str!("fleet/nats.conf"), "```", "",
        "`users.conf`, for all servers:", "", "```text", include_str!("fleet/users.conf"), "```", "",
        "`nats-cluster.conf`, for three servers:", "", "```text", include_str!("fleet/nats-cluster.conf"), "```", "",
        "`agent.toml`:", "", "```toml", include_str!("fleet/agent.toml"), "```", "",
        "`roan-agent.service`:", "", "```ini", include_str!("fleet/roan-agent.service"), "```", "",
        "`Containerfile`:", "", "```dockerfile", include_str!("fleet/Containerfile"), "```", "",
        "`region.conf`, for the server of a region:", "", "```text", include_str!("fleet/region.conf"), "```", "",
        "`mirror.json`:", "", "```json", include_str!("fleet/mirror.json"), "```";
    dashboard: include_str!("dashboard.md");
    command: include_str!("command.md");
    failures: include_str!("failures.md");
    metrics: include_str!("metrics.md");
    glossary: include_str!("glossary.md");
    upgrading: include_str!("upgrading.md");
}
