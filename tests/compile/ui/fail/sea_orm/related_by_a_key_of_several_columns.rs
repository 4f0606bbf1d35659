use sea_orm::entity::prelude::*;

mod tagging {
    use sea_orm::entity::prelude::*;

    #[roan::purge_on(save, delete, url = "/taggings/{post_id}/{tag_id}")]
    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "taggings")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub post_id: i64,
        #[sea_orm(primary_key, auto_increment = false)]
        pub tag_id: i64,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    #[roan::hooks]
    impl ActiveModelBehavior for ActiveModel {}
}

#[roan::purge_on(save, related(tagging_id -> tagging::Model))]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "posts")]
pub struct Model {
    #[sea_orm(primary_key)]
    pub id: i64,
    pub tagging_id: i64,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

#[roan::hooks]
impl ActiveModelBehavior for ActiveModel {}

fn main() {}
