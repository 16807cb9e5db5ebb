//! Which server to try next: those of the URL, or the one that the Sentinels name, the last good one first.

use bankhub_core::{Error, Instant};
use redis::Value;

use super::errors::Kind;
use super::link::{Link, Problem};
use super::server::Servers;
use super::url::{self, Address, Login, Topology};
use crate::runtime::clock;

/// The servers that one operation may try.
pub(super) struct Route<'s> {
    servers: &'s Servers,
    deadline: Instant,
    /// Servers, or Sentinels.
    untried: Vec<Address>,
    /// Servers that did not work. A Sentinel may not know yet.
    bad: Vec<Address>,
}

impl<'s> Route<'s> {
    pub(super) fn new(servers: &'s Servers, deadline: Instant) -> Self {
        let mut route = Self { servers, deadline, untried: Vec::new(), bad: Vec::new() };
        route.restart();
        route
    }

    /// Every server may be tried again.
    pub(super) fn restart(&mut self) {
        let (Topology::Servers(hosts) | Topology::Sentinels { sentinels: hosts, .. }) = &self.servers.topology;
        let last_good = self.servers.last_good();
        let others = hosts.iter().filter(|host| last_good.as_ref() != Some(host)).cloned();
        self.untried = last_good.iter().cloned().chain(others).collect();
        self.bad.clear();
    }

    pub(super) fn is_at_end(&self) -> bool {
        self.untried.is_empty() || clock::now().boottime >= self.deadline
    }

    pub(super) fn avoid(&mut self, address: &Address) {
        self.bad.push(address.clone());
    }

    /// A new connection to the next server, logged in. There is one unless the route is at its end.
    pub(super) fn next(&mut self) -> Result<Link, Problem> {
        let Topology::Sentinels { master, login, .. } = &self.servers.topology else {
            let address = self.untried.remove(0);
            return self.open(&address, self.share(0));
        };
        let mut best = None;
        loop {
            let sentinel = self.untried.remove(0);
            let found = ask(self.servers, &sentinel, master, login, self.share(1));
            if found.as_ref().is_ok_and(|address| !self.bad.contains(address)) {
                self.servers.set_last_good(&sentinel);
                return self.open(&found?, self.deadline);
            }
            if best.as_ref().is_none_or(|best| rank(best) <= rank(&found)) {
                best = Some(found);
            }
            if let Some(best) = best.take_if(|_| self.is_at_end()) {
                return self.open(&best?, self.deadline);
            }
        }
    }

    /// To a server, logged in.
    pub(super) fn open(&mut self, address: &Address, deadline: Instant) -> Result<Link, Problem> {
        let link = Link::open(self.servers, address, deadline).and_then(|mut link| {
            link.log_in(&self.servers.login)?;
            Ok(link)
        });
        link.inspect_err(|_| self.avoid(address))
    }

    /// The end of an equal part of the time that is left, so that a server that does not respond leaves time for the
    /// others, and for `more` connections.
    fn share(&self, more: usize) -> Instant {
        let now = clock::now().boottime;
        let parts = u32::try_from(self.untried.len() + more + 1).unwrap_or(u32::MAX);
        now + self.deadline.saturating_since(now) / parts
    }
}

/// How much a Sentinel says, if no other one names a good server.
fn rank(found: &Result<Address, Problem>) -> u8 {
    match found {
        Ok(_) => 2,
        Err(Problem { kind: Kind::Refused, .. }) => 1,
        Err(_) => 0,
    }
}

/// The address of the master, as a Sentinel knows it.
fn ask(servers: &Servers, at: &Address, master: &str, login: &Login, deadline: Instant) -> Result<Address, Problem> {
    let mut sentinel = Link::open_to_sentinel(servers, at, deadline)?;
    let logged_in = log_in(&mut sentinel, login);
    let get_master = redis::cmd("SENTINEL").arg("GET-MASTER-ADDR-BY-NAME").arg(master).to_owned();
    let reply = match (sentinel.pipeline(&[get_master], login), logged_in) {
        (Ok(replies), _) => replies.into_iter().next(),
        // The reason for it.
        (Err(Problem { kind: Kind::Refused, .. }), Err(problem)) => return Err(problem),
        (Err(problem), _) => return Err(problem),
    };
    let refused = |error: Error| Problem { kind: Kind::Refused, error };
    match reply {
        Some(Value::Nil) => {
            Err(refused(sentinel.failed("knows no master of this name; check the name after the hosts of the URL")))
        }
        Some(Value::Array(parts)) => master_address(&parts).ok_or_else(|| {
            refused(sentinel.failed("names an address of the master that cannot be used; check its announce-ip"))
        }),
        _ => Err(refused(sentinel.failed("sent an unexpected reply"))),
    }
}

fn master_address(parts: &[Value]) -> Option<Address> {
    let text = |value: &Value| match value {
        Value::BulkString(bytes) => String::from_utf8(bytes.clone()).ok(),
        _ => None,
    };
    let [host, port] = parts else { return None };
    let (host, port) = (text(host).filter(|host| url::is_host(host))?, url::port_number(&text(port)?)?);
    Some(Address::Tcp(host, port))
}

/// A Sentinel may need no login, or know only a password: the URL has one login for both.
fn log_in(sentinel: &mut Link, login: &Login) -> Result<(), Problem> {
    let refused = match sentinel.log_in(&Login { database: 0, ..login.clone() }) {
        Err(problem) if problem.kind == Kind::Refused && login.user.is_some() => problem,
        result => return result,
    };
    let password_alone = Login { user: None, database: 0, ..login.clone() };
    sentinel.log_in(&password_alone).map_err(|_| refused)
}
