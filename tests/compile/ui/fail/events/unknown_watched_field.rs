use roan::purge_on;

#[purge_on(update(titel), url = "/a")]
#[purge_on(update(title, title), url = "/b")]
#[purge_on(update(0), url = "/c")]
struct Post {
    title: String,
}

#[purge_on(update(open), url = "/a")]
enum State {
    Open,
}

fn main() {}
