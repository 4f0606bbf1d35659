use roan::purge_on;

#[purge_on(save, url = "/a", site = "a", site = "b")]
#[purge_on(save, url = "/b", when = self.0, when = self.1)]
#[purge_on(save, url = "/c", crate = roan, crate = roan)]
struct Post(bool, bool);

fn main() {}
