//! The placeholders of templates, and the values that replace them.

use crate::base::site::Site;
use crate::base::target::{Target, TargetKind};

/// A placeholder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Name {
    Scheme,
    Host,
    Hostname,
    Port,
    Origin,
    Path,
    Url,
    Prefix,
    Tag,
    Paths,
    Urls,
    Prefixes,
    /// Tags with a space between them.
    Tags,
    /// Tags with a comma between them.
    TagsByComma,
}

/// All placeholders, by their text.
pub(super) const NAMES: [(&str, Name); 14] = [
    ("scheme", Name::Scheme),
    ("host", Name::Host),
    ("hostname", Name::Hostname),
    ("port", Name::Port),
    ("origin", Name::Origin),
    ("path", Name::Path),
    ("url", Name::Url),
    ("prefix", Name::Prefix),
    ("tag", Name::Tag),
    ("paths", Name::Paths),
    ("urls", Name::Urls),
    ("prefixes", Name::Prefixes),
    ("tags", Name::Tags),
    ("tags,", Name::TagsByComma),
];

impl Name {
    pub(super) fn is_list(self) -> bool {
        matches!(
            self,
            Self::Paths | Self::Urls | Self::Prefixes | Self::Tags | Self::TagsByComma
        )
    }

    pub(super) fn is_of_site(self) -> bool {
        matches!(
            self,
            Self::Scheme | Self::Host | Self::Hostname | Self::Port | Self::Origin
        )
    }

    /// Whether a target of that kind has such a value.
    pub(super) fn is_of(self, kind: TargetKind) -> bool {
        match self {
            Self::Path | Self::Paths => kind == TargetKind::Url,
            Self::Url | Self::Urls => matches!(kind, TargetKind::Url | TargetKind::Prefix),
            Self::Prefix | Self::Prefixes => kind == TargetKind::Prefix,
            Self::Tag | Self::Tags | Self::TagsByComma => kind == TargetKind::Tag,
            // Everything has no site.
            _ => kind != TargetKind::Everything,
        }
    }

    /// The texts that replace it: one, or one for each target.
    pub(super) fn values(self, targets: &[Target], site: &Site) -> Result<Vec<String>, String> {
        let of_targets = |text: &dyn Fn(&str) -> String| {
            let targets = if self.is_list() {
                targets
            } else {
                &targets[..1]
            };
            targets.iter().map(|target| text(target.as_str())).collect()
        };
        Ok(match self {
            Self::Scheme => vec![scheme(site)?.to_owned()],
            Self::Host => vec![site.authority().to_owned()],
            Self::Hostname => vec![site.host().to_owned()],
            Self::Port => vec![port(site)?],
            Self::Origin => vec![origin(site)?],
            Self::Url | Self::Urls => {
                let origin = origin(site)?;
                of_targets(&|path| format!("{origin}{path}"))
            }
            _ => of_targets(&str::to_owned),
        })
    }
}

fn scheme(site: &Site) -> Result<&str, String> {
    site.scheme().ok_or_else(|| {
        format!(
            "the request needs the scheme of the site {host}: write `https://{host}` where the site is set, such as in \
             `ROAN_SITE`",
            host = site.authority()
        )
    })
}

fn origin(site: &Site) -> Result<String, String> {
    Ok(format!("{}://{}", scheme(site)?, site.authority()))
}

fn port(site: &Site) -> Result<String, String> {
    let port = site.authority()[site.host().len()..].strip_prefix(':');
    Ok(match port {
        Some(port) => port.to_owned(),
        None if scheme(site)? == "https" => "443".to_owned(),
        None => "80".to_owned(),
    })
}

pub(super) fn text_of(name: Name) -> &'static str {
    match name {
        Name::Scheme => "{scheme}",
        Name::Host => "{host}",
        Name::Hostname => "{hostname}",
        Name::Port => "{port}",
        Name::Origin => "{origin}",
        Name::Path => "{path}",
        Name::Url => "{url}",
        Name::Prefix => "{prefix}",
        Name::Tag => "{tag}",
        Name::Paths => "{paths}",
        Name::Urls => "{urls}",
        Name::Prefixes => "{prefixes}",
        Name::Tags => "{tags}",
        Name::TagsByComma => "{tags,}",
    }
}

pub(super) fn all() -> String {
    let all: Vec<_> = NAMES
        .iter()
        .map(|(_, name)| format!("`{}`", text_of(*name)))
        .collect();
    all.join(", ")
}

/// The placeholders that name a target of that kind.
pub(in super::super) fn advice(kind: TargetKind) -> &'static str {
    match kind {
        TargetKind::Url => "`{path}` or `{url}`",
        TargetKind::Tag => "`{tag}`, or `{tags}` for several",
        TargetKind::Prefix => "`{prefix}` or `{url}`",
        TargetKind::Host => "`{host}` or `{origin}`",
        TargetKind::Everything => "it without placeholders",
    }
}
