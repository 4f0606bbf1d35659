//! On SeaORM.

#![allow(
    unreachable_pub,
    reason = "the lines are those for a module of its own"
)]

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
