//! A nats-server with JetStream of our own: on a free port of this machine, in a temporary folder, and gone with us.

use std::error::Error;
use std::path::PathBuf;

use crate::server::{Place, Server, find};

/// The nats-server of this machine.
#[derive(Debug)]
pub struct Program(PathBuf);

impl Program {
    /// Looks for it where Debian and others have it.
    ///
    /// # Errors
    ///
    /// If it is not there; the error says what to install.
    pub fn find() -> Result<Self, String> {
        let program = find("nats-server");
        let program =
            program.ok_or("nats-server was not found. On Debian: apt install nats-server")?;
        Ok(Self(program))
    }
}

/// One that runs. It ends when this is dropped.
#[derive(Debug)]
pub struct Nats(Server);

impl Nats {
    /// Starts it, and waits until it listens.
    ///
    /// # Errors
    ///
    /// If it does not start; the error has its log.
    pub async fn start(program: &Program) -> Result<Self, Box<dyn Error>> {
        let place = Place::new()?;
        let (address, store) = (place.address, place.folder.join("jetstream"));
        let conf = format!(
            "listen: \"{address}\"\njetstream {{ store_dir: \"{}\" }}\n",
            store.display()
        );
        let conf = place.write("nats.conf", &conf)?;
        let arguments = [PathBuf::from("-c"), conf];
        let server = Server::start(place, &program.0, arguments, "output");
        Ok(Self(server.await?))
    }

    /// Its URL.
    #[must_use]
    pub fn url(&self) -> String {
        format!("nats://{}", self.0.address())
    }
}
