//! One file for each library.

pub(crate) mod diesel;
mod diesel_async;
mod sea_orm;
mod sqlx;

/// The suite on each kind of database.
macro_rules! on_each_database {
    ($writer:ty) => {
        #[test]
        fn on_sqlite() {
            $crate::suite::run::<$writer>(roan::outbox::Dialect::Sqlite);
        }

        #[test]
        fn on_postgres() {
            $crate::suite::run::<$writer>(roan::outbox::Dialect::Postgres);
        }

        #[test]
        fn on_mariadb() {
            $crate::suite::run::<$writer>(roan::outbox::Dialect::MySql);
        }

        #[test]
        fn on_sqlite_a_save_outlives_its_outbox() {
            $crate::suite::write_past_the_outbox::<$writer>(roan::outbox::Dialect::Sqlite);
        }

        #[test]
        fn on_postgres_a_save_outlives_its_outbox() {
            $crate::suite::write_past_the_outbox::<$writer>(roan::outbox::Dialect::Postgres);
        }

        #[test]
        fn on_mariadb_a_save_outlives_its_outbox() {
            $crate::suite::write_past_the_outbox::<$writer>(roan::outbox::Dialect::MySql);
        }

        #[test]
        fn on_sqlite_no_save_fails_for_the_relay() {
            $crate::suite::save_beside_the_relay::<$writer>();
        }

        #[test]
        fn together_on_sqlite() {
            $crate::suite::save_together::<$writer>(roan::outbox::Dialect::Sqlite);
        }

        #[test]
        fn together_on_postgres() {
            $crate::suite::save_together::<$writer>(roan::outbox::Dialect::Postgres);
        }

        #[test]
        fn together_on_mariadb() {
            $crate::suite::save_together::<$writer>(roan::outbox::Dialect::MySql);
        }

        #[test]
        fn beside_a_reference_on_postgres() {
            $crate::suite::update_beside_a_reference::<$writer>();
        }
    };
}
use on_each_database;

/// The suite on each kind of database, without an outbox table.
macro_rules! in_memory_on_each_database {
    ($writer:ty) => {
        #[test]
        fn in_memory_on_sqlite() {
            $crate::suite::run_in_memory::<$writer>(roan::outbox::Dialect::Sqlite);
        }

        #[test]
        fn in_memory_on_postgres() {
            $crate::suite::run_in_memory::<$writer>(roan::outbox::Dialect::Postgres);
        }

        #[test]
        fn in_memory_on_mariadb() {
            $crate::suite::run_in_memory::<$writer>(roan::outbox::Dialect::MySql);
        }
    };
}
use in_memory_on_each_database;
