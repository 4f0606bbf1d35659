struct Post {
    slug: String,
    subtitle: Option<String>,
}

fn main() {
    let post = Post {
        slug: String::new(),
        subtitle: None,
    };
    let text = "/posts";
    let _ = roan::url!();
    let _ = roan::url!(text);
    let _ = roan::url!("posts/{post.slug}");
    let _ = roan::url!("/posts/{}", post.slug);
    let _ = roan::url!("/posts/{0}");
    let _ = roan::url!("/posts/{slug()}");
    let _ = roan::url!("/posts/{ post.slug }?q=é");
    let _ = roan::url!("/posts/{post.subtitle?}");
    let _ = roan::url!("/posts/:slug", slug = post.slug);
    let _ = roan::url!("/posts/{slug}", slgu = post.slug, page = 1);
    let _ = roan::url!("/posts/{slug}", slug = 1, slug = 2);
    let _ = roan::url!("/search?q={path*}", path = "a");
    let _ = roan::url!("//www.example.org/posts");
    let _ = roan::url!("/posts/..%2F..%2Fx");
}
