//! Hooks on what points to a row.

use std::rc::Rc;
use std::sync::{Arc, Mutex};

use roan::testing::record_blocking;
use roan::{Model, purge_on};

#[purge_on(save, url = "/posts/{id}", when = self.id > 0)]
#[purge_on(update(title), url = "/titles/{title}")]
struct Post {
    id: u32,
    title: &'static str,
}

fn purged(hooks: impl FnOnce()) -> Vec<String> {
    let purges = record_blocking(hooks);
    let mut urls: Vec<_> = purges.targets().iter().map(ToString::to_string).collect();
    urls.sort();
    urls
}

fn generic<M: Model>(row: M) {
    roan::saved(&row);
}

#[test]
fn a_pointer_to_a_row_is_the_row() {
    let post = Post { id: 1, title: "a" };
    let expected = ["/posts/1", "/titles/a"];
    assert_eq!(purged(|| roan::saved(&post)), expected);
    assert_eq!(purged(|| roan::saved(&&post)), expected);
    assert_eq!(purged(|| generic(&post)), expected);
    let mut post = Box::new(post);
    assert_eq!(purged(|| roan::saved(&post)), expected);
    assert_eq!(purged(|| generic(&mut *post)), expected);
    let post = Mutex::new(post);
    assert_eq!(purged(|| roan::saved(&*post.lock().unwrap())), expected);
    let post = Arc::new(post.into_inner().unwrap());
    assert_eq!(purged(|| roan::saved(&Rc::new(post))), expected);
}

#[test]
fn it_has_the_rules_and_the_watched_fields_of_the_row() {
    let old = Arc::new(Post { id: 1, title: "a" });
    let same = Arc::new(Post { id: 2, title: "a" });
    let new = Arc::new(Post { id: 2, title: "b" });
    assert_eq!(
        purged(|| roan::updated(&old, &same)),
        ["/posts/1", "/posts/2"]
    );
    assert_eq!(
        purged(|| roan::updated(&same, &new)),
        ["/posts/2", "/titles/a", "/titles/b"]
    );
    assert_eq!(<Arc<Post>>::rules().len(), 2);
}

#[test]
fn a_rule_made_at_run_time_fires_too() {
    #[purge_on(delete, url = "/x")]
    struct Page;

    roan::purge("/pages").on_save::<Page>();
    assert_eq!(purged(|| roan::saved(&Box::new(Page))), ["/pages"]);
}
