//! The error replies of Redis 5 to 8, and the sentences for them.

use bankhub_core::Secret;
use redis::{Value, parse_redis_value};

use super::*;

/// As the server sends it, without the '-' at its beginning.
fn reply(text: &str) -> ServerError {
    match parse_redis_value(format!("-{text}\r\n").as_bytes()) {
        Ok(Value::ServerError(error)) => error,
        other => panic!("{other:?}"),
    }
}

fn command(words: &[&str]) -> Cmd {
    let (name, arguments) = words.split_first().expect("a name");
    redis::cmd(name).arg(arguments).to_owned()
}

fn described(words: &[&str], text: &str) -> String {
    let login = Login { user: None, password: Some(Secret::new("s3cret".to_owned())), database: 7 };
    describe(&command(words), &reply(text), &login, &Address::Tcp("h".to_owned(), 1))
}

const SCRIPT: &str = "-- a script\nlocal a = redis.call('GET', KEYS[1])\nredis.call('PTTL', KEYS[1])\n";

const EVAL: &[&str] = &["EVAL", SCRIPT, "1", "key"];
const AUTH: &[&str] = &["AUTH", "s3cret"];

/// The command that was sent, the reply, and a part of the sentence for it.
const ERRORS: &[(&[&str], &str, &str)] = &[
    (EVAL, "NOAUTH Authentication required.", "did not accept the login"),
    (AUTH, "WRONGPASS invalid username-password pair or user is disabled.", "refused the user or the password"),
    (AUTH, "ERR invalid password", "refused the user or the password"),
    (AUTH, "ERR Client sent AUTH, but no password is set", "has no password, but the URL"),
    (AUTH, "ERR AUTH <password> called without any password configured for the default user. Are", "has no password"),
    (EVAL, "NOPERM this user has no permissions to run the 'eval' command", "command EVAL (NOPERM); add +eval to"),
    (EVAL, "NOPERM User app has no permissions to run the 'eval' command", "command EVAL (NOPERM); add +eval to"),
    (&["SET", "k", "v"], "NOPERM anything else", "command SET (NOPERM); add +set to"),
    (EVAL, "NOPERM this user has no permissions to run the 's3cret' command", "command EVAL (NOPERM)"),
    (EVAL, "NOPERM No permissions to access one of the keys", "add ~bankhub:*"),
    (EVAL, "NOPERM User app has no permissions to access one of the keys used as arguments", "add ~bankhub:*"),
    (
        EVAL,
        "ERR The user executing the script can't run this command or subcommand script: ff36, on @user_script:3.",
        "command PTTL (NOPERM); add +pttl to",
    ),
    (
        EVAL,
        "ERR Error running script (call to f_ff): @user_script:2: @user_script: 2: The user executing the script \
             can't run this command or subcommand",
        "command GET (NOPERM); add +get to",
    ),
    (
        EVAL,
        "ERR The user executing the script can't run this command or subcommand",
        "command GET or PTTL (NOPERM); add +get +pttl to",
    ),
    (
        EVAL,
        "ERR ACL failure in script: User app has no permissions to run the 'pttl' command script: ff, on \
             @user_script:3.",
        "command PTTL (NOPERM); add +pttl to",
    ),
    (
        EVAL,
        "ERR The user executing the script can't access at least one of the keys mentioned in the command",
        "add ~bankhub:*",
    ),
    (EVAL, "READONLY You can't write against a read only replica.", "is a replica"),
    (
        EVAL,
        "ERR Error running script (call to f_ff): @user_script:6: @user_script: 6: -READONLY You can't write",
        "is a replica",
    ),
    (EVAL, "ERR Error running script (call to f_ff): @user_script:6: -OOM command not allowed", "no memory left"),
    (EVAL, "OOM command not allowed when used memory > 'maxmemory'.", "no memory left"),
    (EVAL, "MISCONF Redis is configured to save RDB snapshots, but it's currently unable to", "could not save"),
    (EVAL, "NOREPLICAS Not enough good replicas to write.", "too few replicas"),
    (EVAL, "LOADING Redis is loading the dataset in memory", "is loading its data"),
    (EVAL, "MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to 'no'.", "lost its master"),
    (EVAL, "CLUSTERDOWN Hash slot not served", "a Cluster that is down"),
    (EVAL, "TRYAGAIN Multiple keys request during rehashing of slot", "moving the keys"),
    (EVAL, "MOVED 1 :0", "without an address that can be used"),
    (EVAL, "MOVED 1 :1", "name each other for the keys of the store"),
    (EVAL, "DENIED Redis is running in protected mode because", "on its own machine"),
    (EVAL, "BUSY Redis is busy running a script.", "busy with a script"),
    (EVAL, "WRONGTYPE Operation against a key holding the wrong kind of value", "another type"),
    (EVAL, "ERR max number of clients reached", "as many clients as it accepts"),
    (EVAL, "ERR max number of clients + cluster connections reached", "as many clients as it accepts"),
    (&["SELECT", "7"], "ERR DB index is out of range", "has no database 7"),
    (&["SELECT", "7"], "ERR invalid DB index", "has no database 7"),
    (&["SELECT", "7"], "ERR SELECT is not allowed in cluster mode", "only database 0"),
    (EVAL, "ERR unknown command `EVAL`, with args beginning with:", "does not know the command EVAL"),
    (
        EVAL,
        "ERR Unknown Redis command called from script script: ff36, on @user_script:3.",
        "does not know the command PTTL: it is disabled",
    ),
    (EVAL, "ERR unknown command 'EVAL', with args beginning with: 's3cret'", "does not know the command EVAL"),
    (&["SENTINEL", "x"], "ERR unknown command 'SENTINEL'", "it is not a Sentinel"),
    (EVAL, "ERR s3cret", "the error ERR to the command EVAL"),
    (EVAL, "s3cret", "the error of another kind to the command EVAL"),
    (EVAL, "S3CRET", "the error of another kind to the command EVAL"),
];

#[test]
fn each_error_of_each_version_has_its_sentence() {
    for (sent, text, words) in ERRORS {
        let sentence = described(sent, text);
        assert!(sentence.contains(words), "{text}: {sentence}");
        assert!(!sentence.to_ascii_lowercase().contains("s3cret"), "{text}: {sentence}");
    }
}

#[test]
fn a_redis_before_version_6_knows_no_users() {
    assert!(knows_no_users(&reply("ERR wrong number of arguments for 'auth' command")));
    assert!(!knows_no_users(&reply("ERR invalid password")));
}

#[test]
fn redirections_name_an_address() {
    let from = Address::Tcp("own".to_owned(), 1);
    let redirected = |text: &str| match kind(&command(&["GET", "key"]), &reply(text), &from) {
        Kind::Redirected(Redirection { address: Address::Tcp(host, port), is_ask }) => Some((host, port, is_ask)),
        Kind::Refused => None,
        other => panic!("{text}: {other:?}"),
    };
    let to = |host: &str, port, is_ask| Some((host.to_owned(), port, is_ask));
    assert_eq!(redirected("MOVED 3999 127.0.0.1:6381"), to("127.0.0.1", 6381, false));
    assert_eq!(redirected("ASK 3999 node-2.example:6381"), to("node-2.example", 6381, true));
    assert_eq!(redirected("MOVED 3999 ::1:6381"), to("::1", 6381, false));
    assert_eq!(redirected("MOVED 3999 [fe80::1]:6381"), to("fe80::1", 6381, false));
    assert_eq!(redirected("MOVED 3999 :6381"), to("own", 6381, false));
    for text in ["MOVED", "MOVED 3999", "MOVED 3999 h", "MOVED 3999 ?:1", "MOVED 3999 h:0", "MOVED 3999 a/b:1"] {
        assert_eq!(redirected(text), None, "{text}");
    }
}
