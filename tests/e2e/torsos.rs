//! An app that is killed while it sends a page leaves a part of it. No cache may keep that.

use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};

use axum::Router;
use axum::body::{Body, Bytes};
use http_body::Frame;
use roan_tests::{Background, Nginx, Options};

/// A page without `Content-Length`, whose second half is missing if the app ends before.
struct Page {
    left: Vec<&'static str>,
    breaks_off: bool,
    /// Whether what came before has left.
    is_sent: bool,
}

impl http_body::Body for Page {
    type Data = Bytes;
    type Error = std::io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, std::io::Error>>> {
        if self.left.len() == 1 && self.breaks_off {
            if !self.is_sent {
                self.is_sent = true;
                context.waker().wake_by_ref();
                return Poll::Pending;
            }
            return Poll::Ready(Some(Err(std::io::Error::other("killed"))));
        }
        let next = self.left.pop();
        Poll::Ready(next.map(|text| Ok(Frame::data(Bytes::from(text)))))
    }
}

/// The app breaks off each page while the flag is set.
fn app() -> (Arc<AtomicBool>, Background, SocketAddr) {
    let breaks_off = Arc::new(AtomicBool::new(true));
    let is_killed = Arc::clone(&breaks_off);
    let app = Router::new().fallback(move || async move {
        Body::new(Page {
            left: vec!["second", "first "],
            breaks_off: is_killed.load(Ordering::Relaxed),
            is_sent: false,
        })
    });
    let (server, addr) = Background::serve("app", |listener| async move {
        axum::serve(listener, app).await.expect("the app serves");
    });
    (breaks_off, server, addr)
}

/// By HTTP/1.0, which nginx speaks by default, such a part would pass for the whole.
#[test]
fn a_page_that_breaks_off_is_not_stored() {
    for options in [Options::default(), Options::default().refresh()] {
        let (breaks_off, _server, addr) = app();
        let nginx = Nginx::start_before(addr, &options);
        let browser = nginx.browser();
        // The visitor sees that it is not whole.
        let torso = browser.try_send("GET", "/page", &[]);
        assert!(torso.is_err(), "{torso:?}");
        breaks_off.store(false, Ordering::Relaxed);
        let seen = [(); 3].map(|()| browser.get("/page"));
        let texts = seen.each_ref().map(roan_tests::Answer::text);
        assert_eq!(texts, ["first second"; 3]);
        assert_eq!(seen[2].cache_status(), "HIT");
    }
}
