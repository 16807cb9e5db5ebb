//! The connection of one fetch to a store on Redis: each operation finds the server that can carry it out, and ends in
//! bounded time.
//!
//! A node of a Cluster that does not have the key names another one, which is asked instead. After a failover the
//! connection is opened anew, to the server that is the master then.

use std::sync::Arc;
use std::time::Duration;

use bankhub_core::{Error, Instant, policy};
use redis::{Cmd, Value};

use super::errors::Kind;
use super::link::Link;
use super::route::Route;
use super::server::Servers;
use super::url::Topology;
use crate::net::time_left;
use crate::runtime::clock;
use crate::store::failed;

/// How many nodes of a Cluster may name another one, one after the other.
const REDIRECTIONS_MAX: u32 = 5;

/// While keys move, or a failover ends.
const PAUSE: Duration = Duration::from_millis(100);
const PAUSES_MAX: u32 = 4;

pub(super) struct Connection {
    servers: Arc<Servers>,
    /// None before the first operation, and after a failure.
    link: Option<Link>,
    /// In the last operation a reply was late, or no server could be reached again.
    has_given_up: bool,
}

impl Connection {
    /// Connects with the first operation.
    pub(super) fn new(servers: &Arc<Servers>) -> Self {
        Self { servers: Arc::clone(servers), link: None, has_given_up: false }
    }

    pub(super) fn has_given_up(&self) -> bool {
        self.has_given_up
    }

    pub(super) fn failed(&self, problem: &str) -> Error {
        self.link.as_ref().map_or_else(|| failed(format!("on Redis {problem}")), |link| link.failed(problem))
    }

    /// Sends commands and returns their replies. May send them more than once: each must have the same effect then.
    pub(super) fn request(&mut self, commands: &[Cmd]) -> Result<Vec<Value>, Error> {
        self.has_given_up = false;
        let deadline = clock::now().boottime + policy::STORE_OPERATION_MAX;
        let servers = Arc::clone(&self.servers);
        let mut route = Route::new(&servers, deadline);
        let mut next = self.link.take().map(|mut link| {
            link.set_deadline(deadline);
            Ok(link)
        });
        let (mut redirections, mut pauses) = (0, 0);
        loop {
            let problem = match next.take().unwrap_or_else(|| route.next()) {
                Err(problem) => problem,
                Ok(mut link) => match link.carry_out(commands, &servers.login) {
                    Ok(replies) => {
                        self.keep(link);
                        return Ok(replies);
                    }
                    Err(problem) => {
                        if problem.kind == Kind::ReadOnly {
                            route.avoid(&link.address);
                        }
                        problem
                    }
                },
            };
            match problem.kind {
                Kind::Redirected(to) if redirections < REDIRECTIONS_MAX => {
                    redirections += 1;
                    next = Some(route.open(&to.address, deadline).map(|link| link.asking(to.is_ask)));
                    continue;
                }
                Kind::Passing if pauses < PAUSES_MAX => {
                    pauses += 1;
                    pause(deadline);
                    if route.is_at_end() {
                        route.restart();
                    }
                }
                Kind::Lost | Kind::Late | Kind::ReadOnly => {}
                Kind::Redirected(_) | Kind::Passing | Kind::Refused => return Err(problem.error),
            }
            if route.is_at_end() {
                self.has_given_up = matches!(problem.kind, Kind::Lost | Kind::Late);
                return Err(problem.error);
            }
            redirections = 0;
        }
    }

    /// For the next operation, and for the next fetch.
    fn keep(&mut self, link: Link) {
        // The other node has the keys only once they have all moved.
        if link.is_ask {
            return;
        }
        if matches!(self.servers.topology, Topology::Servers(_)) {
            self.servers.set_last_good(&link.address);
        }
        self.link = Some(link);
    }
}

fn pause(deadline: Instant) {
    let left = time_left(deadline).unwrap_or_default();
    #[expect(clippy::disallowed_methods, reason = "a pause within the time of one operation")]
    std::thread::sleep(PAUSE.min(left));
}
