//! URLs of every kind of spelling.

/// URLs of different pages, of each kind that is spelled in its own way. A cache that takes two of them for one page, or
/// that stores a page under another URL than that of its purge, is wrong.
pub const SPELLINGS: [&str; 28] = [
    "/",
    "/posts",
    "/posts/",
    "/caf%C3%A9",
    "/caf%c3%a9",
    "/a%20b",
    "/a%2Fb",
    "/a/b",
    "/a%252Fb",
    "/100%25",
    "/list?page=2",
    "/list?page=1",
    "/list",
    "/q?a=b%26c&d=%2F",
    "/q?x=/../y",
    "//x",
    "/x",
    "/x//y",
    "/it's",
    "/a;b=1,c",
    "/a@b:c",
    "/a+b",
    "/*",
    "/$uri",
    "/~user",
    "/line%0Abreak",
    "/bare?",
    "/dots...",
];
