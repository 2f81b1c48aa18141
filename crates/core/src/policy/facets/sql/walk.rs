//! One parsed text: every statement in it, nested ones included, and what it names.

use std::collections::BTreeSet;
use std::ops::ControlFlow;
use std::ptr;

use sqlparser::ast::{
    AlterTableOperation, ColumnOption, CopySource, CopyTarget, CreateTable, Delete, Expr, FromTable, Ident,
    Insert, ObjectName, ObjectType, OutputClause, Query, Select, SelectInto, SetExpr, Statement,
    TableConstraint, TableFactor, TableObject, TableWithJoins, Update, UpdateTableFromKind, Visit, Visitor,
};

use super::Sql;
use super::functions::{Effect, effect};
use super::names::{bare, is_same, may_be_same, names};
use super::restrict::restricts;

/// What the statements do, as far as they say it.
pub(super) fn walk(statements: &[Statement]) -> Sql {
    let mut walk = Walk::default();
    for (at, statement) in statements.iter().enumerate() {
        // Names mean something else from here on.
        let moves = matches!(statement, Statement::Set(_) | Statement::Use(_) | Statement::Reset(_));
        if moves && at + 1 < statements.len() {
            walk.tables.lose();
            walk.writes.lose();
        }
        // Nothing in this walk breaks off.
        let _: ControlFlow<()> = statement.visit(&mut walk);
    }
    if walk.unknown {
        return Sql {
            functions: walk.functions.0,
            statements: u64::try_from(statements.len()).ok(),
            ..Sql::default()
        };
    }
    Sql {
        kinds: Some(walk.kinds.into_iter().map(str::to_owned).collect()),
        tables: walk.tables.0,
        writes: walk.writes.0,
        functions: walk.functions.0,
        statements: u64::try_from(statements.len()).ok(),
        restricted: walk.restricted.0,
    }
}

#[derive(Default)]
struct Walk {
    kinds: BTreeSet<&'static str>,
    tables: Names,
    writes: Names,
    functions: Names,
    restricted: All,
    /// Something in it may run anything.
    unknown: bool,
    frames: Vec<Frame>,
    /// Places of names that are no tables: functions in FROM, aliases that an UPDATE names.
    passed: BTreeSet<usize>,
}

/// A set of names, or none when one of them cannot be known.
struct Names(Option<BTreeSet<String>>);

impl Default for Names {
    fn default() -> Self {
        Self(Some(BTreeSet::new()))
    }
}

impl Names {
    fn add(&mut self, name: &ObjectName) {
        match (names(name), &mut self.0) {
            (Some(found), Some(known)) => known.extend(found),
            _ => self.0 = None,
        }
    }

    fn lose(&mut self) {
        self.0 = None;
    }
}

/// Whether something holds for all of several.
struct All(Option<bool>);

impl Default for All {
    fn default() -> Self {
        Self(Some(true))
    }
}

impl All {
    fn and(&mut self, one: Option<bool>) {
        self.0 = match (self.0, one) {
            (Some(false), _) | (_, Some(false)) => Some(false),
            (Some(true), Some(true)) => Some(true),
            _ => None,
        };
    }
}

/// A query and the names that its WITH gives to others.
struct Frame {
    place: usize,
    recursive: bool,
    named: Vec<(Ident, usize)>,
}

impl Frame {
    fn of(query: &Query) -> Self {
        let with = query.with.as_ref();
        let named = with.into_iter().flat_map(|with| &with.cte_tables);
        Self {
            place: place(query),
            recursive: with.is_some_and(|with| with.recursive),
            named: named.map(|cte| (cte.alias.name.clone(), place(&*cte.query))).collect(),
        }
    }

    /// Seen from the query at `from` below this one, a name means what stands before it, or itself if recursive.
    fn names(&self, from: Option<usize>, is: impl Fn(&Ident) -> bool) -> bool {
        let within = self.named.iter().position(|(_, place)| Some(*place) == from);
        let end = within.map_or(self.named.len(), |at| at + usize::from(self.recursive));
        self.named.iter().take(end).any(|(one, _)| is(one))
    }
}

fn place<T>(of: &T) -> usize {
    ptr::from_ref(of).addr()
}

impl Visitor for Walk {
    type Break = ();

    fn pre_visit_statement(&mut self, statement: &Statement) -> ControlFlow<()> {
        self.statement(statement);
        ControlFlow::Continue(())
    }

    fn pre_visit_query(&mut self, query: &Query) -> ControlFlow<()> {
        self.frames.push(Frame::of(query));
        self.query(query);
        ControlFlow::Continue(())
    }

    fn post_visit_query(&mut self, _: &Query) -> ControlFlow<()> {
        self.frames.pop();
        ControlFlow::Continue(())
    }

    fn pre_visit_select(&mut self, select: &Select) -> ControlFlow<()> {
        self.kinds.insert("select");
        if let Some(into) = &select.into {
            self.into(into);
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_table_factor(&mut self, factor: &TableFactor) -> ControlFlow<()> {
        let (TableFactor::Table { name, args: Some(_), .. } | TableFactor::Function { name, .. }) = factor
        else {
            return ControlFlow::Continue(());
        };
        // `FROM users (NOLOCK)` looks like a call: only a function that is known is no table.
        if self.function(name) == Some(Effect::Computes) {
            self.passed.insert(place(name));
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_relation(&mut self, name: &ObjectName) -> ControlFlow<()> {
        if !self.passed.contains(&place(name)) && !self.is_named_by_with(name, is_same) {
            self.tables.add(name);
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<()> {
        if let Expr::Function(call) = expr {
            self.function(&call.name);
        }
        ControlFlow::Continue(())
    }
}

impl Walk {
    fn statement(&mut self, statement: &Statement) {
        self.kinds.extend(kind(statement));
        match statement {
            Statement::Query(query) => {
                if leaves(&query.body).any(|leaf| matches!(leaf, SetExpr::Values(_))) {
                    self.kinds.insert("select");
                }
            }
            Statement::Insert(insert) => self.insert(insert),
            Statement::Update(update) => self.update(update),
            Statement::Delete(delete) => self.delete(delete),
            Statement::Merge(merge) => {
                self.restricted.and(None);
                self.output(merge.output.as_ref());
                match &merge.table {
                    TableFactor::Table { name, .. } => self.write(name),
                    _ => self.writes.lose(),
                }
            }
            Statement::Truncate(truncate) => {
                truncate.table_names.iter().for_each(|target| self.write(&target.name));
            }
            Statement::Drop { object_type, names, .. } => self.drop(object_type, names),
            Statement::CreateTable(create) => self.create_table(create),
            Statement::CreateView(create) if create.to.is_none() => self.write(&create.name),
            Statement::CreateIndex(create) => self.write(&create.table_name),
            Statement::AlterTable(alter) => {
                self.write(&alter.name);
                alter.operations.iter().for_each(|operation| self.alteration(operation));
            }
            Statement::Copy { source, to, target, .. } => self.copy(source, *to, target),
            Statement::Execute { .. } | Statement::Prepare { .. } => self.unknown = true,
            Statement::Explain { .. }
            | Statement::ExplainTable { .. }
            | Statement::StartTransaction { .. }
            | Statement::Commit { .. }
            | Statement::Rollback { .. }
            | Statement::Savepoint { .. }
            | Statement::ReleaseSavepoint { .. }
            | Statement::Set(_)
            | Statement::Use(_)
            | Statement::Reset(_)
            | Statement::ShowVariable { .. }
            | Statement::ShowVariables { .. }
            | Statement::ShowStatus { .. }
            | Statement::ShowTables { .. }
            | Statement::ShowDatabases { .. }
            | Statement::ShowSchemas { .. } => {}
            Statement::Call(call) => {
                self.function(&call.name);
                self.lose();
            }
            _ => self.lose(),
        }
    }

    fn lose(&mut self) {
        self.tables.lose();
        self.writes.lose();
    }

    fn query(&mut self, query: &Query) {
        let odd =
            query.settings.is_some() || query.format_clause.is_some() || !query.pipe_operators.is_empty();
        self.unknown |= odd;
        for leaf in leaves(&query.body) {
            if matches!(leaf, SetExpr::Table(_)) {
                // `TABLE users`: the parser gives no more than a text here.
                self.kinds.insert("select");
                self.tables.lose();
            }
        }
    }

    fn insert(&mut self, insert: &Insert) {
        self.unknown |= insert.settings.is_some() || insert.format_clause.is_some();
        if insert.multi_table_insert_type.is_some() || !insert.multi_table_into_clauses.is_empty() {
            self.lose();
        }
        if insert.on.is_some() {
            self.kinds.insert("update");
        }
        if insert.replace_into || insert.overwrite || insert.or.is_some() {
            self.kinds.insert("delete");
        }
        self.output(insert.output.as_ref());
        match &insert.table {
            TableObject::TableName(name) => self.write(name),
            TableObject::TableFunction(call) => {
                self.function(&call.name);
                self.writes.lose();
            }
            TableObject::TableQuery(_) => self.writes.lose(),
        }
    }

    fn update(&mut self, update: &Update) {
        self.restricted.and(update.selection.as_ref().map_or(Some(false), restricts));
        self.output(update.output.as_ref());
        let mut aliases = Aliases::default();
        aliases.collect(&update.table);
        match &update.from {
            Some(UpdateTableFromKind::BeforeSet(from) | UpdateTableFromKind::AfterSet(from)) => {
                from.iter().for_each(|one| aliases.collect(one));
            }
            None => {}
        }
        self.targets(&update.table, &aliases);
    }

    fn delete(&mut self, delete: &Delete) {
        self.restricted.and(delete.selection.as_ref().map_or(Some(false), restricts));
        self.output(delete.output.as_ref());
        let (FromTable::WithFromKeyword(from) | FromTable::WithoutKeyword(from)) = &delete.from;
        let mut aliases = Aliases::default();
        from.iter().chain(delete.using.iter().flatten()).for_each(|one| aliases.collect(one));
        for name in &delete.tables {
            self.target(name, &aliases);
        }
        if delete.tables.is_empty() {
            from.iter().for_each(|one| self.targets(one, &aliases));
        }
    }

    /// Everything in a list of joined tables: MySQL may write to each of them.
    fn targets(&mut self, tables: &TableWithJoins, aliases: &Aliases) {
        let joined = tables.joins.iter().map(|join| &join.relation);
        for factor in std::iter::once(&tables.relation).chain(joined) {
            match factor {
                TableFactor::Table { name, args: None, .. } => self.target(name, aliases),
                TableFactor::NestedJoin { table_with_joins, .. } => self.targets(table_with_joins, aliases),
                _ => self.writes.lose(),
            }
        }
    }

    /// A name that is written, or the alias of one.
    fn target(&mut self, name: &ObjectName, aliases: &Aliases) {
        match bare(name).and_then(|name| aliases.meaning(name)) {
            Some(Some(meant)) => {
                self.passed.insert(place(name));
                self.write(meant);
            }
            Some(None) => self.lose(),
            None => self.write(name),
        }
    }

    fn write(&mut self, name: &ObjectName) {
        if self.is_named_by_with(name, may_be_same) {
            // SQL Server writes through the name, PostgreSQL means a table that is called the same.
            return self.lose();
        }
        self.writes.add(name);
        self.tables.add(name);
    }

    fn output(&mut self, output: Option<&OutputClause>) {
        if let Some(OutputClause::Output { into_table: Some(into), .. }) = output {
            self.into(into);
        }
    }

    /// `SELECT ... INTO`: a new table, a variable or a file.
    fn into(&mut self, into: &SelectInto) {
        self.kinds.insert("create");
        for target in &into.targets {
            let parts = match target {
                Expr::Identifier(one) => vec![one.clone()],
                Expr::CompoundIdentifier(parts) => parts.clone(),
                _ => return self.lose(),
            };
            self.write(&ObjectName::from(parts));
        }
    }

    fn drop(&mut self, object: &ObjectType, names: &[ObjectName]) {
        match object {
            ObjectType::Table | ObjectType::View | ObjectType::MaterializedView => {
                names.iter().for_each(|name| self.write(name));
            }
            // What else goes with a schema, a type or an index is known to the database alone.
            _ => self.lose(),
        }
    }

    fn create_table(&mut self, create: &CreateTable) {
        self.write(&create.name);
        if create.like.is_some()
            || create.clone.is_some()
            || create.inherits.is_some()
            || create.partition_of.is_some()
        {
            self.tables.lose();
        }
        let options = create.columns.iter().flat_map(|column| &column.options);
        for option in options {
            if let ColumnOption::ForeignKey(key) = &option.option {
                self.tables.add(&key.foreign_table);
            }
        }
        create.constraints.iter().for_each(|constraint| self.constraint(constraint));
    }

    fn constraint(&mut self, constraint: &TableConstraint) {
        if let TableConstraint::ForeignKey(key) = constraint {
            self.tables.add(&key.foreign_table);
        }
    }

    fn alteration(&mut self, operation: &AlterTableOperation) {
        match operation {
            AlterTableOperation::AddConstraint { constraint, .. } => self.constraint(constraint),
            AlterTableOperation::AddColumn { column_def, .. } => {
                for option in &column_def.options {
                    if let ColumnOption::ForeignKey(key) = &option.option {
                        self.tables.add(&key.foreign_table);
                    }
                }
            }
            AlterTableOperation::DropColumn { .. }
            | AlterTableOperation::DropConstraint { .. }
            | AlterTableOperation::DropPrimaryKey { .. }
            | AlterTableOperation::DropForeignKey { .. }
            | AlterTableOperation::RenameColumn { .. }
            | AlterTableOperation::AlterColumn { .. }
            | AlterTableOperation::ChangeColumn { .. }
            | AlterTableOperation::ModifyColumn { .. } => {}
            _ => self.lose(),
        }
    }

    fn copy(&mut self, source: &CopySource, to: bool, target: &CopyTarget) {
        // What follows COPY ... FROM STDIN is data to one client and statements to another.
        self.unknown |= matches!(target, CopyTarget::Program { .. }) || matches!(target, CopyTarget::Stdin);
        match source {
            CopySource::Table { table_name, .. } if to => self.tables.add(table_name),
            CopySource::Table { table_name, .. } => self.write(table_name),
            CopySource::Query(_) => {}
        }
    }

    fn function(&mut self, name: &ObjectName) -> Option<Effect> {
        self.functions.add(name);
        let Some(found) = names(name) else {
            self.unknown = true;
            return None;
        };
        let written = found.iter().max_by_key(|one| one.len()).map_or("", String::as_str);
        let effect = effect(written);
        match effect {
            Effect::Computes => {}
            Effect::Reaches => self.unknown = true,
            Effect::Calls => {
                self.kinds.insert("call");
                self.writes.lose();
            }
        }
        Some(effect)
    }

    fn is_named_by_with(&self, name: &ObjectName, same: fn(&Ident, &Ident) -> bool) -> bool {
        let Some(name) = bare(name) else { return false };
        let below = self.frames.iter().skip(1).map(|frame| Some(frame.place)).chain([None]);
        self.frames.iter().zip(below).any(|(frame, below)| frame.names(below, |one| same(one, name)))
    }
}

/// What the aliases of a statement's own FROM mean; `None` for a subquery.
#[derive(Default)]
struct Aliases(Vec<(Ident, Option<ObjectName>)>);

impl Aliases {
    /// The table that a name stands for; `Some(None)` when that cannot be told, `None` when it is no alias.
    fn meaning(&self, name: &Ident) -> Option<Option<&ObjectName>> {
        let mut meant = self.0.iter().filter(|(alias, _)| may_be_same(alias, name));
        let (alias, table) = meant.next()?;
        let certain = is_same(alias, name) && meant.next().is_none();
        Some(table.as_ref().filter(|_| certain))
    }

    fn collect(&mut self, tables: &TableWithJoins) {
        let joined = tables.joins.iter().map(|join| &join.relation);
        for factor in std::iter::once(&tables.relation).chain(joined) {
            match factor {
                TableFactor::Table { name, alias: Some(alias), args: None, .. } => {
                    self.0.push((alias.name.clone(), Some(name.clone())));
                }
                TableFactor::Derived { alias: Some(alias), .. } => {
                    self.0.push((alias.name.clone(), None));
                }
                TableFactor::NestedJoin { table_with_joins, .. } => self.collect(table_with_joins),
                _ => {}
            }
        }
    }
}

/// The ends of a tree of UNION, EXCEPT and INTERSECT.
fn leaves(body: &SetExpr) -> impl Iterator<Item = &SetExpr> {
    let mut open = vec![body];
    std::iter::from_fn(move || {
        loop {
            match open.pop()? {
                SetExpr::SetOperation { left, right, .. } => open.extend([&**left, &**right]),
                leaf => return Some(leaf),
            }
        }
    })
}

/// What a rule calls the statement; a query is what stands in it.
fn kind(statement: &Statement) -> Option<&'static str> {
    let name = match statement {
        Statement::Query(_) => return None,
        Statement::Insert(_) => "insert",
        Statement::Update(_) => "update",
        Statement::Delete(_) => "delete",
        Statement::Merge(_) => "merge",
        Statement::Truncate(_) => "truncate",
        Statement::Copy { .. } | Statement::CopyIntoSnowflake { .. } => "copy",
        Statement::Call(_) => "call",
        Statement::Set(_) | Statement::Reset(_) => "set",
        Statement::Use(_) => "use",
        Statement::Grant(_) => "grant",
        Statement::Revoke(_) => "revoke",
        Statement::Explain { .. } | Statement::ExplainTable { .. } => "explain",
        Statement::StartTransaction { .. }
        | Statement::Commit { .. }
        | Statement::Rollback { .. }
        | Statement::Savepoint { .. }
        | Statement::ReleaseSavepoint { .. } => "transaction",
        Statement::ShowFunctions { .. }
        | Statement::ShowVariable { .. }
        | Statement::ShowStatus { .. }
        | Statement::ShowVariables { .. }
        | Statement::ShowCreate { .. }
        | Statement::ShowColumns { .. }
        | Statement::ShowDatabases { .. }
        | Statement::ShowSchemas { .. }
        | Statement::ShowTables { .. }
        | Statement::ShowViews { .. }
        | Statement::ShowCollation { .. } => "show",
        Statement::Drop { .. }
        | Statement::DropFunction(_)
        | Statement::DropDomain(_)
        | Statement::DropProcedure { .. }
        | Statement::DropPolicy(_)
        | Statement::DropTrigger(_)
        | Statement::DropExtension(_)
        | Statement::DropOperator(_)
        | Statement::DropSecret { .. }
        | Statement::DropConnector { .. } => "drop",
        other => return Some(by_first_word(other)),
    };
    Some(name)
}

/// CREATE and ALTER have a variant for each kind of object; their text says which of the two they are.
fn by_first_word(statement: &Statement) -> &'static str {
    let text = statement.to_string();
    let first = text.split_whitespace().next().unwrap_or_default();
    ["create", "alter", "drop", "rename", "lock", "pragma", "attach"]
        .into_iter()
        .find(|word| first.eq_ignore_ascii_case(word))
        .unwrap_or("other")
}
