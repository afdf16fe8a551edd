//! What is allowed and what is not: crate edges, packages kept out, licenses. Data only; `check` reads it.

/// Each crate of the workspace and the others it may name in its manifest, for its tests too. A crate that is
/// missing here is reported: its place in the house is a decision.
pub(crate) const EDGES: [(&str, &[&str]); 9] = [
    ("shared", &[]),
    ("mdm-core", &["shared"]),
    ("mdm-store", &["shared", "mdm-core"]),
    ("mdm-server", &["shared", "mdm-core", "mdm-store"]),
    ("client-core", &["shared"]),
    ("vault", &["shared", "client-core"]),
    ("client-agent", &["shared", "client-core", "vault"]),
    ("e2e", &["shared", "mdm-core", "mdm-store", "mdm-server", "client-core", "vault", "client-agent"]),
    ("xtask", &[]),
];

/// Crates without IO: rules that run the same in a test, a simulator and a phone.
pub(crate) const CORES: [&str; 3] = ["shared", "mdm-core", "client-core"];

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

/// TLS and cryptography that would stand beside ring. A name stands for its family too.
pub(crate) const NOWHERE: [&str; 7] =
    ["aws-lc-fips-sys", "aws-lc-rs", "aws-lc-sys", "boring-sys", "native-tls", "openssl", "openssl-sys"];

/// All that xtask may depend on, so that it builds in seconds.
pub(crate) const XTASK: [&str; 2] = ["anyhow", "clap"];

/// Licenses whose terms this project keeps. Of `A OR B` one suffices, of `A AND B` both must be here.
pub(crate) const LICENSES: [&str; 6] = ["Apache-2.0", "BSD-3-Clause", "ISC", "MIT", "Unicode-3.0", "Zlib"];
