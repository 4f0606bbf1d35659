//! The kinds of caches that a build may leave out, or that `ROAN_CACHE` does not name.

use crate::base::feature;

pub(super) struct Kind {
    /// Its name in a file.
    name: &'static str,
    /// The feature that it needs.
    feature: Option<&'static str>,
    is_built: bool,
    /// What to do in place of naming it in `ROAN_CACHE`; `None` if that can name it.
    in_place_of_variable: Option<&'static str>,
}

const IN_A_FILE: &str = "describe it in a configuration file (`roan::config`; `--config` of the command) or in \
                         code, without ROAN_CACHE";

const KINDS: [Kind; 7] = [
    Kind {
        name: "nginx-files",
        feature: Some("nginx-files"),
        is_built: cfg!(all(unix, feature = "nginx-files")),
        in_place_of_variable: Some("set ROAN_PURGE_FOLDER, without ROAN_CACHE"),
    },
    Kind {
        name: "cloudflare",
        feature: Some("cdn"),
        is_built: cfg!(feature = "cdn"),
        in_place_of_variable: Some(IN_A_FILE),
    },
    Kind {
        name: "fastly",
        feature: Some("cdn"),
        is_built: cfg!(feature = "cdn"),
        in_place_of_variable: Some(IN_A_FILE),
    },
    Kind {
        name: "cloudfront",
        feature: Some("cloudfront"),
        is_built: cfg!(feature = "cloudfront"),
        in_place_of_variable: Some(IN_A_FILE),
    },
    Kind {
        name: "embedded",
        feature: Some("embedded"),
        is_built: cfg!(feature = "embedded"),
        in_place_of_variable: None,
    },
    Kind {
        name: "fleet",
        feature: Some("nats"),
        is_built: cfg!(feature = "nats"),
        in_place_of_variable: None,
    },
    Kind {
        name: "http",
        feature: None,
        is_built: true,
        in_place_of_variable: Some(IN_A_FILE),
    },
];

impl Kind {
    pub(super) fn of(name: &str) -> Option<&'static Self> {
        KINDS.iter().find(|kind| kind.name == name)
    }

    /// What this build needs for it, if it leaves the kind out.
    pub(super) fn missing(&self) -> Option<String> {
        let feature = self.feature.filter(|_| !self.is_built)?;
        Some(match feature {
            "nginx-files" if cfg!(not(unix)) => "needs a Unix system".to_owned(),
            _ => feature::needs(feature),
        })
    }

    /// What is wrong with it as the value of `ROAN_CACHE`, which cannot name it.
    pub(super) fn in_a_variable(&self) -> Option<String> {
        let instead = self.in_place_of_variable?;
        let problem = format!("needs more settings than the environment has: {instead}");
        Some(match self.missing() {
            Some(missing) => format!("{problem}. It also {missing}"),
            None => problem,
        })
    }
}

/// Reads a cache, from a file, that this build leaves out: always an error that says what to type.
#[cfg(all(
    feature = "serde",
    not(all(
        unix,
        feature = "nginx-files",
        feature = "cloudfront",
        feature = "embedded",
        feature = "nats"
    ))
))]
pub(super) mod left_out {
    use std::convert::Infallible;

    use serde::Deserializer;
    use serde::de::Error;

    use super::Kind;

    macro_rules! kinds {
        ($($function:ident $name:literal unless $built:meta,)*) => {
            $(
                #[cfg(not($built))]
                pub(crate) fn $function<'de, D>(_: D) -> Result<Infallible, D::Error>
                where
                    D: Deserializer<'de>,
                {
                    let missing = Kind::of($name).and_then(Kind::missing).unwrap_or_default();
                    Err(D::Error::custom(format!("the cache {:?} {missing}", $name)))
                }
            )*
        };
    }

    kinds! {
        nginx_files "nginx-files" unless all(unix, feature = "nginx-files"),
        cloudflare "cloudflare" unless feature = "cdn",
        fastly "fastly" unless feature = "cdn",
        cloudfront "cloudfront" unless feature = "cloudfront",
        embedded "embedded" unless feature = "embedded",
        fleet "fleet" unless feature = "nats",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kind_that_is_left_out_names_its_feature() {
        let kind = |is_built| Kind {
            name: "cloudflare",
            feature: Some("cdn"),
            is_built,
            in_place_of_variable: Some(IN_A_FILE),
        };
        assert_eq!(kind(true).missing(), None);
        let missing = kind(false).missing().unwrap();
        assert!(
            missing.starts_with("needs the feature `cdn` of the crate `roan`: "),
            "{missing}"
        );
        let problem = kind(false).in_a_variable().unwrap();
        let words = "describe it in a configuration file (`roan::config`; `--config` of the command) or in code, without ROAN_CACHE. It also needs the \
                     feature `cdn`";
        assert!(problem.contains(words), "{problem}");
        assert!(kind(true).in_a_variable().unwrap().ends_with(IN_A_FILE));
    }
}
