//! One pass over a connection: what has changed at the server, then whatever differs, one note at a time. Not here: what is done
//! in the vault.

use std::sync::Arc;
use std::time::{Duration, Instant};

use client_core::outbox::{Local, NoteName, Record, Step};
use quinn::Connection;
use shared::wire::{
    CHUNK_MAX, DecodeError, Frame, Kind, NoteChunk, NoteConflict, NoteEntry, NoteOffer, NoteRequest,
    NoteStored, NoteWanted, NotesPage, NotesRequest, RefusalReason,
};

use super::desk::{self, Desk};
use crate::agent::Agent;
use crate::clock::moment;
use crate::content::is_of_one_stream;
use crate::error::AgentError;
use crate::link::{Exchange, ExchangeError};

/// Brings the notes in the vault in step with the server. What fails by itself is set aside, and the rest goes on; gives when the
/// first of that is to be tried again.
pub(crate) async fn sync(
    agent: &Arc<Agent>,
    connection: &Connection,
) -> Result<Option<Duration>, AgentError> {
    // Whoever types is waited for, but not for ever.
    loop {
        let pause = agent.content.edits().pause(Instant::now());
        if pause.is_zero() {
            break;
        }
        tokio::time::sleep(pause).await;
    }
    let pass = Pass { agent, connection };
    pass.with_notes(|_, desk| {
        desk.machine_mut().connected(moment().boot);
        Ok(())
    })
    .await?;
    let outcome = pass.run().await;
    let cut = pass.with_notes(|_, desk| {
        desk.machine_mut().cut();
        Ok(desk.machine().next_try())
    });
    let (outcome, next_try) = (outcome, cut.await?);
    match outcome {
        // A server that is older than this app takes no notes: they wait.
        Ok(()) | Err(AgentError::Exchange(ExchangeError::Unsupported(_))) => Ok(next_try),
        Err(error) => Err(error),
    }
}

struct Pass<'a> {
    agent: &'a Arc<Agent>,
    connection: &'a Connection,
}

impl Pass<'_> {
    async fn with_notes<T: Send + 'static>(
        &self,
        act: impl FnOnce(&Agent, &mut Desk) -> Result<T, AgentError> + Send + 'static,
    ) -> Result<T, AgentError> {
        self.agent.blocking(|agent| agent.with_notes(|desk| act(agent, desk))).await?
    }

    async fn run(&self) -> Result<(), AgentError> {
        loop {
            let step = self
                .with_notes(|agent, desk| {
                    let step = desk.machine_mut().next_step();
                    let left = desk.perform(agent, step)?;
                    if let Some(counts) = desk.news() {
                        agent.observer.notes(counts);
                    }
                    Ok(left)
                })
                .await?;
            match step {
                None => {}
                Some(Step::Ask(request)) => self.ask(&request).await?,
                Some(Step::Offer(offer, local)) => self.try_offer(offer, local).await?,
                Some(Step::Fetch { entry, name, over, record }) => {
                    self.try_fetch(entry, (name, over, record)).await?;
                }
                Some(_) => return Ok(()),
            }
        }
    }

    async fn ask(&self, request: &NotesRequest) -> Result<(), AgentError> {
        let mut exchange = self.agent.content(self.connection).await?;
        exchange.send(request).await?;
        exchange.finish();
        let mut upto = None;
        loop {
            let page: NotesPage = exchange.expect().await?;
            let more = page.more;
            // Parts that tell nothing would come for ever.
            if more && upto.is_some_and(|upto| page.upto <= upto) {
                return Err(ExchangeError::from(DecodeError::Unexpected(Kind::NotesPage)).into());
            }
            upto = Some(page.upto);
            self.with_notes(|_, desk| {
                desk.machine_mut().heard(page);
                Ok(())
            })
            .await?;
            if !more {
                return Ok(());
            }
        }
    }

    async fn try_offer(&self, offer: NoteOffer, local: Option<Local>) -> Result<(), AgentError> {
        let Err(error) = self.offer(offer.clone(), local).await else { return Ok(()) };
        let unreadable = local.filter(|_| desk::is_unreadable(&error));
        if unreadable.is_none() && !is_of_one_stream(self.connection, &error) {
            return Err(error);
        }
        tracing::warn!(note = %offer.id, %error, "a note or photo is not sent, and is tried again later");
        self.with_notes(move |_, desk| {
            match unreadable {
                Some(local) => desk.machine_mut().unreadable(local),
                None => desk.machine_mut().failed(&offer),
            }
            Ok(())
        })
        .await
    }

    async fn try_fetch(
        &self,
        entry: NoteEntry,
        place: (NoteName, Option<u64>, Record),
    ) -> Result<(), AgentError> {
        let Err(error) = self.fetch(entry.clone(), place).await else { return Ok(()) };
        if !is_of_one_stream(self.connection, &error) {
            return Err(error);
        }
        tracing::warn!(note = %entry.id, %error, "a note or photo does not come, and is tried again later");
        self.with_notes(move |_, desk| {
            desk.machine_mut().not_given(&entry);
            Ok(())
        })
        .await
    }

    async fn offer(&self, offer: NoteOffer, local: Option<Local>) -> Result<(), AgentError> {
        let mut exchange = self.agent.content(self.connection).await?;
        exchange.send(&offer).await?;
        let answered = match exchange.answer().await {
            Ok(frame) if frame.kind() == Kind::NoteWanted => {
                let wanted: NoteWanted = frame.decode().map_err(ExchangeError::from)?;
                let size = offer.contents.as_ref().map_or(0, |contents| contents.size);
                let sent = match local {
                    Some(local) => self.send(&mut exchange, local, (wanted.offset, size)).await,
                    None => Err(ExchangeError::from(DecodeError::Unexpected(Kind::NoteWanted)).into()),
                };
                match sent {
                    Ok(true) => exchange.answer().await,
                    // Changed meanwhile: it is looked at anew, and the server keeps what it has for a while.
                    Ok(false) => return Ok(()),
                    // A server that does not want more has said so before it stopped listening.
                    Err(AgentError::Exchange(lost)) => match exchange.answer().await {
                        Err(ExchangeError::Lost(_) | ExchangeError::Timeout) => Err(lost),
                        answered => answered,
                    },
                    Err(error) => return Err(error),
                }
            }
            answered => answered,
        };
        exchange.finish();
        let answer = match answered {
            Ok(frame) => Ok(frame),
            Err(ExchangeError::Refused(reason)) if is_of_the_note(reason) => Err(reason),
            Err(error) => return Err(error.into()),
        };
        self.with_notes(move |_, desk| {
            let machine = desk.machine_mut();
            match answer {
                Err(reason) => machine.refused(&offer, reason),
                Ok(frame) => match read(&frame)? {
                    Answered::Stored(revision) => machine.stored(&offer, local, revision),
                    Answered::Conflict(entry) => machine.conflict(&offer, entry),
                },
            }
            Ok(())
        })
        .await
    }

    /// Sends the contents from an offset on. `false` if the file is of another version by now.
    async fn send(
        &self,
        exchange: &mut Exchange,
        local: Local,
        (offset, size): (u64, u64),
    ) -> Result<bool, AgentError> {
        let Some(mut file) = self.agent.blocking(move |agent| desk::open(agent, local)).await?? else {
            return Ok(false);
        };
        if size == 0 {
            exchange.send(&NoteChunk { offset: 0, bytes: Vec::new() }).await?;
            return Ok(true);
        }
        let mut at = 0;
        loop {
            let read = self.agent.blocking(move |agent| {
                let chunk = desk::next(agent, &mut file)?;
                Ok::<_, AgentError>((file, chunk))
            });
            let (opened, chunk) = read.await??;
            file = opened;
            let Some(chunk) = chunk else { return Ok(true) };
            for part in chunk.chunks(CHUNK_MAX) {
                let after = at + part.len() as u64;
                if after > offset {
                    let known = usize::try_from(offset.saturating_sub(at)).unwrap_or(part.len());
                    let bytes = part[known..].to_vec();
                    exchange.send(&NoteChunk { offset: at + known as u64, bytes }).await?;
                }
                at = after;
            }
        }
    }

    async fn fetch(
        &self,
        entry: NoteEntry,
        (name, over, record): (NoteName, Option<u64>, Record),
    ) -> Result<(), AgentError> {
        let size = entry.contents.as_ref().map_or(0, |contents| contents.size);
        let begun = entry.clone();
        let mut offset = self.with_notes(move |agent, desk| desk.coming(agent, &begun, name)).await?;
        // An empty note is one empty chunk.
        let mut is_asked = offset == size && size > 0;
        if !is_asked {
            let mut exchange = self.agent.content(self.connection).await?;
            exchange.send(&NoteRequest { id: entry.id, revision: entry.revision, offset }).await?;
            exchange.finish();
            while !is_asked {
                let frame = exchange.answer().await?;
                if frame.kind() == Kind::NoteGone {
                    return self.gone(entry).await;
                }
                let NoteChunk { offset: at, bytes } = frame.decode().map_err(ExchangeError::from)?;
                offset = at.saturating_add(bytes.len() as u64);
                let coming = entry.clone();
                let taken =
                    self.with_notes(move |agent, desk| desk.take(agent, &coming, (at, &bytes))).await?;
                if !taken {
                    self.with_notes(|_, desk| {
                        desk.forget_coming();
                        Ok(())
                    })
                    .await?;
                    return Err(ExchangeError::from(DecodeError::Unexpected(Kind::NoteChunk)).into());
                }
                is_asked = offset >= size;
            }
        }
        self.with_notes(move |agent, desk| desk.arrived(agent, &entry, (name, over, record))).await
    }

    async fn gone(&self, entry: NoteEntry) -> Result<(), AgentError> {
        self.with_notes(move |_, desk| {
            desk.forget_coming();
            desk.machine_mut().gone(entry.id);
            Ok(())
        })
        .await
    }
}

enum Answered {
    Stored(u32),
    Conflict(NoteEntry),
}

fn read(frame: &Frame) -> Result<Answered, ExchangeError> {
    Ok(match frame.kind() {
        Kind::NoteStored => Answered::Stored(frame.decode::<NoteStored>()?.revision),
        Kind::NoteConflict => Answered::Conflict(frame.decode::<NoteConflict>()?.entry),
        other => return Err(DecodeError::Unexpected(other).into()),
    })
}

/// Whether a refusal is of this note, and not of the device or the moment.
fn is_of_the_note(reason: RefusalReason) -> bool {
    matches!(reason, RefusalReason::NoteTooLarge | RefusalReason::NotesFull | RefusalReason::Malformed)
}
