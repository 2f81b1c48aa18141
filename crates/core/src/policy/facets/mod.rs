//! What can be known about an argument by parsing it: SQL, shell commands, URLs, paths, addresses, sizes, dates, money.
//!
//! A facet is a question about one value with one answer, or none. `None` is not "no": it says that the value is
//! not of that kind, is too large or too deep, or that the programs which may read it could read it differently.
//! The caller makes it Unknown.
//!
//! | facet | kind | answers |
//! |---|---|---|
//! | `sql.kinds` | texts | kinds of all statements, nested ones included: `select`, `insert`, `drop`, ... |
//! | `sql.tables` | texts | every table named: as written, and without each qualifier |
//! | `sql.writes` | texts | those of them that are written, changed or dropped |
//! | `sql.functions` | texts | every function called |
//! | `sql.statements` | number | how many statements |
//! | `sql.where` | bool | whether each UPDATE and DELETE has a WHERE that restricts it |
//! | `shell.commands` | texts | every command run: as written, and its base name |
//! | `shell.arguments` | texts | every argument of every command |
//! | `shell.redirects` | texts | files that redirections write |
//! | `shell.reads` | texts | files that redirections read |
//! | `shell.hosts` | texts | network targets named in arguments and redirections |
//! | `shell.substitutes` | bool | whether the output of a command becomes part of another |
//! | `shell.pipes` | bool | whether commands are joined by pipes |
//! | `url.scheme`, `url.host`, `url.path` | text | the parts of a URL, as WHATWG normalises them |
//! | `url.port` | number | the port written, else the scheme's own |
//! | `url.private` | bool | whether the host is this machine or a network that is not public |
//! | `url.userinfo` | bool | whether a name or password stands before the host |
//! | `path.normal` | text | the path without `.`, `..`, repeated slashes and encodings |
//! | `path.absolute`, `path.hidden` | bool | from a root; some component begins with a dot |
//! | `path.extension` | text | what follows the last dot of the last component, lower-case; may be empty |
//! | `email.addresses`, `email.domains` | texts | every recipient, lower-case |
//! | `email.count` | number | how many recipients, repeated ones included |
//! | `size.bytes`, `size.chars`, `size.items` | number | of a text; of anything as JSON; of a list or an object |
//! | `date.unix` | number | seconds since 1970-01-01T00:00:00Z |
//! | `amount.value` | number | of a sum of money or a quantity |
//! | `amount.currency` | text | its three-letter code |
//!
//! Every parser is bounded in length, depth and time; [`LONGEST`] holds for all that parse a grammar.

mod amount;
mod date;
mod email;
mod path;
mod shell;
mod size;
mod sql;
mod url;

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::sync::OnceLock;

use serde_json::Value;

pub use path::{is_under, normal_path, under};

/// Bytes of a text that a grammar is tried on at most; longer ones have no answer.
pub const LONGEST: usize = 64 * 1024;

/// One thing that can be known about an argument by parsing it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Facet {
    /// `sql.kinds`
    SqlKinds,
    /// `sql.tables`
    SqlTables,
    /// `sql.writes`
    SqlWrites,
    /// `sql.functions`
    SqlFunctions,
    /// `sql.statements`
    SqlStatements,
    /// `sql.where`
    SqlWhere,
    /// `shell.commands`
    ShellCommands,
    /// `shell.arguments`
    ShellArguments,
    /// `shell.redirects`
    ShellRedirects,
    /// `shell.reads`
    ShellReads,
    /// `shell.hosts`
    ShellHosts,
    /// `shell.substitutes`
    ShellSubstitutes,
    /// `shell.pipes`
    ShellPipes,
    /// `url.scheme`
    UrlScheme,
    /// `url.host`
    UrlHost,
    /// `url.port`
    UrlPort,
    /// `url.private`
    UrlPrivate,
    /// `url.userinfo`
    UrlUserinfo,
    /// `url.path`
    UrlPath,
    /// `path.normal`
    PathNormal,
    /// `path.absolute`
    PathAbsolute,
    /// `path.extension`
    PathExtension,
    /// `path.hidden`
    PathHidden,
    /// `email.addresses`
    EmailAddresses,
    /// `email.domains`
    EmailDomains,
    /// `email.count`
    EmailCount,
    /// `size.bytes`
    SizeBytes,
    /// `size.items`
    SizeItems,
    /// `size.chars`
    SizeChars,
    /// `date.unix`
    DateUnix,
    /// `amount.value`
    AmountValue,
    /// `amount.currency`
    AmountCurrency,
}

/// What type of answer a facet has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FacetKind {
    /// A JSON string.
    Text,
    /// A JSON number.
    Number,
    /// `true` or `false`.
    Bool,
    /// A list of JSON strings, sorted, each once.
    Texts,
}

impl Facet {
    /// Every facet, in the order of the table above.
    pub const ALL: [Self; 32] = [
        Self::SqlKinds,
        Self::SqlTables,
        Self::SqlWrites,
        Self::SqlFunctions,
        Self::SqlStatements,
        Self::SqlWhere,
        Self::ShellCommands,
        Self::ShellArguments,
        Self::ShellRedirects,
        Self::ShellReads,
        Self::ShellHosts,
        Self::ShellSubstitutes,
        Self::ShellPipes,
        Self::UrlScheme,
        Self::UrlHost,
        Self::UrlPath,
        Self::UrlPort,
        Self::UrlPrivate,
        Self::UrlUserinfo,
        Self::PathNormal,
        Self::PathAbsolute,
        Self::PathHidden,
        Self::PathExtension,
        Self::EmailAddresses,
        Self::EmailDomains,
        Self::EmailCount,
        Self::SizeBytes,
        Self::SizeChars,
        Self::SizeItems,
        Self::DateUnix,
        Self::AmountValue,
        Self::AmountCurrency,
    ];

    /// The name that policies use: `sql.kinds`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::SqlKinds => "sql.kinds",
            Self::SqlTables => "sql.tables",
            Self::SqlWrites => "sql.writes",
            Self::SqlFunctions => "sql.functions",
            Self::SqlStatements => "sql.statements",
            Self::SqlWhere => "sql.where",
            Self::ShellCommands => "shell.commands",
            Self::ShellArguments => "shell.arguments",
            Self::ShellRedirects => "shell.redirects",
            Self::ShellReads => "shell.reads",
            Self::ShellHosts => "shell.hosts",
            Self::ShellSubstitutes => "shell.substitutes",
            Self::ShellPipes => "shell.pipes",
            Self::UrlScheme => "url.scheme",
            Self::UrlHost => "url.host",
            Self::UrlPort => "url.port",
            Self::UrlPrivate => "url.private",
            Self::UrlUserinfo => "url.userinfo",
            Self::UrlPath => "url.path",
            Self::PathNormal => "path.normal",
            Self::PathAbsolute => "path.absolute",
            Self::PathExtension => "path.extension",
            Self::PathHidden => "path.hidden",
            Self::EmailAddresses => "email.addresses",
            Self::EmailDomains => "email.domains",
            Self::EmailCount => "email.count",
            Self::SizeBytes => "size.bytes",
            Self::SizeItems => "size.items",
            Self::SizeChars => "size.chars",
            Self::DateUnix => "date.unix",
            Self::AmountValue => "amount.value",
            Self::AmountCurrency => "amount.currency",
        }
    }

    /// The facet of that name, if there is one.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|facet| facet.name() == name)
    }

    /// What type of answer it has.
    #[must_use]
    pub const fn is(self) -> FacetKind {
        match self {
            Self::SqlKinds
            | Self::SqlTables
            | Self::SqlWrites
            | Self::SqlFunctions
            | Self::ShellCommands
            | Self::ShellArguments
            | Self::ShellRedirects
            | Self::ShellReads
            | Self::ShellHosts
            | Self::EmailAddresses
            | Self::EmailDomains => FacetKind::Texts,
            Self::SqlStatements
            | Self::UrlPort
            | Self::EmailCount
            | Self::SizeBytes
            | Self::SizeItems
            | Self::SizeChars
            | Self::DateUnix
            | Self::AmountValue => FacetKind::Number,
            Self::SqlWhere
            | Self::ShellSubstitutes
            | Self::ShellPipes
            | Self::UrlPrivate
            | Self::UrlUserinfo
            | Self::PathAbsolute
            | Self::PathHidden => FacetKind::Bool,
            Self::UrlScheme
            | Self::UrlHost
            | Self::UrlPath
            | Self::PathNormal
            | Self::PathExtension
            | Self::AmountCurrency => FacetKind::Text,
        }
    }

    /// The answer for this value; `None` when it cannot be known.
    #[must_use]
    pub fn of(self, value: &Value) -> Option<Value> {
        Facets::of(value).get(self)
    }
}

/// The facets of one value, which is parsed at most once for all that ask about the same language.
#[derive(Debug)]
pub struct Facets<'a> {
    value: Cow<'a, Value>,
    sql: OnceLock<sql::Sql>,
    shell: OnceLock<shell::Shell>,
    url: OnceLock<Option<url::Parts>>,
    path: OnceLock<Option<path::Parts>>,
    email: OnceLock<Option<email::Recipients>>,
    amount: OnceLock<Option<amount::Amount>>,
}

impl<'a> Facets<'a> {
    /// Nothing is parsed yet.
    #[must_use]
    pub const fn of(value: &'a Value) -> Self {
        Self::new(Cow::Borrowed(value))
    }

    /// The same of a value that is kept along.
    #[must_use]
    pub const fn owned(value: Value) -> Self {
        Self::new(Cow::Owned(value))
    }

    /// The value.
    #[must_use]
    pub fn value(&self) -> &Value {
        &self.value
    }

    const fn new(value: Cow<'a, Value>) -> Self {
        Self {
            value,
            sql: OnceLock::new(),
            shell: OnceLock::new(),
            url: OnceLock::new(),
            path: OnceLock::new(),
            email: OnceLock::new(),
            amount: OnceLock::new(),
        }
    }

    /// The answer to one of them, of the type that [`Facet::is`] says; `None` when it cannot be known.
    #[must_use]
    pub fn get(&self, facet: Facet) -> Option<Value> {
        match facet {
            Facet::SqlKinds => self.sql().kinds.as_ref().map(texts),
            Facet::SqlTables => self.sql().tables.as_ref().map(texts),
            Facet::SqlWrites => self.sql().writes.as_ref().map(texts),
            Facet::SqlFunctions => self.sql().functions.as_ref().map(texts),
            Facet::SqlStatements => self.sql().statements.map(Value::from),
            Facet::SqlWhere => self.sql().restricted.map(Value::from),
            Facet::ShellCommands => self.shell().commands.as_ref().map(texts),
            Facet::ShellArguments => self.shell().arguments.as_ref().map(texts),
            Facet::ShellRedirects => self.shell().redirects.as_ref().map(texts),
            Facet::ShellReads => self.shell().reads.as_ref().map(texts),
            Facet::ShellHosts => self.shell().hosts.as_ref().map(texts),
            Facet::ShellSubstitutes => self.shell().substitutes.map(Value::from),
            Facet::ShellPipes => self.shell().pipes.map(Value::from),
            Facet::UrlScheme => self.url().map(|url| url.scheme.as_str().into()),
            Facet::UrlHost => self.url().and_then(|url| url.host.as_deref()).map(Value::from),
            Facet::UrlPath => self.url().and_then(|url| url.path.as_deref()).map(Value::from),
            Facet::UrlPort => self.url().and_then(|url| url.port).map(Value::from),
            Facet::UrlPrivate => self.url().and_then(|url| url.private).map(Value::from),
            Facet::UrlUserinfo => self.url().and_then(|url| url.userinfo).map(Value::from),
            Facet::PathNormal => self.path().map(|path| path.normal.as_str().into()),
            Facet::PathAbsolute => self.path().map(|path| path.absolute.into()),
            Facet::PathHidden => self.path().map(|path| path.hidden.into()),
            Facet::PathExtension => self.path().map(|path| path.extension.as_str().into()),
            Facet::EmailAddresses => self.email().map(|email| texts(&email.addresses)),
            Facet::EmailDomains => self.email().map(|email| texts(&email.domains)),
            Facet::EmailCount => self.email().map(|email| email.count.into()),
            Facet::SizeBytes => size::bytes(&self.value).map(Value::from),
            Facet::SizeChars => size::chars(&self.value).map(Value::from),
            Facet::SizeItems => size::items(&self.value).map(Value::from),
            Facet::DateUnix => date::unix(&self.value).map(Value::from),
            Facet::AmountValue => self.amount().map(|amount| Value::Number(amount.value.clone())),
            Facet::AmountCurrency => {
                self.amount().and_then(|amount| amount.currency.as_deref()).map(Value::from)
            }
        }
    }

    fn sql(&self) -> &sql::Sql {
        self.sql.get_or_init(|| sql::read(&self.value))
    }

    fn shell(&self) -> &shell::Shell {
        self.shell.get_or_init(|| shell::read(&self.value))
    }

    fn url(&self) -> Option<&url::Parts> {
        self.url.get_or_init(|| url::read(&self.value)).as_ref()
    }

    fn path(&self) -> Option<&path::Parts> {
        self.path.get_or_init(|| path::read(&self.value)).as_ref()
    }

    fn email(&self) -> Option<&email::Recipients> {
        self.email.get_or_init(|| email::read(&self.value)).as_ref()
    }

    fn amount(&self) -> Option<&amount::Amount> {
        self.amount.get_or_init(|| amount::read(&self.value)).as_ref()
    }
}

fn texts(set: &BTreeSet<String>) -> Value {
    set.iter().map(String::as_str).collect()
}

/// A text of bounded length.
fn text_of(value: &Value, longest: usize) -> Option<&str> {
    value.as_str().filter(|text| text.len() <= longest)
}
