//! What the builder asks for, and the defaults.

use std::time::Duration;

use roan::testing::Recorder;
use roan::web::Web;
use roan::Roan;

use crate::support::nginx;

#[test]
fn the_layer_asks_for_its_settings_and_for_a_site() {
    let without = Roan::builder().cache(Recorder::new()).build().unwrap();
    let error = without.web().unwrap_err().to_string();
    assert!(error.contains("RoanBuilder::web"), "{error}");
    let builder = Roan::builder().cache(nginx(&Recorder::new()));
    let error = builder.web(Web::new()).build().unwrap_err().to_string();
    assert!(error.contains("site"), "{error}");
    let tags_alone = Roan::builder().cache(Recorder::new()).web(Web::new());
    assert!(tags_alone.build().is_ok());
}

#[tokio::test]
async fn the_rebound_is_short_unless_it_is_set() {
    for (rebound, least) in [(None, 40), (Some(200), 190)] {
        let cache = Recorder::new();
        let mut builder = Roan::builder()
            .cache(nginx(&cache))
            .site("example.org")
            .web(Web::new());
        if let Some(rebound) = rebound {
            builder = builder.rebound(Duration::from_millis(rebound));
        }
        let roan = builder.build().unwrap();
        let start = std::time::Instant::now();
        roan.purge("/a").unwrap();
        let left = roan.shutdown(Duration::from_secs(10)).await;
        assert_eq!(left.rebounds(), 0);
        assert_eq!(cache.requests().len(), 2);
        let took = start.elapsed();
        assert!(took >= Duration::from_millis(least), "{took:?}");
        // Far from the default without the layer, on any machine.
        assert!(took < Duration::from_millis(1900), "{took:?}");
    }
}
