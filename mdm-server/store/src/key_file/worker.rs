//! The one thread that owns the book: does what came together, syncs once, then answers.

use std::io;
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread::JoinHandle;

use shared::ids::EnrolmentId;
use shared::opaque::{CredentialId, Record, VerifiedLogin};
use tokio::sync::oneshot;
use zeroize::Zeroizing;

use super::book::{Attempted, Book};
use super::paper::Paper;
use crate::traits::{Attempts, BoxFuture, Charge, UnlockRecords, UnlockRecordsError};

type Answer<T> = Result<T, UnlockRecordsError>;
type Reply<T> = oneshot::Sender<Answer<T>>;

/// Orders that are done with one sync.
const ROUND: usize = 256;

enum Order {
    Put(EnrolmentId, Box<(CredentialId, Record)>, u16, Reply<()>),
    PutPending(EnrolmentId, Box<(CredentialId, Record)>, Reply<()>),
    DropPending(EnrolmentId, Reply<()>),
    Promote(EnrolmentId, Box<CredentialId>, Reply<()>),
    Reset(EnrolmentId, Reply<()>),
    Charge(EnrolmentId, Attempted, Reply<Charge>),
    Credit(EnrolmentId, Reply<()>),
    Attempts(EnrolmentId, Reply<Option<Attempts>>),
    Exhausted(Reply<Vec<EnrolmentId>>),
    Destroy(EnrolmentId, Reply<()>),
    List(Reply<Vec<EnrolmentId>>),
    Copy(Reply<Zeroizing<Vec<u8>>>),
    LeaveOneAttempt(Reply<()>),
    Marks(EnrolmentId, Reply<Vec<[u8; 32]>>),
}

/// An answer that waits for the sync.
enum Pending {
    Charge(EnrolmentId, Answer<Charge>, Reply<Charge>),
    Done(Answer<()>, Reply<()>),
}

/// Speaks to the thread. Dropping it ends the thread after the orders that were already given.
pub(super) struct Worker {
    orders: Option<Sender<Order>>,
    thread: Option<JoinHandle<()>>,
}

/// The caller may have gone.
fn answer<T>(reply: Reply<T>, answer: Answer<T>) {
    drop(reply.send(answer));
}

impl Worker {
    pub(super) fn start(book: Book<impl Paper>) -> io::Result<Self> {
        let (orders, queue) = mpsc::channel();
        let thread =
            std::thread::Builder::new().name("key-file".to_owned()).spawn(move || run(book, &queue))?;
        Ok(Self { orders: Some(orders), thread: Some(thread) })
    }

    fn ask<T: Send + 'static>(&self, order: impl FnOnce(Reply<T>) -> Order) -> BoxFuture<'_, Answer<T>> {
        let (reply, answer) = oneshot::channel();
        let sent = self.orders.as_ref().is_some_and(|orders| orders.send(order(reply)).is_ok());
        Box::pin(async move {
            if !sent {
                return Err(UnlockRecordsError::Closed);
            }
            answer.await.unwrap_or(Err(UnlockRecordsError::Closed))
        })
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        self.orders = None;
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the thread of the key file ended by a panic");
        }
    }
}

fn run(mut book: Book<impl Paper>, queue: &Receiver<Order>) {
    while let Ok(first) = queue.recv() {
        let mut pending = Vec::new();
        let mut next = Some(first);
        for _ in 0..ROUND {
            let Some(order) = next.take() else { break };
            carry_out(&mut book, order, &mut pending);
            next = queue.try_recv().ok();
        }
        if let Some(order) = next {
            carry_out(&mut book, order, &mut pending);
        }
        let written = book.write_out();
        for pending in pending {
            match pending {
                Pending::Charge(_, charge, reply) => answer(reply, written.clone().and(charge)),
                Pending::Done(done, reply) => answer(reply, written.clone().and(done)),
            }
        }
    }
}

fn carry_out(book: &mut Book<impl Paper>, order: Order, pending: &mut Vec<Pending>) {
    match order {
        Order::Put(enrolment, secrets, limit, reply) => {
            let (credential, record) = *secrets;
            answer(reply, book.put(enrolment, credential, record, limit));
        }
        Order::PutPending(enrolment, secrets, reply) => {
            let (credential, record) = *secrets;
            answer(reply, book.put_pending(enrolment, credential, record));
        }
        Order::DropPending(enrolment, reply) => answer(reply, book.drop_pending(enrolment)),
        Order::Promote(enrolment, proved, reply) => answer(reply, book.promote(enrolment, &proved)),
        Order::Reset(enrolment, reply) => answer(reply, book.reset(enrolment)),
        Order::Charge(enrolment, at, reply) => {
            pending.push(Pending::Charge(enrolment, book.charge(enrolment, at), reply));
        }
        Order::Credit(enrolment, reply) => pending.push(Pending::Done(book.credit(enrolment), reply)),
        Order::Attempts(enrolment, reply) => answer(reply, Ok(book.attempts(enrolment))),
        Order::Exhausted(reply) => answer(reply, Ok(book.exhausted())),
        Order::Destroy(enrolment, reply) => {
            let destroyed = book.destroy(enrolment);
            // What was charged in this round and not answered yet is not answered with a record any more.
            for other in pending.iter_mut() {
                if let Pending::Charge(charged, answer, _) = other
                    && *charged == enrolment
                {
                    *answer = Ok(Charge::Missing);
                }
            }
            answer(reply, destroyed);
        }
        Order::Marks(enrolment, reply) => answer(reply, book.marks(enrolment)),
        Order::List(reply) => answer(reply, Ok(book.list())),
        Order::Copy(reply) => answer(reply, book.copy()),
        Order::LeaveOneAttempt(reply) => {
            book.leave_one_attempt();
            pending.push(Pending::Done(Ok(()), reply));
        }
    }
}

impl UnlockRecords for Worker {
    fn put(
        &self,
        enrolment: EnrolmentId,
        credential: CredentialId,
        record: Record,
        limit: u16,
    ) -> BoxFuture<'_, Answer<()>> {
        self.ask(|reply| Order::Put(enrolment, Box::new((credential, record)), limit, reply))
    }

    fn put_pending(
        &self,
        enrolment: EnrolmentId,
        credential: CredentialId,
        record: Record,
    ) -> BoxFuture<'_, Answer<()>> {
        self.ask(|reply| Order::PutPending(enrolment, Box::new((credential, record)), reply))
    }

    fn drop_pending(&self, enrolment: EnrolmentId) -> BoxFuture<'_, Answer<()>> {
        self.ask(|reply| Order::DropPending(enrolment, reply))
    }

    fn promote(
        &self,
        enrolment: EnrolmentId,
        login: &VerifiedLogin,
        proved: CredentialId,
    ) -> BoxFuture<'_, Answer<()>> {
        if login.enrolment() != enrolment {
            return Box::pin(async { Err(UnlockRecordsError::OtherEnrolment) });
        }
        self.ask(|reply| Order::Promote(enrolment, Box::new(proved), reply))
    }

    fn reset(&self, enrolment: EnrolmentId) -> BoxFuture<'_, Answer<()>> {
        self.ask(|reply| Order::Reset(enrolment, reply))
    }

    fn charge(&self, enrolment: EnrolmentId) -> BoxFuture<'_, Answer<Charge>> {
        self.ask(|reply| Order::Charge(enrolment, Attempted::Current, reply))
    }

    fn charge_pending(&self, enrolment: EnrolmentId) -> BoxFuture<'_, Answer<Charge>> {
        self.ask(|reply| Order::Charge(enrolment, Attempted::Pending, reply))
    }

    fn credit(&self, enrolment: EnrolmentId, login: &VerifiedLogin) -> BoxFuture<'_, Answer<()>> {
        if login.enrolment() != enrolment {
            return Box::pin(async { Err(UnlockRecordsError::OtherEnrolment) });
        }
        self.ask(|reply| Order::Credit(enrolment, reply))
    }

    fn attempts(&self, enrolment: EnrolmentId) -> BoxFuture<'_, Answer<Option<Attempts>>> {
        self.ask(|reply| Order::Attempts(enrolment, reply))
    }

    fn exhausted(&self) -> BoxFuture<'_, Answer<Vec<EnrolmentId>>> {
        self.ask(Order::Exhausted)
    }

    fn destroy(&self, enrolment: EnrolmentId) -> BoxFuture<'_, Answer<()>> {
        self.ask(|reply| Order::Destroy(enrolment, reply))
    }

    fn marks(&self, enrolment: EnrolmentId) -> BoxFuture<'_, Answer<Vec<[u8; 32]>>> {
        self.ask(|reply| Order::Marks(enrolment, reply))
    }

    fn list(&self) -> BoxFuture<'_, Answer<Vec<EnrolmentId>>> {
        self.ask(Order::List)
    }

    fn copy(&self) -> BoxFuture<'_, Answer<Zeroizing<Vec<u8>>>> {
        self.ask(Order::Copy)
    }

    fn leave_one_attempt(&self) -> BoxFuture<'_, Answer<()>> {
        self.ask(Order::LeaveOneAttempt)
    }
}
