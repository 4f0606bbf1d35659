use roan::purge_on;

#[purge_on(save, url = "/posts/{0}")]
struct Post(u32);

struct Draft;

fn main() {
    let posts = vec![Post(1), Post(2)];
    roan::saved(&posts);
    roan::deleted(&[Post(1), Post(2)]);
    roan::created(&posts.first());
    roan::updated(&posts, &posts);
    roan::saved(&vec![Draft]);
}
