//! The arguments of the command line.

pub(crate) const HELP: &str = "\
Races writes with renders, and prints how many pages stay stale, and how many reads were.

cargo run --release --example race [-- OPTIONS]

  --writes N           writes in each row of the table (200)
  --readers N          readers of each page (10)
  --pages N            pages at a time (5)
  --only TEXT          the rows whose name contains this text
  --url URL            a page of your own site, through its cache; one page at a time
  --write COMMAND      what changes it: a command of the shell, in which {} becomes `race-NUMBER`.
                       The page must show that text, for example as its title:
                       --write 'curl -fsS -d \"title={}\" https://www.example.org/posts/hello'
  --help               this text
";

#[derive(Debug)]
pub(crate) struct Options {
    pub(crate) writes: u64,
    pub(crate) readers: u64,
    pub(crate) pages: u64,
    pub(crate) only: String,
    /// The URL of a page, and the command that writes it.
    pub(crate) own: Option<(String, String)>,
    pub(crate) help: bool,
}

impl Options {
    pub(crate) fn from_args(mut args: impl Iterator<Item = String>) -> Result<Self, String> {
        let mut options = Self {
            writes: 200,
            readers: 10,
            pages: 5,
            only: String::new(),
            own: None,
            help: false,
        };
        let (mut url, mut write) = (None, None);
        while let Some(arg) = args.next() {
            let mut value = || {
                let value = args.next();
                value.ok_or_else(|| format!("`{arg}` needs a value: see --help"))
            };
            match &*arg {
                "--writes" => options.writes = number(&arg, &value()?)?,
                "--readers" => options.readers = number(&arg, &value()?)?,
                "--pages" => options.pages = number(&arg, &value()?)?,
                "--only" => options.only = value()?,
                "--url" => url = Some(value()?),
                "--write" => write = Some(value()?),
                "--help" | "-h" => options.help = true,
                _ => return Err(format!("unknown argument `{arg}`: see --help")),
            }
        }
        options.own = match (url, write) {
            (Some(_), Some(write)) if !write.contains("{}") => {
                return Err("`--write` needs a `{}`, which becomes the text of the page".to_owned());
            }
            (Some(url), Some(write)) => Some((url, write)),
            (None, None) => None,
            _ => return Err("`--url` and `--write` need each other: see --help".to_owned()),
        };
        Ok(options)
    }
}

fn number(arg: &str, value: &str) -> Result<u64, String> {
    match value.parse() {
        Ok(number) if number > 0 => Ok(number),
        _ => Err(format!("`{arg}` needs a number from 1, not `{value}`")),
    }
}
