//! The trace of the request that wrote.

use std::cell::Cell;
use std::fmt;
use std::pin::Pin;
use std::str::FromStr;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};

use pin_project_lite::pin_project;

/// The trace and the span of the request that wrote a row, as in the header `traceparent` of
/// [W3C Trace Context](https://www.w3.org/TR/trace-context/#traceparent-header).
///
/// The [web layer](crate::guide::web) reads that header: hooks of the request then have its trace. For another source,
/// such as OpenTelemetry's current context, see [`set_trace_source`].
///
/// ```
/// use roan::history::Trace;
///
/// let trace: Trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01".parse()?;
/// assert_eq!(trace.to_string(), "4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7");
/// # Ok::<(), roan::history::TraceError>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Trace {
    trace: [u8; 16],
    span: [u8; 8],
}

/// The error of a text that is not a `traceparent`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "not a traceparent: write `00-`, 32 hexadecimal digits of the trace, `-`, 16 of the span, `-` and 2 of the flags"
)]
#[non_exhaustive]
pub struct TraceError;

impl Trace {
    /// The trace with these ids. `None` if one of them is zero, which the standard does not allow.
    ///
    /// ```
    /// # use roan::history::Trace;
    /// assert!(Trace::new([1; 16], [2; 8]).is_some());
    /// assert_eq!(Trace::new([0; 16], [2; 8]), None);
    /// ```
    #[must_use]
    pub fn new(trace_id: [u8; 16], span_id: [u8; 8]) -> Option<Self> {
        let is_valid = trace_id != [0; 16] && span_id != [0; 8];
        is_valid.then_some(Self {
            trace: trace_id,
            span: span_id,
        })
    }

    /// The id of the trace.
    #[must_use]
    pub fn trace_id(&self) -> [u8; 16] {
        self.trace
    }

    /// The id of the span that the request's own spans are children of.
    #[must_use]
    pub fn span_id(&self) -> [u8; 8] {
        self.span
    }

    /// Reads the value of the header. A value of a later version begins in the same way.
    fn of_header(value: &str) -> Option<Self> {
        let mut parts = value.trim().split('-');
        let version = hex::<1>(parts.next()?)?;
        let of_ids = Self::of_ids(&mut parts)?;
        hex::<1>(parts.next()?)?;
        let is_known = match version {
            [0] => parts.next().is_none(),
            [255] => false,
            _ => true,
        };
        is_known.then_some(of_ids)
    }

    fn of_ids(parts: &mut std::str::Split<'_, char>) -> Option<Self> {
        Self::new(hex(parts.next()?)?, hex(parts.next()?)?)
    }

    /// Reads what [`Display`](fmt::Display) writes.
    #[cfg(feature = "_sql")]
    pub(crate) fn read(text: &str) -> Option<Self> {
        let mut parts = text.split('-');
        let of_ids = Self::of_ids(&mut parts)?;
        parts.next().is_none().then_some(of_ids)
    }

    /// The trace of the request that the running code serves.
    pub(crate) fn of_request() -> Option<Self> {
        CURRENT.try_with(Cell::get).ok().flatten()
    }

    /// The same, else that of [`set_trace_source`].
    #[inline]
    pub(super) fn current() -> Option<Self> {
        if !ANY.load(Ordering::Relaxed) {
            return None;
        }
        Self::of_request().or_else(|| SOURCE.get().and_then(|source| source()))
    }
}

/// The digits must be in lower case.
fn hex<const N: usize>(text: &str) -> Option<[u8; N]> {
    let digits = text.as_bytes();
    if digits.len() != 2 * N {
        return None;
    }
    let digit = |byte: u8| match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        _ => None,
    };
    let mut bytes = [0; N];
    for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
        *byte = 16 * digit(pair[0])? + digit(pair[1])?;
    }
    Some(bytes)
}

impl FromStr for Trace {
    type Err = TraceError;

    /// Reads the value of a header `traceparent`.
    fn from_str(value: &str) -> Result<Self, TraceError> {
        Self::of_header(value).ok_or(TraceError)
    }
}

impl fmt::Display for Trace {
    /// The two ids in hexadecimal digits, with `-` between them.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for byte in self.trace {
            write!(f, "{byte:02x}")?;
        }
        f.write_str("-")?;
        for byte in self.span {
            write!(f, "{byte:02x}")?;
        }
        Ok(())
    }
}

impl fmt::Debug for Trace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Trace({self})")
    }
}

type Source = Box<dyn Fn() -> Option<Trace> + Send + Sync>;

static SOURCE: OnceLock<Source> = OnceLock::new();

/// Spares hooks the look while no trace was ever known. A thread sees what it has set itself.
static ANY: AtomicBool = AtomicBool::new(false);

thread_local! {
    static CURRENT: Cell<Option<Trace>> = const { Cell::new(None) };
}

/// Sets where hooks find the [trace](Trace) of the request that writes, for programs without the web layer, or whose traces
/// begin in the program itself. The first call counts: it returns `false` if a source is set already.
///
/// The function runs on the thread of the hook, when a write makes a page stale that does not wait for its purge yet.
/// It must be quick, and must not write rows. Hooks in a request of the web layer that has a `traceparent` do not call it.
///
/// With [OpenTelemetry](https://docs.rs/opentelemetry):
///
/// ```
/// # mod opentelemetry { // a stand-in
/// #     pub struct Context; pub struct Span;
/// #     impl Context { pub fn current() -> Self { Self } pub fn span(&self) -> Span { Span } }
/// #     impl Span {
/// #         pub fn span_context(&self) -> &Self { self }
/// #         pub fn trace_id(&self) -> Bytes<16> { Bytes([1; 16]) }
/// #         pub fn span_id(&self) -> Bytes<8> { Bytes([1; 8]) }
/// #     }
/// #     pub struct Bytes<const N: usize>([u8; N]);
/// #     impl<const N: usize> Bytes<N> { pub fn to_bytes(&self) -> [u8; N] { self.0 } }
/// # }
/// // use opentelemetry::trace::TraceContextExt as _;
/// roan::history::set_trace_source(|| {
///     let context = opentelemetry::Context::current();
///     let span = context.span();
///     let ids = span.span_context();
///     roan::history::Trace::new(ids.trace_id().to_bytes(), ids.span_id().to_bytes())
/// });
/// ```
///
/// With `tracing-opentelemetry` the context is `tracing::Span::current().context()`, of its `OpenTelemetrySpanExt`.
pub fn set_trace_source(source: impl Fn() -> Option<Trace> + Send + Sync + 'static) -> bool {
    let is_set = SOURCE.set(Box::new(source)).is_ok();
    ANY.store(true, Ordering::Relaxed);
    is_set
}

pin_project! {
    /// Polls `work` with a trace.
    #[cfg_attr(not(feature = "web"), allow(dead_code, reason = "the web layer knows traces"))]
    pub(crate) struct Traced<F> {
        trace: Option<Trace>,
        #[pin]
        work: F,
    }
}

/// Runs `work` with a trace, wherever it is polled.
#[cfg(feature = "web")]
pub(crate) fn within<F>(trace: Option<Trace>, work: F) -> Traced<F> {
    Traced { trace, work }
}

/// The previous trace, which becomes current again after the drop.
struct Entered(Option<Trace>);

impl Drop for Entered {
    fn drop(&mut self) {
        let _ = CURRENT.try_with(|current| current.set(self.0));
    }
}

impl Trace {
    /// Runs `work` with this trace.
    pub(crate) fn enter<T>(self, work: impl FnOnce() -> T) -> T {
        if !ANY.load(Ordering::Relaxed) {
            ANY.store(true, Ordering::Relaxed);
        }
        let previous = CURRENT.try_with(|current| current.replace(Some(self)));
        let _entered = previous.ok().map(Entered);
        work()
    }
}

impl<F: Future> Future for Traced<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<F::Output> {
        let this = self.project();
        match this.trace {
            Some(trace) => trace.enter(|| this.work.poll(context)),
            None => this.work.poll(context),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_header_is_read_as_the_standard_says() {
        let ids = "0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331";
        for header in [
            format!("00-{ids}-01"),
            format!(" 00-{ids}-00 "),
            format!("cc-{ids}-01-what-the-future-will-be"),
        ] {
            assert_eq!(header.parse::<Trace>().unwrap().to_string(), ids);
        }
        for header in [
            String::new(),
            ids.to_owned(),
            format!("00-{ids}"),
            format!("00-{ids}-01-more"),
            format!("ff-{ids}-01"),
            format!("00-{}-01", ids.to_uppercase()),
            "00-00000000000000000000000000000000-b7ad6b7169203331-01".to_owned(),
            "00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01".to_owned(),
            format!("0-{ids}-01"),
            format!("00-{ids}-1"),
            format!("00-{ids}é-01"),
        ] {
            assert_eq!(header.parse::<Trace>(), Err(TraceError), "{header}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused(text in "\\PC{0,60}", ids in "[0-9a-f]{32}-[0-9a-f]{16}") {
            let _ = text.parse::<Trace>();
            if let Ok(trace) = format!("00-{ids}-01").parse::<Trace>() {
                prop_assert_eq!(trace.to_string(), ids);
            }
        }
    }

    #[test]
    fn work_has_its_trace_and_no_other() {
        let trace = Trace::new([7; 16], [7; 8]).unwrap();
        let other = Trace::new([8; 16], [8; 8]).unwrap();
        trace.enter(|| {
            assert_eq!(Trace::current(), Some(trace));
            other.enter(|| assert_eq!(Trace::current(), Some(other)));
            assert_eq!(Trace::current(), Some(trace));
        });
        assert_eq!(CURRENT.get(), None);
    }
}
