//! `sql.*`: what statements there are, which tables they name, which they write, what they call.
//!
//! | module | holds |
//! |---|---|
//! | `lexical` | refuses texts that databases divide into tokens differently |
//! | `walk` | one parsed text: kinds, tables, writes, functions |
//! | `names` | how a table or function is called |
//! | `functions` | which functions only compute, and which reach beyond the tables |
//! | `restrict` | whether a WHERE restricts anything |
//!
//! The database behind a tool is not known. The text is parsed as PostgreSQL, MySQL, SQLite and SQL Server, and by
//! the generic grammar where none of them can; an answer is known where all that parse it agree.

mod functions;
mod lexical;
mod names;
mod restrict;
mod walk;

use std::collections::BTreeSet;

use serde_json::Value;
use sqlparser::dialect::{
    Dialect, GenericDialect, MsSqlDialect, MySqlDialect, PostgreSqlDialect, SQLiteDialect,
};
use sqlparser::parser::Parser;

use super::{LONGEST, text_of};

/// Brackets within brackets, and every other rule of the grammar that contains itself.
const DEEPEST: usize = 16;

/// What is known of an SQL text; each `None` is an answer that cannot be known.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Sql {
    /// Lower-case kinds of all statements.
    pub(super) kinds: Option<BTreeSet<String>>,
    /// Tables named.
    pub(super) tables: Option<BTreeSet<String>>,
    /// Tables written.
    pub(super) writes: Option<BTreeSet<String>>,
    /// Functions called.
    pub(super) functions: Option<BTreeSet<String>>,
    /// Statements that are not part of another.
    pub(super) statements: Option<u64>,
    /// Whether each UPDATE and DELETE is restricted.
    pub(super) restricted: Option<bool>,
}

/// Reads a text as SQL.
pub(super) fn read(value: &Value) -> Sql {
    let Some(text) = text_of(value, LONGEST).filter(|text| lexical::is_plain(text)) else {
        return Sql::default();
    };
    let dialects: [&dyn Dialect; 4] =
        [&PostgreSqlDialect {}, &MySqlDialect {}, &SQLiteDialect {}, &MsSqlDialect {}];
    dialects
        .into_iter()
        .filter_map(|dialect| parse(text, dialect))
        .reduce(agreed)
        .or_else(|| parse(text, &GenericDialect {}))
        .unwrap_or_default()
}

fn parse(text: &str, dialect: &dyn Dialect) -> Option<Sql> {
    let parser = Parser::new(dialect).with_recursion_limit(DEEPEST);
    let statements = parser.try_with_sql(text).ok()?.parse_statements().ok()?;
    Some(walk::walk(&statements))
}

/// What two readings have in common.
fn agreed(one: Sql, other: Sql) -> Sql {
    fn same<T: PartialEq>(one: Option<T>, other: &Option<T>) -> Option<T> {
        if one == *other { one } else { None }
    }
    Sql {
        kinds: same(one.kinds, &other.kinds),
        tables: same(one.tables, &other.tables),
        writes: same(one.writes, &other.writes),
        functions: same(one.functions, &other.functions),
        statements: same(one.statements, &other.statements),
        restricted: same(one.restricted, &other.restricted),
    }
}
