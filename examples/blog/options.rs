//! The arguments of the command line.

use crate::posts::Library;

pub(crate) const HELP: &str = "\
A blog behind nginx, with its posts and the purges that wait in one SQLite file.

cargo run -p roan-blog [--features LIBRARY] [-- OPTIONS]

LIBRARY stores the posts: sea-orm or diesel, and sqlx without one.

  --library NAME   which library, if several are built in
  --once           saves, creates and deletes a post, shows which pages each purges, and ends
  --help           this text
";

#[derive(Debug, Default)]
pub(crate) struct Options {
    pub(crate) library: Library,
    pub(crate) once: bool,
    pub(crate) help: bool,
}

impl Options {
    pub(crate) fn from_args(mut args: impl Iterator<Item = String>) -> Result<Self, String> {
        let mut options = Self::default();
        while let Some(arg) = args.next() {
            match &*arg {
                "--library" => {
                    let name = args.next().ok_or("--library needs a name, as sqlx")?;
                    options.library = name.parse()?;
                }
                "--once" => options.once = true,
                "--help" | "-h" => options.help = true,
                _ => {
                    let known = "--library NAME, --once, --help";
                    return Err(format!("unknown argument `{arg}`; there are {known}"));
                }
            }
        }
        Ok(options)
    }
}
