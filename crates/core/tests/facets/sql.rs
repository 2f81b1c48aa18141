//! Plain statements.

use crate::hold;

#[test]
fn the_kinds_are_those_of_every_statement_however_deep() {
    hold(
        "sql.kinds",
        &[
            ("SELECT * FROM users", "select"),
            ("select 1", "select"),
            ("VALUES (1)", "select"),
            ("TABLE users", "?"),
            ("SELECT a FROM t UNION SELECT b FROM u", "select"),
            ("INSERT INTO t VALUES (1)", "insert"),
            ("INSERT INTO t (a, b) SELECT a, b FROM u", "insert select"),
            ("INSERT INTO t VALUES (1) ON CONFLICT (id) DO UPDATE SET a = 1", "insert update"),
            ("INSERT INTO t VALUES (1) ON DUPLICATE KEY UPDATE a = 1", "insert update"),
            ("REPLACE INTO t VALUES (1)", "delete insert"),
            ("UPDATE t SET a = 1 WHERE id = 1", "update"),
            ("DELETE FROM t WHERE id = 1", "delete"),
            ("DROP TABLE t", "drop"),
            ("DROP DATABASE shop", "drop"),
            ("DROP INDEX i", "drop"),
            ("TRUNCATE TABLE t", "truncate"),
            ("ALTER TABLE t ADD COLUMN a INT", "alter"),
            ("CREATE TABLE t (a INT)", "create"),
            ("CREATE TABLE t AS SELECT * FROM u", "create select"),
            ("CREATE VIEW v AS SELECT 1", "create select"),
            ("CREATE INDEX i ON t (a)", "create"),
            ("GRANT SELECT ON t TO bob", "grant"),
            ("REVOKE SELECT ON t FROM bob", "revoke"),
            ("COPY t TO '/tmp/t.csv'", "copy"),
            ("CALL purge(1)", "call"),
            ("SET search_path = a", "set"),
            ("BEGIN; UPDATE t SET a = 1 WHERE id = 2; COMMIT", "transaction update"),
            ("EXPLAIN SELECT 1", "explain select"),
            ("EXPLAIN ANALYZE DELETE FROM t", "delete explain"),
            ("WITH gone AS (DELETE FROM t WHERE a = 1 RETURNING *) SELECT * FROM gone", "delete select"),
            ("WITH new AS (INSERT INTO t VALUES (1) RETURNING id) SELECT id FROM new", "insert select"),
            ("MERGE INTO t USING u ON t.id = u.id WHEN MATCHED THEN UPDATE SET a = u.a", "merge"),
            ("SELECT * INTO copied FROM t", "create select"),
            ("SELECT my_function(a) FROM t", "call select"),
            ("SELECT count(*), lower(name), jsonb_agg(x) FROM t GROUP BY name", "select"),
            ("SHOW TABLES", "show"),
            ("PRAGMA journal_mode = 'wal'", "pragma"),
            ("VACUUM", "other"),
            ("", ""),
            ("-- nothing", ""),
        ],
    );
}

#[test]
fn statements_are_counted() {
    hold(
        "sql.statements",
        &[
            ("SELECT 1", "1"),
            ("SELECT 1;", "1"),
            ("SELECT 1; SELECT 2", "2"),
            ("SELECT ';'", "1"),
            ("SELECT 1 /* ; */", "1"),
            ("SELECT 1; DROP TABLE t; --", "2"),
            ("SELEC 1", "?"),
        ],
    );
}

#[test]
fn tables_are_named_as_written_and_without_each_qualifier() {
    hold(
        "sql.tables",
        &[
            ("SELECT * FROM users", "users"),
            ("SELECT * FROM Public.Users", "public.users users"),
            ("SELECT * FROM shop.public.users", "public.users shop.public.users users"),
            ("SELECT * FROM \"Users\"", "users"),
            ("SELECT * FROM `users`", "users"),
            ("SELECT * FROM [dbo].[Users]", "dbo.users users"),
            ("SELECT * FROM a JOIN b ON a.id = b.id LEFT JOIN c USING (id)", "a b c"),
            ("SELECT * FROM a, b", "a b"),
            ("SELECT * FROM a WHERE id IN (SELECT id FROM b)", "a b"),
            ("SELECT (SELECT max(x) FROM b) FROM a", "a b"),
            ("SELECT a FROM t UNION ALL SELECT b FROM u", "t u"),
            ("WITH x AS (SELECT * FROM t) SELECT * FROM x", "t"),
            ("WITH users AS (SELECT * FROM users) SELECT * FROM users", "users"),
            ("WITH RECURSIVE x AS (SELECT 1 UNION SELECT n + 1 FROM x) SELECT * FROM x", ""),
            ("WITH x AS (SELECT 1) SELECT * FROM s.x", "s.x x"),
            ("WITH users AS (SELECT 1) SELECT * FROM \"Users\"", "users"),
            ("WITH users AS (SELECT 1) SELECT * FROM Users", "users"),
            ("WITH RECURSIVE a AS (SELECT * FROM secret), secret AS (SELECT 1) SELECT * FROM a", "secret"),
            ("INSERT INTO t SELECT * FROM u", "t u"),
            ("UPDATE t SET a = u.a FROM u WHERE t.id = u.id", "t u"),
            ("DELETE FROM t USING u WHERE t.id = u.id", "t u"),
            ("SELECT * FROM generate_series(1, 3) AS g", ""),
            ("SELECT * FROM users (NOLOCK)", "users"),
            ("CREATE TABLE t (a INT REFERENCES u (id))", "t u"),
            ("ALTER TABLE t ADD CONSTRAINT f FOREIGN KEY (a) REFERENCES u (id)", "t u"),
            ("TRUNCATE a, b", "a b"),
            ("DROP TABLE a, s.b", "a b s.b"),
            ("COPY t TO STDOUT", "t"),
            ("SELECT 1", ""),
            ("DROP SCHEMA s CASCADE", "?"),
            ("SET search_path = other; SELECT * FROM users", "?"),
            ("USE other; SELECT * FROM users", "?"),
            ("SELECT * FROM üsers", "?"),
            ("SELECT * FROM \"a.b\"", "?"),
        ],
    );
}

#[test]
fn writes_are_the_tables_that_change() {
    hold(
        "sql.writes",
        &[
            ("SELECT * FROM t", ""),
            ("INSERT INTO t SELECT * FROM u", "t"),
            ("UPDATE s.t SET a = 1", "s.t t"),
            ("UPDATE a JOIN b ON a.id = b.id SET a.x = b.x", "a b"),
            ("UPDATE u SET x = 1 FROM users AS u", "users"),
            ("UPDATE users AS u SET x = 1", "users"),
            ("DELETE FROM t USING u WHERE t.id = u.id", "t"),
            ("DELETE u FROM users u JOIN b ON u.id = b.id WHERE b.x = 1", "users"),
            ("DELETE a, b FROM a JOIN b ON a.id = b.id WHERE a.x = 1", "a b"),
            ("WITH gone AS (DELETE FROM t RETURNING *) SELECT * FROM gone", "t"),
            ("WITH moved AS (DELETE FROM a RETURNING *) INSERT INTO b SELECT * FROM moved", "a b"),
            ("WITH c AS (SELECT * FROM users) DELETE FROM c WHERE id = 1", "?"),
            ("DROP TABLE t", "t"),
            ("TRUNCATE t", "t"),
            ("ALTER TABLE t DROP COLUMN a", "t"),
            ("ALTER TABLE t RENAME TO u", "?"),
            ("CREATE TABLE t (a INT)", "t"),
            ("CREATE TABLE t AS SELECT * FROM u", "t"),
            ("SELECT * INTO copied FROM t", "copied"),
            ("COPY t FROM '/tmp/t.csv'", "t"),
            ("COPY t TO '/tmp/t.csv'", ""),
            ("MERGE INTO t USING u ON t.id = u.id WHEN MATCHED THEN DELETE", "t"),
            ("SELECT purge_users()", "?"),
            ("CALL purge(1)", "?"),
            ("GRANT ALL ON t TO bob", "?"),
        ],
    );
}

#[test]
fn functions_are_named_as_written_and_without_each_qualifier() {
    hold(
        "sql.functions",
        &[
            ("SELECT 1", ""),
            ("SELECT COUNT(*), Lower(a) FROM t", "count lower"),
            ("SELECT s.f(1)", "f s.f"),
            ("SELECT * FROM dblink('x', 'y') AS t(a int)", "dblink"),
            ("SELECT pg_read_file('/etc/passwd')", "pg_read_file"),
        ],
    );
}

#[test]
fn a_where_counts_when_it_restricts() {
    hold(
        "sql.where",
        &[
            ("SELECT * FROM t", "true"),
            ("INSERT INTO t VALUES (1)", "true"),
            ("UPDATE t SET a = 1 WHERE id = 5", "true"),
            ("DELETE FROM t WHERE id IN (1, 2, 3)", "true"),
            ("DELETE FROM t WHERE a = 1 AND b > 2", "true"),
            ("DELETE FROM t WHERE 1 = 1 AND id = 5", "true"),
            ("DELETE FROM t WHERE id = 1 OR id = 2", "true"),
            ("DELETE FROM t WHERE created BETWEEN '2026-01-01' AND '2026-02-01'", "true"),
            ("DELETE FROM t WHERE name LIKE 'a%'", "true"),
            ("DELETE FROM t WHERE deleted_at IS NULL", "true"),
            ("DELETE FROM t WHERE total < 10", "true"),
            ("DELETE FROM t WHERE id = $1", "true"),
            ("DELETE FROM t WHERE id = ?", "true"),
            ("DELETE FROM t WHERE id IN (SELECT id FROM u WHERE x = 1)", "true"),
            ("DELETE FROM t", "false"),
            ("UPDATE t SET a = 1", "false"),
            ("DELETE FROM t WHERE true", "false"),
            ("DELETE FROM t WHERE 1", "false"),
            ("DELETE FROM t WHERE 1 = 1", "false"),
            ("DELETE FROM t WHERE 'a' = 'a'", "false"),
            ("DELETE FROM t WHERE id = id", "false"),
            ("DELETE FROM t WHERE (id) = ((id))", "false"),
            ("DELETE FROM t WHERE id = 5 OR 1 = 1", "false"),
            ("DELETE FROM t WHERE id = 5 OR true", "false"),
            ("DELETE FROM t WHERE NOT false", "false"),
            ("DELETE FROM t WHERE id > 0", "false"),
            ("DELETE FROM t WHERE id >= 0", "false"),
            ("DELETE FROM t WHERE 0 < id", "false"),
            ("DELETE FROM t WHERE id <> -1", "false"),
            ("DELETE FROM t WHERE name LIKE '%'", "false"),
            ("DELETE FROM t WHERE name <> ''", "false"),
            ("DELETE FROM t WHERE now() > '2000-01-01'", "false"),
            ("DELETE FROM t WHERE id IN (SELECT id FROM t)", "false"),
            ("DELETE FROM t WHERE id IN (id)", "false"),
            ("DELETE FROM a WHERE id = 1; DELETE FROM b", "false"),
            ("WITH gone AS (DELETE FROM t RETURNING *) SELECT * FROM gone", "false"),
            ("DELETE FROM t WHERE id IS NOT NULL", "?"),
            ("DELETE FROM t WHERE a = 1 OR a <> 1", "?"),
            ("DELETE FROM t WHERE a IS NULL OR a IS NOT NULL", "?"),
            ("DELETE FROM t WHERE a < 5 OR a >= 5", "?"),
            ("DELETE FROM t WHERE NOT (id = 5)", "?"),
            ("DELETE FROM t WHERE id NOT IN (1)", "?"),
            ("DELETE FROM t WHERE EXISTS (SELECT 1)", "?"),
            ("DELETE FROM t WHERE id = (SELECT 1)", "?"),
        ],
    );
}
