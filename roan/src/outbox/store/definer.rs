//! The accounts of MySQL: those whose privileges triggers have, and what this one sees.

use super::{Result, Store, mysql_number};
use crate::outbox::dialect::Dialect;

/// `SHOW GRANTS` of an account that does not exist: `ER_NONEXISTING_GRANT`.
const NO_SUCH_ACCOUNT: u16 = 1141;

/// What is known of an account.
#[derive(Debug)]
pub(super) enum Account {
    /// The lines of `SHOW GRANTS`.
    Granted(Vec<String>),
    /// This user may not look.
    Unseen,
    Gone,
}

impl Account {
    /// Why a trigger that this account has defined on `table` cannot write to `outbox`.
    pub(super) fn fault(
        &self,
        definer: &str,
        table: (&str, &str),
        outbox: (&str, &str),
    ) -> Option<String> {
        let account = quoted(definer);
        let granted = match self {
            Self::Granted(granted) => granted,
            Self::Unseen => return None,
            Self::Gone => {
                return Some(format!(
                    "fails, and every write with it: its definer {account} does not exist"
                ));
            }
        };
        let needed = [("INSERT", outbox), ("TRIGGER", table), ("SELECT", table)];
        let lacking = needed.into_iter().find(|(privilege, (schema, table))| {
            let mut granted = granted.iter();
            !granted.any(|grant| may_give(grant, privilege, schema, table))
        });
        lacking.map(|(privilege, (schema, table))| {
            format!(
                "fails, and every write with it: its definer lacks a privilege \
                 (`GRANT {privilege} ON {schema}.{table} TO {account}`)"
            )
        })
    }
}

/// `'user'@'host'`
pub(super) fn quoted(definer: &str) -> String {
    let quoted = |text: &str| format!("'{}'", text.replace('\\', "\\\\").replace('\'', "''"));
    match definer.rsplit_once('@') {
        Some((user, host)) if !host.is_empty() => format!("{}@{}", quoted(user), quoted(host)),
        _ => quoted(definer.trim_end_matches('@')), // a role of MariaDB
    }
}

impl Store {
    pub(super) async fn account(&mut self, definer: &str) -> Result<Account> {
        match self.grants(&quoted(definer)).await {
            Ok(mut granted) => {
                // MariaDB gives every account what PUBLIC has. MySQL does not have it.
                granted.extend(self.grants("PUBLIC").await.unwrap_or_default());
                Ok(Account::Granted(granted))
            }
            Err(error) if mysql_number(&error) == Some(NO_SUCH_ACCOUNT) => Ok(Account::Gone),
            Err(error) if error.as_database_error().is_some() => Ok(Account::Unseen),
            Err(error) => Err(error),
        }
    }

    /// The tables whose triggers MySQL does not show to this user.
    pub(crate) async fn tables_with_hidden_triggers(
        &mut self,
        tables: &[&str],
    ) -> Result<Vec<String>> {
        if self.dialect != Dialect::MySql {
            return Ok(Vec::new());
        }
        let mut granted = self.grants("CURRENT_USER").await?;
        granted.extend(self.grants("PUBLIC").await.unwrap_or_default());
        let sql = "SELECT coalesce(DATABASE(), '')";
        let rows = self.connection.rows(sql, &[]).await?;
        let current = rows.first().map(|row| row.shown(0)).transpose()?;
        let current = current.unwrap_or_default();
        let is_hidden = |name: &&&str| {
            let (schema, table) = name.split_once('.').unwrap_or((&current, name));
            let mut granted = granted.iter();
            !granted.any(|grant| may_give(grant, "TRIGGER", schema, table))
        };
        let hidden = tables.iter().filter(is_hidden);
        Ok(hidden.map(|table| (*table).to_owned()).collect())
    }

    async fn grants(&mut self, account: &str) -> Result<Vec<String>> {
        let sql = format!("SHOW GRANTS FOR {account}");
        let rows = self.connection.rows(&sql, &[]).await?;
        rows.iter().map(|row| row.shown(0)).collect()
    }
}

/// Whether a line of `SHOW GRANTS` may give the privilege on the table. That of a role may.
fn may_give(grant: &str, privilege: &str, schema: &str, table: &str) -> bool {
    let Some((privileges, on)) = grant.split_once(" ON ") else {
        return grant.starts_with("GRANT ");
    };
    let privileges = privileges.trim_start_matches("GRANT ");
    let mut listed = privileges.split(',').map(str::trim_start);
    let has = listed.any(|one| one.starts_with(privilege) || one.starts_with("ALL"));
    let place = on.split_once(" TO ").map_or(on, |(place, _)| place);
    let Some((of_schema, of_table)) = place.split_once('.') else {
        return false;
    };
    let plain = |name: &str| name.trim_matches('`').replace('\\', "");
    // A schema may be a pattern.
    let is_schema = of_schema.contains(['*', '%', '_']) || plain(of_schema) == schema;
    has && is_schema && (of_table == "*" || plain(of_table).eq_ignore_ascii_case(table))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accounts_are_quoted() {
        assert_eq!(quoted("a@b@10.%"), "'a@b'@'10.%'");
        assert_eq!(quoted("o'neill@localhost"), "'o''neill'@'localhost'");
        assert_eq!(quoted("role@"), "'role'");
    }

    #[test]
    fn grants_are_read() {
        let insert = |grant| may_give(grant, "INSERT", "blog", "roan_outbox");
        for grant in [
            "GRANT ALL PRIVILEGES ON *.* TO `a`@`%` WITH GRANT OPTION",
            "GRANT SELECT, INSERT, UPDATE ON `blog`.* TO `a`@`%`",
            "GRANT SELECT, INSERT (`payload`) ON `blog`.`roan_outbox` TO `a`@`%`",
            "GRANT INSERT ON `bl%`.* TO `a`@`%`",
            "GRANT `writers` TO `a`@`%`",
        ] {
            assert!(insert(grant), "{grant}");
        }
        for grant in [
            "GRANT USAGE ON *.* TO `a`@`%` IDENTIFIED BY PASSWORD '*6BB4837EB743'",
            "GRANT SELECT, UPDATE ON `blog`.* TO `a`@`%`",
            "GRANT SELECT (`INSERT`) ON `blog`.* TO `a`@`%`",
            "GRANT INSERT ON `shop`.* TO `a`@`%`",
            "GRANT INSERT ON `blog`.`posts` TO `a`@`%`",
            "GRANT PROXY ON ''@'%' TO 'a'@'%'",
            "SET DEFAULT ROLE `writers` FOR `a`@`%`",
        ] {
            assert!(!insert(grant), "{grant}");
        }
    }
}
