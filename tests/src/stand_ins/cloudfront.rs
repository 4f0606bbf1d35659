//! CloudFront's API of one distribution: <https://docs.aws.amazon.com/cloudfront/latest/APIReference/API_CreateInvalidation.html>.

use std::time::SystemTime;

use super::api::{Call, Reply, Rules};
use super::sigv4::{self, Signer};
use super::xml::Element;
use super::{Purged, StandIn};

const XMLNS: &str = r#"xmlns="http://cloudfront.amazonaws.com/doc/2020-05-31/""#;

/// An invalidation that it took.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Invalidation {
    /// The reference of the caller.
    pub reference: String,
    /// Paths and tags, sorted.
    pub items: Vec<String>,
    /// How often it was asked for.
    pub asked: usize,
}

/// The rules of one distribution.
#[derive(Debug)]
pub struct CloudFrontApi {
    distribution: String,
    signer: Signer,
    /// Whether it has a `CacheTagConfig`. Without one it takes tags, and purges nothing.
    pub reads_tags: bool,
    /// Each is in progress until it is taken out.
    pub invalidations: Vec<Invalidation>,
}

impl CloudFrontApi {
    /// Starts the API of a distribution, for a user with this ID and key.
    #[must_use]
    pub fn start(distribution: &str, id: &str, key: &str) -> StandIn<Self> {
        StandIn::start(Self {
            distribution: distribution.to_owned(),
            signer: Signer {
                id: id.to_owned(),
                key: key.to_owned(),
                session: String::new(),
            },
            reads_tags: true,
            invalidations: Vec::new(),
        })
    }

    /// Takes the credentials of another user from now on; `session` is empty if they are not temporary.
    pub fn sign_by(&mut self, id: &str, key: &str, session: &str) {
        self.signer = Signer {
            id: id.to_owned(),
            key: key.to_owned(),
            session: session.to_owned(),
        };
    }

    fn check(&self, call: &Call) -> Result<Invalidation, Reply> {
        let path = format!(
            "/2020-05-31/distribution/{}/invalidation",
            self.distribution
        );
        if !call.target.starts_with("/2020-05-31/distribution/") {
            return Err(error(404, "UnknownOperationException", "No such operation"));
        }
        let signed = sigv4::check(
            call,
            &self.signer,
            "us-east-1",
            "cloudfront",
            SystemTime::now(),
        );
        signed.map_err(|code| error(403, code, "The request is not signed as it must be"))?;
        if call.target != path || call.method != "POST" {
            return Err(error(
                404,
                "NoSuchDistribution",
                "The specified distribution does not exist.",
            ));
        }
        if !matches!(
            call.header("Content-Type"),
            Some("application/xml" | "text/xml")
        ) {
            return Err(error(400, "MissingBody", "This operation requires a body."));
        }
        let malformed = |why: String| error(400, "MalformedInput", &why);
        let batch = Element::parse(&call.body).map_err(malformed)?;
        if batch.name != "InvalidationBatch"
            || batch.attributes != XMLNS
            || batch.children.len() != 2
        {
            return Err(malformed("not an InvalidationBatch".to_owned()));
        }
        let reference = batch
            .child("CallerReference")
            .map_err(malformed)?
            .text
            .clone();
        let paths = batch.child("Paths").map_err(malformed)?;
        let quantity = &paths.child("Quantity").map_err(malformed)?.text;
        let items = &paths.child("Items").map_err(malformed)?.children;
        if items
            .iter()
            .any(|item| item.name != "Path" || !item.children.is_empty())
        {
            return Err(malformed("not a Path".to_owned()));
        }
        if *quantity != items.len().to_string() {
            return Err(error(
                400,
                "InconsistentQuantities",
                "The value of Quantity and the size of Items do not match.",
            ));
        }
        let mut items: Vec<_> = items.iter().map(|item| item.text.clone()).collect();
        items.sort_unstable();
        let twice = items.windows(2).any(|two| two[0] == two[1]);
        if reference.is_empty()
            || items.is_empty()
            || twice
            || !items.iter().all(|item| is_item(item))
        {
            return Err(error(
                400,
                "InvalidArgument",
                "Your request contains one or more invalid invalidation paths.",
            ));
        }
        Ok(Invalidation {
            reference,
            items,
            asked: 1,
        })
    }

    /// What an invalidation purges.
    fn purged(&self, item: &str) -> Option<Purged> {
        if let Some(tag) = item.strip_prefix('#') {
            // Upper and lower case are one to CloudFront.
            return self
                .reads_tags
                .then(|| Purged::Tag(tag.to_ascii_lowercase()));
        }
        Some(match item.strip_suffix('*') {
            Some("/") => Purged::Everything,
            Some(prefix) => Purged::prefix("", prefix),
            None => Purged::url("", item),
        })
    }
}

fn is_wildcard(item: &str) -> bool {
    item.starts_with('/') && item.ends_with('*')
}

fn is_item(item: &str) -> bool {
    if let Some(tag) = item.strip_prefix('#') {
        let is_fit = |byte: u8| byte.is_ascii_graphic() && byte != b',';
        return (1..=256).contains(&tag.len()) && tag.bytes().all(is_fit);
    }
    let path = item.strip_suffix('*').unwrap_or(item);
    // RFC 1738, section 2.2; `%` begins an escape.
    let is_fit = |byte: u8| byte.is_ascii_graphic() && !b"<>\"#{}|\\^~[]`*".contains(&byte);
    path.starts_with('/') && item.len() <= 4000 && path.bytes().all(is_fit)
}

fn error(status: u16, code: &str, message: &str) -> Reply {
    let message = message.replace('&', "&amp;").replace('<', "&lt;");
    let body = format!(
        "<?xml version=\"1.0\"?>\n<ErrorResponse {XMLNS}><Error><Type>Sender</Type><Code>{code}</Code>\
         <Message>{message}</Message></Error><RequestId>1</RequestId></ErrorResponse>"
    );
    Reply::new(status, body).header("Content-Type", "text/xml")
}

impl Rules for CloudFrontApi {
    fn answer(&mut self, call: &Call) -> Result<(Vec<Purged>, Reply), Reply> {
        let asked = self.check(call)?;
        let known = |one: &&mut Invalidation| one.reference == asked.reference;
        let purged = if let Some(before) = self.invalidations.iter_mut().find(known) {
            if before.items != asked.items {
                let text = "The reference was used for other paths.";
                return Err(error(409, "InvalidationBatchAlreadyExists", text));
            }
            // The one that was there before is returned, and nothing is invalidated.
            before.asked += 1;
            Vec::new()
        } else {
            let in_progress = self.invalidations.iter().flat_map(|one| &one.items);
            let all: Vec<_> = in_progress.chain(&asked.items).collect();
            let wildcards = all.iter().filter(|item| is_wildcard(item)).count();
            if wildcards > 15 || all.len() - wildcards > 3000 {
                let text = "Processing your request will cause you to exceed the maximum number of in-progress \
                            invalidations.";
                return Err(error(400, "TooManyInvalidationsInProgress", text));
            }
            let purged = asked
                .items
                .iter()
                .filter_map(|item| self.purged(item))
                .collect();
            self.invalidations.push(asked.clone());
            purged
        };
        let body = format!(
            "<?xml version=\"1.0\"?>\n<Invalidation {XMLNS}><Id>I1</Id><Status>InProgress</Status>\
             <InvalidationBatch><CallerReference>{}</CallerReference></InvalidationBatch></Invalidation>",
            asked.reference
        );
        Ok((
            purged,
            Reply::new(201, body).header("Content-Type", "text/xml"),
        ))
    }
}
