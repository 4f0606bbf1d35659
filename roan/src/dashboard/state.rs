//! The state of the dispatcher: counters, nodes and charts.

use std::time::Instant;

use serde_json::{Value, json};

use super::figures::{Point, STEP};
use super::json::ms;
use super::service::Shared;
use crate::base::serialize::time;
use crate::dispatcher::NodeStats;

/// The counters, the nodes and the charts.
pub(super) fn of(shared: &Shared) -> Value {
    let stats = shared.roan.stats();
    let lately = shared.figures.lock();
    let now = Instant::now();
    let minute = lately.short(now).as_secs_f64();
    let node = |node: &NodeStats| {
        let figures = lately.of_node(&node.cache, &node.node, now);
        let last_minute = figures.last_minute;
        json!({
            "cache": &*node.cache,
            "node": &*node.node,
            "down": node.down,
            "paused_ms": node.paused.map(ms),
            "pending": node.pending,
            "in_flight": node.in_flight,
            "rebounds": node.rebounds,
            "requests": node.requests,
            "purged": node.purged,
            "not_cached": node.not_cached,
            "refused": node.refused,
            "failed": node.failed,
            "dead": node.dead,
            "dropped": node.dropped,
            "rate": (last_minute.done() as f64 / minute * 100.0).round() / 100.0,
            "lag_ms": last_minute.mean_lag().map(ms),
            "longest_lag_ms": last_minute.mean_lag().map(|_| ms(last_minute.longest_lag)),
            "last_error": figures.last_error.as_ref().map(|(error, _)| error),
            "last_error_at": figures.last_error.as_ref().map(|(_, at)| time(*at)),
        })
    };
    let point = |point: &Point| {
        json!([
            point.purged,
            point.not_cached,
            point.failed,
            point.lost,
            point.mean_lag().map(ms),
            point.mean_lag().map(|_| ms(point.longest_lag)),
        ])
    };
    json!({
        "version": env!("CARGO_PKG_VERSION"),
        "read_only": shared.read_only,
        "has": {
            "dead": cfg!(feature = "_sql"),
            "durable": is_durable(shared),
            "pages": has_pages(shared),
            "fleet": has_fleet(shared),
        },
        "purges": lately.version,
        "missed": lately.missed,
        "asked": stats.asked,
        "waiting": stats.waiting,
        "dropped": stats.dropped,
        "refused": stats.refused,
        "invalid": stats.invalid,
        "not_stored": stats.not_stored,
        "troubles": troubles(shared),
        "nodes": stats.nodes.iter().map(node).collect::<Vec<_>>(),
        "chart": {
            "step_s": STEP.as_secs(),
            "points": lately.chart(now).iter().map(point).collect::<Vec<_>>(),
        },
    })
}

/// Whether purges wait in a database.
fn is_durable(shared: &Shared) -> bool {
    #[cfg(feature = "_sql")]
    return shared.roan.outbox().link().is_some();
    #[cfg(not(feature = "_sql"))]
    {
        let _ = shared;
        false
    }
}

fn has_pages(shared: &Shared) -> bool {
    #[cfg(feature = "web")]
    return shared.roan.web().is_ok();
    #[cfg(not(feature = "web"))]
    {
        let _ = shared;
        false
    }
}

/// Whether a cache is a fleet.
fn has_fleet(shared: &Shared) -> bool {
    #[cfg(feature = "nats")]
    return shared.roan.fleet().is_some();
    #[cfg(not(feature = "nats"))]
    {
        let _ = shared;
        false
    }
}

/// What is wrong with the outbox, if anything.
fn troubles(shared: &Shared) -> Vec<String> {
    #[cfg(feature = "_sql")]
    {
        let outbox = shared.roan.outbox();
        let of_database = outbox.current_error().map(|error| error.to_string());
        let of_triggers = outbox.trigger_errors();
        let of_triggers = of_triggers.iter().map(ToString::to_string);
        of_database.into_iter().chain(of_triggers).collect()
    }
    #[cfg(not(feature = "_sql"))]
    {
        let _ = shared;
        Vec::new()
    }
}
