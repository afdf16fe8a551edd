//! `client_agent::hello`: connecting as an enrolled device, the hello and what it brings, commands that are pushed.

use std::rc::{Rc, Weak};

use client_core::State;
use shared::cose::{self, Signer};
use shared::signed::Checkpoint;
use shared::wire::{
    CommandMessage, CommandResult, EnrolmentStanding, Hello, HelloReply, Kind, RefusalReason, Refused, Renew,
    Renewed, RunAnswer, Unsupported,
};

use super::agent::{Agent, AgentError, store_state};
use crate::fault::Fault;
use crate::network::{Close, Connection, Door, Exchange, ExchangeError, connect};

impl Agent {
    /// Connects with the device's key. From here on commands that the server pushes are obeyed.
    pub(crate) async fn connect(self: &Rc<Self>) -> Result<Connection, AgentError> {
        {
            let inner = self.inner.borrow();
            if inner.erase.is_none() && inner.device.is_none() {
                return Err(match inner.session.state() {
                    State::Gone => AgentError::Wiped,
                    _ => AgentError::Unenrolled,
                });
            }
        }
        let key = self.device_key()?.public_key().clone();
        let phone = &self.phone;
        let connection =
            connect(&phone.sim, phone.index, Door::Device(key)).await.ok_or(AgentError::Offline)?;
        let (agent, accepting) = (Rc::downgrade(self), connection.clone());
        phone.sim.executor.spawn(phone.owner(), accept_commands(agent, accepting));
        Ok(connection)
    }

    /// Closes a connection that [`Agent::connect`] made.
    pub(crate) fn close(&self, connection: &Connection) {
        *self.connection.borrow_mut() = None;
        connection.close(Close::Done);
    }

    /// The connection that is up now.
    pub(crate) fn connection(&self) -> Option<Connection> {
        self.connection.borrow().clone().filter(|connection| connection.close_reason().is_none())
    }

    /// The server has hung up because a command waits: one more connection obeys it.
    pub(crate) async fn fetch_command(self: &Rc<Self>) -> Result<(), AgentError> {
        let connection = self.connect().await?;
        let outcome = self.greet_once(&connection).await;
        self.close(&connection);
        outcome
    }

    pub(crate) async fn greet_once(self: &Rc<Self>, connection: &Connection) -> Result<(), AgentError> {
        let hello = self.hello();
        match Exchange::ask::<_, HelloReply>(connection, &hello).await {
            Err(ExchangeError::Command(command)) => self.obey(&command)?,
            Err(error) => return Err(error.into()),
            Ok(_) if self.state() == State::Wiping => {}
            Ok(reply) => {
                let renew = reply.renew;
                let before = self.inner.borrow().session.progress().last_applied;
                self.take_reply(&reply)?;
                let after = self.inner.borrow().session.progress().last_applied;
                if let Some(last_applied) = after.filter(|_| after != before) {
                    self.report(connection, CommandResult { last_applied })?;
                }
                if renew && self.state() != State::Wiping {
                    self.renew(connection).await?;
                }
            }
        }
        if self.state() == State::Wiping {
            return self.deliver_receipt(connection).await;
        }
        *self.connection.borrow_mut() = Some(connection.clone());
        Ok(())
    }

    fn hello(&self) -> Hello {
        let inner = &mut *self.inner.borrow_mut();
        let blocked = inner.erase.as_ref().map(|erase| &erase.device).or(inner.device.as_ref());
        let blocked = blocked.is_some_and(|device| device.progress.blocked);
        let is_kept = self.phone.sim.has(Fault::OfflineSlotKeptAtBlock);
        let obeyed = !blocked || is_kept || self.drop_offline(inner).is_ok();
        let device = inner.erase.as_ref().map(|erase| &erase.device).or(inner.device.as_ref());
        let progress = device.map(|device| device.progress).unwrap_or_default();
        if let Some(device) = device {
            self.phone.sim.watch.says_epoch(device.enrolment, device.vault_epoch);
            if obeyed {
                self.phone.check_blocked(device);
            }
        }
        self.phone.sim.log.count("hello: sent");
        Hello {
            app_version: "0.1.0".to_owned(),
            last_applied: progress.last_applied.filter(|_| obeyed),
            vault_epoch: device.map_or(0, |device| device.vault_epoch),
            checkpoint: device.and_then(|device| device.checkpoint.clone()),
            signed_checkpoint: None,
            not_enforced: Vec::new(),
            run: Some(self.run),
            pins: None,
        }
    }

    fn take_reply(&self, reply: &HelloReply) -> Result<(), AgentError> {
        for command in &reply.commands {
            match self.obey(command) {
                Err(AgentError::Command(error)) => {
                    self.phone.sim.unexpected(|| format!("a command of the server is refused: {error}"));
                }
                obeyed => obeyed?,
            }
        }
        let inner = &mut *self.inner.borrow_mut();
        if inner.erase.is_some() {
            return Ok(());
        }
        if reply.standing == EnrolmentStanding::Blocked {
            let effects = inner.session.help_withheld();
            self.execute(inner, effects)?;
        }
        let effects = inner.session.policy_received(&reply.policy);
        self.execute(inner, effects)?;
        let Some(device) = inner.device.as_mut() else { return Err(AgentError::Unenrolled) };
        device.last_run = Some(self.run.id);
        device.policy = reply.policy.clone();
        if let Some(signed) = &reply.checkpoint {
            let checkpoint: Checkpoint = cose::verify(signed, b"", &device.checkpoint_key)?;
            let newest = device.checkpoint.as_ref().map_or(0, |head| head.sequence);
            if checkpoint.head.sequence > newest {
                device.checkpoint = Some(checkpoint.head);
            }
        }
        Ok(store_state(&self.phone, device)?)
    }

    async fn renew(&self, connection: &Connection) -> Result<(), AgentError> {
        match Exchange::ask::<_, Renewed>(connection, &Renew {}).await {
            Err(ExchangeError::Command(command)) => self.obey(&command),
            Err(error) => Err(error.into()),
            Ok(_) => Ok(()),
        }
    }

    fn report(&self, connection: &Connection, result: CommandResult) -> Result<(), AgentError> {
        if let Some(device) = &self.inner.borrow().device {
            self.phone.check_blocked(device);
        }
        self.phone.sim.log.count("command: reported");
        Ok(connection.open().send(&result)?)
    }

    async fn answer_stream(self: &Rc<Self>, mut exchange: Exchange) -> Result<(), AgentError> {
        loop {
            let frame = exchange.frame().await?;
            match frame.kind() {
                Kind::Command => {}
                Kind::RunProbe => return Ok(exchange.send(&RunAnswer { run: self.run.id })?),
                other => {
                    exchange.send(&Unsupported { kind: other.number() })?;
                    continue;
                }
            }
            let CommandMessage { command } = frame.decode().map_err(ExchangeError::from)?;
            let obeyed = self.obey(&command);
            if matches!(self.state(), State::Wiping | State::Gone) {
                return Ok(());
            }
            let last_applied = self.inner.borrow().session.progress().last_applied;
            return match (obeyed, last_applied) {
                (Ok(()), Some(last_applied)) => {
                    if let Some(device) = &self.inner.borrow().device {
                        self.phone.check_blocked(device);
                    }
                    Ok(exchange.send(&CommandResult { last_applied })?)
                }
                (Err(AgentError::Command(_)), _) => {
                    Ok(exchange.send(&Refused::from(RefusalReason::ProofFailed))?)
                }
                (Err(error), _) => Err(error),
                (Ok(()), None) => Ok(()),
            };
        }
    }
}

/// Until the connection ends; does not keep the agent alive.
async fn accept_commands(agent: Weak<Agent>, connection: Connection) {
    while let Ok(exchange) = connection.accept().await {
        let Some(agent) = agent.upgrade() else { return };
        let phone = agent.phone.clone();
        phone.sim.executor.spawn(phone.owner(), async move {
            if let Err(AgentError::Missing(what)) = agent.answer_stream(exchange).await {
                agent.phone.sim.unexpected(|| format!("a pushed command found no {what}"));
            }
        });
    }
}
