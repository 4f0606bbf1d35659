use roan::purge_on;

#[purge_on(save, delete, related(author_id -> Author))]
struct Post {
    author_id: i64,
}

#[purge_on(save, delete, related(entity::Model))]
struct Author {
    id: i64,
}

mod entity {
    use roan::purge_on;
    use sea_orm::entity::prelude::*;

    #[purge_on(save, related(autor_id -> Author, editor_id -> Author, id? -> Author))]
    #[purge_on(save, related)]
    #[purge_on(save, related(author_id = Author))]
    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "posts")]
    pub struct Model {
        #[sea_orm(primary_key)]
        pub id: i64,
        pub author_id: i64,
        pub editor_id: Option<i64>,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    #[roan::hooks]
    impl ActiveModelBehavior for ActiveModel {}
}

fn main() {}
