//! On SeaORM.

#![allow(
    unreachable_pub,
    reason = "the lines are those for a module of its own"
)]

use std::error::Error;

use sea_orm::entity::prelude::*;

#[roan::purge_on(save, delete, url = "/posts/{slug}")]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "posts")]
pub struct Model {
    #[sea_orm(primary_key)]
    pub id: i32,
    pub slug: String,
    pub title: String,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

#[roan::hooks]
impl ActiveModelBehavior for ActiveModel {}

fn start() -> Result<(), Box<dyn Error>> {
    let roan = roan::global()?;
    let _guard = roan.guard(std::time::Duration::from_secs(10));
    Ok(())
}

fn start_with_axum(app: axum::Router) -> Result<axum::Router, Box<dyn Error>> {
    let roan = roan::RoanBuilder::from_env()?
        .web(roan::web::Web::new())
        .install()?;
    let _guard = roan.guard(std::time::Duration::from_secs(10));
    let app = app.layer(roan.web()?);
    Ok(app)
}
