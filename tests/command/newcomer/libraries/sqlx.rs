//! On sqlx.

use std::error::Error;

#[roan::purge_on(save, delete, url = "/posts/{slug}")]
struct Post {
    id: i32,
    slug: String,
    title: String,
}

async fn write(old: Post, new: Post, pool: sqlx::PgPool) -> Result<(), Box<dyn Error>> {
    use roan::orm::sqlx::PurgeExt;
    let mut tx = pool.begin().await?;
    new.updated(&old, &mut tx).await?;
    new.created(&mut tx).await?;
    old.deleted(&mut tx).await?;
    tx.commit().await?;
    Ok(())
}
