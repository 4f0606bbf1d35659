//! Requests that come while their page is being rendered.

use tokio::sync::Semaphore;
use tokio::task::JoinHandle;

use super::*;

/// An app that reads a row, and answers when it may.
struct Held {
    site: Arc<Site>,
    row: Arc<AtomicUsize>,
    begun: Arc<Semaphore>,
    go_on: Arc<Semaphore>,
}

impl Held {
    fn answering(headers: &'static [(&'static str, &'static str)]) -> Self {
        Self::with(headers, Embedded::new())
    }

    fn with(headers: &'static [(&'static str, &'static str)], pages: Embedded) -> Self {
        let [begun, go_on] = [0, 0].map(|_| Arc::new(Semaphore::new(0)));
        let row = Arc::<AtomicUsize>::default();
        let parts = (Arc::clone(&begun), Arc::clone(&go_on), Arc::clone(&row));
        let app = Router::new().fallback(move |request: HeaderMap| {
            let (begun, go_on, row) = parts.clone();
            async move {
                let row = row.load(Ordering::SeqCst);
                begun.add_permits(1);
                go_on.acquire().await.unwrap().forget();
                let language = request.get("accept-language");
                let language = language.map_or("", |value| value.to_str().unwrap());
                let mut response = Response::new(Body::from(format!("{row}{language}")));
                for (name, value) in headers {
                    response.headers_mut().append(*name, value.parse().unwrap());
                }
                response
            }
        });
        Self {
            site: Arc::new(Site::new(app, pages, None)),
            row,
            begun,
            go_on,
        }
    }

    /// A request that has reached the app or waits for another one.
    async fn ask(&self, headers: &'static [(&'static str, &'static str)]) -> JoinHandle<Seen> {
        let site = Arc::clone(&self.site);
        let request = tokio::spawn(async move { site.get_with("/a", headers).await });
        // There is one thread, so it runs until it waits.
        for _ in 0..10 {
            tokio::task::yield_now().await;
        }
        request
    }

    async fn ask_often(&self, count: usize) -> Vec<JoinHandle<Seen>> {
        let mut requests = Vec::new();
        for _ in 0..count {
            requests.push(self.ask(&[]).await);
        }
        requests
    }

    /// Waits for the beginning of so many renders.
    async fn begin(&self, count: u32) {
        let begin = self.begun.acquire_many(count);
        let begun = tokio::time::timeout(Duration::from_secs(10), begin).await;
        begun.expect("the renders begin").unwrap().forget();
    }

    fn go_on(&self, count: usize) {
        self.go_on.add_permits(count);
    }

    fn assert_no_other_began(&self) {
        assert_eq!(self.begun.available_permits(), 0);
    }
}

async fn ends(requests: Vec<JoinHandle<Seen>>) -> Vec<(String, String)> {
    let mut seen = Vec::new();
    for request in requests {
        let answer = tokio::time::timeout(Duration::from_secs(10), request).await;
        let answer = answer.expect("an answer comes").unwrap();
        let status = answer.header("cache-status").unwrap().to_owned();
        seen.push((answer.body, status));
    }
    seen
}

fn seen(body: &str, status: &str) -> (String, String) {
    (body.to_owned(), format!("roan; fwd={status}"))
}

#[tokio::test]
async fn forty_requests_for_a_missing_page_are_one_render() {
    let held = Held::answering(&[FOREVER]);
    let requests = held.ask_often(40).await;
    held.begin(1).await;
    held.go_on(40);
    let answers = ends(requests).await;
    assert_eq!(answers[0], seen("0", "uri-miss; stored"));
    for answer in &answers[1..] {
        assert_eq!(*answer, seen("0", "uri-miss; collapsed"));
    }
    held.assert_no_other_began();
    assert_eq!(held.site.get("/a").await.cache_status(), "HIT");
    assert!(held.site.pages.store.is_at_rest());
}

#[tokio::test]
async fn an_answer_that_is_not_for_others_lets_all_go_on_at_once() {
    for headers in [
        &[("cache-control", "private")][..],
        &[FOREVER, ("set-cookie", "a=b")],
        &[FOREVER, ("vary", "*")],
    ] {
        let headers: &'static [_] = headers;
        let held = Held::answering(headers);
        let requests = held.ask_often(10).await;
        held.begin(1).await;
        held.go_on(1);
        held.begin(9).await;
        // Nor do later ones wait.
        let later = held.ask(&[]).await;
        held.begin(1).await;
        held.go_on(10);
        let answers = ends(requests).await;
        assert_eq!(answers[0], seen("0", "uri-miss"));
        for answer in &answers[1..] {
            assert_eq!(*answer, seen("0", "uri-miss; collapsed=?0"));
        }
        assert_eq!(ends(vec![later]).await, [seen("0", "uri-miss")]);
    }
}

#[tokio::test]
async fn a_body_that_is_too_long_to_be_stored_lets_all_go_on_at_once() {
    let pages = Embedded::builder().max_body_size(0);
    let held = Held::with(&[FOREVER], pages.build());
    let requests = held.ask_often(10).await;
    held.begin(1).await;
    held.go_on(1);
    held.begin(9).await;
    held.go_on(9);
    assert_eq!(ends(requests).await.len(), 10);
}

#[tokio::test]
async fn a_request_does_not_wait_for_ever() {
    let pages = Embedded::builder().lock_timeout(Duration::from_millis(20));
    let held = Held::with(&[FOREVER], pages.build());
    let requests = held.ask_often(3).await;
    held.begin(3).await;
    held.go_on(3);
    let stored = "uri-miss; stored";
    let alone = "uri-miss; stored; collapsed=?0";
    let expected = [stored, alone, alone].map(|status| seen("0", status));
    assert_eq!(ends(requests).await, expected);

    let pages = Embedded::builder().lock_timeout(Duration::ZERO);
    let held = Held::with(&[FOREVER], pages.build());
    let requests = held.ask_often(3).await;
    held.begin(3).await;
    held.go_on(3);
    assert_eq!(
        ends(requests).await,
        [stored; 3].map(|status| seen("0", status))
    );
}

#[tokio::test]
async fn nobody_gets_a_page_from_before_a_purge() {
    for target in [Target::url("/a").unwrap(), Target::host()] {
        nobody_gets_a_page_from_before(target).await;
    }
}

async fn nobody_gets_a_page_from_before(target: Target) {
    let held = Held::answering(&[FOREVER]);
    let mut before = held.ask_often(3).await;
    held.begin(1).await;
    held.row.store(1, Ordering::SeqCst);
    held.site.purge(target).await;
    let after = held.ask_often(3).await;
    held.begin(1).await;
    let first = before.remove(0);
    held.go_on(1);
    assert_eq!(ends(vec![first]).await, [seen("0", "uri-miss; stored")]);
    // Those who have waited for it wait for the new one.
    held.assert_no_other_began();
    held.go_on(1);
    let collapsed = seen("1", "uri-miss; collapsed");
    for answer in ends(before).await {
        assert_eq!(answer, collapsed);
    }
    let mut answers = ends(after).await;
    assert_eq!(answers.remove(0), seen("1", "uri-miss; stored"));
    assert_eq!(answers, [collapsed.clone(), collapsed]);
    held.assert_no_other_began();
}

#[tokio::test]
async fn each_variant_is_rendered_once() {
    let held = Held::answering(&[FOREVER, ("vary", "accept-language")]);
    let mut requests = Vec::new();
    for _ in 0..3 {
        requests.push(held.ask(&[("accept-language", "de")]).await);
        requests.push(held.ask(&[("accept-language", "en")]).await);
    }
    held.begin(1).await;
    held.go_on(1);
    held.begin(1).await;
    held.go_on(1);
    for (number, request) in requests.into_iter().enumerate() {
        let language = ["0de", "0en"][number % 2];
        assert_eq!(request.await.unwrap().body, language);
    }
    held.assert_no_other_began();
}

#[tokio::test]
async fn when_a_visitor_leaves_one_of_those_who_wait_renders() {
    let held = Held::answering(&[FOREVER]);
    let mut requests = held.ask_often(4).await;
    held.begin(1).await;
    requests.remove(0).abort();
    held.begin(1).await;
    held.go_on(1);
    let answers = ends(requests).await;
    let renders = answers
        .iter()
        .filter(|(_, status)| status.contains("stored"));
    assert_eq!(renders.count(), 1, "{answers:?}");
    held.assert_no_other_began();
}

#[tokio::test]
async fn a_request_with_authorization_waits_for_nobody() {
    let held = Held::answering(&[("cache-control", "public, s-maxage=60")]);
    let first = held.ask(&[]).await;
    held.begin(1).await;
    let second = held.ask(&[("authorization", "Basic eDp5")]).await;
    held.begin(1).await;
    held.go_on(2);
    let answers = ends(vec![first, second]).await;
    assert_eq!(answers, [(); 2].map(|()| seen("0", "uri-miss; stored")));
}
