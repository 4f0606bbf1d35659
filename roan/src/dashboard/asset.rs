//! The page: one document with its style and script inside.

/// The style and the script are between tags of their own, byte for byte: the hashes of [`POLICY`] are theirs.
pub(super) const PAGE: &str = concat!(
    include_str!("page/head.html"),
    "<style>",
    include_str!("page/page.css"),
    "</style>\n",
    include_str!("page/body.html"),
    "<script>",
    include_str!("page/page.js"),
    "</script>\n",
);

/// What the page may load: its own style and script by their hashes, its own addresses, and nothing else. A test has the
/// right hashes, and says them if they are not these.
pub(super) const POLICY: &str = concat!(
    "default-src 'none'; ",
    "style-src 'sha256-vfpqsvO4vQLOtmhLkLMmMhtXAw54WuJGFm9mPx/qJHI='; ",
    "script-src 'sha256-J3LOxR0SDGwukg89vq4A2ZeOwF2u5/Kv2T7R+arQy70='; ",
    "connect-src 'self'; img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; ",
    "require-trusted-types-for 'script'; trusted-types 'none'"
);
