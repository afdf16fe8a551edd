//! The server left running, with its two faces open: how to come in at each.

use std::io::stdin;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;

use anyhow::{Context as _, Result};
use jiff::Timestamp;
use tokio::signal::unix::{SignalKind, signal};

use crate::world::{Operator, Person, World, binary};

/// The staff member's app, started for somebody who has not enrolled yet. Dropping it ends it.
pub(super) struct App {
    child: Child,
    person: Person,
}

impl App {
    /// Starts it with a home folder of its own.
    pub(super) fn start(world: &World) -> Result<Self> {
        let person = world.codes()?.pop().context("somebody with a code that can be used")?;
        let mut command = Command::new(binary("tamatebako")?);
        command.arg("--home").arg(world.folder().join("app"));
        command.arg("--server").arg(world.quic().to_string());
        let child = command.stdin(Stdio::null()).spawn().context("cannot start the app")?;
        Ok(Self { child, person })
    }
}

impl Drop for App {
    fn drop(&mut self) {
        // Whoever closed its window has ended it before; either way it is waited for.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// Says how to come in and waits for Ctrl+C.
pub(super) fn leave_open(world: &World, owner: &Arc<Operator>, app: Option<App>) -> Result<()> {
    println!();
    println!("The console: {}", world.console());
    println!("  its certificate is the demo's own: the browser asks whether to go on");
    println!("  name      {}", owner.name);
    println!("  password  {}", owner.password);
    println!("  code      {}", code_now(owner));
    println!("  each code is good once; Enter prints the next one, or give an authenticator this secret:");
    println!("            {}", owner.secret);
    if let Some(app) = &app {
        println!();
        println!(
            "The app opens its window. The code from the letter of {}, ready to paste:",
            app.person.name
        );
        println!("  {}", app.person.code);
    }
    println!();
    println!("The command line, in another terminal:");
    println!("  export MDM_SERVER={}", world.console());
    println!("  export MDM_TOKEN={}", world.token_file().display());
    println!("  export MDM_CA={}", world.ca().display());
    println!("  {} devices list", binary("mdmctl")?.display());
    println!();
    println!("Ctrl+C ends it.");
    print_codes_at_enter(owner.clone());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(asked_to_end()).context("cannot wait for Ctrl+C")
}

/// The next code that was not used yet, or what an authenticator shows if all of this moment were given out.
fn code_now(owner: &Operator) -> String {
    let now = Timestamp::now();
    owner.code_at(now).unwrap_or_else(|| owner.shown_at(now))
}

/// In a thread that ends with the process; where nobody types, at once.
fn print_codes_at_enter(owner: Arc<Operator>) {
    std::thread::spawn(move || {
        let mut line = String::new();
        while matches!(stdin().read_line(&mut line), Ok(1..)) {
            println!("  code      {}", code_now(&owner));
            line.clear();
        }
    });
}

/// Ctrl+C or SIGTERM. Either way the world ends in an orderly way, and its server with it.
async fn asked_to_end() -> std::io::Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    tokio::select! {
        interrupted = tokio::signal::ctrl_c() => interrupted,
        _ = terminate.recv() => Ok(()),
    }
}
