//! Targets, times and words as JSON. All JSON that Roan writes has them in this form.

#[cfg(feature = "_sql")]
use std::time::Duration;
use std::time::SystemTime;

use serde::{Serialize, Serializer};

use crate::base::history::{AnswerKind, CauseKind, PurgeState};
use crate::base::target::{Target, TargetKind};

#[derive(Serialize)]
struct TargetView<'a> {
    kind: TargetKind,
    text: &'a str,
    site: Option<&'a str>,
}

/// `{"kind": "url", "text": "/posts/hello", "site": null}`: the text is empty for `host` and `everything`, and the site is the
/// name of one that is not the default site.
#[cfg_attr(docsrs, doc(cfg(feature = "serde")))]
impl Serialize for Target {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let view = TargetView {
            kind: self.kind(),
            text: self.as_str(),
            site: self.site(),
        };
        view.serialize(serializer)
    }
}

/// As the word of its `as_str`.
macro_rules! word {
    ($($name:ty),*) => {$(
        /// The word of [`as_str`](Self::as_str).
        #[cfg_attr(docsrs, doc(cfg(feature = "serde")))]
        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(self.as_str())
            }
        }
    )*};
}

word!(TargetKind, AnswerKind, CauseKind, PurgeState);

/// A time in UTC, such as `2026-11-26T08:11:52.120Z`.
pub(crate) fn time(time: SystemTime) -> String {
    humantime::format_rfc3339_millis(time).to_string()
}

/// Of a key that ends with `_ms`.
#[cfg(feature = "_sql")]
pub(crate) fn milliseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// A cache or a node. What is not for one, or was not sent to any, has no name of it.
pub(crate) fn name(name: &str) -> Option<&str> {
    Some(name).filter(|name| !name.is_empty())
}
