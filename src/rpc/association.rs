use super::{Bind, BindAck, SyntaxId, TransferSyntax};

/// The presentation contexts of one connection, as its bind and alter_context exchanges leave them
/// (C706 12.4 and 9.3).
///
/// Holds at most [`Self::MAX_CONTEXTS`] contexts and [`Self::MAX_PENDING`] proposals without an answer.
#[derive(Debug, Default)]
pub struct Association {
    contexts: Vec<Context>,
    pending: Vec<Proposal>,
    answered: bool,
    bound: bool,
    dropped: u32,
}

/// One presentation context.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Context {
    /// p_cont_id.
    pub id: u16,
    /// The interface.
    pub interface: SyntaxId,
    /// The first transfer syntax that was proposed.
    pub proposed: Option<SyntaxId>,
    /// How the server answered.
    pub outcome: Outcome,
}

/// The server's answer to a proposed context.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// No answer was seen.
    Pending,
    /// acceptance, for this transfer syntax.
    Accepted(TransferSyntax),
    /// user_rejection or provider_rejection.
    Rejected {
        /// result.
        result: u16,
        /// reason.
        reason: u16,
    },
    /// No answer of its own: the whole bind was refused with a bind_nak.
    Refused,
    /// negotiate_ack: the bind-time feature bits that are granted.
    Negotiated(u16),
}

#[derive(Debug)]
struct Proposal {
    call_id: u32,
    ids: Vec<u16>,
}

impl Association {
    /// Contexts that are kept; further ones are counted in [`Self::dropped`].
    pub const MAX_CONTEXTS: usize = 1024;
    /// Binds and alter_contexts without an answer that are kept.
    pub const MAX_PENDING: usize = 64;

    /// The contexts, in the order they were proposed.
    #[must_use]
    pub fn contexts(&self) -> &[Context] {
        &self.contexts
    }

    /// The context of this id, as it was proposed last.
    #[must_use]
    pub fn context(&self, id: u16) -> Option<&Context> {
        self.contexts.iter().rev().find(|context| context.id == id)
    }

    /// True once a bind_ack or alter_context_resp was seen.
    #[must_use]
    pub fn is_answered(&self) -> bool {
        self.answered
    }

    /// Contexts and proposals beyond the bounds.
    #[must_use]
    pub fn dropped(&self) -> u32 {
        self.dropped
    }

    /// True once a bind was seen: a context that is not known then was never proposed.
    #[must_use]
    pub fn is_known_from_its_bind(&self) -> bool {
        self.bound
    }

    /// Takes a bind.
    pub fn bind(&mut self, call_id: u32, bind: &Bind) {
        self.bound = true;
        self.propose(call_id, bind);
    }

    /// Takes an alter_context.
    pub fn alter_context(&mut self, call_id: u32, alter_context: &Bind) {
        self.propose(call_id, alter_context);
    }

    fn propose(&mut self, call_id: u32, bind: &Bind) {
        let mut ids = Vec::with_capacity(bind.contexts.len());
        for proposed in &bind.contexts {
            ids.push(proposed.id);
            let context = Context {
                id: proposed.id,
                interface: proposed.abstract_syntax,
                proposed: proposed.transfer_syntaxes.first().copied(),
                outcome: Outcome::Pending,
            };
            match self.contexts.iter().position(|known| known.id == proposed.id) {
                Some(known) => self.contexts[known] = context,
                None if self.contexts.len() < Self::MAX_CONTEXTS => self.contexts.push(context),
                None => self.dropped += 1,
            }
        }
        if self.pending.len() < Self::MAX_PENDING {
            self.pending.push(Proposal { call_id, ids });
        } else {
            self.dropped += 1;
        }
    }

    /// Takes the answer to a bind or an alter_context: the results stand in the order of the proposed contexts.
    pub fn answer(&mut self, call_id: u32, ack: &BindAck<'_>) {
        self.answered = true;
        let position = self.pending.iter().position(|proposal| proposal.call_id == call_id).unwrap_or(0);
        if position >= self.pending.len() {
            return;
        }
        let proposal = self.pending.remove(position);
        for (id, result) in proposal.ids.iter().zip(&ack.results) {
            let Some(context) = self.contexts.iter_mut().find(|context| context.id == *id) else { continue };
            context.outcome = match result.result {
                0 => Outcome::Accepted(if result.transfer_syntax == SyntaxId::default() {
                    context.proposed.unwrap_or_default().transfer()
                } else {
                    result.transfer_syntax.transfer()
                }),
                3 => Outcome::Negotiated(result.reason),
                result_code => Outcome::Rejected { result: result_code, reason: result.reason },
            };
        }
    }

    /// Takes a bind_nak: everything that was proposed under this call is refused.
    pub fn refuse(&mut self, call_id: u32) {
        self.answered = true;
        let position = self.pending.iter().position(|proposal| proposal.call_id == call_id).unwrap_or(0);
        if position >= self.pending.len() {
            return;
        }
        for id in self.pending.remove(position).ids {
            if let Some(context) = self.contexts.iter_mut().find(|context| context.id == id) {
                context.outcome = Outcome::Refused;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rpc::{PresentationContext, ResultElement};

    fn bind(ids: &[(u16, SyntaxId)]) -> Bind {
        let contexts = ids
            .iter()
            .map(|&(id, syntax)| PresentationContext {
                id,
                reserved: 0,
                abstract_syntax: SyntaxId::KMS,
                transfer_syntaxes: vec![syntax],
            })
            .collect();
        Bind { contexts, ..Bind::default() }
    }

    fn ack(results: &[(u16, u16, SyntaxId)]) -> BindAck<'static> {
        let results = results
            .iter()
            .map(|&(result, reason, transfer_syntax)| ResultElement { result, reason, transfer_syntax })
            .collect();
        BindAck { results, ..BindAck::default() }
    }

    #[test]
    fn a_windows_server_refuses_ndr32_when_it_takes_ndr64_and_an_alter_context_brings_it_back() {
        let mut association = Association::default();
        let none = SyntaxId::default();
        association.bind(
            2,
            &bind(&[(0, SyntaxId::NDR32), (1, SyntaxId::NDR64), (2, SyntaxId::bind_time_features(3))]),
        );
        assert_eq!(association.context(0).unwrap().outcome, Outcome::Pending);
        association.answer(2, &ack(&[(2, 2, none), (0, 0, SyntaxId::NDR64), (3, 3, none)]));
        let outcomes: Vec<_> = association.contexts().iter().map(|context| context.outcome).collect();
        assert_eq!(
            outcomes,
            [
                Outcome::Rejected { result: 2, reason: 2 },
                Outcome::Accepted(TransferSyntax::Ndr64),
                Outcome::Negotiated(3)
            ]
        );
        association.alter_context(2, &bind(&[(0, SyntaxId::NDR32)]));
        association.answer(2, &ack(&[(0, 0, SyntaxId::NDR32)]));
        assert_eq!(association.context(0).unwrap().outcome, Outcome::Accepted(TransferSyntax::Ndr32));
        assert_eq!(association.contexts().len(), 3);
    }

    #[test]
    fn a_bind_nak_refuses_all_that_was_proposed() {
        let mut association = Association::default();
        association.bind(2, &bind(&[(0, SyntaxId::NDR32)]));
        association.refuse(2);
        assert_eq!(association.context(0).unwrap().outcome, Outcome::Refused);
    }

    #[test]
    fn an_answer_without_a_question_changes_nothing() {
        let mut association = Association::default();
        association.answer(9, &ack(&[(0, 0, SyntaxId::NDR32)]));
        assert!(association.contexts().is_empty() && association.is_answered());
    }

    #[test]
    fn what_is_proposed_without_end_is_bounded_and_counted() {
        let mut association = Association::default();
        for id in 0..2000 {
            association.bind(id.into(), &bind(&[(id, SyntaxId::NDR32)]));
        }
        assert_eq!(association.contexts().len(), Association::MAX_CONTEXTS);
        assert!(association.dropped() > 0);
    }
}
