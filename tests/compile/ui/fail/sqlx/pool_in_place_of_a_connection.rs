use roan::orm::sqlx::PurgeExt;

#[roan::purge_on(save, delete, url = "/posts/{slug}")]
struct Post {
    slug: String,
}

async fn publish(mut pool: sqlx::PgPool, post: Post) -> Result<(), sqlx::Error> {
    post.created(&mut pool).await
}

fn main() {}
