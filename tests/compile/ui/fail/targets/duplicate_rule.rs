use roan::purge_on;

#[purge_on(save, url = "/a", url = "/a")]
#[purge_on(save, delete, tag = "t", when = self.0, site = "x")]
#[purge_on(delete, tag = "t", when = self.0, site = "x")]
#[purge_on(create, urls = Self::pages)]
#[purge_on(save, urls = Self::pages)]
#[purge_on(update, url = "/b")]
#[purge_on(update(0), url = "/b")]
struct Post(bool);

impl Post {
    fn pages(&self) -> Vec<String> {
        Vec::new()
    }
}

fn main() {}
