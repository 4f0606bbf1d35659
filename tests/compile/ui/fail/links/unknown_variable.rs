struct Post {
    slug: String,
    subtitle: Option<String>,
}

fn main() {
    let post = Post {
        slug: String::new(),
        subtitle: None,
    };
    let _ = roan::url!("/posts/{psot.slug}");
    let _ = roan::url!("/posts/{post.slgu}");
    let _ = roan::url!("/posts/{post}");
    let _ = roan::url!("/posts/{post.subtitle}");
}
