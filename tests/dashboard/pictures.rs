//! The pictures of the README: `ROAN_SCREENSHOTS=$PWD/examples/images cargo test -p roan-tests --all-features --test dashboard pictures --
//! --ignored`, in the folder of the repository.

use std::time::{Duration, Instant};

use roan::dashboard::Dashboard;
use roan::testing::Recorder;
use roan::{Cache, Nginx, Target, TargetKind};
use roan_tests::{Behaviour, Faulty};

use crate::page::{open, shoot};
use crate::support::{Post, Program};

#[tokio::test(flavor = "multi_thread")]
#[ignore = "it takes the pictures of the README, for two minutes"]
async fn pictures() {
    let [one, two] = [Behaviour::Purged, Behaviour::Purged].map(Faulty::start);
    let program = Program::with(Dashboard::without_auth, |builder| {
        let nginx = Nginx::at(&one.purge_url()).unwrap();
        let nginx = nginx.node(&two.purge_url()).unwrap().name("tier");
        let cdn = Recorder::named("cdn");
        builder
            .cache(nginx)
            .cache(Cache::from(cdn).purges([TargetKind::Url, TargetKind::Tag], Default::default()))
    });
    let tab = open(&program).await;
    let began = Instant::now();
    let mut number = 0_u32;
    while began.elapsed() < Duration::from_secs(120) {
        let seconds = began.elapsed().as_secs();
        let behaviour = match seconds {
            40..60 => Behaviour::Answer(503, Vec::new()),
            _ => Behaviour::Purged,
        };
        two.set(behaviour);
        for _ in 0..1 + seconds % 20 / 4 {
            number += 1;
            program
                .roan
                .saved(&Post::new(&format!("a-story-{}", number % 300)));
        }
        if number.is_multiple_of(40) {
            program.roan.purge(Target::tag("front").unwrap()).unwrap();
        }
        tokio::time::sleep(Duration::from_millis(150)).await;
    }
    for (name, width, height, scheme) in [
        ("dashboard", 1000, 920, "light"),
        ("dashboard-phone", 390, 920, "dark"),
    ] {
        tab.resize(width, height).await;
        tab.prefer(scheme).await;
        tab.run("say(''); scrollTo(0, 0);").await;
        shoot(&tab, name).await;
    }
    tab.close().await;
}
