//! The meaning of an error reply of Redis, in words. The reply's own text is never repeated, because it may echo what
//! was sent: a message names only codes and commands that are known here.

use redis::{Cmd, ServerError};

use super::url::{self, Address, Login};

/// All that this library sends. `SENTINEL` is for a Sentinel only.
const COMMANDS: [&str; 11] =
    ["EVAL", "SET", "GET", "TIME", "DEL", "PTTL", "SELECT", "AUTH", "ASKING", "SENTINEL", GET_MASTER];
const GET_MASTER: &str = "SENTINEL|GET-MASTER-ADDR-BY-NAME";

/// Before Redis 7, an error within a script has the code ERR, and its own code in its text.
const CODES_IN_SCRIPTS: [&str; 5] = ["READONLY", "OOM", "MISCONF", "NOREPLICAS", "WRONGTYPE"];

/// The kinds of errors, by what the loop around an attempt can do.
#[derive(Debug, PartialEq)]
pub(super) enum Kind {
    /// The server could not be reached, or the connection to it was lost. Another one may work.
    Lost,
    /// Its time has passed.
    Late,
    /// Another node of the Cluster has the key.
    Redirected(Redirection),
    /// It passes by itself, perhaps at once, and at another server perhaps now.
    Passing,
    /// It is not the master any more.
    ReadOnly,
    Refused,
}

#[derive(Debug, PartialEq)]
pub(super) struct Redirection {
    pub(super) address: Address,
    /// Only for these commands, while keys are on their way: each is to follow an ASKING.
    pub(super) is_ask: bool,
}

/// `from`: where the error is from.
pub(super) fn kind(command: &Cmd, error: &ServerError, from: &Address) -> Kind {
    match code(error) {
        // Most keys arrive at once, and then no ASKING is needed.
        "NOPERM" if name_of(command) == "ASKING" => Kind::Passing,
        "MOVED" | "ASK" => redirection(error, from).map_or(Kind::Refused, Kind::Redirected),
        "TRYAGAIN" | "CLUSTERDOWN" | "LOADING" | "MASTERDOWN" => Kind::Passing,
        "READONLY" => Kind::ReadOnly,
        _ => Kind::Refused,
    }
}

/// The reply to AUTH of a Redis without users, before Redis 6.
pub(super) fn knows_no_users(error: &ServerError) -> bool {
    text(error).contains("wrong number of arguments for 'auth' command")
}

/// As `MOVED 3999 127.0.0.1:6381`. Without a host, it is another port of the same host.
fn redirection(error: &ServerError, from: &Address) -> Option<Redirection> {
    let Address::Tcp(own, _) = from else { return None };
    let (host, port) = text(error).split(' ').nth(1)?.rsplit_once(':')?;
    let host = Some(host.trim_matches(['[', ']'])).filter(|host| !host.is_empty()).unwrap_or(own);
    let address = Address::Tcp(host.to_owned(), url::port_number(port)?);
    url::is_host(host).then_some(Redirection { address, is_ask: error.code() == "ASK" })
}

/// Codes whose sentence is always the same.
const SENTENCES: &[(&str, &str)] = &[
    ("WRONGPASS", WRONG_PASSWORD),
    (
        "READONLY",
        "is a replica, which accepts no writes (READONLY); the URL must name the master, or Sentinels that know it",
    ),
    (
        "OOM",
        "has no memory left (OOM); raise its maxmemory, or choose a maxmemory-policy that removes keys, such as \
         volatile-ttl",
    ),
    ("MISCONF", "accepts no writes, because it could not save its data (MISCONF); check its disk and its log"),
    ("NOREPLICAS", "accepts no writes, because too few replicas are in sync (NOREPLICAS); check the replicas"),
    ("LOADING", "is loading its data (LOADING); wait until it has started"),
    ("MASTERDOWN", "is a replica that has lost its master (MASTERDOWN); check the master"),
    (
        "CLUSTERDOWN",
        "is a node of a Cluster that is down, or lacks a node for some keys (CLUSTERDOWN); check CLUSTER INFO",
    ),
    ("TRYAGAIN", "is a node of a Cluster that is moving the keys of the store (TRYAGAIN); wait until they have moved"),
    (
        "DENIED",
        "accepts only clients on its own machine (protected mode); set a password for its default user, or \
         protected-mode to no",
    ),
    ("BUSY", "is busy with a script of another client (BUSY); wait, or end it with SCRIPT KILL"),
    ("WRONGTYPE", "has a key of the store with another type (WRONGTYPE); delete the keys bankhub:*"),
];
const WRONG_PASSWORD: &str =
    "refused the user or the password of the URL of the store (WRONGPASS); check both, and that the user is on";

/// Follows the name of the server. `login`: what was used. `from`: where the error is from.
pub(super) fn describe(command: &Cmd, error: &ServerError, login: &Login, from: &Address) -> String {
    let code = code(error);
    if let Some((_, sentence)) = SENTENCES.iter().find(|(known, _)| *known == code) {
        return (*sentence).to_owned();
    }
    match code {
        "NOAUTH" if login.password.is_none() => {
            "requires a password, and the URL of the store has none (NOAUTH); write user:password@ before the host"
                .to_owned()
        }
        "NOAUTH" => "did not accept the login of the URL of the store (NOAUTH); check it".to_owned(),
        "NOPERM" => no_permission(command, error),
        "MOVED" | "ASK" => cannot_follow(error, from).to_owned(),
        _ => describe_text(command, error, login),
    }
}

fn cannot_follow(error: &ServerError, from: &Address) -> &'static str {
    match from {
        Address::Socket(_) => {
            "is a node of a Cluster, and another one has the keys of the store (MOVED), which a Unix socket does not \
             reach; write redis://host:port of the nodes into the URL"
        }
        Address::Tcp(..) if redirection(error, from).is_some() => {
            "is a node of a Cluster whose nodes name each other for the keys of the store (MOVED); check CLUSTER NODES \
             on each of them"
        }
        Address::Tcp(..) => {
            "is a node of a Cluster, and names another node without an address that can be used (MOVED); set \
             cluster-announce-ip or cluster-announce-hostname on the nodes"
        }
    }
}

/// The kind of an error whose code says nothing.
fn describe_text(command: &Cmd, error: &ServerError, login: &Login) -> String {
    let (name, text) = (name_of(command), text(error));
    let contains = |part: &str| text.contains(part);
    let sentence = match name.as_str() {
        _ if is_denied_in_script(text) => return no_permission(command, error),
        _ if contains("max number of clients") => {
            "has as many clients as it accepts; raise its maxclients, or find what keeps connections open"
        }
        "AUTH" if contains("invalid password") => WRONG_PASSWORD,
        "AUTH" if contains("without any password") || contains("no password is set") => {
            "has no password, but the URL of the store has one; remove it from the URL, or set one in Redis"
        }
        "SELECT" if contains("cluster mode") => {
            "is a node of a Cluster, which has only database 0; remove the database from the URL"
        }
        "SELECT" if contains("index") => {
            let database = login.database;
            return format!(
                "has no database {database}; write another one into the URL, or raise its setting databases"
            );
        }
        "SENTINEL" if contains("unknown command") => {
            "does not know the command SENTINEL: it is not a Sentinel; for a server, use redis:// or rediss://"
        }
        _ if contains("unknown command") || contains("Unknown Redis command") => {
            let names = match name.as_str() {
                "EVAL" if contains("Unknown Redis command") => commands_of_script(command, text).join(" or "),
                _ => name,
            };
            return format!(
                "does not know the command {names}: it is disabled or renamed there (rename-command), or this is not a \
                 Redis server; enable the command"
            );
        }
        _ => return format!("replied with the error {} to the command {name}; see its log", plain_code(error)),
    };
    sentence.to_owned()
}

fn no_permission(command: &Cmd, error: &ServerError) -> String {
    let text = text(error);
    if text.contains("of the keys") || text.contains("access a key") {
        return "does not allow its user the keys of the store (NOPERM); add ~bankhub:* to the rules of the user \
                (ACL SETUSER)"
            .to_owned();
    }
    // As `User bankhub has no permissions to run the 'pttl' command`.
    let quoted = text.split('\'').nth(1).and_then(|word| COMMANDS.iter().find(|name| name.eq_ignore_ascii_case(word)));
    let refused = match quoted {
        Some(name) => vec![*name],
        None if is_denied_in_script(text) => commands_of_script(command, text),
        None => COMMANDS.into_iter().filter(|name| *name == name_of(command)).collect(),
    };
    let rules: Vec<_> = refused.iter().map(|name| format!("+{}", name.to_ascii_lowercase())).collect();
    format!(
        "does not allow its user the command {} (NOPERM); add {} to the rules of the user (ACL SETUSER)",
        refused.join(" or "),
        rules.join(" ")
    )
}

/// Redis 7.0 and before do not say which command of a script it was.
fn is_denied_in_script(text: &str) -> bool {
    text.contains("executing the script can't") || text.contains("ACL failure in script")
}

/// Those in the line that failed, as `@user_script:2` in the text says, or else all.
fn commands_of_script(command: &Cmd, text: &str) -> Vec<&'static str> {
    let script = argument(command, 1);
    let number = text.rsplit_once("@user_script:").map(|(_, rest)| rest.trim_start());
    let digits = number.and_then(|number| number.split(|c: char| !c.is_ascii_digit()).next());
    let number = digits.and_then(|digits| digits.parse::<usize>().ok());
    let line = number.and_then(|number| script.lines().nth(number.checked_sub(1)?)).unwrap_or(&script);
    COMMANDS.into_iter().filter(|name| line.contains(&format!("redis.call('{name}'"))).collect()
}

fn code(error: &ServerError) -> &str {
    let within = || text(error).split([' ', '-', ':']).find(|word| CODES_IN_SCRIPTS.contains(word));
    match error.code() {
        "ERR" => within().unwrap_or("ERR"),
        code => code,
    }
}

fn plain_code(error: &ServerError) -> &str {
    let code = error.code();
    let is_plain = matches!(code.len(), 1..=16) && code.bytes().all(|byte| byte.is_ascii_uppercase());
    if is_plain { code } else { "of another kind" }
}

fn text(error: &ServerError) -> &str {
    error.details().unwrap_or_default()
}

fn name_of(command: &Cmd) -> String {
    argument(command, 0)
}

fn argument(command: &Cmd, number: usize) -> String {
    match command.args_iter().nth(number) {
        Some(redis::Arg::Simple(bytes)) => String::from_utf8_lossy(bytes).into_owned(),
        _ => String::new(),
    }
}

#[cfg(test)]
mod tests;
