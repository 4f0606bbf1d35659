//! The lines of code that use Roan, for the libraries of a crate.

/// What to add to the source.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Code {
    pub(super) model: Vec<&'static str>,
    pub(super) main: Vec<&'static str>,
}

const RULE: &str = "#[roan::purge_on(save, delete, url = \"/posts/{slug}\")]";

impl Code {
    /// For a crate that has Roan with these features.
    pub(super) fn with(features: &[&str]) -> Self {
        let has = |feature: &str| features.contains(&feature);
        let mut model = vec![RULE];
        if has("sea-orm") {
            model.extend([
                "pub struct Model { pub id: i32, pub slug: String, pub title: String }",
                "",
                "#[roan::hooks]    // every write of a row purges from here on",
                "impl ActiveModelBehavior for ActiveModel {}",
            ]);
        } else {
            model.extend(["struct Post { id: i32, slug: String, title: String }", ""]);
            model.push(if has("diesel-async") {
                "query.get_result_and_purge(&mut conn).await?;    // with roan::orm::diesel_async::PurgeExt, in place of get_result"
            } else if has("diesel") {
                "query.get_result_and_purge(&mut conn)?;    // with roan::orm::diesel::PurgeExt, in place of get_result"
            } else if ["sqlite", "postgres", "mysql"].into_iter().any(has) {
                "new.updated(&old, &mut tx).await?;    // with roan::orm::sqlx::PurgeExt; or created(&mut tx), deleted(&mut tx)"
            } else {
                "roan::updated(&old, &new);    // or roan::created(&new), roan::deleted(&old); after the commit"
            });
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
