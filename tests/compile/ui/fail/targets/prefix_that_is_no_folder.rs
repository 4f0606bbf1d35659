use roan::purge_on;

#[purge_on(save, prefix = "docs/")]
#[purge_on(save, prefix = "/docs/{version}")]
#[purge_on(save, prefix = "/")]
#[purge_on(save, prefix = "/docs/?page=1")]
#[purge_on(save, prefix = "/docs/*")]
#[purge_on(save, prefix = "/docs*")]
#[purge_on(save, prefix = "/*")]
#[purge_on(save, prefix = "/docs//{version}/")]
#[purge_on(save, prefix = "/docs/../")]
#[purge_on(save, prefix = "/docs/..%2F/")]
#[purge_on(save, prefix = "/docs/%2F/")]
#[purge_on(save, prefix = "/my docs/")]
#[purge_on(save, prefix = "/docs/:version/")]
#[purge_on(save, prefix = "https://example.org/docs/")]
#[purge_on(save, prefix = "//example.org/docs/")]
#[purge_on(save, prefix = "/docs/{path*}/")]
#[purge_on(save, prefix = "/docs/{note}/")]
struct Docs {
    version: String,
    path: String,
    note: Option<String>,
}

fn main() {}
