//! Who speaks for a stream of several copies.
//!
//! While the copies do not have a leader, the server of each answers for the stream by its own copy, which may lack messages;
//! so does, for a while, a leader that is cut off from the others. (nats-server 2.9; a consumer is worse: its leader need not be
//! that of the stream, and what it says is pending comes from its own copy.)

use std::time::Duration;

use async_nats::jetstream::stream::{Info, PeerInfo};

/// Copies that have not heard of their leader for 4 s elect another one. One second is for the way.
const LEADS: Duration = Duration::from_secs(3);

/// What to look at if an election does not end, and nobody answers.
pub(crate) const NO_LEADER: &str =
    "see that most servers of the cluster are up and reach each other, so that it has a leader";

/// Why the stream may have more messages than this says; `None` if its leader has said so, or its only server.
pub(crate) fn doubt(info: &Info) -> Option<String> {
    let stream = &info.config.name;
    let cluster = info.cluster.as_ref()?;
    let Some(leader) = cluster.leader.as_deref().filter(|name| !name.is_empty()) else {
        return Some(format!(
            "the copies of the stream {stream} have not elected a leader"
        ));
    };
    let others = cluster.replicas.len();
    let copies = cluster.replicas.iter();
    let heard = copies
        .filter(|copy| !copy.offline && copy.active <= LEADS)
        .count();
    // With its own.
    let is_most = 2 * (heard + 1) > others + 1;
    (!is_most).then(|| {
        format!("the server {leader} of the stream {stream} hears {heard} of {others} other copies")
    })
}

/// A copy that has not been heard for so long is away, or deaf: to restart a server takes less.
const SILENT: Duration = Duration::from_secs(30);

/// What to do about copies that do not follow their leader; `None` if all do.
///
/// A server may run without them: one of nats-server 2.10 that was restarted can have all its routes, and hear nothing of the
/// leader until it is restarted again.
pub(crate) fn silent_copies(info: &Info) -> Option<String> {
    let copies = &info.cluster.as_ref()?.replicas;
    let is_silent = |copy: &&PeerInfo| copy.offline || copy.active > SILENT;
    let silent = copies.iter().filter(is_silent).map(|copy| &*copy.name);
    let silent: Vec<_> = silent.collect();
    let (stream, servers) = (&info.config.name, silent.join(", "));
    (!silent.is_empty()).then(|| {
        format!(
            "the stream {stream} hears nothing from its copies at {servers}, and purges may have to wait when it loses another \
             server: start `nats-server` there, or if it runs, restart it"
        )
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn info(cluster: &serde_json::Value) -> Info {
        serde_json::from_value(json!({
            "config": {
                "name": "ROAN", "subjects": ["roan.>"], "retention": "limits", "max_consumers": -1, "max_msgs": -1,
                "max_bytes": -1, "discard": "old", "max_age": 0, "storage": "file", "num_replicas": 3,
            },
            "created": "2026-01-01T00:00:00Z",
            "state": {
                "messages": 1, "bytes": 1, "first_seq": 1, "first_ts": "2026-01-01T00:00:00Z", "last_seq": 1,
                "last_ts": "2026-01-01T00:00:00Z", "consumer_count": 0,
            },
            "cluster": cluster,
        }))
        .unwrap()
    }

    fn copy(name: &str, active_ms: u64, offline: bool) -> serde_json::Value {
        json!({"name": name, "current": true, "active": active_ms * 1_000_000, "offline": offline})
    }

    #[test]
    fn a_server_that_is_alone_speaks_for_its_stream() {
        assert_eq!(doubt(&info(&json!(null))), None);
        let alone = json!({"name": "fleet", "leader": "n1"});
        assert_eq!(doubt(&info(&alone)), None);
    }

    #[test]
    fn without_a_leader_nobody_does() {
        let copies = [copy("n2", 1, false), copy("n3", 1, false)];
        for cluster in [
            json!({"name": "fleet", "replicas": copies}),
            json!({"name": "fleet", "leader": "", "replicas": copies}),
        ] {
            let doubt = doubt(&info(&cluster)).unwrap();
            assert!(doubt.contains("have not elected a leader"), "{doubt}");
        }
    }

    #[test]
    fn a_copy_that_is_not_heard_is_named() {
        let of = |copies: &[serde_json::Value]| {
            let cluster = json!({"name": "fleet", "leader": "n1", "replicas": copies});
            silent_copies(&info(&cluster))
        };
        assert_eq!(silent_copies(&info(&json!(null))), None);
        assert_eq!(
            of(&[copy("n2", 900, false), copy("n3", 30_000, false)]),
            None
        );
        for silent in [copy("n3", 30_001, false), copy("n3", 10, true)] {
            let warning = of(&[copy("n2", 900, false), silent]).unwrap();
            assert!(warning.contains("its copies at n3, and"), "{warning}");
        }
    }

    #[test]
    fn a_leader_hears_most_of_the_copies() {
        let of = |second, third| {
            let cluster = json!({"name": "fleet", "leader": "n1", "replicas": [second, third]});
            doubt(&info(&cluster))
        };
        let well = || copy("n2", 900, false);
        assert_eq!(of(well(), copy("n3", 900, false)), None);
        assert_eq!(of(well(), copy("n3", 60_000, true)), None);
        for late in [copy("n2", 3_001, false), copy("n2", 10, true)] {
            let doubt = of(late, copy("n3", 3_500, false)).unwrap();
            assert!(
                doubt.contains("n1 of the stream ROAN hears 0 of 2"),
                "{doubt}"
            );
        }
    }
}
