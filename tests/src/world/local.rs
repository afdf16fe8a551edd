//! The server inside the test, with a clock that the test turns. Sockets and phones are real.

use std::ops::Deref;
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Context as _, Result, ensure};
use jiff::{SignedDuration, Timestamp};
use mdm_server::clock::Clock;
use mdm_server::config::Config;
use mdm_server::server::RunningServer;
use mdm_server::service::Service;
use tokio::runtime::Runtime;

use super::{Site, wait};

/// A clock that stands still until it is turned.
pub struct TestClock(Mutex<Timestamp>);

impl TestClock {
    /// A clock that shows the system's time.
    pub fn now_standing() -> Arc<Self> {
        Arc::new(Self(Mutex::new(Timestamp::now())))
    }

    /// Shows `now` from now on.
    pub fn set(&self, now: Timestamp) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = now;
    }

    /// Turns it; back, if `by` is negative.
    pub fn advance(&self, by: SignedDuration) {
        self.set(self.now() + by);
    }
}

impl Clock for TestClock {
    fn now(&self) -> Timestamp {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A site whose server runs inside the test.
pub struct LocalWorld {
    // In the order in which they end.
    running: Option<RunningServer>,
    runtime: Runtime,
    clock: Arc<TestClock>,
    site: Site,
}

impl Deref for LocalWorld {
    type Target = Site;

    fn deref(&self) -> &Site {
        &self.site
    }
}

impl LocalWorld {
    /// A fresh server that runs; its clock shows the system's time and stands still.
    ///
    /// # Errors
    /// When it cannot be initialised or started.
    pub fn new() -> Result<Self> {
        let mut world = Self::prepared()?;
        world.start()?;
        Ok(world)
    }

    /// A fresh server that was initialised and is not running: its configuration can be edited.
    ///
    /// # Errors
    /// When it cannot be initialised.
    pub fn prepared() -> Result<Self> {
        let (site, clock, runtime) = (Site::new()?, TestClock::now_standing(), Runtime::new()?);
        let (config, file) = (site.first_config(), site.config_file());
        let mut rng = rand::rngs::OsRng;
        let initialised = mdm_server::init::init(&config, &file, "owner", clock.now(), &mut rng);
        runtime.block_on(initialised)?;
        Ok(Self { running: None, runtime, clock, site })
    }

    /// Starts the server; when this answers, it serves.
    ///
    /// # Errors
    /// When it does not start.
    pub fn start(&mut self) -> Result<()> {
        ensure!(self.running.is_none(), "the server is running already");
        let config = Config::load(&self.site.config_file())?;
        let running = wait::until("the server's ports and files are free", || {
            let started = mdm_server::server::start(config.clone(), self.clock.clone());
            match self.runtime.block_on(started) {
                Err(error) if error.to_string().contains("cannot listen") => None,
                started => Some(started),
            }
        })??;
        self.running = Some(running);
        Ok(())
    }

    /// Ends the server in an orderly way.
    ///
    /// # Errors
    /// When it is not running.
    pub fn stop(&mut self) -> Result<()> {
        let running = self.running.take().context("the server is not running")?;
        self.runtime.block_on(running.stop());
        Ok(())
    }

    /// The server's clock.
    pub fn clock(&self) -> &TestClock {
        &self.clock
    }

    /// What the server stands on.
    ///
    /// # Errors
    /// When it is not running.
    pub fn service(&self) -> Result<Arc<Service>> {
        Ok(self.running.as_ref().context("the server is not running")?.service.clone())
    }

    /// Waits for a future on the server's runtime.
    pub fn block_on<T>(&self, future: impl Future<Output = T>) -> T {
        self.runtime.block_on(future)
    }
}
