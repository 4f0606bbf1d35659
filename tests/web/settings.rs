//! What the builder asks for, and the defaults.

use roan::Roan;
use roan::testing::Recorder;
use roan::web::Web;

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
