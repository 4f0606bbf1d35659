//! Somebody who reads the blog, and somebody who writes it.

use std::error::Error;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use reqwest::header::CONTENT_TYPE;
use reqwest::redirect::Policy;
use reqwest::{Client, StatusCode};

/// Speaks to one blog.
#[derive(Debug)]
pub struct Visitor {
    client: Client,
    blog: SocketAddr,
}

/// A page as the visitor got it.
#[derive(Debug)]
pub struct Seen {
    /// What the cache says: `HIT` or `MISS`.
    pub cache_status: String,
    /// Its text.
    pub page: String,
    /// From the request to the end of the answer.
    pub took: Duration,
}

impl Seen {
    /// Its heading.
    #[must_use]
    pub fn heading(&self) -> &str {
        let rest = self.page.split_once("<h1>").map_or("", |(_, rest)| rest);
        rest.split_once("</h1>").map_or("", |(heading, _)| heading)
    }
}

impl Visitor {
    /// Of the blog at this address.
    ///
    /// # Errors
    ///
    /// If there can be no HTTP client.
    pub fn new(blog: SocketAddr) -> Result<Self, reqwest::Error> {
        // After a save the form redirects a browser to the page. That request would come too early for the story.
        let client = Client::builder().redirect(Policy::none()).no_proxy();
        let client = client.timeout(Duration::from_secs(10)).build()?;
        Ok(Self { client, blog })
    }

    /// Of a page.
    #[must_use]
    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.blog)
    }

    /// Reads a page.
    ///
    /// # Errors
    ///
    /// If it cannot be had.
    pub async fn get(&self, path: &str) -> Result<Seen, Box<dyn Error>> {
        let start = Instant::now();
        let response = self.client.get(self.url(path)).send().await?;
        let response = response.error_for_status()?;
        let names = ["x-cache-status", "x-cache"].iter();
        let mut said = names.filter_map(|name| response.headers().get(*name));
        let cache_status = said.next().map_or(Ok("none"), |status| status.to_str())?;
        // Squid names itself: `HIT from localhost`.
        let cache_status = cache_status.split(' ').next().unwrap_or_default();
        Ok(Seen {
            cache_status: cache_status.to_owned(),
            page: response.text().await?,
            took: start.elapsed(),
        })
    }

    /// Fills in the form of a post.
    ///
    /// # Errors
    ///
    /// If the blog does not take it.
    pub async fn rename(&self, path: &str, title: &str) -> Result<Duration, Box<dyn Error>> {
        let start = Instant::now();
        self.send_form(path, &[("title", title)]).await?;
        Ok(start.elapsed())
    }

    /// Makes a post.
    ///
    /// # Errors
    ///
    /// If the blog does not take it.
    pub async fn create(&self, fields: &[(&str, &str)]) -> Result<(), Box<dyn Error>> {
        self.send_form("/posts", fields).await
    }

    async fn send_form(&self, path: &str, fields: &[(&str, &str)]) -> Result<(), Box<dyn Error>> {
        let fields = fields.iter().map(|(name, value)| {
            let value = value.replace(' ', "+");
            format!("{name}={value}")
        });
        let form = fields.collect::<Vec<_>>().join("&");
        let request = self.client.post(self.url(path)).body(form);
        let request = request.header(CONTENT_TYPE, "application/x-www-form-urlencoded");
        request.send().await?.error_for_status()?;
        Ok(())
    }

    /// Deletes a post.
    ///
    /// # Errors
    ///
    /// If the blog does not do it.
    pub async fn delete(&self, path: &str) -> Result<(), Box<dyn Error>> {
        let request = self.client.delete(self.url(path));
        request.send().await?.error_for_status()?;
        Ok(())
    }

    /// Whether the page does not exist.
    ///
    /// # Errors
    ///
    /// If the blog cannot be asked.
    pub async fn is_gone(&self, path: &str) -> Result<bool, Box<dyn Error>> {
        let response = self.client.get(self.url(path)).send().await?;
        Ok(response.status() == StatusCode::NOT_FOUND)
    }
}
