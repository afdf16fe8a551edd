//! What is allowed and what is not: crate edges, packages kept out, licenses. Data only; `check` reads it.

/// Each crate of the workspace and the others it may name in its manifest, for its tests too. A crate that is
/// missing here is reported: its place in the house is a decision.
pub(crate) const EDGES: [(&str, &[&str]); 17] = [
    ("shared", &[]),
    ("mdm-core", &["shared"]),
    ("mdm-store", &["shared", "mdm-core"]),
    ("mdm-letters", &[]),
    ("mdm-server", &["shared", "mdm-core", "mdm-letters", "mdm-store"]),
    ("client-core", &["shared"]),
    ("vault", &["shared", "client-core"]),
    ("client-agent", &["shared", "client-core", "vault"]),
    ("client-android", &["shared", "vault", "client-agent"]),
    ("client-ui", &[]),
    ("viewer", &[]),
    ("client", &["shared", "client-core", "vault", "client-agent", "client-android", "client-ui", "viewer"]),
    ("e2e", &["shared", "mdm-core", "mdm-store", "mdm-server", "client-core", "vault", "client-agent"]),
    ("e2e-app", &["shared", "client-core", "vault", "client-agent", "client-ui", "viewer", "client", "e2e"]),
    ("e2e-fuzz", &["shared", "mdm-core", "mdm-store", "mdm-server", "client-core", "vault", "client-agent"]),
    ("e2e-simulation", &["shared", "mdm-core", "mdm-store", "client-core"]),
    ("xtask", &[]),
];

/// Crates without IO: rules that run the same in a test, a simulator and a phone.
pub(crate) const CORES: [&str; 5] = ["shared", "mdm-core", "mdm-letters", "client-core", "viewer"];

/// Runtimes, networks, windows and databases. A name stands for its family too: `tokio` for `tokio-util`.
pub(crate) const NOT_IN_CORES: [&str; 30] = [
    "async-std",
    "axum",
    "diesel",
    "h2",
    "heed",
    "hyper",
    "i-slint",
    "libsqlite3-sys",
    "lmdb",
    "mio",
    "mysql",
    "postgres",
    "quinn",
    "redb",
    "redis",
    "reqwest",
    "rocksdb",
    "rusqlite",
    "sea-orm",
    "sled",
    "slint",
    "smol",
    "socket2",
    "sqlite",
    "sqlx",
    "surf",
    "tokio",
    "tower",
    "ureq",
    "winit",
];

/// Windows: what makes a build long and wants libraries of a desktop. A name stands for its family too.
pub(crate) const WINDOWS: [&str; 3] = ["i-slint", "slint", "winit"];

/// The only crates that windows are built for.
pub(crate) const WITH_WINDOWS: [&str; 3] = ["client-ui", "client", "e2e-app"];

/// The crate of the demo, the first command that somebody tries.
pub(crate) const DEMO: &str = "e2e";

/// What would keep whoever tries the demo waiting. A name stands for its family too.
pub(crate) const NOT_IN_DEMO: [&str; 4] = ["i-slint", "slint", "sqlx", "winit"];

/// TLS and cryptography that would stand beside ring. A name stands for its family too.
pub(crate) const NOWHERE: [&str; 7] =
    ["aws-lc-fips-sys", "aws-lc-rs", "aws-lc-sys", "boring-sys", "native-tls", "openssl", "openssl-sys"];

/// All that xtask may depend on, so that it builds in seconds.
pub(crate) const XTASK: [&str; 2] = ["anyhow", "clap"];

/// Licenses whose terms this project keeps. Of `A OR B` one suffices, of `A AND B` both must be here.
pub(crate) const LICENSES: [&str; 6] = ["Apache-2.0", "BSD-3-Clause", "ISC", "MIT", "Unicode-3.0", "Zlib"];

/// Licenses that were judged for the packages named beside them and for nothing else.
pub(crate) const LICENSES_FOR: [(&str, &[&str]); 6] = [
    // As MIT, without the notice.
    ("0BSD", &["quoted_printable"]),
    // Two clauses of BSD-3-Clause, and the same duty: the notice goes along with the program.
    ("BSD-2-Clause", &["arrayref"]),
    // As MIT, without the notice in binaries. Both are of the app on Windows, under the toolkit's clipboard.
    ("BSL-1.0", &["clipboard-win", "error-code"]),
    // Of data, not of a program: the roots that browsers trust. It asks for its text to go along with them, and for nothing else.
    ("CDLA-Permissive-2.0", &["webpki-roots"]),
    // Slint is ours to use without fee in an app that names it: the about screen has its `AboutSlint`. Its other
    // choices are the GPL, which would reach the whole app, and a fee. What is built with it stays the app: the
    // license does not cover embedded systems.
    (
        "LicenseRef-Slint-Royalty-free-2.0",
        &[
            "i-slint-backend-android-activity",
            "i-slint-backend-linuxkms",
            "i-slint-backend-selector",
            "i-slint-backend-testing",
            "i-slint-backend-winit",
            "i-slint-common",
            "i-slint-compiler",
            "i-slint-core",
            "i-slint-core-macros",
            "i-slint-renderer-skia",
            "i-slint-renderer-software",
            "slint",
            "slint-build",
            "slint-macros",
        ],
    ),
    // Binds changed files of the package alone. It speaks WebDriver in the tests and is in nothing that is shipped.
    ("MPL-2.0", &["webdriver"]),
];
