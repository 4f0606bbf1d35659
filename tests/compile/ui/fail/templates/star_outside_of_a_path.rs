use roan::purge_on;

#[purge_on(save, url = "/search?q={path*}")]
#[purge_on(save, tag = "file-{path*}")]
struct File {
    path: String,
}

fn main() {}
