//! One list of checks that every kind of cache passes: see `stand.rs` for how a cache joins.
//!
//! ```text
//! cargo test -p roan-tests --all-features --test caches                  all caches
//! cargo test -p roan-tests --all-features --test caches nginx_refresh    one of them
//! ```
#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test fails by a panic"
)]

mod failures;
mod kinds;
mod onward;
mod race;
mod site;
mod stand;
mod stands;
mod tiers;
mod transit;
mod urls;

/// Makes the tests of each cache.
macro_rules! caches {
    ($($name:ident: $start:expr,)+) => {
        $(mod $name {
            #[test]
            fn urls_of_every_spelling_are_purged_alone_on_each_node() {
                crate::urls::every_spelling(&$start);
            }

            #[test]
            fn sites_and_variants_are_purged_as_they_should() {
                crate::urls::sites_and_variants(&$start);
            }

            #[test]
            fn every_kind_of_target_is_purged_on_each_node() {
                crate::kinds::every_kind(&$start);
            }

            #[test]
            fn a_mistake_is_refused_aloud() {
                crate::failures::mistakes(&$start);
            }

            #[test]
            fn a_node_that_fails_for_a_while_loses_no_purge() {
                crate::failures::a_while(&$start);
            }

            #[test]
            fn no_page_stays_stale_after_a_race() {
                crate::race::race(&$start);
            }
        })+
    };
}

// A cache joins by one line.
caches! {
    embedded: crate::stands::embedded::start,
    nginx: crate::stands::nginx::module,
    nginx_refresh: crate::stands::nginx::refresh,
    nginx_files: crate::stands::nginx::files,
    cloudflare: crate::stands::cdns::cloudflare,
    fastly: crate::stands::cdns::fastly,
    fastly_soft: crate::stands::cdns::fastly_soft,
    squid: crate::stands::squid::start,
    traffic_server: crate::stands::traffic_server::start,
    varnish: crate::stands::varnish::hard,
    varnish_soft: crate::stands::varnish::soft,
    preset_bunny: crate::stands::presets::bunny,
    preset_http_invalidation: crate::stands::presets::http_invalidation,
    preset_pingora: crate::stands::presets::pingora,
    preset_souin: crate::stands::presets::souin,
    stand_in: crate::stands::stand_in::hard,
    stand_in_soft: crate::stands::stand_in::soft,
}

/// Makes the tests of two tiers.
macro_rules! tiers {
    ($($name:ident: $inner:expr, behind $outer:expr,)+) => {
        mod two_tiers {
            $(mod $name {
                #[test]
                fn the_outer_one_keeps_no_stale_page() {
                    crate::tiers::with_the_web_layer(&$inner, &$outer);
                }

                #[test]
                fn without_the_web_layer_the_rebound_is_enough() {
                    crate::tiers::with_a_rebound_only(&$inner, &$outer);
                }
            })+
        }
    };
}

// The one that is nearer to the app first.
tiers! {
    varnish_behind_nginx: crate::stands::varnish::hard, behind crate::stands::nginx::module,
    nginx_behind_varnish: crate::stands::nginx::module, behind crate::stands::varnish::hard,
    nginx_behind_the_stand_in: crate::stands::nginx::module, behind crate::stands::stand_in::hard,
    nginx_refresh_behind_the_stand_in: crate::stands::nginx::refresh, behind crate::stands::stand_in::hard,
}
