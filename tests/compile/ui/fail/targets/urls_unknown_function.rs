use roan::purge_on;

#[purge_on(save, urls = Self::archive_page)]
struct Post;

impl Post {
    fn archive_pages(&self) -> Vec<String> {
        Vec::new()
    }
}

fn main() {}
