//! The app's side: what comes into the stream, and what is said when it does not.

use roan_tests::{Nats, NatsCluster, NatsOptions};

#[tokio::test(flavor = "multi_thread")]
async fn a_server_and_a_cluster_keep_what_they_have_acknowledged() {
    let mut server = Nats::start(&NatsOptions::default());
    let mut cluster = NatsCluster::start(&NatsOptions::default());
    for (url, replicas) in [(server.url(), 1), (cluster.url(), 3)] {
        let servers: Vec<_> = url.split(',').map(|url| url.parse().unwrap()).collect();
        let servers: Vec<async_nats::ServerAddr> = servers;
        let client = async_nats::connect(servers).await.unwrap();
        let jetstream = async_nats::jetstream::new(client);
        let config = async_nats::jetstream::stream::Config {
            name: "S".to_owned(),
            num_replicas: replicas,
            ..Default::default()
        };
        jetstream.create_stream(config).await.unwrap();
        jetstream
            .publish("S", "a".into())
            .await
            .unwrap()
            .await
            .unwrap();
    }
    let leader = cluster.leader_of("S").unwrap();
    cluster.servers[leader].kill();
    server.kill();
    server.restart();
    cluster.servers[leader].restart();
    cluster.wait_until_whole();
    assert_eq!(server.monitor("/jsz")["messages"], 1);
}
