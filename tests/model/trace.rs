//! How a property was broken: each step on a line, for a reader.

use stateright::Path;

use crate::actions::Action;
use crate::fleet::State;

pub(crate) fn describe(path: Path<State, Action>) -> String {
    let steps = path.into_vec().into_iter().map(|(state, action)| match action {
        Some(action) => line(&state, action),
        None => format!("  in the end, after {:?}:\n{state:?}", state.now),
    });
    steps.collect::<Vec<_>>().join("\n")
}

fn line(state: &State, action: Action) -> String {
    let what = match action {
        Action::Proceed { process, thread, fault } => {
            let pending = &state.process(process).threads[thread].pending;
            let fault = fault.map_or(String::new(), |fault| format!(", which {fault:?}"));
            let pending = format!("{pending:?}");
            format!("process {process}: {pending:.60}{fault}")
        }
        Action::Send { process, outcome, .. } => format!("process {process}: Send, which ends as {outcome:?}"),
        Action::Wait => "time passes".to_owned(),
        Action::Report { process } => format!("process {process}: reports {:?}", state.process(process).report),
        other => format!("{other:?}"),
    };
    let holder = state.store.lease.map_or(0, |lease| lease.serial);
    let entry = state.store.entry.as_ref().map_or(0, |entry| entry.token.unwrap_or_default());
    format!("  {:>12?}  token {entry} lease {holder}  {what}", state.now)
}
