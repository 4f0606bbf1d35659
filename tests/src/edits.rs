//! Changes of a quoted configuration.

/// Texts to replace, each of which occurs once.
#[derive(Debug, Clone, Default)]
pub(crate) struct Edits(Vec<(String, String)>);

impl Edits {
    pub(crate) fn add(&mut self, text: &str, with: &str) {
        self.0.push((text.to_owned(), with.to_owned()));
    }

    /// The texts of the files with all replacements.
    pub(crate) fn apply<const N: usize>(&self, files: [&str; N]) -> [String; N] {
        let mut files = files.map(str::to_owned);
        for (text, with) in &self.0 {
            let count: usize = files.iter().map(|file| file.matches(text).count()).sum();
            assert_eq!(
                count, 1,
                "{text:?} occurs in the configuration {count} times"
            );
            for file in &mut files {
                *file = file.replace(text, with);
            }
        }
        files
    }
}
