//! A directory and files that only the user of this process may use, and what an operator reads about others.

use std::fs::{self, DirBuilder, File, Metadata, OpenOptions, Permissions};
use std::io::{self, ErrorKind};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::Path;

use bankhub_core::Error;

use crate::config::privileges::effective_user;
use crate::runtime::descriptor::open_file;
use crate::store::failed;

const DIRECTORY_MODE: u32 = 0o700;
const FILE_MODE: u32 = 0o600;
/// The permissions that only the owner may have.
const OTHERS: u32 = 0o077;
/// The part of a mode that `chmod` sets.
const PERMISSIONS: u32 = 0o7777;

/// Creates the directory if it does not exist.
pub(super) fn prepare_directory(directory: &Path) -> Result<(), Error> {
    let created = DirBuilder::new().mode(DIRECTORY_MODE).create(directory);
    // It may exist even if that failed: a read-only file system reports first that it is read-only.
    let found = fs::symlink_metadata(directory).map_err(|unread| match &created {
        Err(error) if error.kind() != ErrorKind::AlreadyExists => cannot("create", directory, error),
        _ => cannot("use", directory, &unread),
    })?;
    if let Some(problem) = directory_problem(&found) {
        return Err(cannot("use", directory, &io::Error::other(problem)));
    }
    if created.is_ok() && found.mode() & DIRECTORY_MODE != DIRECTORY_MODE {
        // A umask has removed permissions that this user needs.
        let repaired = fs::set_permissions(directory, Permissions::from_mode(DIRECTORY_MODE));
        repaired.map_err(|error| cannot("use", directory, &error))?;
    }
    Ok(())
}

/// Opens a file that only this user may use, not through a link, and without waiting for a pipe's other end.
pub(super) fn open(path: &Path, options: &mut OpenOptions) -> io::Result<File> {
    let file = open_file(path, options.mode(FILE_MODE).custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK));
    let file = file.map_err(|error| match fs::symlink_metadata(path) {
        Ok(found) if !found.is_file() => not_a_file(&found),
        _ => error,
    })?;
    let found = file.metadata()?;
    if !found.is_file() {
        return Err(not_a_file(&found));
    }
    if let Some(problem) = owner_problem(&found, "remove it").or_else(|| mode_problem(&found, FILE_MODE)) {
        return Err(io::Error::other(problem));
    }
    if found.mode() & FILE_MODE != FILE_MODE {
        // A umask has removed permissions that are needed to open it again. In a read-only directory this fails.
        let _ = file.set_permissions(Permissions::from_mode(FILE_MODE));
    }
    Ok(file)
}

pub(super) fn cannot(act: &str, path: &Path, error: &io::Error) -> Error {
    let reason = match error.kind() {
        ErrorKind::PermissionDenied => denied(path, error),
        ErrorKind::NotFound if act == "create" => "its parent directory does not exist; create that first".to_owned(),
        ErrorKind::NotADirectory => "a part of its path is not a directory; correct the path".to_owned(),
        _ => error.to_string(),
    };
    failed(format!("cannot {act} '{}': {reason}", path.display()))
}

fn directory_problem(found: &Metadata) -> Option<String> {
    if found.is_symlink() {
        return Some("it is a symbolic link; name the directory that it leads to".to_owned());
    }
    if !found.is_dir() {
        return Some("it is not a directory; remove it, or name another one".to_owned());
    }
    let remedy = "all processes that share it must run as one user: create it for that user, with mode 0700, and call \
                  get only after a change of user";
    owner_problem(found, remedy).or_else(|| mode_problem(found, DIRECTORY_MODE))
}

fn owner_problem(found: &Metadata, remedy: &str) -> Option<String> {
    let (owner, user) = (found.uid(), effective_user());
    (owner != user).then(|| format!("user {owner} owns it, but this process runs as user {user}; {remedy}"))
}

fn mode_problem(found: &Metadata, wanted: u32) -> Option<String> {
    let mode = found.mode() & PERMISSIONS;
    (mode & OTHERS != 0).then(|| format!("its mode is {mode:04o}, so other users may use it; set mode {wanted:04o}"))
}

fn not_a_file(found: &Metadata) -> io::Error {
    io::Error::other(match found.is_symlink() {
        true => "it is a symbolic link; remove it",
        false => "it is not a regular file; remove it",
    })
}

/// Names the innermost place of the path that this process can see. It is that one, or the next, that it may not use.
fn denied(path: &Path, error: &io::Error) -> String {
    let seen = path.ancestors().find_map(|place| Some((place, fs::metadata(place).ok()?)));
    let Some((place, found)) = seen else { return error.to_string() };
    let (user, owner, mode, place) = (effective_user(), found.uid(), found.mode() & PERMISSIONS, place.display());
    format!("{error}; this process runs as user {user}; user {owner} owns '{place}', with mode {mode:04o}; correct one")
}
