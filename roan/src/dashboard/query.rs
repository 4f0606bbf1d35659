//! The query of a URL: names and values, with a bound on each.

use percent_encoding::percent_decode_str;

/// The longest query that is read, in bytes: that of a target, percent-encoded, and some more.
const LONGEST: usize = 3 * crate::base::target::Target::MAX_LEN + 4096;

/// The names and values of a query.
#[derive(Debug, Default)]
pub(super) struct Query(Vec<(String, String)>);

impl Query {
    /// # Errors
    ///
    /// If it is too long.
    pub(super) fn read(query: Option<&str>) -> Result<Self, String> {
        let query = query.unwrap_or_default();
        if query.len() > LONGEST {
            let length = query.len();
            return Err(format!(
                "the query has {length} bytes: at most {LONGEST} are read"
            ));
        }
        let pairs = query.split('&').filter(|pair| !pair.is_empty());
        let pairs = pairs.map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            (decoded(name), decoded(value))
        });
        Ok(Self(pairs.collect()))
    }

    /// The value of that name, unless it is empty.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        let pair = self.0.iter().find(|(known, _)| known == name);
        pair.map(|(_, value)| &**value)
            .filter(|value| !value.is_empty())
    }

    /// # Errors
    ///
    /// If the value is not a number.
    pub(super) fn number<N: std::str::FromStr>(&self, name: &str) -> Result<Option<N>, String> {
        let Some(value) = self.get(name) else {
            return Ok(None);
        };
        let number = value.parse();
        let number = number.map_err(|_| format!("`{name}` is {value:?}: write a number"))?;
        Ok(Some(number))
    }

    /// The number of rows of a page of a list: `limit`, between 1 and 200.
    pub(super) fn limit(&self) -> Result<usize, String> {
        Ok(self.number("limit")?.unwrap_or(50).clamp(1, 200))
    }
}

fn decoded(text: &str) -> String {
    let text = text.replace('+', " ");
    percent_decode_str(&text).decode_utf8_lossy().into_owned()
}
