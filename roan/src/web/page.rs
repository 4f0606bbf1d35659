//! What a handler says about the page that it renders.

use std::collections::BTreeSet;
use std::panic::Location;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use super::tag_set::TagSet;
use super::tags::Tags;
use super::write::Write;
use super::{CachePolicy, WebLayer};
use crate::base::history::{self, Trace, Traced};
use crate::base::lock::Mutex;
use crate::base::log::{loudly_at_times, warn_loudly};
use crate::base::target::{Target, TargetError, TargetRef};
use crate::base::within::{self, Current, Within};
use crate::model::{InvalidTarget, Model};

thread_local! {
    static CURRENT: Current<Mutex<Notes>> = const { within::nothing() };
}

/// The page that is being rendered. Clones are handles of the same page.
///
/// Code below the handler finds it by itself ([`show`] and the other functions). What the handler spawns does not: give it
/// this handle, which [`page`] returns. It is also an extension of the request.
///
/// ```
/// # use roan::purge_on;
/// # #[purge_on(save, delete, tag = "post-{0}")]
/// # struct Post(u32);
/// # async fn handler() -> Option<()> {
/// let page = roan::web::page()?;
/// let work = tokio::spawn(page.clone().enter(async {
///     roan::web::show(&Post(1)); // finds the page of the handler
/// }));
/// page.show(&Post(2));
/// work.await.ok()
/// # }
/// ```
#[derive(Clone)]
pub struct Page {
    notes: Arc<Mutex<Notes>>,
    /// Of the request.
    trace: Option<Trace>,
}

/// What was said.
#[derive(Debug, Default)]
pub(super) struct Notes {
    pub(super) tags: TagSet,
    pub(super) mistake: Option<InvalidTarget>,
    pub(super) policy: Option<CachePolicy>,
    pub(super) complete: bool,
    /// In a request that changes something.
    pub(super) write: Option<Write>,
    stage: Stage,
}

/// How far the answer is.
#[derive(Debug, Default)]
enum Stage {
    #[default]
    Rendering,
    /// The head has left. What is said from now on is late, which matters if caches may store the page.
    HeadLeft { is_late: bool },
    /// So has the body of a page that caches may store.
    Over(WebLayer, Target),
}

impl Page {
    pub(super) fn new(write: Option<Write>, trace: Option<Trace>) -> Self {
        let notes = Notes {
            write,
            ..Notes::default()
        };
        Self {
            notes: Arc::new(Mutex::new(notes)),
            trace,
        }
    }

    /// The page of a request that changes something, if this code runs in one.
    pub(crate) fn of_write() -> Option<Self> {
        page().filter(|page| page.notes.lock().write.is_some())
    }

    /// Notes what a hook purges.
    pub(crate) fn fires(&self, target: TargetRef<'_>) {
        if let Some(write) = &mut self.notes.lock().write {
            write.fires(target);
        }
    }

    /// Runs `work` as a part of the page, wherever it runs.
    pub fn enter<F: Future>(self, work: F) -> impl Future<Output = F::Output> {
        self.within(work)
    }

    pub(super) fn within<F>(&self, work: F) -> Traced<Within<Mutex<Notes>, F>> {
        history::within(self.trace, Within::new(&CURRENT, &self.notes, work))
    }

    /// As [`enter`](Self::enter), for code that does not wait.
    pub fn enter_blocking<T>(&self, work: impl FnOnce() -> T) -> T {
        let work = || within::enter(&CURRENT, &self.notes, work);
        match self.trace {
            Some(trace) => trace.enter(work),
            None => work(),
        }
    }

    /// As [`show`].
    pub fn show<M: Model>(&self, row: &M) {
        self.add(|tags| tags.add_row(row));
    }

    /// As [`show_all`].
    pub fn show_all<M: Model>(&self) {
        self.add(Tags::add_model::<M>);
    }

    /// As [`tag`].
    ///
    /// # Errors
    ///
    /// As [`tag`].
    pub fn tag(&self, tag: &str) -> Result<(), TargetError> {
        match Target::tag(tag) {
            Ok(target) => {
                self.change(|notes| notes.tags.insert(TargetRef::from(&target)));
                Ok(())
            }
            Err(error) => {
                let invalid = InvalidTarget {
                    rule: None,
                    error: error.clone(),
                };
                self.change(|notes| _ = notes.mistake.get_or_insert(invalid));
                Err(error)
            }
        }
    }

    /// As [`cache`].
    pub fn cache(&self, policy: CachePolicy) {
        self.change(|notes| notes.policy = Some(policy));
    }

    /// As [`complete`].
    pub fn complete(&self) {
        self.notes.lock().complete = true;
    }

    /// As [`content_location`].
    ///
    /// # Errors
    ///
    /// As [`content_location`].
    pub fn content_location(&self, url: &str) -> Result<(), TargetError> {
        let url = Target::url(url)?;
        let is_late = {
            let mut notes = self.notes.lock();
            if let Some(write) = &mut notes.write {
                write.location = Some(url.clone());
            }
            !matches!(notes.stage, Stage::Rendering)
        };
        if is_late {
            static COUNT: AtomicU64 = AtomicU64::new(0);
            let count = COUNT.fetch_add(1, Ordering::Relaxed) + 1;
            loudly_at_times(
                count,
                format_args!(
                    "the answer (number {count} of this kind) does not have `Content-Location: {}`, because its head has \
                     left: call `content_location` before the handler returns",
                    url.shown()
                ),
                || tracing::error!(target: "roan", %url, "too late for `Content-Location`"),
            );
        }
        Ok(())
    }

    /// The code of a row may use the page itself, so it does not run under the lock.
    fn add(&self, add: impl FnOnce(&mut Tags)) {
        let set = std::mem::take(&mut self.notes.lock().tags);
        let mut adding = Adding {
            page: self,
            tags: Tags::new(set),
        };
        add(&mut adding.tags);
    }

    fn change(&self, change: impl FnOnce(&mut Notes)) {
        let again = {
            let mut notes = self.notes.lock();
            change(&mut notes);
            match &mut notes.stage {
                Stage::Rendering => None,
                Stage::HeadLeft { is_late } => {
                    *is_late = true;
                    None
                }
                Stage::Over(layer, url) => Some((layer.clone(), url.clone())),
            }
        };
        if let Some((layer, url)) = again {
            layer.tell_late(&url);
            layer.purge_again(&url);
        }
    }

    /// The end of the page's head: what is said later is too late.
    pub(super) fn end(&self) -> Notes {
        let mut notes = self.notes.lock();
        let ended = Notes {
            stage: Stage::HeadLeft { is_late: false },
            ..Notes::default()
        };
        std::mem::replace(&mut *notes, ended)
    }

    /// The end of the body of a page that caches may store. Returns whether something was said too late.
    pub(super) fn is_over(&self, layer: &WebLayer, url: &Target) -> bool {
        let stage = Stage::Over(layer.clone(), url.clone());
        let stage = std::mem::replace(&mut self.notes.lock().stage, stage);
        let is_late = matches!(stage, Stage::HeadLeft { is_late: true });
        if is_late {
            layer.tell_late(url);
        }
        is_late
    }
}

/// Tags that return to the page, also if the code of a row panics.
struct Adding<'a> {
    page: &'a Page,
    tags: Tags,
}

impl Drop for Adding<'_> {
    fn drop(&mut self) {
        let Tags { set, mistake, .. } = &mut self.tags;
        if set.is_empty() && mistake.is_none() {
            return;
        }
        self.page.change(|notes| {
            notes.tags.extend(std::mem::take(set));
            if let Some(mistake) = mistake.take() {
                notes.mistake.get_or_insert(mistake);
            }
        });
    }
}

impl std::fmt::Debug for Page {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Page").finish_non_exhaustive()
    }
}

/// Returns the page that this code renders. `None` outside of the [web layer](super), and in what a handler has spawned
/// without [`Page::enter`].
#[must_use]
pub fn page() -> Option<Page> {
    let notes = within::current(&CURRENT)?;
    let trace = Trace::of_request();
    Some(Page { notes, trace })
}

/// Whether an app is in the layer.
pub(super) static IN_USE: AtomicBool = AtomicBool::new(false);

#[track_caller]
fn with_page<T>(function: &'static str, work: impl FnOnce(&Page) -> T) -> Option<T> {
    let page = page();
    if page.is_none() && IN_USE.load(Ordering::Relaxed) {
        warn_outside(function, Location::caller());
    }
    page.as_ref().map(work)
}

/// A page that lacks a tag is stored and stays stale. Each place in the code is logged once.
fn warn_outside(function: &'static str, place: &'static Location<'static>) {
    static TOLD: Mutex<BTreeSet<&Location<'_>>> = Mutex::new(BTreeSet::new());
    let is_first = TOLD.lock().insert(place);
    if is_first {
        warn_loudly(format_args!(
            "`{function}` at {place} runs outside of a page, where it does nothing. If a handler has spawned this work, \
             take `roan::web::page()` in the handler, and spawn `page.enter(work)`"
        ));
    }
}

/// The page shows this row: it carries the tags of the row's rules, so that a write of the row purges the page.
///
/// These are the tags with a field, such as `tag = "post-{id}"`, of all rules of the type, whatever their events and
/// conditions. A tag without a field, such as `tag = "posts"`, is for lists: see [`show_all`]. The page of one row carries
/// it only if a rule of that tag fires on an event for which no tag with a field is sure to fire.
///
/// Call it with the row that was read, before the handler returns. Outside of the [web layer](super), and in work that a
/// handler has spawned without [`Page::enter`], it does nothing; if an app is in the layer, that is logged once for each
/// place in the code.
///
/// ```
/// # use roan::purge_on;
/// #[purge_on(save, delete, tag = "posts", tag = "post-{id}")]
/// struct Post { id: i64, title: String }
///
/// fn render(post: &Post) -> String {
///     roan::web::show(post); // the page carries `post-1`
///     format!("<h1>{}</h1>", post.title)
/// }
/// # render(&Post { id: 1, title: String::new() });
/// ```
#[track_caller]
pub fn show<M: Model>(row: &M) {
    with_page("show", |page| page.show(row));
}

/// The page lists rows of this type, perhaps none: it carries the tags of its rules without a field, so that a new row
/// purges the page.
///
/// ```
/// # use roan::purge_on;
/// #[purge_on(save, delete, tag = "posts", tag = "post-{id}")]
/// struct Post { id: i64, title: String }
///
/// fn render(posts: &[Post]) -> String {
///     roan::web::show_all::<Post>(); // the page carries `posts`, also when there is no post
///     posts.iter().map(|post| format!("<li>{}", post.title)).collect()
/// }
/// # render(&[]);
/// ```
#[track_caller]
pub fn show_all<M: Model>() {
    with_page("show_all", Page::show_all::<M>);
}

/// The page carries this tag, for purges such as `roan.purge(Target::tag("menu")?)`.
///
/// # Errors
///
/// If it is not a tag: see [`Target::tag`]. The page is then not cached.
#[track_caller]
pub fn tag(tag: &str) -> Result<(), TargetError> {
    match with_page("tag", |page| page.tag(tag)) {
        Some(result) => result,
        None => Target::tag(tag).map(|_| ()),
    }
}

/// Sets how long caches and browsers may keep the page. The last call counts.
#[track_caller]
pub fn cache(policy: CachePolicy) {
    with_page("cache", |page| page.cache(policy));
}

/// The handler has read all that the page will show, although its body is a stream. Without this, such a page is not cached:
/// what is read after the head has left may be older or newer than the purge that the head was checked against.
///
/// A cache stores the page when its body has ended. If the page was purged since its head has left, Roan purges it then once
/// more.
#[track_caller]
pub fn complete() {
    with_page("complete", Page::complete);
}

/// The answer to this POST, PUT, PATCH or DELETE has the header `Content-Location` with this URL, unless it is an error. A
/// cache on the way may then drop that page, as it drops the page of the request and may drop that of a `Location` (RFC
/// 9111, section 4.4): the embedded cache does. A redirect to the page therefore does not need it. In the answer to
/// other requests it changes nothing.
///
/// The body of the answer, if it has one, must be the page's, or say what the request has done (RFC 9110, section 8.7).
///
/// ```
/// async fn like() -> axum::http::StatusCode {
///     // ... count it, then:
///     match roan::web::content_location("/posts/hello") {
///         Ok(()) => axum::http::StatusCode::NO_CONTENT,
///         Err(_) => axum::http::StatusCode::INTERNAL_SERVER_ERROR,
///     }
/// }
/// # let _ = like;
/// ```
///
/// # Errors
///
/// If it is not a URL that can be purged: see [`Target::url`].
#[track_caller]
pub fn content_location(url: &str) -> Result<(), TargetError> {
    match with_page("content_location", |page| page.content_location(url)) {
        Some(result) => result,
        None => Target::url(url).map(|_| ()),
    }
}
