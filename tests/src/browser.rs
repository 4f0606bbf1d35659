//! A client that sends a request target byte for byte: without a URL type in between.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};

use crate::HOST;
use crate::head::{self, Head};
use crate::wait;

/// Asks one server for pages of one host, over a new connection each time.
#[derive(Debug, Clone)]
pub struct Browser {
    addr: SocketAddr,
    host: String,
}

/// What a server answered.
#[derive(Debug, Clone)]
pub struct Answer {
    /// The status code.
    pub status: u16,
    /// Names as they came, values without the space around them.
    pub headers: Vec<(String, String)>,
    /// The body, with any chunked encoding undone.
    pub body: Vec<u8>,
}

impl Answer {
    /// The value of the first header of that name, in whatever case.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        head::find(&self.headers, name)
    }

    /// `HIT`, `MISS` and so on: the first word of the header `X-Cache-Status`, or `X-Cache`; empty without one.
    #[must_use]
    pub fn cache_status(&self) -> &str {
        let names = ["X-Cache-Status", "X-Cache"];
        let mut found = names.iter().filter_map(|name| self.header(name));
        let value = found.next().unwrap_or_default();
        value.split(' ').next().unwrap_or_default()
    }

    /// The body as text.
    #[must_use]
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

impl Browser {
    /// One that asks the server at `addr` for pages of [`HOST`].
    #[must_use]
    pub fn new(addr: SocketAddr) -> Self {
        Self {
            addr,
            host: HOST.to_owned(),
        }
    }

    /// The same for the pages of another host.
    #[must_use]
    pub fn at_host(&self, host: &str) -> Self {
        Self {
            addr: self.addr,
            host: host.to_owned(),
        }
    }

    /// Sends a request with extra headers, and reads the whole answer.
    ///
    /// # Errors
    ///
    /// When the server cannot be reached, falls silent, or breaks off.
    pub fn try_send(
        &self,
        method: &str,
        target: &str,
        headers: &[(&str, &str)],
    ) -> io::Result<Answer> {
        self.exchange(method, target, headers, "")
    }

    fn exchange(
        &self,
        method: &str,
        target: &str,
        headers: &[(&str, &str)],
        body: &str,
    ) -> io::Result<Answer> {
        let mut stream = TcpStream::connect_timeout(&self.addr, wait::LONG)?;
        stream.set_read_timeout(Some(wait::LONG))?;
        let host = &self.host;
        let mut request =
            format!("{method} {target} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n");
        for (name, value) in headers {
            request.push_str(&format!("{name}: {value}\r\n"));
        }
        if !body.is_empty() {
            request.push_str(&format!("Content-Length: {}\r\n", body.len()));
        }
        request.push_str("\r\n");
        request.push_str(body);
        stream.write_all(request.as_bytes())?;
        let mut bytes = Vec::new();
        stream.read_to_end(&mut bytes)?;
        read_answer(&bytes).ok_or_else(|| io::Error::from(io::ErrorKind::UnexpectedEof))
    }

    /// A PUT of a text.
    ///
    /// # Panics
    ///
    /// If there is no answer.
    #[track_caller]
    pub fn put(&self, url: &str, text: &str) -> Answer {
        match self.exchange("PUT", url, &[], text) {
            Ok(answer) => answer,
            Err(error) => panic!("PUT {url} of {} at {}: {error}", self.host, self.addr),
        }
    }

    /// The same where only an answer will do.
    ///
    /// # Panics
    ///
    /// When there is none.
    #[track_caller]
    pub fn send(&self, method: &str, target: &str, headers: &[(&str, &str)]) -> Answer {
        match self.try_send(method, target, headers) {
            Ok(answer) => answer,
            Err(error) => panic!(
                "{method} {target} of {} at {}: {error}",
                self.host, self.addr
            ),
        }
    }

    /// A plain GET.
    ///
    /// # Panics
    ///
    /// If there is no answer.
    #[track_caller]
    pub fn get(&self, url: &str) -> Answer {
        self.send("GET", url, &[])
    }

    /// A purge as one would send it by hand: a GET of `/purge` and the URL.
    ///
    /// # Panics
    ///
    /// If there is no answer.
    #[track_caller]
    pub fn purge(&self, url: &str) -> Answer {
        self.get(&format!("/purge{url}"))
    }

    /// Asks until the page comes from the cache, and returns that answer.
    ///
    /// # Panics
    ///
    /// When it never does.
    #[track_caller]
    pub fn warm(&self, url: &str) -> Answer {
        wait::until_some(wait::LONG, &format!("a HIT of {url}"), || {
            Some(self.get(url)).filter(|answer| answer.cache_status() == "HIT")
        })
    }

    /// Asks once; the page must come from the cache.
    ///
    /// # Panics
    ///
    /// When it does not.
    #[track_caller]
    pub fn assert_hit(&self, url: &str) -> Answer {
        self.assert_cache_status("HIT", url)
    }

    /// Asks once; the page must come from the app.
    ///
    /// # Panics
    ///
    /// When it does not.
    #[track_caller]
    pub fn assert_miss(&self, url: &str) -> Answer {
        self.assert_cache_status("MISS", url)
    }

    #[track_caller]
    fn assert_cache_status(&self, wanted: &str, url: &str) -> Answer {
        let answer = self.get(url);
        let (got, status, text) = (answer.cache_status(), answer.status, answer.text());
        assert!(
            got == wanted,
            "{url} of {}: wanted a {wanted}, got {got:?} with status {status} and {text:?}",
            self.host
        );
        answer
    }
}

/// `None` when the answer broke off.
fn read_answer(bytes: &[u8]) -> Option<Answer> {
    let (Head { first, headers }, start) = Head::parse(bytes)?;
    let status = first.split(' ').nth(1)?.parse().ok()?;
    let rest = &bytes[start..];
    let body = if head::find(&headers, "Transfer-Encoding") == Some("chunked") {
        unchunk(rest)?
    } else if let Some(length) = head::find(&headers, "Content-Length") {
        rest.get(..length.parse().ok()?)?.to_vec()
    } else {
        rest.to_vec()
    };
    Some(Answer {
        status,
        headers,
        body,
    })
}

fn unchunk(mut rest: &[u8]) -> Option<Vec<u8>> {
    let mut body = Vec::new();
    loop {
        let line = rest.windows(2).position(|two| two == b"\r\n")?;
        let digits = std::str::from_utf8(&rest[..line]).ok()?;
        let length = usize::from_str_radix(digits.split(';').next()?.trim(), 16).ok()?;
        if length == 0 {
            return Some(body);
        }
        let start = line + 2;
        body.extend_from_slice(rest.get(start..start + length)?);
        rest = rest.get(start + length + 2..)?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chunked_body_is_put_together() {
        let answer = read_answer(
            b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n2;x=y\r\nde\r\n0\r\n\r\n",
        )
        .unwrap();
        assert_eq!((answer.status, answer.text().as_str()), (200, "abcde"));
    }

    #[test]
    fn an_answer_that_breaks_off_is_none() {
        assert!(read_answer(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc").is_none());
        assert!(read_answer(b"HTTP/1.1 200 OK\r\n").is_none());
        assert!(unchunk(b"5\r\nabc").is_none());
    }
}
