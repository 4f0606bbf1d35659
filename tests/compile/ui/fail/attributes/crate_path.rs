use roan::purge_on;

#[purge_on(save, url = "/a", crate = "roan")]
struct Quoted;

#[purge_on(save, url = "/a", crate = roan)]
#[purge_on(save, url = "/b", crate = ::roan)]
struct Two;

#[purge_on(save, url = "/a", crate = 7)]
struct Number;

fn main() {}
