//! The lines of code that use Roan, for the libraries of a crate.

/// What to add to the source.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Code {
    pub(super) model: Vec<&'static str>,
    pub(super) main: Vec<&'static str>,
}

const RULE: &str = "#[roan::purge_on(save, delete, url = \"/posts/{slug}\")]";
const STRUCT: &str = "struct Post { id: i32, slug: String, title: String }";

impl Code {
    /// For a crate that has Roan with these features.
    pub(super) fn with(features: &[&str]) -> Self {
        let has = |feature: &str| features.contains(&feature);
        let mut model = vec![RULE];
        if has("sea-orm") {
            model.extend([
                "#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]",
                "#[sea_orm(table_name = \"posts\")]",
                "pub struct Model { #[sea_orm(primary_key)] pub id: i32, pub slug: String, pub title: String }",
                "",
                "#[roan::hooks]    // every write of a row purges from here on",
                "impl ActiveModelBehavior for ActiveModel {}",
            ]);
        } else if has("diesel") {
            model.extend(["#[derive(Queryable, Selectable, Identifiable)]", STRUCT, ""]);
            model.extend(match has("diesel-async") {
                true => [
                    "use roan::orm::diesel_async::{PurgeExt, update};    // also delete, upsert",
                    "update(posts::table.find(id)).set(posts::title.eq(title)).execute_and_purge::<Post>(conn).await?;",
                ],
                false => [
                    "use roan::orm::diesel::{PurgeExt, update};    // also delete, upsert",
                    "update(posts::table.find(id)).set(posts::title.eq(title)).execute_and_purge::<Post>(conn)?;",
                ],
            });
        } else if ["sqlite", "postgres", "mysql"].into_iter().any(has) {
            model.extend([
                STRUCT,
                "",
                "use roan::orm::sqlx::PurgeExt;",
                "new.updated(&old, &mut tx).await?;    // also created(&mut tx), deleted(&mut tx); before the commit",
            ]);
        } else {
            model.extend([
                STRUCT,
                "",
                "roan::updated(&old, &new);    // or roan::created(&new), roan::deleted(&old); after the commit",
            ]);
        }
        let guard = "let _guard = roan.guard(std::time::Duration::from_secs(10));    // sends what waits when it ends";
        let main = if has("web") {
            vec![
                "let roan = roan::RoanBuilder::from_env()?.web(roan::web::Web::new()).install()?;",
                guard,
                "let app = app.layer(roan.web()?);    // `app` is the router",
            ]
        } else {
            vec!["let roan = roan::global()?;", guard]
        };
        Self { model, main }
    }
}
