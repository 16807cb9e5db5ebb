//! The certificates that are trusted: the platform's roots, and those of `ca_file`. Read when a cache is created, and
//! again when a handshake fails because none of them signed the certificate of the server.

use std::collections::HashSet;
use std::env::split_paths;
use std::fs::Metadata;
use std::io;
use std::io::ErrorKind::{NotFound, PermissionDenied};
#[cfg(unix)]
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use bankhub_core::{Error, Instant};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::{self, PemObject};

use crate::config::{self, Config};
use crate::runtime::descriptor::while_0_to_2_are_taken;
use crate::runtime::fork::{ForkLock, PerProcess, held_by_forks};
use crate::runtime::{clock, descriptor};

/// Far larger than a file with all public roots.
const FILE_BYTES_MAX: u64 = 16 * 1024 * 1024;

/// A server that nobody trusts must not make every fetch read hundreds of files.
const READ_AGAIN_AFTER: Duration = Duration::from_secs(60);

/// It has no place in PEM, but editors write it. It would hide the first line.
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

type Certificates = Vec<CertificateDer<'static>>;

/// Where the certificates are, and those that were read last.
pub(crate) struct Roots {
    platform: Platform,
    ca_file: Option<PathBuf>,
    at_first: Trusted,
    /// A forked child begins with `at_first` again: it may have no access to the files.
    read_again: PerProcess<Mutex<Option<ReadAgain>>>,
}

/// The platform's roots, and the certificates of `ca_file`.
#[derive(Clone, Debug)]
pub(super) struct Trusted {
    platform: Arc<Certificates>,
    ca_file: Arc<Certificates>,
}

struct ReadAgain {
    trusted: Trusted,
    at: Instant,
}

impl Trusted {
    pub(super) fn iter(&self) -> impl Iterator<Item = &CertificateDer<'static>> {
        self.platform.iter().chain(self.ca_file.iter())
    }
}

impl Roots {
    /// A platform without roots is not an error here: the TLS handshake with a server that needs them says so.
    pub(super) fn read(config: &Config) -> Result<Self, Error> {
        let platform = Platform::from_environment()?;
        let ca_file = config.ca_file.clone();
        let certificates = ca_file.as_deref().map(read_ca_file).transpose()?.unwrap_or_default();
        let at_first = Trusted { platform: platform.certificates(), ca_file: Arc::new(certificates) };
        Ok(Self { platform, ca_file, at_first, read_again: PerProcess::new() })
    }

    pub(super) fn trusted(&self) -> Trusted {
        self.with_read_again(|read_again| self.last_read(read_again))
    }

    /// After a handshake that failed because no trusted certificate signed that of the server: an update of the system
    /// may have brought one. Reads at most once a minute. A part that cannot be read stays as it was.
    pub(super) fn read_again(&self) {
        let now = clock::now().boottime;
        self.with_read_again(|read_again| {
            if read_again.as_ref().is_some_and(|last| now < last.at + READ_AGAIN_AFTER) {
                return;
            }
            let last = self.last_read(read_again);
            let platform = Some(self.platform.read()).filter(|found| !found.is_empty()).unwrap_or(last.platform);
            let ca_file = self.ca_file.as_deref().and_then(|path| read_ca_file(path).ok());
            let ca_file = ca_file.map_or(last.ca_file, Arc::new);
            *read_again = Some(ReadAgain { trusted: Trusted { platform, ca_file }, at: now });
        });
    }

    fn last_read(&self, read_again: &Option<ReadAgain>) -> Trusted {
        read_again.as_ref().map_or(&self.at_first, |last| &last.trusted).clone()
    }

    /// Only the fetch thread comes here, so nobody waits.
    fn with_read_again<R>(&self, work: impl FnOnce(&mut Option<ReadAgain>) -> R) -> R {
        let read_again = self.read_again.get_or_init(Mutex::default);
        work(&mut read_again.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Where the platform's roots were looked for.
    pub(super) fn places(&self) -> String {
        self.platform.places()
    }
}

/// A wrong `ca_file` is an error also where no TLS is used yet.
pub(crate) fn check_ca_file(config: &Config) -> Result<(), Error> {
    config.ca_file.as_deref().map_or(Ok(()), |path| read_ca_file(path).map(drop))
}

#[cfg(unix)]
fn identity(_: &Path, found: &Metadata) -> (u64, u64) {
    (found.dev(), found.ino())
}

#[cfg(not(unix))]
fn identity(file: &Path, _: &Metadata) -> PathBuf {
    file.to_owned()
}

fn read_ca_file(path: &Path) -> Result<Certificates, Error> {
    let wrong = |problem: String| Error::invalid("ca_file", format!("'{}' {problem}", path.display()));
    let unreadable = |error| wrong(format!("cannot be read: {error}"));
    // Reading a pipe or a device might never end.
    let metadata = std::fs::metadata(path).map_err(unreadable)?;
    if !metadata.is_file() || metadata.len() > FILE_BYTES_MAX {
        return Err(wrong(format!("must be a regular file of at most {FILE_BYTES_MAX} bytes")));
    }
    let pem = descriptor::read_file(path).map_err(unreadable)?;
    let certificates = parse(&pem).collect::<Result<Vec<_>, _>>().map_err(|_| wrong("is not a PEM file".to_owned()))?;
    match certificates.is_empty() {
        true => Err(wrong("contains no certificate; expected '-----BEGIN CERTIFICATE-----'".to_owned())),
        false => Ok(certificates),
    }
}

fn parse(pem: &[u8]) -> impl Iterator<Item = Result<CertificateDer<'static>, pem::Error>> {
    CertificateDer::pem_slice_iter(pem.strip_prefix(BYTE_ORDER_MARK).unwrap_or(pem))
}

/// Where the platform has its roots: what SSL_CERT_FILE and SSL_CERT_DIR name, else the usual places.
struct Platform {
    file: Option<PathBuf>,
    directories: Vec<PathBuf>,
    is_from_environment: bool,
}

/// The certificates that were read last, for all caches of this process that read the same places.
static LAST_READ: ForkLock<Option<LastRead>> = ForkLock::new(None);

held_by_forks!(LAST_READ);

struct LastRead {
    fingerprint: Fingerprint,
    certificates: Arc<Certificates>,
}

/// Every place, with its size and the time when it was changed, if it exists. An update of the roots changes one.
type Fingerprint = Vec<(PathBuf, Option<(u64, SystemTime)>)>;

impl Platform {
    fn from_environment() -> Result<Self, Error> {
        let file = config::variable("SSL_CERT_FILE")?.map(PathBuf::from);
        let directories = config::variable("SSL_CERT_DIR")?.unwrap_or_default();
        let directories: Vec<_> = split_paths(&directories).filter(|path| !path.as_os_str().is_empty()).collect();
        if file.is_some() || !directories.is_empty() {
            return Ok(Self { file, directories, is_from_environment: true });
        }
        let (file, directories) = usual_places();
        Ok(Self { file, directories, is_from_environment: false })
    }

    /// Reads only if something has changed since the last time.
    fn certificates(&self) -> Arc<Certificates> {
        let fingerprint = self.fingerprint();
        let last = LAST_READ.with(|last| {
            last.as_ref().filter(|last| last.fingerprint == fingerprint).map(|last| Arc::clone(&last.certificates))
        });
        last.unwrap_or_else(|| self.read())
    }

    fn read(&self) -> Arc<Certificates> {
        let fingerprint = self.fingerprint();
        let mut certificates = self.system_store();
        let mut is_whole = true;
        // A process that has no descriptor left, for example, must not take this for all that there is.
        let mut note = |error: io::Error| is_whole &= matches!(error.kind(), NotFound | PermissionDenied);
        let mut files: Vec<_> = self.file.iter().cloned().collect();
        for directory in &self.directories {
            match while_0_to_2_are_taken(|| std::fs::read_dir(directory)) {
                Ok(entries) => files.extend(entries.flatten().map(|entry| entry.path())),
                Err(error) => note(error),
            }
        }
        let mut seen = HashSet::new();
        for file in files {
            // Reading a pipe or a device might never end.
            let found = std::fs::metadata(&file).ok();
            let found = found.filter(|found| found.is_file() && found.len() <= FILE_BYTES_MAX);
            // A directory has several names for each file.
            if found.is_some_and(|found| seen.insert(identity(&file, &found))) {
                match descriptor::read_file(&file) {
                    // One bad certificate must not hide the others.
                    Ok(pem) => certificates.extend(parse(&pem).filter_map(Result::ok)),
                    Err(error) => note(error),
                }
            }
        }
        certificates.sort_unstable_by(|a, b| a.as_ref().cmp(b.as_ref()));
        certificates.dedup();
        let certificates = Arc::new(certificates);
        if is_whole {
            let shared = Arc::clone(&certificates);
            LAST_READ.with(|last| *last = Some(LastRead { fingerprint, certificates: shared }));
        }
        certificates
    }

    fn fingerprint(&self) -> Fingerprint {
        let places = self.file.iter().chain(&self.directories).cloned();
        let changed = |path: &PathBuf| {
            let found = std::fs::metadata(path).ok()?;
            Some((found.len(), found.modified().ok()?))
        };
        places.map(|path| (path.clone(), changed(&path))).collect()
    }

    fn places(&self) -> String {
        let paths: Vec<_> = self.file.iter().chain(&self.directories).map(|path| path.display().to_string()).collect();
        match (self.is_from_environment, paths.is_empty()) {
            (true, _) => format!("in SSL_CERT_FILE and SSL_CERT_DIR ({})", paths.join(", ")),
            (false, false) => format!("in {}", paths.join(", ")),
            (false, true) => "in the places where systems have them, such as /etc/ssl/certs".to_owned(),
        }
    }

    #[cfg(all(unix, not(target_os = "macos")))]
    fn system_store(&self) -> Certificates {
        Vec::new()
    }

    /// The store of the system is no file.
    #[cfg(not(all(unix, not(target_os = "macos"))))]
    fn system_store(&self) -> Certificates {
        if self.is_from_environment { Vec::new() } else { rustls_native_certs::load_native_certs().certs }
    }
}

#[cfg(all(unix, not(target_os = "macos")))]
fn usual_places() -> (Option<PathBuf>, Vec<PathBuf>) {
    // `probe` reads the environment, which a setuid program must not obey. There the directories are enough.
    let file = if config::privileges::are_elevated() { None } else { openssl_probe::probe().cert_file };
    (file, openssl_probe::candidate_cert_dirs().map(Path::to_path_buf).collect())
}

#[cfg(not(all(unix, not(target_os = "macos"))))]
fn usual_places() -> (Option<PathBuf>, Vec<PathBuf>) {
    (None, Vec::new())
}
