use roan::purge_on;

#[purge_on(save, url = "/{subtitle}")]
#[purge_on(save, url = "/{path*}")]
#[purge_on(save, url = "/{author.id}")]
#[purge_on(save, url = "/{author.id?}")]
struct Post {
    subtitle: Option<String>,
    path: std::option::Option<String>,
    author: Option<Author>,
}

struct Author {
    id: u32,
}

fn main() {}
