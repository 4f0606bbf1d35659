//! The addresses in the configurations of caches: nothing in them may end a word or a block of one.

use std::net::{IpAddr, Ipv4Addr};
use std::str::FromStr;

use roan::Site;

use crate::exit::Failure;

pub(crate) fn wrong(option: &str, value: &str, problem: &str) -> Failure {
    Failure::bad_input(format!("{option}: {value:?} {problem}"))
}

/// A longer path of a socket the system does not take.
const LONGEST_SOCKET: usize = 107;

/// Of the app, for `--app`.
pub(crate) fn app(app: &str) -> Result<&str, Failure> {
    let problem =
        "is not an address: write `127.0.0.1:3000`, `app.internal:3000` or `unix:/run/app.sock`";
    if let Some(path) = app.strip_prefix("unix:") {
        return match path.starts_with('/') && path.chars().all(is_of_a_path) {
            true if path.len() > LONGEST_SOCKET => {
                let problem = format!(
                    "is too long: the path of a socket has at most {LONGEST_SOCKET} characters"
                );
                Err(wrong("--app", app, &problem))
            }
            true => Ok(app),
            false => Err(wrong("--app", app, problem)),
        };
    }
    let is_allowed = |letter: char| letter.is_ascii_alphanumeric() || "._-:[]".contains(letter);
    let is_host = app.chars().all(is_allowed) && app.parse::<Site>().is_ok();
    match is_host {
        true => Ok(app),
        false => Err(wrong("--app", app, problem)),
    }
}

pub(crate) fn is_of_a_path(letter: char) -> bool {
    letter.is_ascii_alphanumeric() || "/._-".contains(letter)
}

/// A number as servers read it, without a sign.
pub(crate) fn number<N: FromStr>(text: &str) -> Option<N> {
    let is_plain = text.bytes().all(|digit| digit.is_ascii_digit());
    text.parse().ok().filter(|_| is_plain)
}

/// An address to listen at, for `--listen`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Listen {
    /// None for all.
    pub(crate) address: Option<IpAddr>,
    pub(crate) port: u16,
    /// Whether all addresses are written as `:80`, as Varnish takes it and nginx does not.
    pub(crate) has_colon: bool,
}

/// The addresses of `--listen`, each once.
pub(crate) fn listens(texts: &[String]) -> Result<Vec<Listen>, Failure> {
    let mut listens: Vec<Listen> = Vec::new();
    for text in texts {
        let problem = "is not an address: write `80`, `10.0.0.11:80` or `[::]:80`";
        let listen = listen(text).ok_or_else(|| wrong("--listen", text, problem))?;
        let all = IpAddr::V4(Ipv4Addr::UNSPECIFIED);
        let place = |listen: &Listen| (listen.address.unwrap_or(all), listen.port);
        if listens.iter().any(|known| place(known) == place(&listen)) {
            let problem = "is the same as an address before it: leave one of them out";
            return Err(wrong("--listen", text, problem));
        }
        listens.push(listen);
    }
    Ok(listens)
}

fn listen(text: &str) -> Option<Listen> {
    let (host, port) = match text.rsplit_once(':') {
        Some((host, port)) => (Some(host), port),
        None => (None, text),
    };
    let address = match host {
        None | Some("" | "*") => None,
        Some(host) => match host.strip_prefix('[') {
            Some(host) => Some(IpAddr::V6(host.strip_suffix(']')?.parse().ok()?)),
            None => Some(IpAddr::V4(host.parse().ok()?)),
        },
    };
    Some(Listen {
        address,
        port: number(port).filter(|port| *port > 0)?,
        has_colon: host == Some(""),
    })
}

/// Who may purge: an address, or a network with the number of its bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Network {
    pub(crate) address: IpAddr,
    pub(crate) bits: Option<u8>,
}

/// The networks of `--allow`, each once.
pub(crate) fn networks(texts: &[String]) -> Result<Vec<Network>, Failure> {
    let mut networks = Vec::new();
    for text in texts {
        let problem = "is not an address or network: write `10.0.0.5` or `10.0.0.0/24`";
        let network = network(text).ok_or_else(|| wrong("--allow", text, problem))?;
        let begin = network.begin();
        if begin != network.address {
            let bits = network.bits.unwrap_or_default();
            let problem = format!(
                "is an address and not a network of {bits} bits: write `{begin}/{bits}` for the network, or `{}`",
                network.address
            );
            return Err(wrong("--allow", text, &problem));
        }
        if !networks.contains(&network) {
            networks.push(network);
        }
    }
    Ok(networks)
}

fn network(text: &str) -> Option<Network> {
    let (address, bits) = match text.split_once('/') {
        Some((address, bits)) => (address, Some(number(bits)?)),
        None => (text, None),
    };
    let network = Network {
        address: address.parse().ok()?,
        bits,
    };
    let most = if network.address.is_ipv4() { 32 } else { 128 };
    bits.is_none_or(|bits| bits <= most).then_some(network)
}

impl Network {
    /// Its first address.
    fn begin(self) -> IpAddr {
        let bits = self.bits.map(u32::from);
        match self.address {
            IpAddr::V4(address) => {
                let cut = 32 - bits.unwrap_or(32);
                let kept = u32::MAX.checked_shl(cut).unwrap_or_default();
                IpAddr::V4((address.to_bits() & kept).into())
            }
            IpAddr::V6(address) => {
                let cut = 128 - bits.unwrap_or(128);
                let kept = u128::MAX.checked_shl(cut).unwrap_or_default();
                IpAddr::V6((address.to_bits() & kept).into())
            }
        }
    }
}

/// The sites of `--site`.
pub(crate) fn site(text: &str) -> Result<Site, Failure> {
    text.parse()
        .map_err(|error: roan::SiteError| Failure::bad_input(format!("--site: {error}")))
}
