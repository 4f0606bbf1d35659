//! The arguments of the command line.

pub(crate) const HELP: &str = "\
A blog whose pages stay in the cache until a post changes.

cargo run --example quickstart [-- OPTIONS]

  --nginx      behind nginx, on a port and in a folder of its own
  --embedded   behind the cache in the program
  --serve      keeps the blog up until Ctrl-C
  --help       this text

Without --nginx and --embedded it is nginx where its cache-purge module is installed.
";

/// Which cache the blog is behind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Choice {
    #[default]
    Best,
    Nginx,
    Embedded,
}

#[derive(Debug, Default)]
pub(crate) struct Options {
    pub(crate) cache: Choice,
    pub(crate) serve: bool,
    pub(crate) help: bool,
}

impl Options {
    pub(crate) fn from_args(args: impl Iterator<Item = String>) -> Result<Self, String> {
        let mut options = Self::default();
        for arg in args {
            let choice = match &*arg {
                "--nginx" => Choice::Nginx,
                "--embedded" => Choice::Embedded,
                "--serve" => {
                    options.serve = true;
                    continue;
                }
                "--help" | "-h" => {
                    options.help = true;
                    continue;
                }
                _ => {
                    let known = "--nginx, --embedded, --serve, --help";
                    return Err(format!("unknown argument `{arg}`; there are {known}"));
                }
            };
            if ![Choice::Best, choice].contains(&options.cache) {
                return Err("give one of --nginx and --embedded".to_owned());
            }
            options.cache = choice;
        }
        Ok(options)
    }
}
