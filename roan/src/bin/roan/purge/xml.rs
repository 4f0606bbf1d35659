//! The entries of one sitemap, read as they come. See <https://www.sitemaps.org/protocol.html>.

use std::io::{self, BufRead, BufReader, Read};

use flate2::bufread::MultiGzDecoder;
use quick_xml::Reader;
use quick_xml::events::Event;
use roan::Target;

use super::fetch::read_buffered;

/// The first bytes of gzip: RFC 1952, section 2.3.1.
const GZIP: [u8; 2] = [0x1f, 0x8b];

/// One piece of XML is not longer than this: a sitemap has short ones.
const LONGEST_PIECE: u64 = 1024 * 1024;

/// Longer than the URL of any page that can be purged.
const LONGEST_URL: usize = Target::MAX_LEN + 1024;

/// What a sitemap names.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Entry {
    Page(String),
    Sitemap(String),
}

/// The entries of a sitemap or of an index.
pub(super) struct Entries {
    reader: Reader<Bounded>,
    buffer: Vec<u8>,
    is_over: bool,
    has_root: bool,
    /// Whether its end tag was read. A sitemap that was cut off must not pass for a short one.
    is_whole: bool,
}

impl Entries {
    /// Reads at most `size` bytes, after unpacking.
    pub(super) fn new(bytes: Box<dyn BufRead>, size: u64) -> io::Result<Self> {
        let mut bytes = unpacked(bytes)?;
        // Some servers compress a compressed file for the way.
        bytes = unpacked(bytes)?;
        Ok(Self {
            reader: Reader::from_reader(Bounded {
                bytes,
                left: size,
                size,
                piece: 0,
            }),
            buffer: Vec::new(),
            is_over: false,
            has_root: false,
            is_whole: false,
        })
    }

    fn read(&mut self) -> Result<Option<Entry>, String> {
        // What `loc` is in, and its text so far.
        let mut kind: Option<fn(String) -> Entry> = None;
        let mut location: Option<String> = None;
        loop {
            self.buffer.clear();
            self.reader.get_mut().piece = 0;
            let event =
                self.reader
                    .read_event_into(&mut self.buffer)
                    .map_err(|error| match error {
                        quick_xml::Error::Io(error) => error.to_string(),
                        error => format!("not well-formed XML: {error}"),
                    })?;
            let mut add = |text: &str| match &mut location {
                Some(location) if location.len() + text.len() > LONGEST_URL => {
                    Err("a URL is longer than a page's may be".to_owned())
                }
                Some(location) => {
                    location.push_str(text);
                    Ok(())
                }
                None => Ok(()),
            };
            match event {
                Event::Eof => {
                    return match (self.has_root, self.is_whole) {
                        (_, true) => Ok(None),
                        (true, false) => Err("it ends before its last tag".to_owned()),
                        (false, false) => {
                            Err("not a sitemap: it has neither <urlset> nor <sitemapindex>"
                                .to_owned())
                        }
                    };
                }
                Event::Start(start) => match start.local_name().as_ref() {
                    "urlset" | "sitemapindex" => self.has_root = true,
                    "url" if self.has_root => kind = Some(Entry::Page),
                    "sitemap" if self.has_root => kind = Some(Entry::Sitemap),
                    // Not that of an image or a video, which has another prefix.
                    "loc" if kind.is_some() && start.name().as_ref() != "image:loc" => {
                        location = Some(String::new());
                    }
                    _ => {}
                },
                Event::Text(text) => add(&text)?,
                Event::CData(text) => add(&text)?,
                Event::GeneralRef(name) => {
                    let resolved = match name.resolve_char_ref() {
                        Ok(Some(letter)) => letter.to_string(),
                        _ => quick_xml::escape::resolve_predefined_entity(&name)
                            .ok_or_else(|| format!("unknown entity &{};", &*name))?
                            .to_owned(),
                    };
                    add(&resolved)?;
                }
                Event::End(end)
                    if matches!(end.local_name().as_ref(), "urlset" | "sitemapindex") =>
                {
                    self.is_whole = self.has_root;
                }
                Event::End(end) if end.local_name().as_ref() == "loc" => {
                    if let (Some(location), Some(kind)) = (location.take(), kind) {
                        return Ok(Some(kind(location.trim().to_owned())));
                    }
                }
                _ => {}
            }
        }
    }
}

impl Iterator for Entries {
    type Item = Result<Entry, String>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.is_over {
            return None;
        }
        let entry = self.read().transpose();
        self.is_over = !matches!(entry, Some(Ok(_)));
        entry
    }
}

fn unpacked(mut bytes: Box<dyn BufRead>) -> io::Result<Box<dyn BufRead>> {
    let begin = bytes.fill_buf()?;
    // A single byte cannot be a sitemap either way.
    Ok(if begin.starts_with(&GZIP) {
        Box::new(BufReader::new(MultiGzDecoder::new(bytes)))
    } else {
        bytes
    })
}

/// Bytes, up to a limit for all and for each piece: a bomb is small before it is unpacked.
struct Bounded {
    bytes: Box<dyn BufRead>,
    left: u64,
    size: u64,
    piece: u64,
}

impl BufRead for Bounded {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if self.piece > LONGEST_PIECE {
            return Err(io::Error::other(
                "not a sitemap: one piece of XML is longer than 1 MiB",
            ));
        }
        let size = self.size;
        let available = self.bytes.fill_buf()?;
        if self.left == 0 && !available.is_empty() {
            let problem = format!(
                "larger than {} MiB after unpacking: raise --max-sitemap-size",
                size / (1024 * 1024)
            );
            return Err(io::Error::other(problem));
        }
        let length =
            usize::try_from(self.left).map_or(available.len(), |left| left.min(available.len()));
        Ok(&available[..length])
    }

    fn consume(&mut self, amount: usize) {
        self.bytes.consume(amount);
        self.left = self.left.saturating_sub(amount as u64);
        self.piece += amount as u64;
    }
}

impl Read for Bounded {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        read_buffered(self, into)
    }
}
