use roan::purge_on;

#[purge_on(save, urls = "Self::pages")]
#[purge_on(save, urls = |post| [post.url()])]
#[purge_on(save, urls = self.pages())]
struct Post;

fn main() {}
