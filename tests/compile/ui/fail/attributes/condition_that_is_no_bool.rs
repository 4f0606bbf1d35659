use roan::purge_on;

#[purge_on(save, url = "/a", when = self.count)]
#[purge_on(save, url = "/b", when = self.published_at)]
#[purge_on(save, url = "/c", when = self.is_published)]
struct Post {
    count: u32,
    published_at: Option<u64>,
}

impl Post {
    fn is_published(&self) -> bool {
        self.count > 0
    }
}

fn main() {}
