//! A private Chromium without a window, driven by `WebDriver` (<https://www.w3.org/TR/webdriver2/>) through Chromium's own driver.
//!
//! The protocol is JSON over HTTP. The crates for it were weighed: `fantoccini` has a dependency under the MPL, and
//! `thirtyfour` needs most of what is here for Chromium's own commands (logs, dark mode) anyway.

use std::fs;
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use reqwest::Client;
use serde_json::{Value, json};

use crate::server::{Kind, Server, command, program};
use crate::wait;

/// A running driver. Dropping it kills the driver and its browsers, and removes their folder.
pub type Chromium = Server<Driver>;

/// What runs a Chromium.
#[derive(Debug, Clone)]
pub struct Driver;

impl Kind for Driver {
    const NAME: &'static str = "chromedriver";
    const LOG: &'static str = "chromedriver.log";

    fn furnish(&self, folder: &Path, _: u16) {
        fs::create_dir(folder.join("tmp")).expect("a folder in our own");
    }

    fn command(&self, folder: &Path, port: u16) -> Command {
        let driver = program::find("chromedriver")
            .unwrap_or_else(|| panic!("Chromium and its driver are needed: run ./tests/run"));
        let mut command = command(&driver);
        command
            .arg(format!("--port={port}"))
            .arg(format!("--log-path={}", folder.join(Self::LOG).display()))
            .env("TMPDIR", folder.join("tmp"))
            .env("HOME", folder)
            .current_dir(folder);
        command
    }

    fn answers(&self, addr: SocketAddr) -> bool {
        TcpStream::connect(addr).is_ok()
    }
}

impl Chromium {
    /// Starts a driver.
    ///
    /// # Panics
    ///
    /// When Chromium or its driver is not installed, or when it does not start; the message has its log.
    #[must_use]
    #[track_caller]
    pub fn start() -> Self {
        Self::launch(&Driver)
    }

    /// Opens a browser with an empty profile.
    ///
    /// # Panics
    ///
    /// When it does not start.
    pub async fn open(&self) -> Tab {
        let client = Client::builder()
            .no_proxy()
            .timeout(2 * wait::LONG)
            .build()
            .expect("a client");
        let mut tab = Tab {
            client,
            url: format!("http://{}/session", self.addr()),
        };
        let options = json!({
            "binary": program::find("chromium"),
            "args": [
                "--headless=new",
                "--no-sandbox",
                "--disable-gpu",
                "--disable-dev-shm-usage",
                "--disable-background-networking",
                "--disable-component-update",
                "--disable-sync",
                "--no-first-run",
                "--hide-scrollbars",
                "--force-device-scale-factor=1",
                "--force-prefers-reduced-motion",
                "--window-size=1280,900",
            ],
        });
        let wanted = json!({"capabilities": {"alwaysMatch": {
            "browserName": "chrome",
            "goog:chromeOptions": options,
            "goog:loggingPrefs": {"browser": "ALL", "performance": "ALL"},
        }}});
        let session = tab.post("", &wanted).await;
        let id = session["sessionId"].as_str().expect("the id of a session");
        tab.url = format!("{}/{id}", tab.url);
        tab
    }
}

/// The one tab of a browser.
#[derive(Debug)]
pub struct Tab {
    client: Client,
    url: String,
}

impl Tab {
    async fn post(&self, path: &str, body: &Value) -> Value {
        let request = self.client.post(format!("{}{path}", self.url));
        let request = request.header("content-type", "application/json");
        let answer = request.body(body.to_string()).send().await;
        read(path, answer).await
    }

    /// Goes to a URL, and waits until the page is loaded.
    ///
    /// # Panics
    ///
    /// As all methods: when the browser does not do it.
    pub async fn go(&self, url: &str) {
        self.post("/url", &json!({ "url": url })).await;
    }

    /// Runs the body of a function in the page, and returns what it returns.
    pub async fn run(&self, script: &str) -> Value {
        self.run_with(script, json!([])).await
    }

    /// The same with arguments.
    pub async fn run_with(&self, script: &str, arguments: Value) -> Value {
        let order = json!({"script": script, "args": arguments});
        self.post("/execute/sync", &order).await
    }

    /// Runs the body of a function that calls its last argument with the result.
    pub async fn run_async(&self, script: &str) -> Value {
        let order = json!({"script": script, "args": []});
        self.post("/execute/async", &order).await
    }

    /// Waits until an expression of the page is true.
    pub async fn until(&self, what: &str, expression: &str) {
        let script = format!("return Boolean({expression});");
        let mut last = Value::Null;
        wait::until_async(wait::LONG, &format!("{what}: {expression}"), async || {
            last = self.run(&script).await;
            last == true
        })
        .await;
    }

    /// The text of an element.
    pub async fn text(&self, selector: &str) -> String {
        let script =
            "const found = document.querySelector(arguments[0]); return found && found.innerText;";
        let text = self.run_with(script, json!([selector])).await;
        let text = text.as_str();
        text.unwrap_or_else(|| panic!("no element {selector}"))
            .to_owned()
    }

    /// The texts of all elements.
    pub async fn texts(&self, selector: &str) -> Vec<String> {
        let script =
            "return Array.from(document.querySelectorAll(arguments[0]), one => one.innerText);";
        let texts = self.run_with(script, json!([selector])).await;
        let texts = texts.as_array().expect("a list").iter();
        texts
            .map(|text| text.as_str().unwrap_or_default().to_owned())
            .collect()
    }

    async fn element(&self, selector: &str) -> String {
        let order = json!({"using": "css selector", "value": selector});
        let found = self.post("/element", &order).await;
        let id = found.as_object().and_then(|found| found.values().next());
        id.and_then(Value::as_str)
            .expect("the id of an element")
            .to_owned()
    }

    /// Clicks on an element, as a mouse does.
    pub async fn click(&self, selector: &str) {
        let id = self.element(selector).await;
        self.post(&format!("/element/{id}/click"), &json!({})).await;
    }

    /// Types into an element.
    pub async fn write(&self, selector: &str, text: &str) {
        let id = self.element(selector).await;
        let order = json!({ "text": text });
        self.post(&format!("/element/{id}/value"), &order).await;
    }

    /// Empties a field.
    pub async fn clear(&self, selector: &str) {
        let id = self.element(selector).await;
        self.post(&format!("/element/{id}/clear"), &json!({})).await;
    }

    /// Presses and releases a key, wherever the focus is.
    pub async fn press(&self, key: &str) {
        let action = |kind: &str| json!({"type": kind, "value": key});
        let keys =
            json!({"type": "key", "id": "keys", "actions": [action("keyDown"), action("keyUp")]});
        self.post("/actions", &json!({ "actions": [keys] })).await;
    }

    /// Runs a command of Chromium's own protocol.
    pub async fn command(&self, name: &str, parameters: Value) -> Value {
        let order = json!({"cmd": name, "params": parameters});
        self.post("/goog/cdp/execute", &order).await
    }

    /// Asks pages for their dark colours, or for the light ones.
    pub async fn prefer(&self, scheme: &str) {
        let features = json!([{"name": "prefers-color-scheme", "value": scheme}]);
        self.command(
            "Emulation.setEmulatedMedia",
            json!({ "features": features }),
        )
        .await;
    }

    /// Takes the size of a phone, or of a desktop.
    pub async fn resize(&self, width: u32, height: u32) {
        let size =
            json!({"width": width, "height": height, "deviceScaleFactor": 1, "mobile": false});
        self.command("Emulation.setDeviceMetricsOverride", size)
            .await;
    }

    /// What is in the window, as a PNG.
    pub async fn screenshot(&self) -> Vec<u8> {
        let shot = self
            .command("Page.captureScreenshot", json!({"format": "png"}))
            .await;
        let shot = shot["data"].as_str().expect("an image");
        STANDARD.decode(shot).expect("Base64")
    }

    /// What the console says since the last call: errors of scripts, and what the content security policy has refused.
    pub async fn console(&self) -> Vec<String> {
        let entries = self.log("browser").await;
        entries
            .iter()
            .map(|entry| entry["message"].to_string())
            .collect()
    }

    /// The URLs that were requested since the last call.
    pub async fn requests(&self) -> Vec<String> {
        let entries = self.log("performance").await;
        let messages = entries.iter().filter_map(|entry| entry["message"].as_str());
        let events = messages.filter_map(|text| serde_json::from_str::<Value>(text).ok());
        let urls = events.filter_map(|event| {
            let event = &event["message"];
            (event["method"] == "Network.requestWillBeSent").then(|| {
                event["params"]["request"]["url"]
                    .as_str()
                    .map(str::to_owned)
            })?
        });
        urls.collect()
    }

    async fn log(&self, kind: &str) -> Vec<Value> {
        let log = self.post("/se/log", &json!({ "type": kind })).await;
        log.as_array().cloned().unwrap_or_default()
    }

    /// Waits for a moment in which the page has nothing to do, so that what it has just been told is drawn.
    pub async fn settle(&self) {
        self.run_async(
            "const done = arguments[0]; requestAnimationFrame(() => requestAnimationFrame(() => done(1)));",
        )
        .await;
    }

    /// Closes the browser.
    pub async fn close(self) {
        let closed = self
            .client
            .delete(&self.url)
            .timeout(Duration::from_secs(10));
        let _gone = closed.send().await;
    }
}

async fn read(path: &str, answer: Result<reqwest::Response, reqwest::Error>) -> Value {
    let answer =
        answer.unwrap_or_else(|error| panic!("the driver does not answer {path}: {error}"));
    let text = answer.text().await.expect("a whole answer");
    let answer: Value = serde_json::from_str(&text).expect("the driver answers with JSON");
    let value = &answer["value"];
    assert!(
        value["error"].is_null(),
        "{path}: {}: {}",
        value["error"],
        value["message"]
    );
    value.clone()
}
