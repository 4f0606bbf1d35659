//! Entities of SeaORM, in every order of the attributes.

mod above {
    use sea_orm::entity::prelude::*;

    #[roan::purge_on(save, delete, url = "/posts/{slug}")]
    #[sea_orm::model]
    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "posts")]
    pub struct Model {
        #[sea_orm(primary_key)]
        pub id: i64,
        pub slug: String,
    }

    #[roan::hooks]
    #[async_trait::async_trait]
    impl ActiveModelBehavior for ActiveModel {
        async fn after_save<C>(mut model: Model, _: &C, insert: bool) -> Result<Model, DbErr>
        where
            C: ConnectionTrait,
        {
            if insert {
                model.slug.push('!');
                return Ok(model);
            }
            Err(DbErr::Custom("no".to_owned()))
        }
    }
}

/// Relations are not columns of the row that the model is made from.
mod from_rows {
    pub mod above {
        use sea_orm::entity::prelude::*;

        #[roan::purge_on(save, delete, url = "/posts/{slug}", when = self.id > 0, from_row)]
        #[sea_orm::model]
        #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
        #[sea_orm(table_name = "posts")]
        pub struct Model {
            #[sea_orm(primary_key)]
            pub id: i64,
            pub slug: String,
            #[sea_orm(has_many)]
            pub comments: HasMany<super::below::Entity>,
        }

        #[roan::hooks]
        impl ActiveModelBehavior for ActiveModel {}
    }

    pub mod below {
        use sea_orm::entity::prelude::*;

        #[sea_orm::model]
        #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
        #[sea_orm(table_name = "comments")]
        #[roan::purge_on(save, delete, url = "/comments/{id}", when = self.id > 0, from_row)]
        pub struct Model {
            #[sea_orm(primary_key)]
            pub id: i64,
            pub post_id: i64,
            #[sea_orm(belongs_to, from = "post_id", to = "id")]
            pub post: BelongsTo<super::above::Entity>,
        }

        #[roan::hooks]
        impl ActiveModelBehavior for ActiveModel {}
    }
}

mod below {
    use sea_orm::entity::prelude::*;

    #[sea_orm::model]
    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "posts")]
    #[roan::purge_on(save, delete, url = "/posts/{slug}")]
    pub struct Model {
        #[sea_orm(primary_key)]
        pub id: i64,
        pub slug: String,
    }

    #[roan::hooks(crate = ::roan)]
    impl ActiveModelBehavior for ActiveModel {}
}

mod plain {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[roan::purge_on(save, delete, url = "/posts/{slug}")]
    #[sea_orm(table_name = "posts")]
    pub struct Model {
        #[sea_orm(primary_key)]
        pub id: i64,
        pub slug: String,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    #[roan::hooks]
    impl ActiveModelBehavior for ActiveModel {}
}

/// What the error of `ui/fail/sea_orm/related_by_a_key_of_several_columns.rs` says to write.
mod related {
    pub mod post {
        use sea_orm::entity::prelude::*;

        #[roan::purge_on(save, related(super::tagging::Model))]
        #[sea_orm::model]
        #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
        #[sea_orm(table_name = "posts")]
        pub struct Model {
            #[sea_orm(primary_key)]
            pub id: i64,
            #[sea_orm(has_many)]
            pub taggings: HasMany<super::tagging::Entity>,
        }

        #[roan::hooks]
        impl ActiveModelBehavior for ActiveModel {}
    }

    pub mod tagging {
        use sea_orm::entity::prelude::*;

        #[roan::purge_on(save, delete, url = "/taggings/{post_id}/{tag_id}")]
        #[sea_orm::model]
        #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
        #[sea_orm(table_name = "taggings")]
        pub struct Model {
            #[sea_orm(primary_key, auto_increment = false)]
            pub post_id: i64,
            #[sea_orm(primary_key, auto_increment = false)]
            pub tag_id: i64,
            #[sea_orm(belongs_to, from = "post_id", to = "id")]
            pub post: HasOne<super::post::Entity>,
        }

        #[roan::hooks]
        impl ActiveModelBehavior for ActiveModel {}
    }
}

fn main() {
    let rules = roan::rules();
    assert_eq!(rules.len(), 7);
}
